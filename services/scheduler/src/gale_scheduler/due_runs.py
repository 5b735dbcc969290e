"""Creates the runs that timetables say are due.

The notes' rule: a run for the interval D is created when D has closed; `start_date` is the first
interval; missed ones are made up for unless `catchup` is off. A DAG that is new to Gale but
whose tasks have instances starts five intervals before the newest of them.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, exc, update

from gale.core.graph import DagSpec
from gale.core.ports import Writer
from gale.core.timetables import DataInterval, Limits, NextRun, Timetable, from_spec
from gale.db import tables as t
from gale.db.apply import add_run
from gale.db.keys import new_key
from gale.db.read import scheduling as ask

#: How far back a DAG starts whose tasks ran before Gale knew it (the notes: five days before the last).
INTERVALS_BACK: Final = 5
#: Runs of one DAG that are created in one go; more would let a catch-up hold up everybody else.
BURST: Final = 10


def plan_next(connection: Connection, spec: DagSpec, now: datetime) -> NextRun | None:
    """Return the next run of a DAG by its timetable, given the runs it has.

    Args:
        connection: The database.
        spec: The DAG's newest version, which is stored already.
        now: The instant on the database's clock.
    """
    timetable = from_spec(spec.timetable)
    last = ask.newest_scheduled_run(connection, spec.dag_id)
    interval = None if last is None else _interval(last)
    return timetable.next_run(interval, _limits(connection, spec, timetable, is_first=last is None), now)


def _interval(row: Any) -> DataInterval:
    start = row.data_interval_start or row.logical_date
    return DataInterval(start, row.data_interval_end or start)


def _limits(connection: Connection, spec: DagSpec, timetable: Timetable, *, is_first: bool) -> Limits:
    earliest = spec.start_date
    if is_first and timetable.periodic:
        newest = ask.newest_date_before_gale(connection, spec.dag_id, [task.task_id for task in spec.tasks])
        if newest is not None:
            back = timetable.back(newest, INTERVALS_BACK)
            earliest = back if earliest is None else max(earliest, back)
    return Limits(earliest=earliest, latest=spec.end_date, catchup=spec.catchup)


def next_columns(coming: NextRun | None) -> dict[str, Any]:
    """Return the columns of `dag` that say when its next run is due."""
    return {
        "next_logical_date": None if coming is None else coming.logical_date,
        "next_interval_start": None if coming is None else coming.interval.start,
        "next_interval_end": None if coming is None else coming.interval.end,
        "next_run_after": None if coming is None else coming.run_after,
    }


def create_due_runs(connection: Connection, writer: Writer, *, limit: int, max_active_runs: int) -> int:
    """Create the runs that are due, each DAG up to its limit of active runs; return how many.

    Args:
        connection: A transaction that writes.
        writer: Who writes, and when.
        limit: Number of DAGs that are looked at.
        max_active_runs: For DAGs that set no limit of their own.
    """
    created = 0
    for dag in ask.due_dags(connection, writer.now, limit):
        known = ask.version_data(connection, dag.version_id) if dag.version_id else None
        if known is not None:
            created += _create_for(connection, known[0], writer, max_active_runs)
    return created


def _create_for(connection: Connection, spec: DagSpec, writer: Writer, default_limit: int) -> int:
    now = writer.now
    timetable = from_spec(spec.timetable)
    limits = [limit for limit in (spec.max_active_runs or default_limit, timetable.max_active_runs) if limit]
    room = min(min(limits) - ask.active_scheduled_runs(connection, spec.dag_id), BURST)
    if room <= 0:
        return 0
    created = 0
    coming = plan_next(connection, spec, now)
    while coming is not None and coming.run_after <= now and created < room:
        _create(connection, spec, coming, writer)
        created += 1
        limits_now = Limits(earliest=spec.start_date, latest=spec.end_date, catchup=spec.catchup)
        coming = timetable.next_run(coming.interval, limits_now, now)
    connection.execute(update(t.dag).where(t.dag.c.dag_id == spec.dag_id).values(**next_columns(coming)))
    return created


def _create(connection: Connection, spec: DagSpec, coming: NextRun, writer: Writer) -> None:
    values = {
        "id": new_key(writer.now),
        "dag_id": spec.dag_id,
        "run_id": f"scheduled__{coming.logical_date.isoformat()}",
        "run_type": "scheduled",
        "logical_date": coming.logical_date,
        "data_interval_start": coming.interval.start,
        "data_interval_end": coming.interval.end,
        "run_after": coming.run_after,
        "conf": "{}",
        "triggered_by": "timetable",
    }
    try:
        with connection.begin_nested():
            add_run(connection, values, writer)
    except exc.IntegrityError:
        # Somebody made a run for this date by hand. It is the DAG's run of this interval then.
        connection.execute(
            update(t.dag_run)
            .where(t.dag_run.c.dag_id == spec.dag_id, t.dag_run.c.logical_date == coming.logical_date)
            .values(run_type="scheduled")
        )
