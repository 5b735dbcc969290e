"""The grid: the newest runs of a DAG and the state of each of their tasks.

It is asked for every second by every open page, so `grid_digests` tells cheaply which runs
have changed, and `grid_cells` fetches plain tuples of those alone.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from gale.db.read.browse import AnyRow
from gale.db.tables import dag_run, task_instance
from gale.errors import NotFound

_RUN_COLUMNS = (
    dag_run.c.id,
    dag_run.c.run_id,
    dag_run.c.state,
    dag_run.c.run_type,
    dag_run.c.logical_date,
    dag_run.c.run_after,
    dag_run.c.queued_at,
    dag_run.c.start_date,
    dag_run.c.end_date,
    dag_run.c.version_id,
    dag_run.c.updated_at,
)


def grid_runs(conn: Connection, dag_id: str, limit: int, before: str | None = None) -> Sequence[AnyRow]:
    """Return the newest runs of a DAG, newest first.

    Args:
        conn: A connection.
        dag_id: The DAG.
        limit: At most so many.
        before: Primary key or run id of a run: only older ones.

    Raises:
        NotFound: There is no run `before`.
    """
    statement = select(*_RUN_COLUMNS).where(dag_run.c.dag_id == dag_id)
    if before:
        named = or_(dag_run.c.id == before, dag_run.c.run_id == before)
        mark = conn.execute(
            select(dag_run.c.run_after, dag_run.c.id).where(dag_run.c.dag_id == dag_id, named).limit(1)
        ).one_or_none()
        if mark is None:
            raise NotFound(f"The DAG {dag_id!r} has no run {before!r} before which others could stand.")
        same_time = and_(dag_run.c.run_after == mark.run_after, dag_run.c.id < mark.id)
        statement = statement.where(or_(dag_run.c.run_after < mark.run_after, same_time))
    return conn.execute(statement.order_by(dag_run.c.run_after.desc(), dag_run.c.id.desc()).limit(limit)).all()


def grid_digests(conn: Connection, runs: Sequence[AnyRow]) -> list[str]:
    """Return for each run a text that changes whenever what the grid shows of it changes.

    The newest `updated_at` alone would not do: a writer may commit an instant that it read before
    another one committed a later instant. Counts by state and the sum of tries catch that.
    """
    if not runs:
        return []
    statement = (
        select(
            task_instance.c.run,
            task_instance.c.state,
            func.count(),
            func.sum(task_instance.c.try_number),
            func.max(task_instance.c.updated_at),
        )
        .where(task_instance.c.run.in_([run.id for run in runs]))
        .group_by(task_instance.c.run, task_instance.c.state)
    )
    tallies: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for run, *tally in conn.execute(statement):
        tallies[run].append(tuple(tally))
    return [_digest(tuple(run), sorted(tallies[run.id])) for run in runs]


def _digest(*facts: object) -> str:
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()


def grid_tag(dag_id: str, version_id: str | None, digests: Sequence[str]) -> str:
    """Return a text that changes whenever what the grid shows changes."""
    return _digest(dag_id, version_id, digests)


def grid_cells(conn: Connection, runs: Sequence[str]) -> Sequence[AnyRow]:
    """Return (run, task_id, map_index, state, try_number, start_date, end_date) of the runs' task instances."""
    if not runs:
        return []
    statement = select(
        task_instance.c.run,
        task_instance.c.task_id,
        task_instance.c.map_index,
        task_instance.c.state,
        task_instance.c.try_number,
        task_instance.c.start_date,
        task_instance.c.end_date,
    ).where(task_instance.c.run.in_(runs))
    return conn.execute(statement).all()
