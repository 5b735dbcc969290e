"""A world for schedulers under test: a real SQLite database, DAG files, a clock and executors moved by hand.

Everything of the scheduler is real but the executor, the zygote that reads files (a test says what is in
a file) and the clock. `World.step` turns every living scheduler once; after each turn the invariants are checked.
"""

import hashlib
import os
import selectors
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, insert, select, update

from gale.clock import ManualClock
from gale.core.attempt import AttemptOrder, Outcome
from gale.core.graph import DagSpec, TaskSpec, TimetableSpec
from gale.db import requests
from gale.db import tables as t
from gale.db.engine import open_engine, reading, writing
from gale.db.file_versions import FileVersions
from gale.db.read import scheduling as ask
from gale.runtime.messages import ParseProblem
from gale.runtime.parsing import ParseRequest, ParseResult
from gale.testing.hand_executor import HandExecutor
from gale.testing.invariants import Limits, check_invariants
from gale_scheduler.book import RunBook
from gale_scheduler.dag_files import DagFiles, ReadingOptions
from gale_scheduler.dag_store import DagStore
from gale_scheduler.hints import Hints
from gale_scheduler.job import SchedulerJob
from gale_scheduler.loop import SchedulerLoop
from gale_scheduler.mails import Mail
from gale_scheduler.notices import NoticeOptions, Notices
from gale_scheduler.parts import Pace, Parts
from gale_scheduler.relay import ClaimTerms, Relay
from gale_scheduler.rescuer import Rescuer
from gale_scheduler.user_requests import UserRequests

#: A quarter past midnight, so that "the last interval" is yesterday.
START = datetime(2026, 3, 10, 0, 15, tzinfo=UTC)
DAY = 86400.0
DAILY = TimetableSpec(kind="cron", expression="0 0 * * *")
#: How long a step of the clock is: the time between two looks at the database.
STEP_SECONDS = 0.1


def day(number: int) -> datetime:
    """Return midnight of a day of March 2026."""
    return datetime(2026, 3, number, tzinfo=UTC)


def task(task_id: str, *upstream: str, **more: Any) -> TaskSpec:
    """Return a task that comes after others."""
    return TaskSpec(task_id=task_id, upstream=upstream, **{"retry_delay": 60.0, **more})


def dag(dag_id: str, *tasks: TaskSpec | str, **more: Any) -> DagSpec:
    """Return a DAG; a task given as text has nothing before it. Without a timetable it runs only when triggered."""
    specs = tuple(task(one) if isinstance(one, str) else one for one in tasks)
    return DagSpec(dag_id=dag_id, fileloc=more.pop("fileloc", f"{dag_id}.py"), tasks=specs, **more)


def daily(dag_id: str, *tasks: TaskSpec | str, first: int = 1, **more: Any) -> DagSpec:
    """Return a DAG with one run for each day from the `first` of March."""
    return dag(dag_id, *tasks, timetable=DAILY, start_date=day(first), **more)


class Engines:
    """Engines on one database, used by one test after the other: each has its statements compiled already.

    The database need not outlive the machine, for these tests commit thousands of times. Nor need a writer
    wait long for the lock: whoever holds it in these tests does not let go meanwhile.
    """

    def __init__(self, database: Path, empty: Path) -> None:
        self._database = database
        self._empty = empty
        self._engines: list[Engine] = []
        self._taken = 0

    def reset(self) -> None:
        """Empty the database, and take all engines back."""
        for engine in self._engines:
            engine.dispose()
        self._taken = 0
        for ending in ("-wal", "-shm"):
            self._database.with_name(self._database.name + ending).unlink(missing_ok=True)
        shutil.copy(self._empty, self._database)

    def take(self) -> Engine:
        """Return an engine that nobody else has."""
        if self._taken == len(self._engines):
            engine = open_engine(f"sqlite:///{self._database}")
            event.listen(engine, "connect", _hurry)
            self._engines.append(engine)
        self._taken += 1
        return self._engines[self._taken - 1]


def _hurry(connection: Any, record: Any) -> None:
    del record
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA busy_timeout=20")


