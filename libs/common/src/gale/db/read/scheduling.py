"""What the scheduler asks the database, each question by its name."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, func, select, update

from gale.core.facts import RunStatus, TaskFacts
from gale.core.graph import DagSpec
from gale.core.states import CLAIMED, FINISHED, OCCUPYING, RunState, TaskState
from gale.db import tables as t

#: A row of whatever columns a query names.
AnyRow = Any

_OCCUPYING = sorted(state.value for state in OCCUPYING)
_CLAIMED = sorted(state.value for state in CLAIMED)
_ACTIVE = (RunState.QUEUED.value, RunState.RUNNING.value)


def change_mark(connection: Connection) -> int | None:
    """Return a number that changes when another connection has committed, where the database has one.

    SQLite has (`PRAGMA data_version`, a matter of microseconds); MySQL has not.
    """
    if connection.dialect.name != "sqlite":
        return None
    return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())


# --- runs ----------------------------------------------------------------------------------------


def runs_with_ids(connection: Connection, ids: Collection[str]) -> Sequence[AnyRow]:
    """Return the rows of runs, with the newest version of their DAG and its file."""
    query = (
        select(t.dag_run, t.dag.c.version_id.label("newest_version"), t.dag.c.is_paused, t.dag.c.fileloc)
        .join(t.dag, t.dag.c.dag_id == t.dag_run.c.dag_id)
        .where(t.dag_run.c.id.in_(list(ids)))
        # Oldest first: a run may depend on the one before.
        .order_by(t.dag_run.c.run_after, t.dag_run.c.logical_date, t.dag_run.c.id)
    )
    return connection.execute(query).all()


def runs_owned_by(connection: Connection, job_id: str) -> Sequence[AnyRow]:
    """Return the rows of the active runs that a scheduler owns."""
    query = select(t.dag_run.c.id).where(t.dag_run.c.owner_job_id == job_id, t.dag_run.c.state.in_(_ACTIVE))
    return runs_with_ids(connection, list(connection.execute(query).scalars()))


def status_of(row: Any) -> RunStatus:
    """Return a run's row as the core sees it."""
    return RunStatus(
        run=row.id,
        dag_id=row.dag_id,
        run_id=row.run_id,
        state=RunState(row.state),
        start_date=row.start_date,
        end_date=row.end_date,
        clear_number=row.clear_number,
    )


def tasks_of_run(connection: Connection, run: str) -> list[TaskFacts]:
    """Return the task instances of a run as the core sees them."""
    rows = connection.execute(select(t.task_instance).where(t.task_instance.c.run == run))
    return [facts_of(row) for row in rows]


def tasks_with_ids(connection: Connection, ids: Collection[str]) -> list[TaskFacts]:
    """Return task instances as the core sees them."""
    if not ids:
        return []
    return [facts_of(row) for row in connection.execute(_TASKS_WITH_IDS, {"ids": sorted(ids)})]


_TASKS_WITH_IDS = select(t.task_instance).where(t.task_instance.c.id.in_(bindparam("ids", expanding=True)))


def facts_of(row: Any) -> TaskFacts:
    """Return a task instance's row as the core sees it."""
    return TaskFacts(
        ti=row.id,
        task_id=row.task_id,
        map_index=row.map_index,
        state=TaskState(row.state),
        try_number=row.try_number,
        max_tries=row.max_tries,
        infra_losses=row.infra_losses,
        token=row.token,
        due_at=row.due_at,
        lease_until=row.lease_until,
        hostname=row.hostname,
        start_date=row.start_date,
        end_date=row.end_date,
        not_taken=msgspec.json.decode(row.not_taken, type=tuple[str, ...]) if row.not_taken else (),
        reason=row.reason or "",
    )


