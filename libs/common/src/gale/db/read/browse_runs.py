"""What is known of DAG runs: lists, one run, the latest of each DAG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

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
from gale.db.tables import dag_run
from gale.errors import NotFound

RUN_SORT: Final = SortKeys(
    keys={
        "id": dag_run.c.id,
        "dag_id": dag_run.c.dag_id,
        "dag_run_id": dag_run.c.run_id,
        "state": dag_run.c.state,
        "run_type": dag_run.c.run_type,
        "logical_date": dag_run.c.logical_date,
        "run_after": dag_run.c.run_after,
        "queued_at": dag_run.c.queued_at,
        "start_date": dag_run.c.start_date,
        "end_date": dag_run.c.end_date,
        "updated_at": dag_run.c.updated_at,
    },
    aliases={"run_id": "dag_run_id", "execution_date": "logical_date"},
    default=("id",),
    tie=dag_run.c.id,
)
#: Columns that range filters such as `logical_date_gte` may name.
RUN_RANGES: Final = {
    name: dag_run.c[name] for name in ("logical_date", "run_after", "queued_at", "start_date", "end_date", "updated_at")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs a list shows. None or empty = do not filter by this."""

    dag_ids: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    run_types: tuple[str, ...] = ()
    run_id_pattern: str | None = None
    triggering_user_name_pattern: str | None = None
    #: Such as {"logical_date_gte": instant}; the columns of RUN_RANGES.
    ranges: Mapping[str, datetime] = field(default_factory=dict)


def runs_matching(
    conn: Connection, wanted: RunFilter, page: Page = FIRST_PAGE, visible: Visible = EVERYTHING
) -> Listing:
    """Return the runs that a filter lets through."""
    statement = within(visible.only(select(dag_run), dag_run.c.dag_id), RUN_RANGES, wanted.ranges)
    for column, values in (
        (dag_run.c.dag_id, wanted.dag_ids),
        (dag_run.c.state, wanted.states),
        (dag_run.c.run_type, wanted.run_types),
    ):
        if values:
            statement = statement.where(column.in_(values))
    if wanted.run_id_pattern:
        statement = statement.where(matches(dag_run.c.run_id, wanted.run_id_pattern))
    if wanted.triggering_user_name_pattern:
        statement = statement.where(matches(dag_run.c.triggering_user_name, wanted.triggering_user_name_pattern))
    return list_rows(conn, statement, RUN_SORT, page)


def run_with_id(conn: Connection, dag_id: str, run_id: str) -> AnyRow:
    """Return one run.

    Raises:
        NotFound: The DAG has no such run.
    """
    row = conn.execute(select(dag_run).where(dag_run.c.dag_id == dag_id, dag_run.c.run_id == run_id)).one_or_none()
    if row is None:
        raise NotFound(f"The DAG {dag_id!r} has no run {run_id!r}.")
    return row


_RECENT = (
    select(
        dag_run.c.run_id,
        dag_run.c.state,
        dag_run.c.run_type,
        dag_run.c.logical_date,
        dag_run.c.run_after,
        dag_run.c.start_date,
        dag_run.c.end_date,
    )
    .where(dag_run.c.dag_id == bindparam("dag"))
    .order_by(dag_run.c.run_after.desc(), dag_run.c.id.desc())
    .limit(bindparam("newest"))
)


def recent_runs_of(conn: Connection, dag_ids: Sequence[str], per_dag: int) -> Mapping[str, Sequence[AnyRow]]:
    """Return the newest runs of each of the DAGs, oldest first.

    One small query for each DAG, answered by the index (dag_id, run_after): a window function over
    all of them would read every run that the DAGs ever had.
    """
    return {dag_id: conn.execute(_RECENT, {"dag": dag_id, "newest": per_dag}).all()[::-1] for dag_id in dag_ids}


def runs_around(conn: Connection, row: AnyRow, *, future: bool, past: bool) -> Sequence[AnyRow]:
    """Return `row` and the later and earlier runs of its DAG, by logical date (else by `run_after`), oldest first."""
    by = dag_run.c.logical_date if row.logical_date is not None else dag_run.c.run_after
    instant = row.logical_date if row.logical_date is not None else row.run_after
    statement = select(dag_run).where(dag_run.c.dag_id == row.dag_id)
    if future and not past:
        statement = statement.where(by >= instant)
    elif past and not future:
        statement = statement.where(by <= instant)
    elif not future:
        statement = statement.where(dag_run.c.id == row.id)
    return conn.execute(statement.order_by(by, dag_run.c.id)).all()


def runs_between(conn: Connection, dag_id: str, start: datetime | None, end: datetime | None) -> Sequence[AnyRow]:
    """Return the runs of a DAG whose logical date (else `run_after`) lies from `start` to `end`, oldest first."""
    when = func.coalesce(dag_run.c.logical_date, dag_run.c.run_after)
    statement = select(dag_run).where(dag_run.c.dag_id == dag_id)
    if start is not None:
        statement = statement.where(when >= start)
    if end is not None:
        statement = statement.where(when <= end)
    return conn.execute(statement.order_by(when, dag_run.c.id)).all()
