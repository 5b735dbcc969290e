"""What has happened to a task instance or a run. Past tense, plain data.

`ti` is the id of the task instance row. `cause` is the id of the stimulus from which
the event follows; it travels through every consequence, row and log line.
"""

from dataclasses import dataclass
from datetime import datetime

from gale.core.facts import TaskFacts
from gale.core.states import RunState, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """Something happened to one task instance."""

    ti: str
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DependenciesMet(TaskEvent):
    """The trigger rule and the past allow the task to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamFailed(TaskEvent):
    """The trigger rule can no longer be met because of failed upstream tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSkipped(TaskEvent):
    """The trigger rule says that the task is to be skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchNotTaken(TaskEvent):
    """A branch or short circuit upstream chose another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotGranted(TaskEvent):
    """Pool, DAG, task and executor have room: the attempt gets its token.

    `claim_by` is until when somebody must have claimed it; None if that happens at once.
    """

    token: str
    claim_by: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchExpired(TaskEvent):
    """Nobody claimed the attempt before the dispatch deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(TaskEvent):
    """A worker claimed the attempt."""

    token: str
    hostname: str
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEvent(TaskEvent):
    """A worker reports the end of the attempt that it held."""

    token: str
    #: When the task's process began and ended, on the worker's clock: for people, not for decisions.
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded(AttemptEvent):
    """The attempt ended well. `not_taken` are task ids that its branch did not choose."""

    not_taken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed(AttemptEvent):
    """The attempt ended badly. `final` = do not retry, whatever is left."""

    reason: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSkipped(AttemptEvent):
    """The task's own code asked to be skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescheduled(AttemptEvent):
    """A sensor in reschedule mode wants to be asked again at `due_at`."""

    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatLost(TaskEvent):
    """The lease of the attempt ended, or its worker is known to be dead."""

    token: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayElapsed(TaskEvent):
    """The retry or reschedule delay is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared(TaskEvent):
    """A user wants the task instance to run again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked(TaskEvent):
    """A user set the outcome: success, failed or skipped."""

    state: TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAborted(TaskEvent):
    """The run ended before the task did: it took too long, or fails fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskVanished(TaskEvent):
    """The newest version of the DAG no longer has the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReturned(TaskEvent):
    """A newer version of the DAG has the task again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastMet(TaskEvent):
    """The same task's instance in the previous run no longer holds this one back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChanged(TaskEvent):
    """Somebody else (a worker, another scheduler) has written the row: these are its facts now."""

    facts: TaskFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """Something happened to the run as a whole."""

    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(RunEvent):
    """The run got its place under `max_active_runs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAdopted(RunEvent):
    """A scheduler has built the machine from rows: what those rows lack is made up for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed(RunEvent):
    """The clock reached an instant that a `WakeAt` command named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(RunEvent):
    """Every task instance has ended."""

    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReopened(RunEvent):
    """A task instance of a finished run was cleared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOverdue(RunEvent):
    """`dagrun_timeout` has passed since the run started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMarked(RunEvent):
    """A user set the run to success or failed."""

    state: RunState