def version_data(connection: Connection, version_id: str) -> tuple[DagSpec, str] | None:
    """Return a version of a DAG and the digest of its file's text; None if it is not there or cannot be read."""
    query = select(t.dag_version.c.data, t.dag_version.c.source_digest).where(t.dag_version.c.id == version_id)
    row = connection.execute(query).first()
    try:
        return None if row is None else (msgspec.json.decode(row.data, type=DagSpec), row.source_digest)
    except msgspec.DecodeError:
        return None  # of another Gale's making; reading the file again makes a new one


def previous_run(connection: Connection, run: Any, *, scheduled_only: bool) -> str | None:
    """Return the id of the DAG's run before `run` by logical date, or None."""
    if run.logical_date is None:
        return None
    query = select(t.dag_run.c.id).where(t.dag_run.c.dag_id == run.dag_id, t.dag_run.c.logical_date < run.logical_date)
    if scheduled_only:
        query = query.where(t.dag_run.c.run_type == "scheduled")
    return connection.execute(query.order_by(t.dag_run.c.logical_date.desc()).limit(1)).scalar_one_or_none()


def run_exists(connection: Connection, run: str) -> bool:
    """Tell whether a run has not been deleted."""
    return connection.execute(select(t.dag_run.c.id).where(t.dag_run.c.id == run)).first() is not None


def states_in_run(connection: Connection, run: str) -> dict[str, TaskState]:
    """Return task id to state in a run."""
    query = select(t.task_instance.c.task_id, t.task_instance.c.state).where(t.task_instance.c.run == run)
    return {row.task_id: TaskState(row.state) for row in connection.execute(query)}


def last_success_before(connection: Connection, run: Any) -> AnyRow | None:
    """Return the DAG's newest successful run before `run`, for the `prev_…_success` of templates."""
    if run.logical_date is None:
        return None
    query = (
        select(t.dag_run.c.start_date, t.dag_run.c.end_date)
        .add_columns(t.dag_run.c.data_interval_start, t.dag_run.c.data_interval_end)
        .where(
            t.dag_run.c.dag_id == run.dag_id,
            t.dag_run.c.state == RunState.SUCCESS.value,
            t.dag_run.c.logical_date < run.logical_date,
        )
        .order_by(t.dag_run.c.logical_date.desc())
        .limit(1)
    )
    return connection.execute(query).first()


def running_runs_by_dag(connection: Connection, dag_ids: Collection[str]) -> Mapping[str, int]:
    """Return how many runs of each DAG are running now, whoever owns them."""
    query = (
        select(t.dag_run.c.dag_id, func.count())
        .where(t.dag_run.c.state == RunState.RUNNING.value, t.dag_run.c.dag_id.in_(list(dag_ids)))
        .group_by(t.dag_run.c.dag_id)
    )
    return dict(connection.execute(query).all())


def active_scheduled_runs(connection: Connection, dag_id: str) -> int:
    """Return how many runs that the timetable made are queued or running."""
    query = select(func.count()).where(
        t.dag_run.c.dag_id == dag_id, t.dag_run.c.run_type == "scheduled", t.dag_run.c.state.in_(_ACTIVE)
    )
    return int(connection.execute(query).scalar_one())


def newest_outcomes(connection: Connection, dag_id: str, count: int) -> list[str]:
    """Return the states of the newest finished runs, newest first (for max_consecutive_failed_dag_runs)."""
    query = (
        select(t.dag_run.c.state)
        .where(t.dag_run.c.dag_id == dag_id, t.dag_run.c.state.in_(["success", "failed"]))
        .order_by(t.dag_run.c.logical_date.desc())
        .limit(count)
    )
    return list(connection.execute(query).scalars())


# --- DAGs ----------------------------------------------------------------------------------------


