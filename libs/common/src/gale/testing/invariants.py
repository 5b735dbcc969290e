"""What must be true of a database whatever has happened, phrased as checks.

The history in `task_event` and `run_event` is written in the transactions of the moves, so it tells
what really happened; the checks read it and compare it with the transition tables and the rows.
The numbers are those of the list of invariants that Gale promises to keep.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from gale.core import events as e
from gale.core.graph import DagSpec
from gale.core.slots import UNLIMITED
from gale.core.states import ACTIVE_RUN, CLAIMED, FINISHED, OCCUPYING, RunState, TaskState
from gale.core.transitions import RUN_TRANSITIONS, TASK_TRANSITIONS, Choice
from gale.db import tables as t

_FINAL: Final = FINISHED - {TaskState.REMOVED}
_BY_USER: Final = frozenset({"Cleared", "Marked"})
#: Events that a worker causes: they must carry the token that the row had.
_OF_AN_ATTEMPT: Final = frozenset(
    {"Started", "Succeeded", "AttemptFailed", "AttemptSkipped", "Rescheduled", "HeartbeatLost"}
)
_BAD: Final = frozenset({TaskState.FAILED, TaskState.UPSTREAM_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of the settings, for DAGs that set none of their own."""

    max_active_tasks: int = 16
    max_active_runs: int = 16
    #: Slots of each executor.
    parallelism: int = 32
    #: Whether workers write ends themselves, so that a run is a moment behind its tasks.
    ends_by_workers: bool = False


@dataclass(slots=True)
class _Rows:
    """What the checks look at, read once."""

    tasks: dict[str, Any]
    runs: dict[str, Any]
    histories: dict[str, list[Any]]
    run_histories: dict[str, list[Any]]
    specs: dict[str, DagSpec]
    pools: dict[str, int]


def check_invariants(connection: Connection, limits: Limits | None = None) -> None:
    """Check I1, I2, I4, I5, I9, I12, I13, I16 and I17 on all rows of the database.

    Raises:
        AssertionError: One or more do not hold; the message names each case.
    """
    rows = _read(connection)
    complaints = [
        *_legal_moves(rows),
        *_single_claims(rows),
        *_fencing(rows),
        *_stable_ends(rows),
        *check_rows(rows, limits or Limits()),
    ]
    if complaints:
        raise AssertionError("Invariants are broken:\n" + "\n".join(complaints))


def check_rows(rows: _Rows, limits: Limits) -> Iterator[str]:
    """Check what must hold at every instant, whatever the history."""
    yield from _shape(rows)
    yield from _run_states(rows, limits)
    yield from _uniqueness(rows)
    yield from _pools(rows)
    yield from _limits(rows, limits)


def _read(connection: Connection) -> _Rows:
    histories: dict[str, list[Any]] = {}
    for event in connection.execute(select(t.task_event).order_by(t.task_event.c.id)):
        histories.setdefault(event.ti, []).append(event)
    run_histories: dict[str, list[Any]] = {}
    for event in connection.execute(select(t.run_event).order_by(t.run_event.c.id)):
        run_histories.setdefault(event.run, []).append(event)
    current = select(t.dag.c.dag_id, t.dag_version.c.data).join(t.dag_version, t.dag.c.version_id == t.dag_version.c.id)
    return _Rows(
        tasks={row.id: row for row in connection.execute(select(t.task_instance))},
        runs={row.id: row for row in connection.execute(select(t.dag_run))},
        histories=histories,
        run_histories=run_histories,
        specs=dict(_specs(connection.execute(current).all())),
        pools={row.pool: row.slots for row in connection.execute(select(t.slot_pool))},
    )


def _specs(rows: Iterable[Any]) -> Iterator[tuple[str, DagSpec]]:
    """Yield dag id and definition. Of a version that cannot be read nothing can be checked."""
    for row in rows:
        with suppress(msgspec.DecodeError):
            yield row.dag_id, msgspec.json.decode(row.data, type=DagSpec)


# --- the history ---------------------------------------------------------------------------------


def _leads(table: Mapping[Any, Any], state: Any, event: str, to: Any) -> bool:
    """Tell whether a transition table leads from a state by an event to another."""
    kind = getattr(e, event, None)
    target = table.get((state, kind))
    return target is not None and (to in target.targets if isinstance(target, Choice) else to is target)


