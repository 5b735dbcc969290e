"""The tables. Columns only: behaviour is in `gale.core`, state changes in `apply.py`.

Manners of the databases that shaped this file:

- MySQL's default collations merge `etl`, `ETL` and `étl`. Ids are ASCII in a binary collation.
- `DATETIME` without (6) drops fractions. Instants are stored as naive UTC with microseconds and
  come back as aware datetimes in UTC.
- Primary keys that many writers lock are made by the program (time-ordered), so that every writer
  can lock rows in primary-key order without asking the database first.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

MYSQL_OPTIONS: Final = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
}


class Instant(TypeDecorator[datetime]):
    """An instant: aware datetime in Python, naive UTC with microseconds in the database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """MySQL and MariaDB need to be told to keep the fraction."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive datetimes: whose clock would they be on?"""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            message = f"{value!r} has no time zone, so it is no instant; pass an aware datetime"
            raise ValueError(message)
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back an aware datetime in UTC."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


class Brief(TypeDecorator[str]):
    """Text that only people read, cut where it is too long: MySQL refuses what does not fit, SQLite never looks."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Cut the text."""
        del dialect
        return None if value is None else value[: self.length]


def ascii_text(length: int) -> String:
    """Text whose equality is equality of bytes, on every database."""
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


def exact_text(length: int) -> String:
    """Text in any script that is only equal to itself: `Key`, `key` and `kéy` are three keys."""
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


#: Long text: MySQL's TEXT ends at 64 KB.
LongText: Final = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
LongBlob: Final = LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
#: An autoincrementing key; SQLite increments only INTEGER.
Serial: Final = BigInteger().with_variant(Integer(), "sqlite")
#: dag_id, task_id, run_id, pool, queue, group id: checked by `gale.core.ids`.
Id: Final = ascii_text(250)
#: Ids that the program makes: 32 hex digits, ordered by time.
Key: Final = ascii_text(32)
Word: Final = ascii_text(32)


def _table(name: str, *columns: Any) -> Table:
    options: dict[str, Any] = dict(MYSQL_OPTIONS)
    return Table(name, metadata, *columns, **options)


#: Long-lived processes of Gale. A scheduler or worker lives as long as its lease is renewed;
#: `state` set to "shutdown" by a user ends it.
job = _table(
    "job",
    Column("id", Key, primary_key=True),
    Column("job_type", Word, nullable=False),  # scheduler | worker | webserver
    Column("state", Word, nullable=False),  # running | shutdown | success | failed
    Column("hostname", Brief(250), nullable=False),
    Column("pid", Integer, nullable=False),
    #: Tells this process from a later one with the same pid: boot id and start ticks.
    Column("process_key", String(100), nullable=False, default=""),
    Column("executor", Word),
    #: Of workers: the queues that they take tasks from, separated by commas, and how many at once.
    Column("queues", Brief(1000), nullable=False, default=""),
    Column("slots", Integer),
    Column("start_date", Instant, nullable=False),
    Column("end_date", Instant),
    Column("latest_heartbeat", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False),
    Index("ix_job_type_state", "job_type", "state"),
)

dag = _table(
    "dag",
    Column("dag_id", Id, primary_key=True),
    Column("fileloc", exact_text(1000), nullable=False),
    Column("version_id", Key),  # newest dag_version
    Column("is_paused", Boolean, nullable=False, default=False),
    #: False once a complete scan has proved that the file no longer defines the DAG.
    Column("is_active", Boolean, nullable=False, default=True),
    Column("has_import_errors", Boolean, nullable=False, default=False),
    Column("display_name", Brief(1000), nullable=False, default=""),
    Column("description", LongText),
    Column("owners", Brief(2000), nullable=False, default=""),
    Column("timetable_summary", Brief(1000)),
    Column("timetable_description", Brief(1000)),
    Column("max_active_tasks", Integer, nullable=False),
    Column("max_active_runs", Integer, nullable=False),
    Column("max_consecutive_failed_dag_runs", Integer, nullable=False, default=0),
    #: The next scheduled run, so that "what is due" is one indexed query. Null = none.
    Column("next_logical_date", Instant),
    Column("next_interval_start", Instant),
    Column("next_interval_end", Instant),
    Column("next_run_after", Instant, index=True),
    #: Whether any task has an `sla`, so that only such DAGs are looked at.
    Column("has_sla", Boolean, nullable=False, default=False),
    Column("last_parsed_at", Instant),
    Column("last_expired_at", Instant),
)

dag_tag = _table(
    "dag_tag",
    Column("dag_id", Id, ForeignKey("dag.dag_id", ondelete="CASCADE"), primary_key=True),
    Column("name", exact_text(100), primary_key=True),
)