def due_dags(connection: Connection, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Return DAGs whose next run is due, the longest overdue first.

    A DAG whose file has an import error goes on with its last good version. DAGs that have all the
    runs that they may have at once are left out: otherwise they would fill the list for ever.
    """
    active = select(func.count()).where(
        t.dag_run.c.dag_id == t.dag.c.dag_id, t.dag_run.c.run_type == "scheduled", t.dag_run.c.state.in_(_ACTIVE)
    )
    has_room = active.correlate(t.dag).scalar_subquery() < t.dag.c.max_active_runs
    query = (
        select(t.dag)
        .where(t.dag.c.next_run_after <= now, ~t.dag.c.is_paused, t.dag.c.is_active, has_room)
        .order_by(t.dag.c.next_run_after)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return connection.execute(query).all()


def newest_scheduled_run(connection: Connection, dag_id: str) -> AnyRow | None:
    """Return the interval of the newest run that the timetable made."""
    query = (
        select(t.dag_run.c.logical_date, t.dag_run.c.data_interval_start, t.dag_run.c.data_interval_end)
        .where(t.dag_run.c.dag_id == dag_id, t.dag_run.c.run_type.in_(["scheduled", "backfill"]))
        .order_by(t.dag_run.c.logical_date.desc())
        .limit(1)
    )
    return connection.execute(query).first()


def newest_date_before_gale(connection: Connection, dag_id: str, task_ids: Collection[str]) -> datetime | None:
    """Return the newest logical date for which a task had an instance before Gale knew its DAG.

    For the five-interval rule. A run that a user starts by hand to try a DAG out does not count.
    """
    known_since = select(func.min(t.dag_version.c.created_at)).where(t.dag_version.c.dag_id == dag_id)
    query = (
        select(func.max(t.dag_run.c.logical_date))
        .join(t.task_instance, t.task_instance.c.run == t.dag_run.c.id)
        .where(
            t.dag_run.c.dag_id == dag_id,
            t.task_instance.c.task_id.in_(list(task_ids)),
            t.dag_run.c.queued_at.is_(None) | (t.dag_run.c.queued_at < known_since.scalar_subquery()),
        )
    )
    newest: datetime | None = connection.execute(query).scalar_one_or_none()
    return newest


def halted_dags(connection: Connection) -> frozenset[str]:
    """Return the ids of all DAGs that are paused or whose file is gone."""
    halted = t.dag.c.is_paused | ~t.dag.c.is_active
    return frozenset(connection.execute(select(t.dag.c.dag_id).where(halted)).scalars())


def newest_versions(connection: Connection, dag_ids: Collection[str]) -> Mapping[str, str | None]:
    """Return dag id to the id of its newest version."""
    query = select(t.dag.c.dag_id, t.dag.c.version_id).where(t.dag.c.dag_id.in_(list(dag_ids)))
    return dict(connection.execute(query).all())


# --- slots and attempts --------------------------------------------------------------------------


def pools(connection: Connection) -> list[tuple[str, int]]:
    """Return all pools with their slots."""
    return [(name, slots) for name, slots in connection.execute(select(t.slot_pool.c.pool, t.slot_pool.c.slots))]


def occupied(connection: Connection) -> Sequence[AnyRow]:
    """Return all task instances that hold a slot, whoever owns their run."""
    table = t.task_instance
    query = select(
        table.c.id, table.c.run, table.c.dag_id, table.c.task_id, table.c.pool, table.c.pool_slots, table.c.run_id
    ).where(table.c.state.in_(_OCCUPYING))
    return connection.execute(query).all()


def waiting_in_pool(connection: Connection, pool: str) -> Sequence[AnyRow]:
    """Return the task instances of runs under way that wait for a slot of a pool, with what their place depends on."""
    table, run, dag = t.task_instance, t.dag_run, t.dag
    query = (
        select(
            table.c.id,
            table.c.run,
            table.c.dag_id,
            table.c.task_id,
            table.c.pool,
            table.c.pool_slots,
            table.c.priority_weight,
            run.c.logical_date,
            run.c.run_after,
            dag.c.max_active_tasks,
        )
        .join(run, run.c.id == table.c.run)
        .join(dag, dag.c.dag_id == table.c.dag_id)
        .where(
            table.c.state == TaskState.SCHEDULED.value,
            table.c.pool == pool,
            run.c.state == RunState.RUNNING.value,
            dag.c.is_active,
            ~dag.c.is_paused,
        )
    )
    return connection.execute(query).all()


_GRANT_HOLDER = select(t.grant_lock.c.holder).with_for_update()


def lock_grants(connection: Connection) -> str | None:
    """Lock the right to grant slots and start runs until the commit; return who granted slots last."""
    return connection.execute(_GRANT_HOLDER).scalar_one_or_none()


def note_grants(connection: Connection, job_id: str) -> None:
    """Write down, under the lock, that this scheduler has granted slots: the others must count anew."""
    connection.execute(update(t.grant_lock).values(holder=job_id, version=t.grant_lock.c.version + 1))


def lost_attempts(connection: Connection, runs: Collection[str], now: datetime) -> Sequence[AnyRow]:
    """Return attempts of these runs whose lease has ended or whose job is dead."""
    table = t.task_instance
    dead = select(t.job.c.id).where(t.job.c.state.in_(["failed", "success"]))
    query = select(table.c.id, table.c.run, table.c.token, table.c.hostname, table.c.pid, table.c.lease_until).where(
        table.c.run.in_(list(runs)),
        table.c.state.in_(_CLAIMED),
        (table.c.lease_until < now) | table.c.job_id.in_(dead) | table.c.job_id.is_(None),
    )
    return connection.execute(query).all()


def claims_of(connection: Connection, job_id: str) -> Sequence[AnyRow]:
    """Return the attempts that a process has claimed and that have not ended."""
    table = t.task_instance
    query = select(table.c.id, table.c.run, table.c.token).where(table.c.job_id == job_id, table.c.state.in_(_CLAIMED))
    return connection.execute(query).all()


# --- requests and notices ------------------------------------------------------------------------


def pending_requests(connection: Connection, limit: int = 200) -> Sequence[AnyRow]:
    """Return what users have asked for and nobody has done yet, oldest first."""
    query = select(t.request).where(t.request.c.handled_at.is_(None)).order_by(t.request.c.id).limit(limit)
    return connection.execute(query).all()


def finish_request(connection: Connection, request_id: str, *, outcome: str, now: datetime) -> bool:
    """Write down that a request is done; False if another scheduler was faster."""
    done = connection.execute(
        update(t.request)
        .where(t.request.c.id == request_id, t.request.c.handled_at.is_(None))
        .values(handled_at=now, outcome=outcome)
    )
    return done.rowcount == 1


def missed_slas(
    connection: Connection, dag_ids: Collection[str], task_ids: Collection[str], now: datetime
) -> Sequence[AnyRow]:
    """Return unfinished or unsuccessful task instances of closed intervals without a noted SLA miss.

    As in Airflow, only of runs that a timetable made: a run by hand for an old date is late on purpose.
    """
    ti, run, miss = t.task_instance, t.dag_run, t.sla_miss
    noted = and_(miss.c.dag_id == ti.c.dag_id, miss.c.task_id == ti.c.task_id, miss.c.run == ti.c.run)
    query = (
        select(ti.c.id.label("ti"), ti.c.task_id, ti.c.state, run.c.id.label("run"), run.c.dag_id, run.c.run_id)
        .add_columns(run.c.logical_date, run.c.data_interval_end)
        .join(run, run.c.id == ti.c.run)
        .outerjoin(miss, noted)
        .where(
            run.c.dag_id.in_(list(dag_ids)),
            run.c.run_type == "scheduled",
            run.c.data_interval_end <= now,
            ti.c.task_id.in_(list(task_ids)),
            ti.c.state.not_in([TaskState.SUCCESS.value, TaskState.SKIPPED.value]),
            miss.c.task_id.is_(None),
        )
    )
    return connection.execute(query).all()


def unfinished_in_run(connection: Connection, run: str) -> int:
    """Return how many task instances of a run have not ended."""
    done = sorted(state.value for state in FINISHED)
    query = select(func.count()).where(t.task_instance.c.run == run, t.task_instance.c.state.not_in(done))
    return int(connection.execute(query).scalar_one())
