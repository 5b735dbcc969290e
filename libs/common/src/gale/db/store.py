"""The store of states over a database: the port `gale.core.ports.Store`, put together from `apply` and `lease`.

The scheduler's loop calls those functions itself, because in its one transaction a round it also asks
for much that is no matter of states. This is for whoever needs the states alone, and it is how one
suite of tests holds databases and the store in memory to the same promises.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, exc, select

from gale.core.commands import Command
from gale.core.facts import RunStatus, TaskFacts
from gale.core.ports import Applied, JobAnswer, LostAttempt, NewJob, NewRun, NewTask, TaskHistory, Writer
from gale.db import lease
from gale.db import tables as t
from gale.db.apply import add_run, add_tasks, apply
from gale.db.engine import writing
from gale.db.read import scheduling as ask
from gale.errors import NotFound, RunExists


class DbStore:
    """Keeps states in a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def transaction(self) -> Iterator["DbTransaction"]:
        """Open a transaction that writes: it commits at the end of the block, and undoes all after an exception.

        Raises:
            StoreError: The database cannot be used; the message says why and what to do.
        """
        with writing(self._engine) as connection:
            yield DbTransaction(connection)


class DbTransaction:
    """What can be done with states in one transaction; see `gale.core.ports.StoreTransaction`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- runs and task instances -------------------------------------------------------------------

    def add_run(self, run: NewRun, writer: Writer) -> None:
        """Insert a run in state queued.

        Raises:
            RunExists: The run id or the logical date is taken.
        """
        values: Mapping[str, Any] = {
            "id": run.run,
            "dag_id": run.dag_id,
            "run_id": run.run_id,
            "run_type": run.run_type,
            "logical_date": run.logical_date,
            "run_after": run.run_after,
            "conf": "{}",
        }
        try:
            with self._connection.begin_nested():
                add_run(self._connection, values, writer)
        except exc.IntegrityError:
            raise RunExists(
                f"DAG {run.dag_id!r} already has a run {run.run_id!r} or one for the logical date {run.logical_date}. "
                "Give another run id and date, or clear the run that is there."
            ) from None

    def add_tasks(self, run: str, tasks: Sequence[NewTask], writer: Writer) -> None:
        """Insert task instances in state none; those that are there already stay as they are.

        Raises:
            NotFound: There is no such run.
        """
        row = self._connection.execute(
            select(t.dag_run.c.dag_id, t.dag_run.c.run_id).where(t.dag_run.c.id == run)
        ).first()
        if row is None:
            raise NotFound(f"There is no run {run!r}, so it can have no tasks. Add the run first.")
        about = {"run": run, "dag_id": row.dag_id, "run_id": row.run_id}
        rows = [
            {
                **about,
                "id": task.ti,
                "task_id": task.task_id,
                "map_index": task.map_index,
                "max_tries": task.max_tries,
            }
            for task in tasks
        ]
        add_tasks(self._connection, rows, writer)

    def apply(self, commands: Sequence[Command], writer: Writer) -> Applied:
        """Carry out the moves among `commands`, each only where the row still says what the mover believed."""
        return apply(self._connection, commands, writer)

    def status_of(self, run: str) -> RunStatus | None:
        """Return a run, or None if there is none."""
        row = self._connection.execute(select(t.dag_run).where(t.dag_run.c.id == run)).first()
        return None if row is None else ask.status_of(row)

    def tasks_of_run(self, run: str) -> list[TaskFacts]:
        """Return the task instances of a run, ordered by id."""
        return sorted(ask.tasks_of_run(self._connection, run), key=lambda facts: facts.ti)

    def events_of(self, ti: str) -> list[TaskHistory]:
        """Return all moves of a task instance, oldest first."""
        query = select(t.task_event).where(t.task_event.c.ti == ti).order_by(t.task_event.c.id)
        return [
            TaskHistory(
                event=row.event,
                from_state=row.from_state,
                to_state=row.to_state,
                try_number=row.try_number,
                token=row.token,
                actor=row.actor,
                cause=row.cause,
                at=row.at,
            )
            for row in self._connection.execute(query)
        ]

    # --- who owns what -------------------------------------------------------------------------------

    def open_job(self, job: NewJob, now: datetime) -> None:
        """Register a long-lived process, which owns what it takes for as long as it renews."""
        about = {"hostname": job.hostname, "pid": job.pid, "process_key": job.process_key}
        lease.open_job(self._connection, job_id=job.job, job_type=job.job_type, now=now, **about)

    def close_job(self, job: str, *, state: str, now: datetime) -> None:
        """Write down that a process has ended, and give up its runs at once."""
        lease.close_job(self._connection, job, state=state, now=now)

    def renew(self, job: str, tokens: Collection[str], now: datetime) -> JobAnswer:
        """Renew the leases of a process, of its runs, and of those of its attempts that it still runs."""
        return lease.renew(self._connection, job, tokens, now)

    def bury_dead_jobs(self, hostname: str, is_alive: Callable[[int, str], bool], now: datetime) -> list[str]:
        """Mark jobs failed whose lease has ended or whose process on this host is gone; return their ids."""
        return lease.bury_dead_jobs(self._connection, hostname=hostname, is_alive=is_alive, now=now)

    def adopt_runs(self, job: str, now: datetime, limit: int) -> list[str]:
        """Take active runs that are due and that nobody owns any more, oldest first; return their ids."""
        return lease.adopt_runs(self._connection, job, now, limit)

    def take_run(self, job: str, run: str, now: datetime) -> bool:
        """Take one run, finished or not, unless a living process owns it; True if it is ours now."""
        return lease.take_run(self._connection, job, run, now)

    def let_go(self, job: str, runs: Collection[str]) -> None:
        """Give up runs, so that anybody may take them."""
        lease.let_go(self._connection, job, runs)

    def lost_attempts(self, runs: Collection[str], now: datetime) -> list[LostAttempt]:
        """Return the attempts of these runs whose lease has ended or whose job is dead."""
        return [
            LostAttempt(ti=row.id, run=row.run, token=row.token, hostname=row.hostname)
            for row in ask.lost_attempts(self._connection, runs, now)
        ]