#: What a DAG file said, each time it said something new.
dag_version = _table(
    "dag_version",
    Column("id", Key, primary_key=True),
    Column("dag_id", Id, nullable=False),
    Column("version_number", Integer, nullable=False),
    Column("digest", ascii_text(64), nullable=False),
    Column("data", LongText, nullable=False),  # DagSpec as JSON
    Column("source_digest", ascii_text(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("dag_id", "version_number"),
)

#: The text of DAG files, kept once per content.
dag_source = _table(
    "dag_source",
    Column("digest", ascii_text(64), primary_key=True),
    Column("content", LongText, nullable=False),
)

import_error = _table(
    "import_error",
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("filename", exact_text(700), nullable=False, unique=True),
    Column("stacktrace", LongText, nullable=False),
    Column("timestamp", Instant, nullable=False),
)

#: What parsing a DAG file had to say without refusing it (a misspelt default_args key …).
dag_warning = _table(
    "dag_warning",
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("dag_id", Id, nullable=False, index=True),
    Column("warning_type", Word, nullable=False),
    Column("message", LongText, nullable=False),
    Column("timestamp", Instant, nullable=False),
)

dag_run = _table(
    "dag_run",
    Column("id", Key, primary_key=True),
    Column("dag_id", Id, nullable=False),
    Column("run_id", Id, nullable=False),
    Column("state", Word, nullable=False),
    Column("run_type", Word, nullable=False),  # scheduled | manual | backfill | operator_triggered
    Column("logical_date", Instant),
    Column("data_interval_start", Instant),
    Column("data_interval_end", Instant),
    Column("run_after", Instant, nullable=False),
    Column("queued_at", Instant),
    Column("start_date", Instant),
    Column("end_date", Instant),
    Column("conf", LongText, nullable=False, default="{}"),
    Column("note", LongText),
    Column("triggered_by", Word),  # timetable | rest_api | ui | cli | operator | backfill
    Column("triggering_user_name", Brief(250)),
    Column("clear_number", Integer, nullable=False, default=0),
    Column("version_id", Key),
    #: The scheduler that owns the run, and until when.
    Column("owner_job_id", Key),
    Column("lease_until", Instant),
    #: Bumped by each write, so that "what changed since I looked" is one indexed query.
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("dag_id", "run_id"),
    UniqueConstraint("dag_id", "logical_date"),
    Index("ix_dag_run_state", "state", "dag_id"),
    Index("ix_dag_run_dag_after", "dag_id", "run_after"),
)

task_instance = _table(
    "task_instance",
    Column("id", Key, primary_key=True),
    Column("run", Key, ForeignKey("dag_run.id", ondelete="CASCADE"), nullable=False),
    Column("dag_id", Id, nullable=False),
    Column("run_id", Id, nullable=False),
    Column("task_id", Id, nullable=False),
    Column("map_index", Integer, nullable=False, default=-1),
    Column("state", Word, nullable=False),
    Column("try_number", Integer, nullable=False, default=0),
    Column("max_tries", Integer, nullable=False, default=1),
    Column("infra_losses", Integer, nullable=False, default=0),
    #: Identifies one dispatch; every write of the attempt must carry it.
    Column("token", Key),
    Column("job_id", Key),  # the scheduler (local) or worker that runs it
    Column("hostname", Brief(250), nullable=False, default=""),
    Column("pid", Integer),
    Column("lease_until", Instant),
    #: When the retry or reschedule delay ends; while queued, the dispatch deadline.
    Column("due_at", Instant),
    Column("scheduled_at", Instant),
    Column("queued_at", Instant),
    Column("start_date", Instant),
    Column("end_date", Instant),
    Column("operator", Brief(250), nullable=False, default=""),
    Column("pool", Id, nullable=False, default="default_pool"),
    Column("pool_slots", Integer, nullable=False, default=1),
    Column("queue", Id, nullable=False, default="default"),
    Column("priority_weight", Integer, nullable=False, default=1),
    Column("version_id", Key),
    Column("note", LongText),
    #: One sentence about the last end: exit code, signal, exception.
    Column("reason", LongText),
    #: Task ids that this task, being a branch, chose not to run: a JSON list.
    Column("not_taken", LongText),
    #: What the last attempt used.
    Column("cpu_seconds", Float),
    Column("max_rss_bytes", BigInteger),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("dag_id", "run_id", "task_id", "map_index"),
    Index("ix_task_instance_run", "run"),
    Index("ix_task_instance_state", "state"),
    Index("ix_task_instance_updated", "updated_at"),
)

#: Every move of a task instance, in the transaction that made it. Only ever appended to.
task_event = _table(
    "task_event",
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("ti", Key, nullable=False, index=True),
    Column("dag_id", Id, nullable=False),
    Column("run_id", Id, nullable=False),
    Column("task_id", Id, nullable=False),
    Column("map_index", Integer, nullable=False),
    Column("try_number", Integer, nullable=False),
    Column("token", Key),
    Column("event", Word, nullable=False),
    Column("from_state", Word, nullable=False),
    Column("to_state", Word, nullable=False),
    Column("actor", Brief(250), nullable=False),
    Column("cause", Brief(100), nullable=False, default=""),
    Column("hostname", Brief(250), nullable=False, default=""),
    Column("detail", LongText),
    Column("at", Instant, nullable=False),
)

run_event = _table(
    "run_event",
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("run", Key, nullable=False, index=True),
    Column("event", Word, nullable=False),
    Column("from_state", Word, nullable=False),
    Column("to_state", Word, nullable=False),
    Column("actor", Brief(250), nullable=False),
    Column("cause", Brief(100), nullable=False, default=""),
    Column("detail", LongText),
    Column("at", Instant, nullable=False),
)

#: What a user asked for and the scheduler has yet to do: clear, mark, delete.
request = _table(
    "request",
    Column("id", Key, primary_key=True),
    Column("kind", Word, nullable=False),
    Column("dag_id", Id, nullable=False),
    Column("run", Key),
    Column("payload", LongText, nullable=False),
    Column("requested_by", Brief(250), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("handled_at", Instant, index=True),
    Column("outcome", LongText),
)

rendered_fields = _table(
    "rendered_fields",
    Column("ti", Key, ForeignKey("task_instance.id", ondelete="CASCADE"), primary_key=True),
    Column("fields", LongText, nullable=False),
)

xcom = _table(
    "xcom",
    Column("dag_id", Id, primary_key=True),
    Column("run_id", Id, primary_key=True),
    Column("task_id", Id, primary_key=True),
    Column("map_index", Integer, primary_key=True, default=-1),
    Column("key", ascii_text(250), primary_key=True),
    Column("value", LongText, nullable=False),  # JSON
    Column("timestamp", Instant, nullable=False),
)

variable = _table(
    "variable",
    Column("key", exact_text(250), primary_key=True),
    Column("value", LongText, nullable=False),
    Column("is_encrypted", Boolean, nullable=False, default=True),
    Column("description", LongText),
)

connection = _table(
    "connection",
    Column("conn_id", exact_text(250), primary_key=True),
    Column("conn_type", String(500), nullable=False),
    Column("description", LongText),
    Column("host", String(500)),
    Column("schema", String(500)),
    Column("login", LongText),
    Column("password", LongText),
    Column("port", Integer),
    Column("extra", LongText),
    #: Whether password and extra are encrypted.
    Column("is_encrypted", Boolean, nullable=False, default=True),
)

slot_pool = _table(
    "slot_pool",
    Column("pool", Id, primary_key=True),
    Column("slots", Integer, nullable=False),  # -1 = without limit
    Column("description", LongText),
    Column("include_deferred", Boolean, nullable=False, default=False),
)

#: One row. Whoever grants slots or starts runs locks it, so that limits hold across schedulers.
grant_lock = _table(
    "grant_lock",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False, default=0),
    Column("holder", Key),
)

user = _table(
    "user",
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("username", exact_text(250), nullable=False, unique=True),
    Column("email", String(500), nullable=False, default=""),
    Column("first_name", String(250), nullable=False, default=""),
    Column("last_name", String(250), nullable=False, default=""),
    Column("password_hash", String(500), nullable=False),
    Column("role", Word, nullable=False),  # Admin | Op | User | Viewer
    Column("is_active", Boolean, nullable=False, default=True),
    #: Sessions and tokens made before this count are void (password change, role change, logout everywhere).
    Column("session_epoch", Integer, nullable=False, default=0),
    Column("created_at", Instant, nullable=False),
    Column("last_login", Instant),
)

web_session = _table(
    "web_session",
    Column("id", ascii_text(64), primary_key=True),  # SHA-256 of the cookie's value
    Column("user_id", Serial, ForeignKey("user.id", ondelete="CASCADE"), nullable=False),
    Column("csrf_token", ascii_text(64), nullable=False),
    #: The user's session_epoch at login: a session of an older epoch is void.
    Column("epoch", Integer, nullable=False, default=0),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

revoked_token = _table(
    "revoked_token",
    Column("jti", ascii_text(64), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

#: Who did what, for people: the audit log.
log = _table(
    "log",
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("dttm", Instant, nullable=False, index=True),
    Column("dag_id", Id),
    Column("run_id", Id),
    Column("task_id", Id),
    Column("map_index", Integer),
    Column("event", String(100), nullable=False),
    Column("owner", Brief(250), nullable=False),
    Column("extra", LongText),
)

#: Callbacks and mails that a transition asked for: made in its transaction, each at most once
#: per attempt (the unique key), tried until sent or given up.
notice = _table(
    "notice",
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("kind", Word, nullable=False),  # mail | callback
    Column("event", Word, nullable=False),  # on_failure_callback, … or email_on_failure, email_on_retry, sla_miss
    Column("run", Key, nullable=False),
    Column("ti", Key, nullable=False, default=""),
    Column("try_number", Integer, nullable=False, default=0),
    Column("detail", LongText, nullable=False, default="{}"),
    Column("created_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("due_at", Instant, nullable=False),
    Column("owner_job_id", Key),
    Column("done_at", Instant, index=True),
    Column("error", LongText),
    UniqueConstraint("kind", "event", "run", "ti", "try_number"),
)

sla_miss = _table(
    "sla_miss",
    Column("dag_id", Id, primary_key=True),
    Column("task_id", Id, primary_key=True),
    Column("run", Key, primary_key=True),
    Column("logical_date", Instant),
    Column("timestamp", Instant, nullable=False),
    Column("description", LongText),
)
