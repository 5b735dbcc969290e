"""What is known of the system itself: jobs, health, the audit log, the use of pools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, or_, select

from gale.core.states import TaskState
from gale.db.read.browse import (
    EVERYTHING,
    FIRST_PAGE,
    AnyRow,
    Listing,
    Page,
    SortKeys,
    Visible,
    contains,
    list_rows,
    matches,
    within,
)
from gale.db.tables import connection, job, log, request, slot_pool, task_instance, variable
from gale.errors import NotFound

JOB_SORT: Final = SortKeys(
    keys={
        "id": job.c.id,
        "state": job.c.state,
        "job_type": job.c.job_type,
        "start_date": job.c.start_date,
        "end_date": job.c.end_date,
        "latest_heartbeat": job.c.latest_heartbeat,
        "executor_class": job.c.executor,
        "hostname": job.c.hostname,
    },
    default=("id",),
    tie=job.c.id,
)
LOG_SORT: Final = SortKeys(
    keys={
        "event_log_id": log.c.id,
        "when": log.c.dttm,
        "dag_id": log.c.dag_id,
        "task_id": log.c.task_id,
        "run_id": log.c.run_id,
        "event": log.c.event,
        "owner": log.c.owner,
    },
    aliases={"id": "event_log_id", "dttm": "when"},
    default=("event_log_id",),
    tie=log.c.id,
)
POOL_SORT: Final = SortKeys(
    keys={"name": slot_pool.c.pool, "slots": slot_pool.c.slots, "description": slot_pool.c.description},
    aliases={"id": "name", "pool": "name"},
    default=("name",),
    tie=slot_pool.c.pool,
)
VARIABLE_SORT: Final = SortKeys(
    keys={
        "key": variable.c.key,
        "description": variable.c.description,
        "is_encrypted": variable.c.is_encrypted,
    },
    aliases={"id": "key", "_key": "key"},
    default=("key",),
    tie=variable.c.key,
)
CONNECTION_SORT: Final = SortKeys(
    keys={
        "connection_id": connection.c.conn_id,
        "conn_type": connection.c.conn_type,
        "description": connection.c.description,
        "host": connection.c.host,
        "port": connection.c.port,
    },
    aliases={"id": "connection_id", "conn_id": "connection_id"},
    default=("connection_id",),
    tie=connection.c.conn_id,
)
JOB_RANGES: Final = {name: job.c[name] for name in ("start_date", "end_date", "latest_heartbeat")}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs a list shows. None or empty = do not filter by this."""

    job_type: str | None = None
    state: str | None = None
    hostname: str | None = None
    executor: str | None = None
    #: Only those that are running and whose lease has not ended at this instant.
    alive_at: datetime | None = None
    ranges: Mapping[str, datetime] = field(default_factory=dict)


