"""The order for an attempt: all that whoever runs it needs, put together from rows and the DAG's definition."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from gale.core.attempt import AttemptOrder, RunFacts
from gale.core.facts import TaskFacts
from gale.core.graph import TaskSpec


def run_facts(row: Any, last_success: Any = None) -> RunFacts:
    """Return a run as the task's context shows it.

    Args:
        row: Of the run.
        last_success: The last run before it that succeeded (`gale.db.read.scheduling.last_success_before`), or None.
    """
    last = last_success
    return RunFacts(
        dag_id=row.dag_id,
        run_id=row.run_id,
        run_type=row.run_type,
        state=row.state,
        logical_date=row.logical_date,
        data_interval_start=row.data_interval_start,
        data_interval_end=row.data_interval_end,
        run_after=row.run_after,
        start_date=row.start_date,
        conf=msgspec.json.decode(row.conf or "{}"),
        prev_success_end=None if last is None else last.end_date,
        prev_success_start=None if last is None else last.start_date,
        prev_success_interval_start=None if last is None else last.data_interval_start,
        prev_success_interval_end=None if last is None else last.data_interval_end,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a version of a DAG says of a task, and where that version is to be imported from."""

    task: TaskSpec
    #: The priority that counts (`weight_rule`).
    weight: int
    file: Path
    source_digest: str


def order_of(facts: TaskFacts, run: RunFacts, definition: Definition, *, first_try_at: datetime | None) -> AttemptOrder:
    """Return the order for the attempt that `facts` describes.

    Args:
        facts: The task instance, claimed: it has a token.
        run: Its run.
        definition: Of its task.
        first_try_at: When a sensor in reschedule mode was first asked; None for others.
    """
    task = definition.task
    return AttemptOrder(
        ti=facts.ti,
        token=facts.token or "",
        run=run,
        task_id=facts.task_id,
        map_index=facts.map_index,
        try_number=facts.try_number,
        max_tries=facts.max_tries,
        file=str(definition.file),
        source_digest=definition.source_digest,
        execution_timeout=task.execution_timeout,
        queue=task.queue,
        pool=task.pool,
        priority_weight=definition.weight,
        hostname=facts.hostname,
        first_reschedule_at=first_try_at,
    )


def first_try_of(facts: TaskFacts) -> datetime | None:
    """Return when a sensor in reschedule mode was first asked; None for an attempt that begins anew.

    Args:
        facts: As they are before the attempt is claimed.
    """
    return facts.start_date if facts.start_date and not facts.end_date else None
