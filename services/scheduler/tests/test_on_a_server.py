"""The same scheduler on MySQL or MariaDB: what SQLite cannot show, other locks and real rivals."""

import importlib.util
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scheduler_world import Engines, Scheduler, World, dag, daily, task
from sqlalchemy import Engine, select

from gale.clock import SystemClock
from gale.core.attempt import Outcome
from gale.core.graph import CallbackKind
from gale.db import registry, requests
from gale.db import tables as t
from gale.db.engine import open_engine, writing
from gale.settings import environment
from gale.testing.invariants import check_invariants
from gale_scheduler.parts import Pace

sys.path.insert(0, str(Path(__file__).parents[3] / "tests"))

import mariadb

pytestmark = pytest.mark.mysql
PATIENCE_SECONDS = 60


class _ServerEngines(Engines):
    """Engines on a server instead of a file."""

    def __init__(self, url: str) -> None:
        super().__init__(Path(), Path())
        self._url = url

    def reset(self) -> None:
        """Empty the database, and take all engines back."""
        self._taken = 0
        engine = self.take()
        self._taken = 0
        t.metadata.create_all(engine)
        with writing(engine) as connection:
            for table in reversed(t.metadata.sorted_tables):
                connection.execute(table.delete())
            registry.ensure_defaults(connection, default_pool_slots=128)

    def take(self) -> Engine:
        """Return an engine that nobody else has."""
        if self._taken == len(self._engines):
            self._engines.append(open_engine(self._url))
        self._taken += 1
        return self._engines[self._taken - 1]

    def close(self) -> None:
        """Close all connections."""
        for engine in self._engines:
            engine.dispose()


@pytest.fixture(scope="module")
def server() -> Iterator[_ServerEngines]:
    if importlib.util.find_spec("MySQLdb") is None:
        pytest.skip("the driver mysqlclient is not installed")
    if url := environment("GALE_TEST_MYSQL_URL"):
        engines = _ServerEngines(url)
        yield engines
        engines.close()
        return
    if not mariadb.is_installed():
        pytest.skip("no server: install mariadb-server, or name an empty database in GALE_TEST_MYSQL_URL")
    with mariadb.running() as url:
        engines = _ServerEngines(url)
        yield engines
        engines.close()


@pytest.fixture
def world(tmp_path: Path, server: _ServerEngines) -> Iterator[World]:
    """Overrides the world of files: here a look happens once a second, as nobody tells of changes."""
    server.reset()
    made = World(tmp_path, server, step_seconds=1.1)
    yield made
    made.check()
    made.close()


def test_a_run_with_retry_branch_and_callback_goes_its_way_on_a_server_too(world: World) -> None:
    world.start()
    flaky = task("flaky", "a", retries=1, retry_delay=2.0, callbacks=(CallbackKind.RETRY,), email=("a@example.com",))
    world.add(dag("etl", "a", flaky, task("choose", "a"), task("b", "choose"), task("c", "choose")))
    world.trigger("etl", "r" * 240)
    world.step()
    world.end("a", xcoms={"return_value": "1"}, rendered_fields='{"x": 1}')
    world.end("flaky", Outcome.FAILED, reason="它坏了")
    world.end("choose", not_taken=("c",))
    world.end_all()
    world.advance(30)
    world.end_all()
    assert world.states("etl", "r" * 240) == {
        "a": "success",
        "b": "success",
        "c": "skipped",
        "choose": "success",
        "flaky": "success",
    }
    assert [(row.event, row.error) for row in world.rows(select(t.notice)) if row.done_at is None] == []
    assert len(world.rows(select(t.notice))) == 2


def test_due_runs_pauses_requests_and_slas_work_on_a_server_too(world: World) -> None:
    world.start()
    world.add(daily("etl", task("a", sla=60.0), task("b", "a"), first=8, max_active_runs=1))
    world.step()
    assert len(world.runs("etl")) == 1
    world.end_all()
    assert [row.state for row in world.runs("etl")] == ["success", "success"]
    first = world.runs("etl")[0].run_id
    world.clear("etl", first, "b")
    world.step()
    assert world.running() == [(first, "b")]
    world.mark("etl", first, "failed")
    world.step()
    assert world.run("etl", first).state == "failed"
    world.ask(requests.request_delete_run, world.run("etl", first).id)
    world.step()
    assert len(world.runs("etl")) == 1
    world.ask(requests.request_delete_dag, "etl")
    world.step()
    assert world.rows(select(t.dag_run)) == []


def test_the_runs_of_a_dead_scheduler_are_adopted_on_a_server_too(world: World) -> None:
    first = world.start()
    world.add(dag("etl", "a", task("b", "a")))
    world.trigger("etl")
    world.step()
    second = world.start()
    world.kill(first)
    world.advance(12)
    assert second.executor.order_of("a").try_number == 2
    world.end_all()
    assert world.run("etl").state == "success"


def test_three_schedulers_in_a_hurry_run_every_task_once(world: World) -> None:
    """Real rivals: each turns in a thread of its own, on the machine's clock, with connections of its own."""
    world.clock = SystemClock()  # type: ignore[assignment] - one clock for all, that goes by itself
    world.pace = Pace(adopt_at_once=2)
    rivals = [world.start() for _ in range(3)]
    tasks = [task(f"t{n}", *([f"t{n - 5}"] if n >= 5 else []), pool="narrow") for n in range(15)]
    world.set_pool("narrow", 7)
    world.add(dag("etl", *tasks, max_active_runs=4))
    for number in range(12):
        world.trigger("etl", f"r{number:02}")
    stop = threading.Event()
    failures: list[BaseException] = []

    def work(scheduler: Scheduler) -> None:
        try:
            while not stop.is_set():
                for order in scheduler.executor.orders():
                    scheduler.executor.end(order)
                scheduler.turn()
        except BaseException as error:  # noqa: BLE001 - looked at below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(rival,)) for rival in rivals]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _unfinished(world) and time.monotonic() < deadline and not failures:
        # One snapshot for all that the checks read.
        with world.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            check_invariants(connection, world.limits)
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert failures == []
    assert [row.state for row in world.runs("etl")] == ["success"] * 12
    assert sum(len(rival.executor.started) for rival in rivals) == 180


def _unfinished(world: World) -> int:
    return sum(row.state != "success" for row in world.runs("etl"))


def test_schedulers_that_read_the_same_new_dags_at_the_same_moment_all_store_them(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of them is refused, or both wait for each other: done again, it finds what the other has stored."""
    rivals = [world.start() for _ in range(3)]
    for round_ in range(8):
        for number in range(3):
            world.write(f"dag_{round_}_{number}.py", dag(f"dag_{round_}_{number}", "a"))
        gate = threading.Barrier(len(rivals))

        def read(scheduler: Scheduler, gate: threading.Barrier = gate) -> None:
            gate.wait(PATIENCE_SECONDS)
            scheduler.parts.dag_files.scan()

        threads = [threading.Thread(target=read, args=(rival,)) for rival in rivals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
    assert len(world.rows(select(t.dag))) == 24
    assert len(world.rows(select(t.dag_version))) == 24
    assert "dag_file.not_stored" not in capsys.readouterr().out
