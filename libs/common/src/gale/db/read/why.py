"""Why is it not running? The rows behind the answer, and the answer from `gale.core.explain`.

The machine and the ledger are built from rows for the question's sake, exactly as a scheduler
that adopts the run would build them, so that the answer comes from the code that decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from gale.core.explain import Cause, Explanation, Surroundings, WorkerSeats, explain_dag, explain_run, explain_task
from gale.core.facts import TaskFacts
from gale.core.graph import DagSpec
from gale.core.graph_order import effective_weights
from gale.core.run_machine import RunMachine, past_is_met
from gale.core.selection import downstream_of
from gale.core.slots import Candidate, SlotLedger
from gale.core.states import CLAIMED, OCCUPYING, RunState, TaskState
from gale.db import tables as t
from gale.db.read import scheduling as ask
from gale.errors import NotFound

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLAIMED: Final = sorted(state.value for state in CLAIMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The settings that limit a DAG which sets no limits itself."""

    parallelism: int
    max_active_tasks: int
    max_active_runs: int


def why_dag(connection: Connection, dag_id: str, defaults: Defaults, now: datetime) -> Explanation:
    """Say why a DAG has no new run now.

    Raises:
        NotFound: There is no such DAG.
    """
    return explain_dag(_surroundings(connection, _dag(connection, dag_id), None, defaults, now))


def why_run(connection: Connection, dag_id: str, run_id: str, defaults: Defaults, now: datetime) -> Explanation:
    """Say why a run does not go on; of a run under way, why its first waiting task does not.

    Raises:
        NotFound: There is no such DAG or run.
    """
    run = _run(connection, dag_id, run_id)
    around = _surroundings(connection, _dag(connection, dag_id), run, defaults, now)
    answer = explain_run(ask.status_of(run), around)
    if answer.cause is not Cause.RUNNING:
        return answer
    waiting = _first_waiting(ask.tasks_of_run(connection, run.id))
    if waiting is None:
        return answer
    return why_task(connection, (dag_id, run_id, waiting.task_id), defaults, now)


def _first_waiting(tasks: Sequence[TaskFacts]) -> TaskFacts | None:
    order = (TaskState.SCHEDULED, TaskState.QUEUED, TaskState.UP_FOR_RETRY, TaskState.UP_FOR_RESCHEDULE, TaskState.NONE)
    ranked = [facts for facts in tasks if facts.state in order]
    return min(ranked, key=lambda facts: order.index(facts.state), default=None)


def why_task(
    connection: Connection, key: tuple[str, str, str], defaults: Defaults, now: datetime, map_index: int = -1
) -> Explanation:
    """Say why a task instance is not running.

    Args:
        connection: The database.
        key: dag_id, run_id, task_id.
        defaults: Limits from the settings.
        now: The instant on the database's clock.
        map_index: -1 unless the task is mapped.

    Raises:
        NotFound: There is no such DAG, run or task.
    """
    dag_id, run_id, task_id = key
    run = _run(connection, dag_id, run_id)
    dag = _dag(connection, dag_id)
    around = _surroundings(connection, dag, run, defaults, now)
    tasks = ask.tasks_of_run(connection, run.id)
    facts = next((f for f in tasks if f.task_id == task_id and f.map_index == map_index), None)
    known = ask.version_data(connection, dag.version_id) if dag.version_id else None
    if known is None or (facts is None and task_id not in {task.task_id for task in known[0].tasks}):
        raise NotFound(f"DAG {dag_id!r} has no task {task_id!r}. See `gale tasks list {dag_id}`.")
    spec = known[0]
    if facts is None:
        return explain_run(ask.status_of(run), around)
    machine = RunMachine(ask.status_of(run), spec, tasks, _past(connection, run, spec))
    ledger = SlotLedger(ask.pools(connection))
    limit = spec.max_active_tasks or defaults.max_active_tasks
    ledger.set_held([_held(row, spec, limit) for row in ask.occupied(connection)])
    candidate = _candidate(machine, facts, run, spec, defaults)
    if facts.state is TaskState.SCHEDULED:
        for row in ask.waiting_in_pool(connection, candidate.pool):
            ledger.want(_waiting(row, spec))
    return explain_task(machine, facts.ti, ledger, candidate, around)


def _past(connection: Connection, run: Any, spec: DagSpec) -> dict[str, bool]:
    wanting = [task for task in spec.tasks if task.depends_on_past or task.wait_for_downstream]
    if not wanting:
        return {}
    previous = ask.previous_run(connection, run, scheduled_only=spec.catchup)
    states = ask.states_in_run(connection, previous) if previous else None
    return {task.task_id: past_is_met(task, states, downstream_of(spec)) for task in wanting}


