"""What is known of task instances: lists, attempts, rendered fields, XComs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from gale.db.read.browse import (
    EVERYTHING,
    FIRST_PAGE,
    AnyRow,
    Listing,
    Page,
    SortKeys,
    Visible,
    list_rows,
    matches,
    within,
)
from gale.db.tables import dag_run, job, rendered_fields, task_event, task_instance, xcom
from gale.errors import NotFound

TI_SORT: Final = SortKeys(
    keys={
        "id": task_instance.c.id,
        "dag_id": task_instance.c.dag_id,
        "dag_run_id": task_instance.c.run_id,
        "task_id": task_instance.c.task_id,
        "map_index": task_instance.c.map_index,
        "state": task_instance.c.state,
        "try_number": task_instance.c.try_number,
        "logical_date": dag_run.c.logical_date,
        "run_after": dag_run.c.run_after,
        "data_interval_start": dag_run.c.data_interval_start,
        "data_interval_end": dag_run.c.data_interval_end,
        "queued_when": task_instance.c.queued_at,
        "scheduled_when": task_instance.c.scheduled_at,
        "start_date": task_instance.c.start_date,
        "end_date": task_instance.c.end_date,
        "pool": task_instance.c.pool,
        "queue": task_instance.c.queue,
        "operator": task_instance.c.operator,
        "priority_weight": task_instance.c.priority_weight,
        "updated_at": task_instance.c.updated_at,
    },
    aliases={"run_id": "dag_run_id", "queued_dttm": "queued_when", "scheduled_dttm": "scheduled_when"},
    default=("map_index",),
    tie=task_instance.c.id,
)
XCOM_SORT: Final = SortKeys(
    keys={
        "dag_id": xcom.c.dag_id,
        "dag_run_id": xcom.c.run_id,
        "task_id": xcom.c.task_id,
        "map_index": xcom.c.map_index,
        "key": xcom.c.key,
        "timestamp": xcom.c.timestamp,
    },
    aliases={"run_id": "dag_run_id"},
    default=("dag_id", "dag_run_id", "task_id", "map_index"),
    tie=xcom.c.key,
)
#: SQLite takes 32,766 values in one statement, older ones 999.
_CHUNK: Final = 900
#: Columns that range filters such as `start_date_gte` may name.
TI_RANGES: Final = {
    "logical_date": dag_run.c.logical_date,
    "run_after": dag_run.c.run_after,
    "start_date": task_instance.c.start_date,
    "end_date": task_instance.c.end_date,
    "updated_at": task_instance.c.updated_at,
}
#: Those of them that the run has, not the task instance.
_OF_RUN: Final = ("logical_date_", "run_after_")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInstanceFilter:
    """Which task instances a list shows. None or empty = do not filter by this."""

    dag_ids: tuple[str, ...] = ()
    run_ids: tuple[str, ...] = ()
    task_ids: tuple[str, ...] = ()
    map_indexes: tuple[int, ...] = ()
    states: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    try_numbers: tuple[int, ...] = ()
    task_id_pattern: str | None = None
    run_id_pattern: str | None = None
    #: Such as {"start_date_gte": instant}; the columns of TI_RANGES.
    ranges: Mapping[str, datetime] = field(default_factory=dict)


def _with_run() -> Select[Any]:
    return select(task_instance, dag_run.c.logical_date, dag_run.c.run_after).join(
        dag_run, dag_run.c.id == task_instance.c.run
    )


def task_instances_matching(
    conn: Connection, wanted: TaskInstanceFilter, page: Page = FIRST_PAGE, visible: Visible = EVERYTHING
) -> Listing:
    """Return the task instances that a filter lets through, with the dates of their runs."""
    statement = _filtered(_with_run(), wanted, visible)
    if any(name.startswith(_OF_RUN) for name in wanted.ranges):
        return list_rows(conn, statement, TI_SORT, page)
    # Every task instance has a run, so counting need not look each of them up.
    return list_rows(conn, statement, TI_SORT, page, _filtered(select(task_instance), wanted, visible))


def _filtered(statement: Select[Any], wanted: TaskInstanceFilter, visible: Visible) -> Select[Any]:
    statement = within(visible.only(statement, task_instance.c.dag_id), TI_RANGES, wanted.ranges)
    for name, values in (
        ("dag_id", wanted.dag_ids),
        ("run_id", wanted.run_ids),
        ("task_id", wanted.task_ids),
        ("map_index", wanted.map_indexes),
        ("state", wanted.states),
        ("pool", wanted.pools),
        ("queue", wanted.queues),
        ("operator", wanted.operators),
        ("try_number", wanted.try_numbers),
    ):
        if values:
            statement = statement.where(task_instance.c[name].in_(values))
    if wanted.task_id_pattern:
        statement = statement.where(matches(task_instance.c.task_id, wanted.task_id_pattern))
    if wanted.run_id_pattern:
        statement = statement.where(matches(task_instance.c.run_id, wanted.run_id_pattern))
    return statement


def task_instance_with_id(conn: Connection, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> AnyRow:
    """Return one task instance with the dates of its run.

    Raises:
        NotFound: The run has no such task instance.
    """
    row = conn.execute(
        _with_run().where(
            task_instance.c.dag_id == dag_id,
            task_instance.c.run_id == run_id,
            task_instance.c.task_id == task_id,
            task_instance.c.map_index == map_index,
        )
    ).one_or_none()
    if row is None:
        mapped = "" if map_index < 0 else f" with map index {map_index}"
        raise NotFound(f"The run {run_id!r} of the DAG {dag_id!r} has no task instance {task_id!r}{mapped}.")
    return row


def task_instances_of_runs(
    conn: Connection, runs: Sequence[str], task_ids: Sequence[str] | None = None
) -> Sequence[AnyRow]:
    """Return the task instances of runs (by primary key), of all tasks or of those named, with their runs' dates."""
    found: list[AnyRow] = []
    names = None if task_ids is None else set(task_ids)
    for start in range(0, len(runs), _CHUNK):
        rows = conn.execute(_with_run().where(task_instance.c.run.in_(runs[start : start + _CHUNK])))
        found += [row for row in rows if names is None or row.task_id in names]
    return sorted(found, key=lambda row: (row.run_after, row.id))