def jobs_matching(conn: Connection, wanted: JobFilter, page: Page = FIRST_PAGE) -> Listing:
    """Return the long-lived processes of Gale that a filter lets through."""
    statement = within(select(job), JOB_RANGES, wanted.ranges)
    for column, value in (
        (job.c.job_type, wanted.job_type),
        (job.c.state, wanted.state),
        (job.c.hostname, wanted.hostname),
        (job.c.executor, wanted.executor),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if wanted.alive_at is not None:
        statement = statement.where(job.c.state == "running", job.c.lease_until > wanted.alive_at)
    return list_rows(conn, statement, JOB_SORT, page)


def newest_jobs(conn: Connection, job_type: str, limit: int = 10) -> Sequence[AnyRow]:
    """Return the jobs of a type that were heard of last: running ones first, then by heartbeat."""
    running_first = (job.c.state == "running").desc()
    statement = select(job).where(job.c.job_type == job_type)
    return conn.execute(statement.order_by(running_first, job.c.latest_heartbeat.desc()).limit(limit)).all()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which entries of the audit log a list shows. None or empty = do not filter by this."""

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    owner: str | None = None
    event: str | None = None
    included_events: tuple[str, ...] = ()
    excluded_events: tuple[str, ...] = ()
    before: datetime | None = None
    after: datetime | None = None
    dag_id_pattern: str | None = None
    run_id_pattern: str | None = None
    task_id_pattern: str | None = None
    owner_pattern: str | None = None
    event_pattern: str | None = None


def log_entries_matching(
    conn: Connection, wanted: LogFilter, page: Page = FIRST_PAGE, visible: Visible = EVERYTHING
) -> Listing:
    """Return who did what. Who sees only some DAGs sees only the entries about those."""
    statement = visible.only(select(log), log.c.dag_id)
    for name in ("dag_id", "run_id", "task_id", "map_index", "owner", "event"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(log.c[name] == value)
        pattern = getattr(wanted, f"{name}_pattern", None)
        if pattern:
            statement = statement.where(matches(log.c[name], pattern))
    if wanted.included_events:
        statement = statement.where(log.c.event.in_(wanted.included_events))
    if wanted.excluded_events:
        statement = statement.where(log.c.event.not_in(wanted.excluded_events))
    if wanted.before is not None:
        statement = statement.where(log.c.dttm < wanted.before)
    if wanted.after is not None:
        statement = statement.where(log.c.dttm > wanted.after)
    return list_rows(conn, statement, LOG_SORT, page)


def log_entry_with_id(conn: Connection, entry_id: int, visible: Visible = EVERYTHING) -> AnyRow:
    """Return one entry of the audit log.

    Raises:
        NotFound: There is none with this id, or not for this person.
    """
    row = conn.execute(visible.only(select(log).where(log.c.id == entry_id), log.c.dag_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no entry {entry_id} in the audit log.")
    return row


def pools_matching(conn: Connection, name_pattern: str | None = None, page: Page = FIRST_PAGE) -> Listing:
    """Return the pools."""
    statement = select(slot_pool)
    if name_pattern:
        statement = statement.where(matches(slot_pool.c.pool, name_pattern))
    return list_rows(conn, statement, POOL_SORT, page)


def slots_in_use(conn: Connection, pools: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Return how many slots of each pool are taken or waited for, by state of the task instance."""
    states = (TaskState.SCHEDULED, TaskState.QUEUED, TaskState.RUNNING, TaskState.RESTARTING)
    statement = (
        select(task_instance.c.pool, task_instance.c.state, func.sum(task_instance.c.pool_slots).label("slots"))
        .where(task_instance.c.state.in_(states), task_instance.c.pool.in_(pools))
        .group_by(task_instance.c.pool, task_instance.c.state)
    )
    used: dict[str, dict[str, int]] = {pool: {} for pool in pools}
    for row in conn.execute(statement):
        used[row.pool][row.state] = int(row.slots)
    return used


def variable_keys_matching(conn: Connection, key_pattern: str | None = None, page: Page = FIRST_PAGE) -> Listing:
    """Return the variables as they are stored: encrypted values, keys and descriptions in clear."""
    statement = select(variable)
    if key_pattern:
        statement = statement.where(matches(variable.c.key, key_pattern))
    return list_rows(conn, statement, VARIABLE_SORT, page)


def connections_matching(
    conn: Connection, id_pattern: str | None = None, search: str | None = None, page: Page = FIRST_PAGE
) -> Listing:
    """Return the connections as they are stored, without password: it never leaves the database this way."""
    columns = [column for column in connection.c if column.name not in {"password", "extra"}]
    has_password = connection.c.password.is_not(None).label("has_password")
    has_extra = connection.c.extra.is_not(None).label("has_extra")
    statement = select(*columns, has_password, has_extra)
    if id_pattern:
        statement = statement.where(matches(connection.c.conn_id, id_pattern))
    if search:
        statement = statement.where(or_(contains(connection.c.conn_id, search), contains(connection.c.host, search)))
    return list_rows(conn, statement, CONNECTION_SORT, page)


def unhandled_requests(conn: Connection, ids: Sequence[str]) -> int:
    """Return how many of these requests no scheduler has handled yet."""
    statement = select(func.count()).select_from(request).where(request.c.id.in_(ids), request.c.handled_at.is_(None))
    return int(conn.execute(statement).scalar_one())


def variable_with_key(conn: Connection, key: str) -> AnyRow | None:
    """Return a variable as it is stored; None if there is none."""
    return conn.execute(select(variable).where(variable.c.key == key)).one_or_none()
