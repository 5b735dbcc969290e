"""What the rows of a run and of its task instances say: all that a decision may depend on."""

from dataclasses import dataclass
from datetime import datetime

from gale.core.states import RunState, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """One task instance, as its row says.

    Every move replaces the facts by new ones, so two facts that are equal mean the same row.
    """

    #: Id of the row.
    ti: str
    task_id: str
    map_index: int = -1
    state: TaskState = TaskState.NONE
    #: Attempts begun: 0 before the first, 1 from the moment the first is scheduled.
    try_number: int = 0
    #: The last try number that `retries` allows; losses of infrastructure and clears raise it.
    max_tries: int = 1
    #: Attempts that a dead worker or a lost lease took. They do not use up `retries`.
    infra_losses: int = 0
    #: Identifies one dispatch. Set from QUEUED until the attempt is over.
    token: str | None = None
    #: UP_FOR_RETRY, UP_FOR_RESCHEDULE: when to go on. QUEUED: until when a claim must come.
    due_at: datetime | None = None
    lease_until: datetime | None = None
    hostname: str = ""
    start_date: datetime | None = None
    end_date: datetime | None = None
    #: Task ids that this task, being a branch, chose not to run.
    not_taken: tuple[str, ...] = ()
    #: One sentence about how the last attempt ended.
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """One DAG run, as its row says."""

    #: Id of the row.
    run: str
    dag_id: str
    run_id: str
    state: RunState = RunState.QUEUED
    start_date: datetime | None = None
    end_date: datetime | None = None
    #: How often it was opened again after it had ended.
    clear_number: int = 0