def _legal_moves(rows: _Rows) -> Iterator[str]:
    for ti, history in rows.histories.items():
        state = TaskState.NONE
        for event in history:
            if event.from_state != state.value:
                yield f"I1: {_name(event)}: {event.event} moved from {event.from_state}, but it was {state.value}"
            state = TaskState(event.to_state)
            if not _leads(TASK_TRANSITIONS, TaskState(event.from_state), event.event, state):
                yield f"I1: {_name(event)}: no {event.event} leads from {event.from_state} to {event.to_state}"
        row = rows.tasks.get(ti)
        if row is not None and row.state != state.value:
            yield f"I1: {_name(history[-1])}: the row says {row.state}, the history {state.value}"
    for row in rows.tasks.values():
        if row.id not in rows.histories and row.state != TaskState.NONE.value:
            yield f"I1: {_name(row)} is {row.state} without any history"
    yield from _legal_run_moves(rows)


def _legal_run_moves(rows: _Rows) -> Iterator[str]:
    for run, history in rows.run_histories.items():
        first, *others = history
        if (first.event, first.from_state, first.to_state) != ("RunCreated", "", RunState.QUEUED.value):
            yield f"I1: run {run} began with {first.event}, not with RunCreated"
        state = first.to_state
        for event in others:
            legal = _leads(RUN_TRANSITIONS, RunState(event.from_state), event.event, RunState(event.to_state))
            if event.from_state != state or not legal:
                yield f"I1: run {run}: {event.event} moved {event.from_state} -> {event.to_state} while it was {state}"
            state = event.to_state
        row = rows.runs.get(run)
        if row is not None and row.state != state:
            yield f"I1: the row of run {row.run_id} says {row.state}, its history {state}"


def _single_claims(rows: _Rows) -> Iterator[str]:
    claims: Counter[tuple[str, int, str | None]] = Counter()
    grants: Counter[str | None] = Counter()
    for ti, history in rows.histories.items():
        for event in history:
            if event.to_state == TaskState.RUNNING.value:
                claims[ti, event.try_number, event.token] += 1
            if event.event == "SlotGranted":
                grants[event.token] += 1
    for (ti, attempt, token), count in claims.items():
        if count > 1 or token is None:
            yield f"I2: attempt {attempt} of {ti} was claimed {count} times with the token {token}"
    for token, count in grants.items():
        if count > 1 or token is None:
            yield f"I2: the token {token} was given out {count} times"


def _fencing(rows: _Rows) -> Iterator[str]:
    for history in rows.histories.values():
        current: str | None = None
        for event in history:
            if event.event == "SlotGranted":
                current = event.token
            elif event.event in _OF_AN_ATTEMPT and (current is None or event.token != current):
                yield f"I4: {_name(event)}: {event.event} carried the token {event.token}, but {current} was valid"
            if TaskState(event.to_state) not in OCCUPYING:
                current = None


def _stable_ends(rows: _Rows) -> Iterator[str]:
    for history in rows.histories.values():
        for event in history:
            if TaskState(event.from_state) not in _FINAL:
                continue
            if event.event not in _BY_USER or not event.cause.startswith("user:"):
                yield f"I5: {_name(event)} was moved out of {event.from_state} by {event.event}, cause {event.cause!r}"


# --- the rows ------------------------------------------------------------------------------------


def _shape(rows: _Rows) -> Iterator[str]:
    for row in rows.tasks.values():
        state = TaskState(row.state)
        if state in CLAIMED:
            if not (row.token and row.hostname and row.lease_until and row.job_id):
                yield f"I9: {_name(row)} is {row.state} without token, host, lease or job"
        elif row.lease_until is not None or row.job_id is not None or (row.token and state is not TaskState.QUEUED):
            yield f"I9: {_name(row)} is {row.state} but has a token, a job or a lease"
        if state in {TaskState.UP_FOR_RETRY, TaskState.UP_FOR_RESCHEDULE} and row.due_at is None:
            yield f"I9: {_name(row)} is {row.state} without an instant at which it goes on"