def task_instances_with_keys(conn: Connection, ids: Sequence[str]) -> Sequence[AnyRow]:
    """Return task instances by primary key, with the dates of their runs; those that are gone are left out."""
    found: list[AnyRow] = []
    for start in range(0, len(ids), _CHUNK):
        found += conn.execute(_with_run().where(task_instance.c.id.in_(ids[start : start + _CHUNK]))).all()
    return sorted(found, key=lambda row: (row.run_after, row.id))


def is_task_in_run(conn: Connection, dag_id: str, run_id: str, task_id: str) -> bool:
    """Tell whether a run has any instance of a task."""
    statement = select(task_instance.c.id).where(
        task_instance.c.dag_id == dag_id, task_instance.c.run_id == run_id, task_instance.c.task_id == task_id
    )
    return conn.execute(statement.limit(1)).first() is not None


def rendered_fields_of(conn: Connection, ti: str) -> str | None:
    """Return the rendered template fields of a task instance as JSON text, secrets masked; None if not run yet."""
    statement = select(rendered_fields.c.fields).where(rendered_fields.c.ti == ti)
    return conn.execute(statement).scalar_one_or_none()


def events_of_task_instance(conn: Connection, ti: str) -> Sequence[AnyRow]:
    """Return every move that a task instance ever made, oldest first: its attempts can be told from these."""
    return conn.execute(select(task_event).where(task_event.c.ti == ti).order_by(task_event.c.id)).all()


def hostname_of_try(conn: Connection, ti: AnyRow, try_number: int) -> str:
    """Return the host that ran an attempt of a task instance; empty if none has."""
    if try_number == ti.try_number:
        return str(ti.hostname)
    mine = (task_event.c.ti == ti.id) & (task_event.c.try_number == try_number) & (task_event.c.hostname != "")
    statement = select(task_event.c.hostname).where(mine).order_by(task_event.c.id.desc()).limit(1)
    return str(conn.execute(statement).scalar() or "")


def job_with_id(conn: Connection, job_id: str | None) -> AnyRow | None:
    """Return a long-lived process of Gale; None if there is none with this id."""
    if job_id is None:
        return None
    return conn.execute(select(job).where(job.c.id == job_id)).one_or_none()


@dataclass(frozen=True, slots=True, kw_only=True)
class XComFilter:
    """Which XComs a list shows. None or empty = do not filter by this."""

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    key: str | None = None
    key_pattern: str | None = None
    dag_id_pattern: str | None = None
    run_id_pattern: str | None = None
    task_id_pattern: str | None = None


def _xcoms() -> Select[Any]:
    of_run = (dag_run.c.dag_id == xcom.c.dag_id) & (dag_run.c.run_id == xcom.c.run_id)
    return select(xcom, dag_run.c.logical_date).join(dag_run, of_run, isouter=True)


def xcoms_matching(
    conn: Connection, wanted: XComFilter, page: Page = FIRST_PAGE, visible: Visible = EVERYTHING
) -> Listing:
    """Return the XComs that a filter lets through."""
    statement = visible.only(_xcoms(), xcom.c.dag_id)
    for name in ("dag_id", "run_id", "task_id", "map_index", "key"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(xcom.c[name] == value)
        pattern = getattr(wanted, f"{name}_pattern", None)
        if pattern:
            statement = statement.where(matches(xcom.c[name], pattern))
    return list_rows(conn, statement, XCOM_SORT, page)


def xcom_with_key(conn: Connection, ti: AnyRow, key: str) -> AnyRow:
    """Return one XCom of a task instance.

    Raises:
        NotFound: The task instance has stored nothing under this key.
    """
    row = conn.execute(
        _xcoms().where(
            xcom.c.dag_id == ti.dag_id,
            xcom.c.run_id == ti.run_id,
            xcom.c.task_id == ti.task_id,
            xcom.c.map_index == ti.map_index,
            xcom.c.key == key,
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"The task instance {ti.task_id!r} of the run {ti.run_id!r} has no XCom {key!r}.")
    return row


def count_task_instances_by_state(conn: Connection, runs: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return, for each run (by primary key), how many task instances it has in each state."""
    counts: dict[str, dict[str, int]] = {run: {} for run in runs}
    statement = (
        select(task_instance.c.run, task_instance.c.state, func.count().label("tasks"))
        .where(task_instance.c.run.in_(runs))
        .group_by(task_instance.c.run, task_instance.c.state)
    )
    for row in conn.execute(statement):
        counts[row.run][row.state] = row.tasks
    return counts