def _candidate(machine: RunMachine, facts: TaskFacts, run: Any, spec: DagSpec, defaults: Defaults) -> Candidate:
    task = machine.task_spec(facts.ti)
    return Candidate(
        ti=facts.ti,
        run=run.id,
        dag_id=spec.dag_id,
        task_id=task.task_id,
        pool=task.pool,
        pool_slots=task.pool_slots,
        weight=effective_weights(spec.tasks).get(task.task_id, task.priority_weight),
        since=run.logical_date or run.run_after,
        max_active_tasks=spec.max_active_tasks or defaults.max_active_tasks,
        per_run=spec.era == "trigger",
        max_active_tis_per_dag=task.max_active_tis_per_dag,
        max_active_tis_per_dagrun=task.max_active_tis_per_dagrun,
    )


def _held(row: Any, spec: DagSpec, max_active_tasks: int) -> Candidate:
    mine = row.dag_id == spec.dag_id
    return Candidate(
        ti=row.id,
        run=row.run,
        dag_id=row.dag_id,
        task_id=row.task_id,
        pool=row.pool,
        pool_slots=row.pool_slots,
        since=_EPOCH,
        max_active_tasks=max_active_tasks if mine else None,
        per_run=mine and spec.era == "trigger",
    )


def _waiting(row: Any, spec: DagSpec) -> Candidate:
    """Return another that waits in the same line."""
    return replace(
        _held(row, spec, row.max_active_tasks),
        weight=row.priority_weight,
        since=row.logical_date or row.run_after or _EPOCH,
        max_active_tasks=row.max_active_tasks,
    )


def _dag(connection: Connection, dag_id: str) -> Row[Any]:
    row = connection.execute(select(t.dag).where(t.dag.c.dag_id == dag_id)).first()
    if row is None:
        raise NotFound(f"There is no DAG {dag_id!r}. See `gale dags list`.")
    return row


def _run(connection: Connection, dag_id: str, run_id: str) -> Row[Any]:
    query = select(t.dag_run).where(t.dag_run.c.dag_id == dag_id, t.dag_run.c.run_id == run_id)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"DAG {dag_id!r} has no run {run_id!r}. See `gale runs list {dag_id}`.")
    return row


def _surroundings(connection: Connection, dag: Any, run: Any, defaults: Defaults, now: datetime) -> Surroundings:
    job, ti = t.job, t.task_instance
    living = (job.c.job_type == "scheduler", job.c.state == "running", job.c.lease_until >= now)
    seen = connection.execute(select(func.max(job.c.latest_heartbeat)).where(*living)).scalar_one_or_none()
    schedulers = connection.execute(select(func.count()).where(*living)).scalar_one()
    active = [state.value for state in OCCUPYING]
    taken = connection.execute(select(func.count()).select_from(ti).where(ti.c.state.in_(active))).scalar_one()
    parallelism = defaults.parallelism * max(1, schedulers)
    running = connection.execute(
        select(func.count()).where(t.dag_run.c.dag_id == dag.dag_id, t.dag_run.c.state == RunState.RUNNING.value)
    ).scalar_one()
    return Surroundings(
        now=now,
        scheduler_seen_at=seen,
        dag_is_active=dag.is_active,
        has_import_error=dag.has_import_errors,
        is_paused=dag.is_paused,
        running_runs=running,
        max_active_runs=dag.max_active_runs,
        run_after=None if run is None else run.run_after,
        next_run_after=dag.next_run_after,
        open_slots=parallelism - taken,
        parallelism=parallelism,
        workers=living_workers(connection, now),
    )


def living_workers(connection: Connection, now: datetime) -> tuple[WorkerSeats, ...]:
    """Return the workers that have a lease, with what they hold, ordered by host."""
    job, ti = t.job.c, t.task_instance.c
    held = select(func.count()).where(ti.job_id == job.id, ti.state.in_(_CLAIMED)).correlate(t.job)
    query = (
        select(job.hostname, job.queues, job.slots, held.scalar_subquery().label("taken"))
        .where(job.job_type == "worker", job.state == "running", job.lease_until >= now)
        .order_by(job.hostname, job.id)
    )
    return tuple(
        WorkerSeats(
            hostname=row.hostname, queues=frozenset(row.queues.split(",")), slots=row.slots or 0, taken=row.taken
        )
        for row in connection.execute(query)
    )
