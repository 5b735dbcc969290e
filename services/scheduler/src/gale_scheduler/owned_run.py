"""A run that a scheduler works on, and what is made from it and its row."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection

from gale.core.attempt import RunFacts
from gale.core.facts import TaskFacts
from gale.core.graph import DagSpec
from gale.core.ports import Writer
from gale.core.run_machine import RunMachine
from gale.core.slots import Candidate
from gale.db.apply import add_tasks
from gale.db.keys import new_key
from gale.db.orders import run_facts
from gale.db.read import scheduling as ask

#: What comes before every run, for candidates of which nothing is known but that they hold a slot.
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class OwnedRun:
    """A run that this scheduler works on."""

    row: Any
    machine: RunMachine
    spec: DagSpec
    source_digest: str
    weights: dict[str, int]
    #: The DAG's run before this one, where a task waits for its past.
    previous: str | None = None
    #: The last run before this one that succeeded, for templates; and when (monotonic) it was looked for.
    last_success: Any = None
    looked_at: datetime | None = None
    tis: set[str] = field(default_factory=set)


def run_facts_of(owned: OwnedRun) -> RunFacts:
    """Return an owned run as its tasks' contexts show it; its machine knows more than the row did when it was read."""
    status = owned.machine.status
    return replace(run_facts(owned.row, owned.last_success), state=status.state.value, start_date=status.start_date)


def refresh_last_success(connection: Connection, owned: OwnedRun, now: datetime) -> None:
    """Look, at most once a second, which run of the DAG before this one has succeeded: that changes meanwhile."""
    if owned.looked_at is None or (now - owned.looked_at).total_seconds() >= 1.0:
        owned.looked_at = now
        owned.last_success = ask.last_success_before(connection, owned.row)


def add_missing_tasks(connection: Connection, row: Any, spec: DagSpec, weights: dict[str, int], writer: Writer) -> None:
    """Insert the task instances that a run lacks: all of a new run, those of new tasks of an old one."""
    have = ask.states_in_run(connection, row.id)
    rows = [
        {
            "id": new_key(writer.now),
            "run": row.id,
            "dag_id": row.dag_id,
            "run_id": row.run_id,
            "task_id": task.task_id,
            "map_index": -1,
            "max_tries": task.retries + 1,
            "operator": task.operator,
            "pool": task.pool,
            "pool_slots": task.pool_slots,
            "queue": task.queue,
            "priority_weight": weights[task.task_id],
            "version_id": row.newest_version,
        }
        for task in spec.tasks
        if task.task_id not in have and _lies_within(row.logical_date, task.start_date, task.end_date)
    ]
    if rows:
        add_tasks(connection, rows, writer)


def candidate_of(owned: OwnedRun, facts: TaskFacts, max_active_tasks: int) -> Candidate:
    """Return what the ledger needs to know of a task instance; the limit is for DAGs that set none."""
    task = owned.machine.task_spec(facts.ti)
    return Candidate(
        ti=facts.ti,
        run=owned.row.id,
        dag_id=owned.spec.dag_id,
        task_id=task.task_id,
        pool=task.pool,
        pool_slots=task.pool_slots,
        weight=owned.weights.get(task.task_id, task.priority_weight),
        since=owned.row.logical_date or owned.row.run_after or EPOCH,
        max_active_tasks=owned.spec.max_active_tasks or max_active_tasks,
        per_run=owned.spec.era == "trigger",
        max_active_tis_per_dag=task.max_active_tis_per_dag,
        max_active_tis_per_dagrun=task.max_active_tis_per_dagrun,
    )


def _lies_within(date: datetime | None, start: datetime | None, end: datetime | None) -> bool:
    """A task has no part in runs before its own start_date or after its own end_date."""
    return date is None or ((start is None or start <= date) and (end is None or date <= end))