class _StillSelector(selectors.DefaultSelector):
    """Never waits: the clock of these tests stands still meanwhile."""

    def select(self, timeout: float | None = None) -> Any:
        del timeout
        return super().select(0)


@dataclass
class _Reader:
    """Stands in for the zygote: what a file holds is what the test says."""

    contents: Mapping[Path, Sequence[DagSpec] | str]
    read: list[Path] = field(default_factory=list)

    def parse(self, request: ParseRequest, done: Callable[[ParseResult], None]) -> None:
        self.read.append(request.path)
        content = self.contents[request.path]
        if isinstance(content, str):
            problem = ParseProblem(message=content, file=str(request.path), line=3, rule="syntax")
            done(ParseResult(path=request.path, source_digest=content, source=content, errors=[problem]))
            return
        digest = hashlib.sha256(request.path.read_bytes()).hexdigest()
        done(ParseResult(path=request.path, source_digest=digest, source="…", specs=list(content)))


@dataclass
class Scheduler:
    """One scheduler of the world."""

    name: str
    engine: Engine
    executor: HandExecutor
    parts: Parts
    loop: SchedulerLoop
    alive: bool = True

    @property
    def job_id(self) -> str:
        return self.parts.job.id

    @property
    def book(self) -> RunBook:
        return self.parts.book

    def turn(self) -> None:
        self.loop._turn()
        if self.loop._stop_reason:
            self.loop._close("success")
            self.alive = False