def _run_states(rows: _Rows, limits: Limits) -> Iterator[str]:
    by_run: dict[str, list[Any]] = {}
    for row in rows.tasks.values():
        by_run.setdefault(row.run, []).append(row)
    for run in rows.runs.values():
        tasks = by_run.get(run.id, [])
        open_tasks = [_name(row) for row in tasks if TaskState(row.state) not in FINISHED]
        state = RunState(run.state)
        if state not in ACTIVE_RUN and open_tasks:
            yield f"I12: run {run.run_id} of {run.dag_id} is {run.state}, but not ended are {open_tasks}"
        if state is RunState.RUNNING and tasks and not open_tasks and not limits.ends_by_workers:
            yield f"I12: run {run.run_id} of {run.dag_id} runs on although all its tasks have ended"
        history = rows.run_histories.get(run.id, [])
        if history and history[-1].event == "RunEnded" and run.dag_id in rows.specs:
            expected = _outcome(rows.specs[run.dag_id], {row.task_id: TaskState(row.state) for row in tasks})
            if state is not expected:
                yield f"I12: run {run.run_id} of {run.dag_id} is {run.state}, but its tasks say {expected.value}"


def _outcome(spec: DagSpec, states: Mapping[str, TaskState]) -> RunState:
    """Return how a run ends: badly if a leaf task did (or any task, where the DAG fails fast)."""
    teardowns = {task.task_id for task in spec.tasks if task.is_teardown}
    inner = {up for task in spec.tasks if task.task_id not in teardowns for up in task.upstream}
    deciding = {
        task.task_id
        for task in spec.tasks
        if spec.fail_fast
        or (task.task_id not in inner and (task.task_id not in teardowns or task.on_failure_fail_dagrun))
    }
    gone = states.keys() - {task.task_id for task in spec.tasks}
    failed = any(states.get(task_id) in _BAD for task_id in deciding | gone)
    return RunState.FAILED if failed else RunState.SUCCESS


def _uniqueness(rows: _Rows) -> Iterator[str]:
    ids = Counter((run.dag_id, run.run_id) for run in rows.runs.values())
    dates = Counter((run.dag_id, run.logical_date) for run in rows.runs.values() if run.logical_date is not None)
    tasks = Counter((row.dag_id, row.run_id, row.task_id, row.map_index) for row in rows.tasks.values())
    for counted in (ids, dates, tasks):
        yield from (f"I13: {key} is there {count} times" for key, count in counted.items() if count > 1)


def _pools(rows: _Rows) -> Iterator[str]:
    used: Counter[str] = Counter()
    for row in rows.tasks.values():
        if TaskState(row.state) in OCCUPYING:
            used[row.pool] += row.pool_slots
    for pool, slots in used.items():
        size = rows.pools.get(pool, 0)
        if size != UNLIMITED and slots > size:
            yield f"I16: {slots} slots of the pool {pool!r} are taken, but it has {size}"


def _limits(rows: _Rows, limits: Limits) -> Iterator[str]:
    running = Counter(run.dag_id for run in rows.runs.values() if run.state == RunState.RUNNING.value)
    occupying = [row for row in rows.tasks.values() if TaskState(row.state) in OCCUPYING]
    by_job = Counter(row.job_id for row in occupying)
    for job, count in by_job.items():
        if count > limits.parallelism:
            yield f"I17: {count} tasks run at {job}, which has {limits.parallelism} slots"
    for dag_id, spec in rows.specs.items():
        at_most = spec.max_active_runs or limits.max_active_runs
        if running[dag_id] > at_most:
            yield f"I17: {running[dag_id]} runs of {dag_id} are running, max_active_runs is {at_most}"
        mine = [row for row in occupying if row.dag_id == dag_id]
        at_most = spec.max_active_tasks or limits.max_active_tasks
        groups = Counter(row.run if spec.era == "trigger" else dag_id for row in mine)
        for group, count in groups.items():
            if count > at_most:
                yield f"I17: {count} tasks of {group} are running, max_active_tasks is {at_most}"
        for task in spec.tasks:
            in_runs = Counter(row.run for row in mine if row.task_id == task.task_id)
            if task.max_active_tis_per_dag is not None and in_runs.total() > task.max_active_tis_per_dag:
                yield f"I17: {in_runs.total()} instances of {dag_id}.{task.task_id} are running"
            if (
                task.max_active_tis_per_dagrun is not None
                and max(in_runs.values(), default=0) > task.max_active_tis_per_dagrun
            ):
                yield f"I17: too many instances of {dag_id}.{task.task_id} are running in one run"


def _name(row: Any) -> str:
    return f"{row.dag_id}.{row.task_id} of {row.run_id} (attempt {row.try_number})"
