"""What the scheduler needs of the world outside, as narrow as it is needed."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gale.core.attempt import AttemptEnded, AttemptOrder
from gale.core.commands import Command, MoveRun, MoveTask
from gale.core.facts import RunStatus, TaskFacts


class Executor(Protocol):
    """Where attempts are run.

    Driven by the scheduler's loop: nothing here blocks but `shutdown`, and what happens
    meanwhile is handed out by `ended`.
    """

    @property
    def slots(self) -> int:
        """How many attempts it runs at once."""

    @property
    def claims_here(self) -> bool:
        """True if an attempt that is started counts as claimed by this process, False if a worker claims it later."""

    def open_slots(self) -> int:
        """Return how many more attempts it takes now."""

    def start(self, orders: Sequence[AttemptOrder]) -> None:
        """Run attempts; each ends exactly once, whatever happens."""

    def stop(self, ti: str, token: str, reason: str, within: float | None = None) -> None:
        """Stop an attempt, whose end is then reported as failed, for that reason. Unknown ones are ignored.

        Args:
            ti: The task instance.
            token: Of the attempt.
            reason: For its log and its end.
            within: Seconds after which nothing of it may run any more; None = as long as tasks usually get
                to clean up.
        """

    def settle(self, tis: Collection[str]) -> None:
        """Take note that a worker has said of these task instances that their attempts have ended."""

    def ended(self) -> list[AttemptEnded]:
        """Return the ends since the last call."""

    def running(self) -> frozenset[tuple[str, str]]:
        """Return (ti, token) of the attempts that were started and whose ends were not handed out."""

    def next_deadline(self) -> float | None:
        """Return when `tick` has to be called at the latest (monotonic seconds), None = no need."""

    def tick(self) -> None:
        """Do what is due by time: execution timeouts, kills."""

    def shutdown(self, seconds: float) -> list[AttemptEnded]:
        """Stop everything within about `seconds` and return the ends that were not handed out.

        What was stopped by this ends as lost: it is not its fault, and uses up no retry.
        """


# --- the store of states -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a batch of commands."""

    moved: list[MoveTask] = field(default_factory=list)
    moved_runs: list[MoveRun] = field(default_factory=list)
    #: Moves whose rows had already moved on. Nothing was written for them.
    lost: list[MoveTask] = field(default_factory=list)
    lost_runs: list[MoveRun] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes: the name for the history, the job, and the instant on the database's clock."""

    actor: str
    now: datetime
    job_id: str | None = None
    #: By task instance: the ends of attempts that the moves are about, for what they used.
    ends: Mapping[str, AttemptEnded] = field(default_factory=dict)


class JobAnswer(StrEnum):
    """What a process learns when it renews its lease."""

    #: Renewed in time: all that was its own still is.
    RUNNING = "running"
    #: Renewed, but the lease had ended meanwhile: others may have taken what it owned.
    LAPSED = "lapsed"
    #: Renewed, and a user wants the process to end.
    SHUTDOWN = "shutdown"
    #: Not renewed: the row is gone, or others have declared the process dead. It must stop what it runs.
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run to be inserted, in state queued."""

    run: str
    dag_id: str
    run_id: str
    run_after: datetime
    logical_date: datetime | None = None
    run_type: str = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task instance to be inserted, in state none."""

    ti: str
    task_id: str
    map_index: int = -1
    max_tries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A long-lived process to be registered."""

    job: str
    job_type: str = "scheduler"
    hostname: str = ""
    pid: int = 0
    #: Tells it from a later process with the same pid.
    process_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostAttempt:
    """A claimed attempt whose lease has ended or whose process is dead."""

    ti: str
    run: str
    token: str
    hostname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHistory:
    """One move of a task instance, as the history has it."""

    event: str
    from_state: str
    to_state: str
    try_number: int
    token: str | None
    actor: str
    cause: str
    at: datetime


class StoreTransaction(Protocol):
    """What can be done with states in one transaction. Nothing of it is seen by others before the commit."""

    def add_run(self, run: NewRun, writer: Writer) -> None:
        """Insert a run in state queued.

        Raises:
            RunExists: The run id or the logical date is taken.
        """

    def add_tasks(self, run: str, tasks: Sequence[NewTask], writer: Writer) -> None:
        """Insert task instances in state none; those that are there already stay as they are."""

    def apply(self, commands: Sequence[Command], writer: Writer) -> Applied:
        """Carry out the moves among `commands`, each only where the row still says what the mover believed."""

    def status_of(self, run: str) -> RunStatus | None:
        """Return a run, or None if there is none."""

    def tasks_of_run(self, run: str) -> list[TaskFacts]:
        """Return the task instances of a run, ordered by id."""

    def events_of(self, ti: str) -> list[TaskHistory]:
        """Return all moves of a task instance, oldest first."""

    def open_job(self, job: NewJob, now: datetime) -> None:
        """Register a long-lived process, which owns what it takes for as long as it renews."""

    def close_job(self, job: str, *, state: str, now: datetime) -> None:
        """Write down that a process has ended, and give up its runs at once."""

    def renew(self, job: str, tokens: Collection[str], now: datetime) -> JobAnswer:
        """Renew the leases of a process, of its runs, and of those of its attempts that it still runs."""

    def bury_dead_jobs(self, hostname: str, is_alive: Callable[[int, str], bool], now: datetime) -> list[str]:
        """Mark jobs failed whose lease has ended or whose process on this host is gone; return their ids."""

    def adopt_runs(self, job: str, now: datetime, limit: int) -> list[str]:
        """Take active runs that are due and that nobody owns any more, oldest first; return their ids."""

    def take_run(self, job: str, run: str, now: datetime) -> bool:
        """Take one run, finished or not, unless a living process owns it; True if it is ours now."""

    def let_go(self, job: str, runs: Collection[str]) -> None:
        """Give up runs, so that anybody may take them."""

    def lost_attempts(self, runs: Collection[str], now: datetime) -> list[LostAttempt]:
        """Return the attempts of these runs whose lease has ended or whose job is dead."""


class Store(Protocol):
    """Where states are kept."""

    def transaction(self) -> AbstractContextManager[StoreTransaction]:
        """Open a transaction that writes: it commits at the end of the block, and undoes all after an exception."""
