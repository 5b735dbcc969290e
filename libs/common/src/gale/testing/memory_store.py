"""The store of states in memory: the twin of `gale.db.store`, for tests that need no database.

It keeps all the promises of the port: compare-and-set on state and token, leases, an event for each
move, transactions that nobody sees before their end. `libs/common/tests/db` holds it to the same
suite as the databases, so that it cannot lie.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime

from gale.core.commands import Command, MoveRun, MoveTask, refused_runs
from gale.core.facts import RunStatus, TaskFacts
from gale.core.ports import Applied, JobAnswer, LostAttempt, NewJob, NewRun, NewTask, Store, TaskHistory, Writer
from gale.core.states import ACTIVE_RUN, CLAIMED, RunState, TaskState
from gale.db.lease import lease_end
from gale.db.store import DbStore
from gale.errors import NotFound, RunExists

_ENDED_JOB = frozenset({"failed", "success"})


@dataclass(slots=True)
class _Job:
    about: NewJob
    state: str
    lease_until: datetime


@dataclass(slots=True)
class _Run:
    about: NewRun
    status: RunStatus
    owner: str | None = None
    lease_until: datetime | None = None


@dataclass(slots=True)
class _Task:
    run: str
    facts: TaskFacts
    job: str | None = None


@dataclass(slots=True)
class _Tables:
    halted: set[str] = field(default_factory=set)
    jobs: dict[str, _Job] = field(default_factory=dict)
    runs: dict[str, _Run] = field(default_factory=dict)
    tasks: dict[str, _Task] = field(default_factory=dict)
    events: dict[str, list[TaskHistory]] = field(default_factory=dict)


class MemoryStore:
    """Keeps states in memory, for one process and any number of threads."""

    def __init__(self) -> None:
        self._tables = _Tables()
        self._lock = threading.RLock()

    @contextmanager
    def transaction(self) -> Iterator["MemoryTransaction"]:
        """Open a transaction: one at a time, thrown away after an exception."""
        with self._lock:
            work = deepcopy(self._tables)
            yield MemoryTransaction(work)
            self._tables = work

    def halt(self, dag_id: str) -> None:
        """Pause a DAG: its queued runs are left alone."""
        with self._lock:
            self._tables.halted.add(dag_id)


class MemoryTransaction:
    """What can be done with states in one transaction; see `gale.core.ports.StoreTransaction`."""

    def __init__(self, tables: _Tables) -> None:
        self._t = tables

    # --- runs and task instances -------------------------------------------------------------------

    def add_run(self, run: NewRun, writer: Writer) -> None:
        """Insert a run in state queued.

        Raises:
            RunExists: The run id or the logical date is taken.
        """
        del writer
        for other in self._t.runs.values():
            same_date = run.logical_date is not None and other.about.logical_date == run.logical_date
            if other.about.dag_id == run.dag_id and (other.about.run_id == run.run_id or same_date):
                raise RunExists(
                    f"DAG {run.dag_id!r} already has a run {run.run_id!r} or one for the logical date "
                    f"{run.logical_date}. Give another run id and date, or clear the run that is there."
                )
        self._t.runs[run.run] = _Run(run, RunStatus(run=run.run, dag_id=run.dag_id, run_id=run.run_id))

    def add_tasks(self, run: str, tasks: Sequence[NewTask], writer: Writer) -> None:
        """Insert task instances in state none; those that are there already stay as they are.

        Raises:
            NotFound: There is no such run.
        """
        del writer
        if run not in self._t.runs:
            raise NotFound(f"There is no run {run!r}, so it can have no tasks. Add the run first.")
        have = {(known.facts.task_id, known.facts.map_index) for known in self._t.tasks.values() if known.run == run}
        for task in tasks:
            if task.ti not in self._t.tasks and (task.task_id, task.map_index) not in have:
                facts = TaskFacts(ti=task.ti, task_id=task.task_id, map_index=task.map_index, max_tries=task.max_tries)
                self._t.tasks[task.ti] = _Task(run, facts)

    def apply(self, commands: Sequence[Command], writer: Writer) -> Applied:
        """Carry out the moves among `commands`, each only where the row still says what the mover believed."""
        applied = Applied()
        refused = refused_runs(commands, self._mistaken(commands))
        for command in commands:
            match command:
                case MoveTask():
                    is_refused = command.run in refused
                    (applied.lost if is_refused else applied.moved).append(command)
                    if not is_refused:
                        self._move_task(command, writer)
                case MoveRun():
                    is_refused = command.before.run in refused
                    (applied.lost_runs if is_refused else applied.moved_runs).append(command)
                    if not is_refused:
                        self._t.runs[command.before.run].status = command.after
                case _:
                    pass
        return applied

    def _mistaken(self, commands: Sequence[Command]) -> set[str]:
        """Return the runs with a move that starts from what is not, or is no longer, so."""
        states: dict[str, tuple[TaskState, str | None]] = {}
        runs: dict[str, RunState] = {}
        mistaken: set[str] = set()
        for command in commands:
            if isinstance(command, MoveTask):
                ti = command.before.ti
                if ti not in states:
                    row = self._t.tasks.get(ti)
                    believed = (command.before.state, command.before.token)
                    if row is None or (row.facts.state, row.facts.token) != believed:
                        mistaken.add(command.run)
                states[ti] = (command.after.state, command.after.token)
            elif isinstance(command, MoveRun):
                run = command.before.run
                if run not in runs:
                    known = self._t.runs.get(run)
                    if known is None or known.status.state is not command.before.state:
                        mistaken.add(run)
                runs[run] = command.after.state
        return mistaken

    def _move_task(self, move: MoveTask, writer: Writer) -> None:
        row = self._t.tasks[move.before.ti]
        row.facts = move.after
        if move.after.state is TaskState.RUNNING:
            row.job = writer.job_id
        elif move.after.state not in CLAIMED:
            row.job = None
        event = TaskHistory(
            event=move.event,
            from_state=move.before.state.value,
            to_state=move.after.state.value,
            try_number=move.after.try_number,
            token=move.after.token or move.before.token,
            actor=writer.actor,
            cause=move.cause,
            at=writer.now,
        )
        self._t.events.setdefault(move.before.ti, []).append(event)

    def status_of(self, run: str) -> RunStatus | None:
        """Return a run, or None if there is none."""
        row = self._t.runs.get(run)
        return None if row is None else row.status

    def tasks_of_run(self, run: str) -> list[TaskFacts]:
        """Return the task instances of a run, ordered by id."""
        return sorted((row.facts for row in self._t.tasks.values() if row.run == run), key=lambda facts: facts.ti)

    def events_of(self, ti: str) -> list[TaskHistory]:
        """Return all moves of a task instance, oldest first."""
        return list(self._t.events.get(ti, ()))

    # --- who owns what -------------------------------------------------------------------------------

    def open_job(self, job: NewJob, now: datetime) -> None:
        """Register a long-lived process, which owns what it takes for as long as it renews."""
        self._t.jobs[job.job] = _Job(job, "running", lease_end(now))

    def close_job(self, job: str, *, state: str, now: datetime) -> None:
        """Write down that a process has ended, and give up its runs at once."""
        row = self._t.jobs[job]
        self._t.jobs[job] = replace(row, state=state, lease_until=now)
        self.let_go(job, list(self._t.runs))

    def renew(self, job: str, tokens: Collection[str], now: datetime) -> JobAnswer:
        """Renew the leases of a process, of its runs, and of those of its attempts that it still runs."""
        row = self._t.jobs.get(job)
        if row is None or row.state in _ENDED_JOB:
            return JobAnswer.LOST
        had_lapsed, until = row.lease_until < now, lease_end(now)
        row.lease_until = until
        for run in self._t.runs.values():
            if run.owner == job and run.status.state in ACTIVE_RUN:
                run.lease_until = until
        for task in self._t.tasks.values():
            if task.job == job and task.facts.state in CLAIMED and task.facts.token in tokens:
                task.facts = replace(task.facts, lease_until=until)
        if row.state == "shutdown":
            return JobAnswer.SHUTDOWN
        return JobAnswer.LAPSED if had_lapsed else JobAnswer.RUNNING

    def bury_dead_jobs(self, hostname: str, is_alive: Callable[[int, str], bool], now: datetime) -> list[str]:
        """Mark jobs failed whose lease has ended or whose process on this host is gone; return their ids."""
        dead = []
        for job, row in self._t.jobs.items():
            about = row.about
            is_here = about.hostname == hostname and bool(about.process_key)
            is_gone = is_here and not is_alive(about.pid, about.process_key)
            if row.state not in _ENDED_JOB and (row.lease_until < now or is_gone):
                row.state, row.lease_until = "failed", now
                dead.append(job)
        return dead

    def adopt_runs(self, job: str, now: datetime, limit: int) -> list[str]:
        """Take active runs that are due and that nobody owns any more, oldest first; return their ids."""
        free = [row for row in self._t.runs.values() if self._may_be_adopted(row, now)]
        free.sort(key=lambda row: (row.about.run_after, row.about.run))
        for row in free[:limit]:
            row.owner, row.lease_until = job, lease_end(now)
        return [row.about.run for row in free[:limit]]

    def _may_be_adopted(self, row: _Run, now: datetime) -> bool:
        is_halted = row.status.state is RunState.QUEUED and row.about.dag_id in self._t.halted
        is_due = row.status.state in ACTIVE_RUN and row.about.run_after <= now
        return is_due and not is_halted and self._is_free(row, now)

    def _is_free(self, row: _Run, now: datetime) -> bool:
        owner = None if row.owner is None else self._t.jobs.get(row.owner)
        is_dead = owner is not None and owner.state in _ENDED_JOB
        return row.owner is None or is_dead or (row.lease_until is not None and row.lease_until < now)

    def take_run(self, job: str, run: str, now: datetime) -> bool:
        """Take one run, finished or not, unless a living process owns it; True if it is ours now."""
        row = self._t.runs.get(run)
        if row is None:
            return False
        if row.owner != job and row.status.state in ACTIVE_RUN and not self._is_free(row, now):
            return False
        row.owner, row.lease_until = job, lease_end(now)
        return True

    def let_go(self, job: str, runs: Collection[str]) -> None:
        """Give up runs, so that anybody may take them."""
        for run in runs:
            row = self._t.runs.get(run)
            if row is not None and row.owner == job:
                row.owner = row.lease_until = None

    def lost_attempts(self, runs: Collection[str], now: datetime) -> list[LostAttempt]:
        """Return the attempts of these runs whose lease has ended or whose job is dead."""
        lost = []
        for row in self._t.tasks.values():
            facts = row.facts
            if row.run not in runs or facts.state not in CLAIMED:
                continue
            job = None if row.job is None else self._t.jobs.get(row.job)
            is_dead = row.job is None or (job is not None and job.state in _ENDED_JOB)
            if is_dead or (facts.lease_until is not None and facts.lease_until < now):
                lost.append(LostAttempt(ti=facts.ti, run=row.run, token=facts.token or "", hostname=facts.hostname))
        return lost


def _compare_with_the_port(memory: MemoryStore, database: DbStore) -> tuple[Store, Store]:
    """Have the type checker see that twin and real thing keep to the port."""
    return memory, database
