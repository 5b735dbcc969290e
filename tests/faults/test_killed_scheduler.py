"""A scheduler that is killed in the middle: nothing is lost, nothing is claimed twice, nothing is left running."""

import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func
from sqlalchemy import select as query

from gale.db import tables as t
from gale.db.engine import open_engine, reading, writing
from gale.db.migrate import migrate
from gale.db.requests import TriggerRequest, trigger_run
from gale.errors import NotFound

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc"),
]

TASKS = 100
PATIENCE_SECONDS = 120.0
DAG_FILE = f"""
import time
from datetime import datetime
from gale import DAG, PythonOperator

with DAG("hundred", start_date=datetime(2026, 1, 1), schedule=None, max_active_tasks=1000):
    for number in range({TASKS}):
        PythonOperator(task_id=f"task_{{number}}", python_callable=time.sleep, op_args=[0.05])
"""


def wait_for(what: str, question: Callable[[], Any]) -> Any:
    """Ask until the answer is true, or fail."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        select.select([], [], [], 0.02)
    pytest.fail(f"Waited {PATIENCE_SECONDS:g} s in vain for {what}")


class Home:
    """A database, a DAG folder, and the schedulers that work on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "dags").mkdir(parents=True)
        (folder / "dags" / "hundred.py").write_text(DAG_FILE)
        self.engine: Engine = open_engine(f"sqlite:///{folder / 'gale.db'}")
        migrate(self.engine, default_pool_slots=128)
        self.schedulers: list[subprocess.Popen[bytes]] = []

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """Start another scheduler."""
        environment = {
            **os.environ,
            "GALE_HOME": str(self.folder),
            "GALE__CORE__EXECUTOR": "LocalExecutor",
            "GALE__CORE__PARALLELISM": "8",
            "GALE__CORE__LOAD_EXAMPLES": "False",
            "GALE__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        }
        log = (self.folder / f"scheduler-{len(self.schedulers)}.log").open("wb")
        with log:
            process = subprocess.Popen([sys.executable, "-m", "gale_scheduler"], env=environment, stderr=log)
        self.schedulers.append(process)
        return process

    def trigger(self) -> str:
        """Ask for a run as soon as the DAG is known; return its id."""

        def ask() -> str | None:
            try:
                with writing(self.engine) as connection:
                    return str(trigger_run(connection, TriggerRequest(dag_id="hundred"), datetime.now(UTC)).id)
            except NotFound:
                return None

        return str(wait_for("the DAG to be known", ask))

    def count(self, *states: str) -> int:
        """Return how many task instances are in one of the states."""
        statement = query(func.count()).where(t.task_instance.c.state.in_(states))
        with reading(self.engine) as connection:
            return int(connection.execute(statement).scalar_one())

    def run_state(self, run: str) -> str:
        """Return the state of a run."""
        with reading(self.engine) as connection:
            return str(connection.execute(query(t.dag_run.c.state).where(t.dag_run.c.id == run)).scalar_one())

    def claims(self) -> Counter[tuple[str, int]]:
        """Return how often each attempt was claimed, by the event table."""
        statement = query(t.task_event.c.ti, t.task_event.c.try_number).where(t.task_event.c.to_state == "running")
        with reading(self.engine) as connection:
            return Counter((row.ti, row.try_number) for row in connection.execute(statement))

    def processes(self) -> list[int]:
        """Return the pids of all processes that belong to this home."""
        found = []
        for folder in Path("/proc").iterdir():
            try:
                mine = folder.name.isdigit() and str(self.folder).encode() in (folder / "environ").read_bytes()
            except OSError:
                continue
            if mine and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Give a home of its own; end what it started."""
    made = Home(tmp_path / "home")
    yield made
    for process in made.schedulers:
        process.kill()
        process.wait()
    made.engine.dispose()


def check_all_succeeded_and_no_attempt_was_claimed_twice(home: Home) -> None:
    """The two promises that every test here is about."""
    assert home.count("success") == TASKS
    twice = {attempt: count for attempt, count in home.claims().items() if count != 1}
    assert not twice


def test_all_tasks_succeed_after_the_scheduler_was_killed_in_the_middle(home: Home) -> None:
    """`kill -9`, start again: every task succeeds, and no attempt was claimed twice."""
    first = home.start_scheduler()
    run = home.trigger()
    wait_for("the run to be half done", lambda: home.count("success") >= TASKS // 3)
    first.kill()
    first.wait()
    assert home.count("success") < TASKS
    wait_for("its zygote and tasks to vanish", lambda: not home.processes())
    home.start_scheduler()
    wait_for("the run to end", lambda: home.run_state(run) == "success")
    check_all_succeeded_and_no_attempt_was_claimed_twice(home)


def test_the_other_scheduler_takes_over_when_one_of_two_is_killed(home: Home) -> None:
    """Two schedulers on one database, the owner of the run dies: the other adopts it."""
    both = [home.start_scheduler(), home.start_scheduler()]
    run = home.trigger()
    wait_for("the run to be under way", lambda: home.count("success") >= TASKS // 4)
    with reading(home.engine) as connection:
        statement = query(t.job.c.pid).join(t.dag_run, t.dag_run.c.owner_job_id == t.job.c.id)
        owner = connection.execute(statement.where(t.dag_run.c.id == run)).scalar_one()
    next(process for process in both if process.pid == owner).kill()
    wait_for("the run to end", lambda: home.run_state(run) == "success")
    check_all_succeeded_and_no_attempt_was_claimed_twice(home)


def test_a_scheduler_that_is_told_to_stop_hands_its_tasks_back(home: Home) -> None:
    """SIGTERM in the middle: it ends by itself, nothing stays claimed, the next one finishes the run."""
    first = home.start_scheduler()
    run = home.trigger()
    wait_for("the run to be half done", lambda: home.count("success") >= TASKS // 3)
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 0
    assert home.count("running") == 0
    assert not home.processes()
    home.start_scheduler()
    wait_for("the run to end", lambda: home.run_state(run) == "success")
    check_all_succeeded_and_no_attempt_was_claimed_twice(home)