@dataclass
class World:
    """The database, the files, the clock, the schedulers."""

    folder: Path
    engines: "Engines"
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    schedulers: list[Scheduler] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)
    send: Callable[[Mail], None] | None = None
    pace: Pace = field(default_factory=Pace)
    step_seconds: float = STEP_SECONDS
    _contents: dict[Path, Sequence[DagSpec] | str] = field(default_factory=dict)
    _checked: Any = None
    _written: int = 0
    _triggered: int = 0

    def __post_init__(self) -> None:
        self.engine = self.engines.take()
        self.dags.mkdir()

    @property
    def dags(self) -> Path:
        return self.folder / "dags"

    def close(self) -> None:
        for scheduler in self.schedulers:
            scheduler.parts.notices.close()

    # --- DAG files -------------------------------------------------------------------------------

    def write(self, file: str, *content: DagSpec | str) -> None:
        """Write a DAG file: DAGs, or the message of the error that reading it gives."""
        path = self.dags / file
        path.write_text(f"# gale dag {len(self._contents)} {content!r}")
        only = content[0] if content else ""
        self._contents[path] = only if isinstance(only, str) else [c for c in content if isinstance(c, DagSpec)]
        self._written += 1
        os.utime(path, ns=(self._written, self._written))

    def delete_file(self, file: str) -> None:
        (self.dags / file).unlink()

    def scan(self) -> None:
        """Have every scheduler look at the DAG folder, as an event of the file system would."""
        for scheduler in self.living():
            scheduler.parts.dag_files.scan()

    def add(self, *specs: DagSpec) -> None:
        """Write each DAG into a file of its own and have it read."""
        for spec in specs:
            self.write(spec.fileloc, spec)
        self.scan()

    # --- schedulers ------------------------------------------------------------------------------

    def start(
        self, *, slots: int = 32, stops_at_once: bool = True, over: Callable[[int, RunBook], HandExecutor] | None = None
    ) -> Scheduler:
        """Start a scheduler with an executor of its own; `over` makes another than one that runs tasks right here."""
        name = f"s{len(self.schedulers) + 1}"
        engine = self.engines.take()
        limits = self.limits
        book = RunBook(self.clock, max_active_tasks=limits.max_active_tasks, max_active_runs=limits.max_active_runs)
        executor = HandExecutor(slots, stops_at_once=stops_at_once) if over is None else over(slots, book)
        store = DagStore(
            self.dags,
            are_paused=False,
            max_active_tasks=limits.max_active_tasks,
            max_active_runs=limits.max_active_runs,
        )
        selector = _StillSelector()
        job = SchedulerJob(self.clock, hostname="here", executor="HandExecutor")
        files = FileVersions(self.dags, self.dags.parent / "versions")
        reader: Any = _Reader(self._contents)
        dag_files = DagFiles(engine, reader, store, self.clock, ReadingOptions(folders=(self.dags,)))
        parts = Parts(
            engine=engine,
            clock=self.clock,
            selector=selector,
            executor=executor,
            job=job,
            book=book,
            hints=Hints(selector),
            relay=Relay(book, executor, ClaimTerms(job_id=job.id, hostname="here"), files),
            rescuer=Rescuer(book, hostname="here"),
            requests=UserRequests(book, job.id),
            dag_files=dag_files,
            notices=Notices(executor, job.id, self.send, NoticeOptions(files=files, base_url="http://gale")),
        )
        loop = SchedulerLoop(parts, self.pace)
        dag_files.on_change = loop.look
        with writing(engine) as connection:
            job.open(connection, self.clock.now())
        dag_files.scan()
        scheduler = Scheduler(name, engine, executor, parts, loop)
        self.schedulers.append(scheduler)
        return scheduler

    def living(self) -> list[Scheduler]:
        return [scheduler for scheduler in self.schedulers if scheduler.alive]

    def kill(self, scheduler: Scheduler) -> None:
        """Let a scheduler die as by SIGKILL: it says nothing, and its process is seen to be gone."""
        scheduler.alive = False
        scheduler.parts.notices.close()
        with writing(self.engine) as connection:
            gone = update(t.job).where(t.job.c.id == scheduler.job_id).values(process_key="of a process that is gone")
            connection.execute(gone)

    # --- time ------------------------------------------------------------------------------------

    def step(self, times: int = 3) -> None:
        """Turn every living scheduler, let a moment pass, check the invariants; as often as asked."""
        for _ in range(times):
            for scheduler in self.living():
                scheduler.turn()
            self.check()
            self.clock.advance(self.step_seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass, up to some minutes without ever leaving the schedulers still until a lease ends."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() + timedelta(seconds=9) < until and seconds <= 600:
            self.clock.advance(9)
            self.step(1)
        left = (until - self.clock.now()).total_seconds()
        self.clock.advance(max(0.0, left))
        self.step()

    def check(self) -> None:
        """Check the invariants, if anything has been written since the last time."""
        with reading(self.engine) as connection:
            mark = (id(connection.connection.dbapi_connection), ask.change_mark(connection))
            if mark != self._checked or mark[1] is None:
                self._checked = mark
                assert [s.book.aside for s in self.living() if s.book.aside] == [], "a run made trouble"
                check_invariants(connection, self.limits)

    # --- what users do -----------------------------------------------------------------------------

    def trigger(self, dag_id: str, run_id: str = "r1", **more: Any) -> Any:
        """Trigger a run; without another wish its logical date is a second after that of the one before."""
        self._triggered += 1
        date = START - timedelta(hours=1) + timedelta(seconds=self._triggered)
        wish = requests.TriggerRequest(dag_id=dag_id, run_id=run_id, **{"logical_date": date, **more})
        with writing(self.engine) as connection:
            return requests.trigger_run(connection, wish, self.clock.now())

    def pause(self, *dag_ids: str, paused: bool = True) -> None:
        with writing(self.engine) as connection:
            requests.set_paused(connection, dag_ids, paused=paused, user="ann", now=self.clock.now())

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> str:
        tis = [self.ti(dag_id, run_id, task_id).id for task_id in task_ids]
        with writing(self.engine) as connection:
            run = self.run(dag_id, run_id).id
            return requests.request_clear(connection, run, tis, user="ann", now=self.clock.now())

    def mark(self, dag_id: str, run_id: str, state: str, *task_ids: str) -> str:
        """Mark tasks, or, if none is named, the run."""
        run = self.run(dag_id, run_id).id
        tis = [self.ti(dag_id, run_id, task_id).id for task_id in task_ids]
        now = self.clock.now()
        with writing(self.engine) as connection:
            if not tis:
                return requests.request_mark_run(connection, run, state=state, user="ann", now=now)
            return requests.request_mark_tasks(connection, run, tis, state=state, user="ann", now=now)

    def ask(self, do: Callable[..., str], *what: Any) -> str:
        """File another request: a function of `gale.db.requests` and what it is about."""
        with writing(self.engine) as connection:
            return do(connection, *what, user="ann", now=self.clock.now())

    def set_pool(self, pool: str, slots: int) -> None:
        with writing(self.engine) as connection:
            known = connection.execute(update(t.slot_pool).where(t.slot_pool.c.pool == pool).values(slots=slots))
            if not known.rowcount:
                connection.execute(insert(t.slot_pool), [{"pool": pool, "slots": slots, "include_deferred": False}])

    # --- what workers do ---------------------------------------------------------------------------

    def running(self) -> list[tuple[str, str]]:
        """Return (run id, task id) of what runs now at any living scheduler, callbacks not counted."""
        orders = (order for scheduler in self.living() for order in scheduler.executor.orders())
        return sorted((order.run.run_id, order.task_id) for order in orders if not order.callback)

    def order(self, task_id: str, run_id: str | None = None) -> AttemptOrder:
        return self._holder(task_id, run_id)[1]

    def end(self, task_id: str, outcome: Outcome = Outcome.SUCCESS, run_id: str | None = None, **more: Any) -> None:
        """Let the running attempt of a task end, then turn the schedulers."""
        executor, order = self._holder(task_id, run_id)
        executor.end(order, outcome, **more)
        self.step()

    def _holder(self, task_id: str, run_id: str | None) -> tuple[HandExecutor, AttemptOrder]:
        for scheduler in self.living():
            with suppress(AssertionError):
                return scheduler.executor, scheduler.executor.order_of(task_id, run_id)
        raise AssertionError(f"not exactly one attempt of {task_id!r} ({run_id}) runs now; there run: {self.running()}")

    def end_all(self, outcome: Outcome = Outcome.SUCCESS, rounds: int = 50) -> None:
        """Let everything that runs end, and what follows from it, until nothing runs any more."""
        for _ in range(rounds):
            ended = 0
            for scheduler in self.living():
                for order in scheduler.executor.orders():
                    scheduler.executor.end(order, outcome)
                    ended += 1
            self.step()
            if not ended and not self.running():
                return
        raise AssertionError(f"there is no end after {rounds} rounds; there run: {self.running()}")

    # --- what the database says ----------------------------------------------------------------------

    def rows(self, query: Any) -> list[Any]:
        with reading(self.engine) as connection:
            return list(connection.execute(query).all())

    def run(self, dag_id: str, run_id: str = "r1") -> Any:
        (row,) = self.rows(select(t.dag_run).where(t.dag_run.c.dag_id == dag_id, t.dag_run.c.run_id == run_id))
        return row

    def runs(self, dag_id: str) -> list[Any]:
        return self.rows(select(t.dag_run).where(t.dag_run.c.dag_id == dag_id).order_by(t.dag_run.c.logical_date))

    def dates(self, dag_id: str) -> list[datetime]:
        return [row.logical_date for row in self.runs(dag_id)]

    def ti(self, dag_id: str, run_id: str, task_id: str) -> Any:
        c = t.task_instance.c
        (row,) = self.rows(select(t.task_instance).where(c.dag_id == dag_id, c.run_id == run_id, c.task_id == task_id))
        return row

    def states(self, dag_id: str, run_id: str = "r1") -> dict[str, str]:
        c = t.task_instance.c
        query = select(c.task_id, c.state).where(c.dag_id == dag_id, c.run_id == run_id).order_by(c.task_id)
        return {row.task_id: row.state for row in self.rows(query)}

    def history(self, dag_id: str, run_id: str, task_id: str) -> list[str]:
        c = t.task_event.c
        query = select(c.event).where(c.dag_id == dag_id, c.run_id == run_id, c.task_id == task_id).order_by(c.id)
        return [row.event for row in self.rows(query)]

    def dag_row(self, dag_id: str) -> Any:
        (row,) = self.rows(select(t.dag).where(t.dag.c.dag_id == dag_id))
        return row


def with_limits(world: World, **limits: int) -> World:
    """Set limits of the settings; before the first scheduler is started."""
    world.limits = replace(world.limits, **limits)
    return world


def values(rows: Iterable[Any], name: str) -> list[Any]:
    """Return one column of rows."""
    return [getattr(row, name) for row in rows]
