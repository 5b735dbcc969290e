"""Queries that only the command line asks."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from gale.db.read.browse import AnyRow
from gale.db.tables import dag, dag_run, request, task_instance


def run_with_logical_date(conn: Connection, dag_id: str, instant: datetime) -> AnyRow | None:
    """Return the run of a DAG for a logical date, None if there is none."""
    statement = select(dag_run).where(dag_run.c.dag_id == dag_id, dag_run.c.logical_date == instant)
    return conn.execute(statement).first()


def run_with_key(conn: Connection, key: str) -> AnyRow | None:
    """Return a run by its primary key, None if it has been deleted."""
    return conn.execute(select(dag_run).where(dag_run.c.id == key)).first()


def states_of_runs(conn: Connection, keys: Sequence[str]) -> dict[str, str]:
    """Return the state of each run (by primary key) that still exists."""
    rows = conn.execute(select(dag_run.c.id, dag_run.c.state).where(dag_run.c.id.in_(keys)))
    return {row.id: row.state for row in rows}


def task_states_of_run(conn: Connection, key: str) -> Sequence[AnyRow]:
    """Return task id, map index, state, try number and dates of the task instances of a run, as the DAG orders them."""
    ti = task_instance
    columns = (ti.c.id, ti.c.task_id, ti.c.map_index, ti.c.state, ti.c.try_number, ti.c.start_date, ti.c.end_date)
    return conn.execute(select(*columns).where(ti.c.run == key).order_by(ti.c.id)).all()


def newest_run_of(conn: Connection, dag_id: str) -> AnyRow | None:
    """Return the run of a DAG that is newest by its date, None if it never ran."""
    statement = select(dag_run).where(dag_run.c.dag_id == dag_id)
    return conn.execute(statement.order_by(dag_run.c.run_after.desc(), dag_run.c.id.desc()).limit(1)).first()


def file_of_dag(conn: Connection, dag_id: str) -> str | None:
    """Return the file of a DAG as it is stored, None if the DAG is unknown."""
    found: str | None = conn.execute(select(dag.c.fileloc).where(dag.c.dag_id == dag_id)).scalar_one_or_none()
    return found


def dag_ids_known(conn: Connection) -> list[str]:
    """Return the ids of all DAGs whose file still defines them, sorted."""
    return list(conn.execute(select(dag.c.dag_id).where(dag.c.is_active).order_by(dag.c.dag_id)).scalars())


def outcome_of_request(conn: Connection, request_id: str) -> AnyRow | None:
    """Return `handled_at` and `outcome` of a request, None if it is gone."""
    return conn.execute(select(request.c.handled_at, request.c.outcome).where(request.c.id == request_id)).first()


def count_rows(conn: Connection) -> dict[str, int]:
    """Return how many DAGs, runs and task instances there are, for `gale info`."""
    return {
        table.name: int(conn.execute(select(func.count()).select_from(table)).scalar_one())
        for table in (dag, dag_run, task_instance)
    }
