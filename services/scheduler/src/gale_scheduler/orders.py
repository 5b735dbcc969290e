"""The order for an attempt: all that a worker needs, put together from an owned run."""

from datetime import datetime
from pathlib import Path

import msgspec

from gale.core.attempt import AttemptOrder, RunFacts
from gale.core.facts import TaskFacts
from gale_scheduler.owned_run import OwnedRun


def run_facts(owned: OwnedRun) -> RunFacts:
    """Return the run as the task's context shows it."""
    row, last = owned.row, owned.last_success
    return RunFacts(
        dag_id=row.dag_id,
        run_id=row.run_id,
        run_type=row.run_type,
        state=owned.machine.status.state.value,
        logical_date=row.logical_date,
        data_interval_start=row.data_interval_start,
        data_interval_end=row.data_interval_end,
        run_after=row.run_after,
        start_date=owned.machine.status.start_date,
        conf=msgspec.json.decode(row.conf or "{}"),
        prev_success_end=None if last is None else last.end_date,
        prev_success_start=None if last is None else last.start_date,
        prev_success_interval_start=None if last is None else last.data_interval_start,
        prev_success_interval_end=None if last is None else last.data_interval_end,
    )


def order_for(owned: OwnedRun, facts: TaskFacts, *, file: Path, first_try_at: datetime | None) -> AttemptOrder:
    """Return the order for the attempt that `facts` describes.

    Args:
        owned: The run.
        facts: The task instance, claimed: it has a token.
        file: Where the version of the DAG that the run follows is to be imported from.
        first_try_at: When a sensor in reschedule mode was first asked; None for others.
    """
    task = owned.machine.task_spec(facts.ti)
    return AttemptOrder(
        ti=facts.ti,
        token=facts.token or "",
        run=run_facts(owned),
        task_id=facts.task_id,
        map_index=facts.map_index,
        try_number=facts.try_number,
        max_tries=facts.max_tries,
        file=str(file),
        source_digest=owned.source_digest,
        execution_timeout=task.execution_timeout,
        queue=task.queue,
        pool=task.pool,
        priority_weight=owned.weights.get(task.task_id, task.priority_weight),
        hostname=facts.hostname,
        first_reschedule_at=first_try_at,
    )
