"""The tables of what may follow what. The state diagrams in ARCHITECTURE.md are printed from here.

Rule 1: every move of a task instance or a run is a row of one of these two tables. What has
no row is refused by name (`IllegalTransition`), never ignored.

A target that depends on facts is a `Choice` that declares its possible targets, so that the
diagrams and the tests can read them without calling it.

`next_state` says where an event leads; `advance` says what else changes in the row on the way:
the try number, the token, the lease, the dates.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from gale.core import events as e
from gale.core.facts import RunStatus, TaskFacts
from gale.core.graph import TaskSpec
from gale.core.retry import retry_delay
from gale.core.states import FINISHED, RunState, TaskState
from gale.errors import IllegalTransition

#: Attempts that may be lost to dead workers before a loss counts like a failure of the task.
MAX_INFRA_LOSSES: Final = 3

StateT = TypeVar("StateT")
FactsT = TypeVar("FactsT")
EventT = TypeVar("EventT")


@dataclass(frozen=True, slots=True)
class Choice(Generic[StateT, FactsT, EventT]):
    """A target that depends on the facts; `targets` says which there are."""

    targets: frozenset[StateT]
    pick: Callable[[FactsT, EventT], StateT]


TaskChoice = Choice[TaskState, TaskFacts, e.TaskEvent]
RunChoice = Choice[RunState, RunStatus, e.RunEvent]


def _retry_or_fail(task: TaskFacts, event: e.TaskEvent) -> TaskState:
    if isinstance(event, e.AttemptFailed) and event.final:
        return TaskState.FAILED
    if isinstance(event, e.HeartbeatLost) and task.infra_losses < MAX_INFRA_LOSSES:
        return TaskState.UP_FOR_RETRY
    return TaskState.UP_FOR_RETRY if task.try_number < task.max_tries else TaskState.FAILED


def _as_marked(task: TaskFacts, event: e.TaskEvent) -> TaskState:
    if isinstance(event, e.Marked) and event.state in MARKABLE:
        return event.state
    raise IllegalTransition(_refusal(task, event, "only success, failed and skipped can be set by hand"))


def _as_counted(run: RunStatus, event: e.RunEvent) -> RunState:
    del run
    return RunState.FAILED if isinstance(event, e.RunEnded) and event.failed else RunState.SUCCESS


def _run_as_marked(run: RunStatus, event: e.RunEvent) -> RunState:
    if isinstance(event, e.RunMarked) and event.state in MARKABLE_RUN:
        return event.state
    raise IllegalTransition(
        f"Run {run.run_id!r} of {run.dag_id!r} cannot be marked: only success and failed can be set by hand."
    )


#: What a user may set a task instance and a run to.
MARKABLE: Final = frozenset({TaskState.SUCCESS, TaskState.FAILED, TaskState.SKIPPED})
MARKABLE_RUN: Final = frozenset({RunState.SUCCESS, RunState.FAILED})

RETRY_OR_FAIL: Final[TaskChoice] = Choice(frozenset({TaskState.UP_FOR_RETRY, TaskState.FAILED}), _retry_or_fail)
AS_MARKED: Final[TaskChoice] = Choice(MARKABLE, _as_marked)
AS_COUNTED: Final[RunChoice] = Choice(MARKABLE_RUN, _as_counted)
RUN_AS_MARKED: Final[RunChoice] = Choice(MARKABLE_RUN, _run_as_marked)

_S = TaskState
_UNCLAIMED: Final = (_S.NONE, _S.SCHEDULED, _S.QUEUED, _S.UP_FOR_RETRY, _S.UP_FOR_RESCHEDULE)
_CLAIMED: Final = (_S.RUNNING, _S.RESTARTING)
_ENDED: Final = (_S.SUCCESS, _S.FAILED, _S.SKIPPED, _S.UPSTREAM_FAILED)

TASK_TRANSITIONS: Final[Mapping[tuple[TaskState, type[e.TaskEvent]], TaskState | TaskChoice]] = {
    # The way of a task that runs.
    (_S.NONE, e.DependenciesMet): _S.SCHEDULED,
    (_S.SCHEDULED, e.SlotGranted): _S.QUEUED,
    (_S.QUEUED, e.Started): _S.RUNNING,
    (_S.QUEUED, e.DispatchExpired): _S.SCHEDULED,
    (_S.RUNNING, e.Succeeded): _S.SUCCESS,
    (_S.RUNNING, e.AttemptSkipped): _S.SKIPPED,
    (_S.RUNNING, e.AttemptFailed): RETRY_OR_FAIL,
    (_S.RUNNING, e.HeartbeatLost): RETRY_OR_FAIL,
    (_S.RUNNING, e.Rescheduled): _S.UP_FOR_RESCHEDULE,
    (_S.UP_FOR_RETRY, e.DelayElapsed): _S.SCHEDULED,
    (_S.UP_FOR_RESCHEDULE, e.DelayElapsed): _S.SCHEDULED,
    # The way of a task that does not.
    (_S.NONE, e.UpstreamFailed): _S.UPSTREAM_FAILED,
    (_S.NONE, e.UpstreamSkipped): _S.SKIPPED,
    (_S.NONE, e.BranchNotTaken): _S.SKIPPED,
    # Cleared while it ran: whatever the old attempt says in the end, it starts afresh.
    **{
        (_S.RESTARTING, event): _S.NONE
        for event in (e.Succeeded, e.AttemptSkipped, e.AttemptFailed, e.HeartbeatLost, e.Rescheduled)
    },
    # What users and the run's end do.
    **{(state, e.Cleared): _S.NONE for state in (*_UNCLAIMED, *_ENDED)},
    **{(state, e.Cleared): _S.RESTARTING for state in _CLAIMED},
    **{(state, e.Marked): AS_MARKED for state in (*_UNCLAIMED, *_CLAIMED, *_ENDED)},
    **{(state, e.RunAborted): _S.SKIPPED for state in (*_UNCLAIMED, *_CLAIMED)},
    # What new versions of the DAG do. A running attempt may end first.
    **{(state, e.TaskVanished): _S.REMOVED for state in _UNCLAIMED},
    (_S.REMOVED, e.TaskReturned): _S.NONE,
}

RUN_TRANSITIONS: Final[Mapping[tuple[RunState, type[e.RunEvent]], RunState | RunChoice]] = {
    (RunState.QUEUED, e.RunStarted): RunState.RUNNING,
    (RunState.RUNNING, e.RunEnded): AS_COUNTED,
    (RunState.RUNNING, e.RunOverdue): RunState.FAILED,
    (RunState.SUCCESS, e.RunReopened): RunState.QUEUED,
    (RunState.FAILED, e.RunReopened): RunState.QUEUED,
    **{(state, e.RunMarked): RUN_AS_MARKED for state in RunState},
}


def _refusal(task: TaskFacts, event: e.TaskEvent, why: str = "") -> str:
    cause = event.cause or "none"
    tail = f": {why}" if why else ""
    return (
        f"{type(event).__name__} cannot happen to {task.task_id!r} while it is {task.state.value} "
        f"(attempt {task.try_number}, cause {cause}){tail}"
    )


def is_legal(task: TaskFacts, event: e.TaskEvent) -> bool:
    """Tell whether the table has a row for this state and event."""
    return (task.state, type(event)) in TASK_TRANSITIONS


def next_state(task: TaskFacts, event: e.TaskEvent) -> TaskState:
    """Return the state that `event` leads `task` to.

    Raises:
        IllegalTransition: The table has no row for this state and event.
    """
    try:
        target = TASK_TRANSITIONS[task.state, type(event)]
    except KeyError:
        raise IllegalTransition(_refusal(task, event)) from None
    return target.pick(task, event) if isinstance(target, Choice) else target


def next_run_state(run: RunStatus, event: e.RunEvent) -> RunState:
    """Return the state that `event` leads `run` to.

    Raises:
        IllegalTransition: The table has no row for this state and event.
    """
    try:
        target = RUN_TRANSITIONS[run.state, type(event)]
    except KeyError:
        raise IllegalTransition(
            f"{type(event).__name__} cannot happen to run {run.run_id!r} of {run.dag_id!r} while it is "
            f"{run.state.value} (cause {event.cause or 'none'})"
        ) from None
    return target.pick(run, event) if isinstance(target, Choice) else target


def advance(task: TaskFacts, event: e.TaskEvent, spec: TaskSpec, now: datetime) -> TaskFacts:
    """Return the facts after `event`: the new state and all that changes with it.

    Raises:
        IllegalTransition: The table has no row for this state and event.
    """
    state = next_state(task, event)
    match event:
        case e.SlotGranted():
            return replace(task, state=state, token=event.token, due_at=event.claim_by, reason="")
        case e.Started():
            started = task.start_date if task.start_date and not task.end_date else now
            return replace(
                task,
                state=state,
                due_at=None,
                lease_until=event.lease_until,
                hostname=event.hostname,
                start_date=started,
                end_date=None,
            )
        case e.DependenciesMet() | e.DelayElapsed() | e.DispatchExpired():
            return _scheduled(task)
        case e.Cleared():
            return _cleared(task, state, spec)
    if state is TaskState.NONE:  # RESTARTING has come to rest, or the task is back in the DAG
        return replace(_released(task), state=state, start_date=None, end_date=None, due_at=None, reason="")
    if state is TaskState.UP_FOR_RESCHEDULE and isinstance(event, e.Rescheduled):
        return replace(_released(task), state=state, due_at=event.due_at, reason="")
    if state is TaskState.UP_FOR_RETRY:
        return _to_retry(task, event, spec, now)
    return _ended(task, event, state, now)


def _released(task: TaskFacts) -> TaskFacts:
    """Take token and lease away: nobody holds the attempt any more."""
    return replace(task, token=None, lease_until=None)


def _scheduled(task: TaskFacts) -> TaskFacts:
    """A retry and a first attempt count up; a rescheduled or redispatched one is the same attempt."""
    begins = task.state in {TaskState.NONE, TaskState.UP_FOR_RETRY}
    return replace(
        _released(task),
        state=TaskState.SCHEDULED,
        try_number=task.try_number + begins,
        start_date=None if begins else task.start_date,
        end_date=None,
        due_at=None,
    )


def _cleared(task: TaskFacts, state: TaskState, spec: TaskSpec) -> TaskFacts:
    """A cleared task gets all its tries once more. While it runs, its claim stays until it is gone."""
    fresh = replace(
        task, state=state, max_tries=task.try_number + spec.retries + 1, infra_losses=0, not_taken=(), due_at=None
    )
    if state is TaskState.RESTARTING:
        return fresh
    return replace(_released(fresh), start_date=None, end_date=None, hostname="", reason="")


def _to_retry(task: TaskFacts, event: e.TaskEvent, spec: TaskSpec, now: datetime) -> TaskFacts:
    reason = getattr(event, "reason", "")
    after = replace(
        _released(task),
        state=TaskState.UP_FOR_RETRY,
        start_date=_started(task, event),
        end_date=_ended_at(event) or now,
        reason=reason,
        due_at=now,
    )
    if isinstance(event, e.HeartbeatLost) and task.infra_losses < MAX_INFRA_LOSSES:
        return replace(after, infra_losses=task.infra_losses + 1, max_tries=task.max_tries + 1)
    delay = retry_delay(
        base=spec.retry_delay,
        backoff=spec.retry_exponential_backoff,
        max_delay=spec.max_retry_delay,
        attempt=task.try_number,
        key=f"{task.ti}#{task.try_number}",
    )
    return replace(after, due_at=now + timedelta(seconds=delay))


def _started(task: TaskFacts, event: e.TaskEvent) -> datetime | None:
    """The worker knows better when its process began; a rescheduled sensor began at its first poke."""
    begun = event.started_at if isinstance(event, e.AttemptEvent) else None
    return begun if begun is not None and task.start_date is not None and begun > task.start_date else task.start_date


def _ended_at(event: e.TaskEvent) -> datetime | None:
    return event.ended_at if isinstance(event, e.AttemptEvent) else None


def _ended(task: TaskFacts, event: e.TaskEvent, state: TaskState, now: datetime) -> TaskFacts:
    return replace(
        _released(task),
        state=state,
        due_at=None,
        start_date=_started(task, event) or (_ended_at(event) or now if state in FINISHED else None),
        end_date=_ended_at(event) or now,
        not_taken=event.not_taken if isinstance(event, e.Succeeded) else (),
        reason=getattr(event, "reason", ""),
    )
