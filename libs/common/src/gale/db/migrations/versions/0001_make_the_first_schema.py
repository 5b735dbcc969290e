"""Make the first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from gale.db.tables import MYSQL_OPTIONS, Id, Instant, Key, LongText, Serial, Word, ascii_text, exact_text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


OPTIONS: dict[str, Any] = dict(MYSQL_OPTIONS)
#: In the order in which they are made.
TABLES = (
    "dag",
    "dag_tag",
    "dag_version",
    "dag_source",
    "import_error",
    "dag_warning",
    "dag_run",
    "task_instance",
    "rendered_fields",
    "xcom",
    "request",
    "task_event",
    "run_event",
    "log",
    "notice",
    "sla_miss",
    "variable",
    "connection",
    "slot_pool",
    "job",
    "grant_lock",
    "user",
    "web_session",
    "revoked_token",
)


def _dags() -> None:
    """What DAG files say."""
    op.create_table(
        "dag",
        sa.Column("dag_id", Id, nullable=False),
        sa.Column("fileloc", exact_text(1000), nullable=False),
        sa.Column("version_id", Key, nullable=True),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("has_import_errors", sa.Boolean(), nullable=False),
        sa.Column("display_name", sa.String(length=1000), nullable=False),
        sa.Column("description", LongText, nullable=True),
        sa.Column("owners", sa.String(length=2000), nullable=False),
        sa.Column("timetable_summary", sa.String(length=1000), nullable=True),
        sa.Column("timetable_description", sa.String(length=1000), nullable=True),
        sa.Column("max_active_tasks", sa.Integer(), nullable=False),
        sa.Column("max_active_runs", sa.Integer(), nullable=False),
        sa.Column("max_consecutive_failed_dag_runs", sa.Integer(), nullable=False),
        sa.Column("next_logical_date", Instant(), nullable=True),
        sa.Column("next_interval_start", Instant(), nullable=True),
        sa.Column("next_interval_end", Instant(), nullable=True),
        sa.Column("next_run_after", Instant(), nullable=True),
        sa.Column("has_sla", sa.Boolean(), nullable=False),
        sa.Column("last_parsed_at", Instant(), nullable=True),
        sa.Column("last_expired_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("dag_id", name="pk_dag"),
        **OPTIONS,
    )
    op.create_index("ix_dag_next_run_after", "dag", ["next_run_after"])
    op.create_table(
        "dag_tag",
        sa.Column("dag_id", Id, nullable=False),
        sa.Column("name", exact_text(100), nullable=False),
        sa.ForeignKeyConstraint(["dag_id"], ["dag.dag_id"], name="fk_dag_tag_dag_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("dag_id", "name", name="pk_dag_tag"),
        **OPTIONS,
    )
    op.create_table(
        "dag_version",
        sa.Column("id", Key, nullable=False),
        sa.Column("dag_id", Id, nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("digest", ascii_text(64), nullable=False),
        sa.Column("data", LongText, nullable=False),
        sa.Column("source_digest", ascii_text(64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dag_version"),
        sa.UniqueConstraint("dag_id", "version_number", name="uq_dag_version_dag_id_version_number"),
        **OPTIONS,
    )
    op.create_table(
        "dag_source",
        sa.Column("digest", ascii_text(64), nullable=False),
        sa.Column("content", LongText, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_dag_source"),
        **OPTIONS,
    )
    op.create_table(
        "import_error",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("filename", exact_text(700), nullable=False),
        sa.Column("stacktrace", LongText, nullable=False),
        sa.Column("timestamp", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_import_error"),
        sa.UniqueConstraint("filename", name="uq_import_error_filename"),
        **OPTIONS,
    )
    op.create_table(
        "dag_warning",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("dag_id", Id, nullable=False),
        sa.Column("warning_type", Word, nullable=False),
        sa.Column("message", LongText, nullable=False),
        sa.Column("timestamp", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dag_warning"),
        **OPTIONS,
    )
    op.create_index("ix_dag_warning_dag_id", "dag_warning", ["dag_id"])


def _runs() -> None:
    """Runs, task instances and what belongs to them."""
    op.create_table(
        "dag_run",
        sa.Column("id", Key, nullable=False),
        sa.Column("dag_id", Id, nullable=False),
        sa.Column("run_id", Id, nullable=False),
        sa.Column("state", Word, nullable=False),
        sa.Column("run_type", Word, nullable=False),
        sa.Column("logical_date", Instant(), nullable=True),
        sa.Column("data_interval_start", Instant(), nullable=True),
        sa.Column("data_interval_end", Instant(), nullable=True),
        sa.Column("run_after", Instant(), nullable=False),
        sa.Column("queued_at", Instant(), nullable=True),
        sa.Column("start_date", Instant(), nullable=True),
        sa.Column("end_date", Instant(), nullable=True),
        sa.Column("conf", LongText, nullable=False),
        sa.Column("note", LongText, nullable=True),
        sa.Column("triggered_by", Word, nullable=True),
        sa.Column("triggering_user_name", sa.String(length=250), nullable=True),
        sa.Column("clear_number", sa.Integer(), nullable=False),
        sa.Column("version_id", Key, nullable=True),
        sa.Column("owner_job_id", Key, nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dag_run"),
        sa.UniqueConstraint("dag_id", "logical_date", name="uq_dag_run_dag_id_logical_date"),
        sa.UniqueConstraint("dag_id", "run_id", name="uq_dag_run_dag_id_run_id"),
        **OPTIONS,
    )
    op.create_index("ix_dag_run_dag_after", "dag_run", ["dag_id", "run_after"])
    op.create_index("ix_dag_run_state", "dag_run", ["state", "dag_id"])
    op.create_table(
        "task_instance",
        sa.Column("id", Key, nullable=False),
        sa.Column("run", Key, nullable=False),
        sa.Column("dag_id", Id, nullable=False),
        sa.Column("run_id", Id, nullable=False),
        sa.Column("task_id", Id, nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("state", Word, nullable=False),
        sa.Column("try_number", sa.Integer(), nullable=False),
        sa.Column("max_tries", sa.Integer(), nullable=False),
        sa.Column("infra_losses", sa.Integer(), nullable=False),
        sa.Column("token", Key, nullable=True),
        sa.Column("job_id", Key, nullable=True),
        sa.Column("hostname", sa.String(length=250), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("due_at", Instant(), nullable=True),
        sa.Column("scheduled_at", Instant(), nullable=True),
        sa.Column("queued_at", Instant(), nullable=True),
        sa.Column("start_date", Instant(), nullable=True),
        sa.Column("end_date", Instant(), nullable=True),
        sa.Column("operator", sa.String(length=250), nullable=False),
        sa.Column("pool", Id, nullable=False),
        sa.Column("pool_slots", sa.Integer(), nullable=False),
        sa.Column("queue", Id, nullable=False),
        sa.Column("priority_weight", sa.Integer(), nullable=False),
        sa.Column("version_id", Key, nullable=True),
        sa.Column("note", LongText, nullable=True),
        sa.Column("reason", LongText, nullable=True),
        sa.Column("not_taken", LongText, nullable=True),
        sa.Column("cpu_seconds", sa.Float(), nullable=True),
        sa.Column("max_rss_bytes", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["dag_run.id"], name="fk_task_instance_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_task_instance"),
        sa.UniqueConstraint(
            "dag_id", "run_id", "task_id", "map_index", name="uq_task_instance_dag_id_run_id_task_id_map_index"
        ),
        **OPTIONS,
    )
    op.create_index("ix_task_instance_run", "task_instance", ["run"])
    op.create_index("ix_task_instance_state", "task_instance", ["state"])
    op.create_index("ix_task_instance_updated", "task_instance", ["updated_at"])
    op.create_table(
        "rendered_fields",
        sa.Column("ti", Key, nullable=False),
        sa.Column("fields", LongText, nullable=False),
        sa.ForeignKeyConstraint(["ti"], ["task_instance.id"], name="fk_rendered_fields_ti", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("ti", name="pk_rendered_fields"),
        **OPTIONS,
    )
    op.create_table(
        "xcom",
        sa.Column("dag_id", Id, nullable=False),
        sa.Column("run_id", Id, nullable=False),
        sa.Column("task_id", Id, nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("key", ascii_text(250), nullable=False),
        sa.Column("value", LongText, nullable=False),
        sa.Column("timestamp", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("dag_id", "run_id", "task_id", "map_index", "key", name="pk_xcom"),
        **OPTIONS,
    )
    op.create_table(
        "request",
        sa.Column("id", Key, nullable=False),
        sa.Column("kind", Word, nullable=False),
        sa.Column("dag_id", Id, nullable=False),
        sa.Column("run", Key, nullable=True),
        sa.Column("payload", LongText, nullable=False),
        sa.Column("requested_by", sa.String(length=250), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("handled_at", Instant(), nullable=True),
        sa.Column("outcome", LongText, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_request"),
        **OPTIONS,
    )
    op.create_index("ix_request_handled_at", "request", ["handled_at"])


def _history() -> None:
    """What happened, only ever appended to."""
    op.create_table(
        "task_event",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("ti", Key, nullable=False),
        sa.Column("dag_id", Id, nullable=False),
        sa.Column("run_id", Id, nullable=False),
        sa.Column("task_id", Id, nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("try_number", sa.Integer(), nullable=False),
        sa.Column("token", Key, nullable=True),
        sa.Column("event", Word, nullable=False),
        sa.Column("from_state", Word, nullable=False),
        sa.Column("to_state", Word, nullable=False),
        sa.Column("actor", sa.String(length=250), nullable=False),
        sa.Column("cause", sa.String(length=100), nullable=False),
        sa.Column("hostname", sa.String(length=250), nullable=False),
        sa.Column("detail", LongText, nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_task_event"),
        **OPTIONS,
    )
    op.create_index("ix_task_event_ti", "task_event", ["ti"])
    op.create_table(
        "run_event",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("run", Key, nullable=False),
        sa.Column("event", Word, nullable=False),
        sa.Column("from_state", Word, nullable=False),
        sa.Column("to_state", Word, nullable=False),
        sa.Column("actor", sa.String(length=250), nullable=False),
        sa.Column("cause", sa.String(length=100), nullable=False),
        sa.Column("detail", LongText, nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run_event"),
        **OPTIONS,
    )
    op.create_index("ix_run_event_run", "run_event", ["run"])
    op.create_table(
        "log",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("dttm", Instant(), nullable=False),
        sa.Column("dag_id", Id, nullable=True),
        sa.Column("run_id", Id, nullable=True),
        sa.Column("task_id", Id, nullable=True),
        sa.Column("map_index", sa.Integer(), nullable=True),
        sa.Column("event", sa.String(length=100), nullable=False),
        sa.Column("owner", sa.String(length=250), nullable=False),
        sa.Column("extra", LongText, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_log"),
        **OPTIONS,
    )
    op.create_index("ix_log_dttm", "log", ["dttm"])
    op.create_table(
        "notice",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("kind", Word, nullable=False),
        sa.Column("event", Word, nullable=False),
        sa.Column("run", Key, nullable=False),
        sa.Column("ti", Key, nullable=False),
        sa.Column("try_number", sa.Integer(), nullable=False),
        sa.Column("detail", LongText, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("owner_job_id", Key, nullable=True),
        sa.Column("done_at", Instant(), nullable=True),
        sa.Column("error", LongText, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
        sa.UniqueConstraint("kind", "event", "run", "ti", "try_number", name="uq_notice_kind_event_run_ti_try_number"),
        **OPTIONS,
    )
    op.create_index("ix_notice_done_at", "notice", ["done_at"])
    op.create_table(
        "sla_miss",
        sa.Column("dag_id", Id, nullable=False),
        sa.Column("task_id", Id, nullable=False),
        sa.Column("run", Key, nullable=False),
        sa.Column("logical_date", Instant(), nullable=True),
        sa.Column("timestamp", Instant(), nullable=False),
        sa.Column("description", LongText, nullable=True),
        sa.PrimaryKeyConstraint("dag_id", "task_id", "run", name="pk_sla_miss"),
        **OPTIONS,
    )


def _registry() -> None:
    """What users keep for their tasks."""
    op.create_table(
        "variable",
        sa.Column("key", exact_text(250), nullable=False),
        sa.Column("value", LongText, nullable=False),
        sa.Column("is_encrypted", sa.Boolean(), nullable=False),
        sa.Column("description", LongText, nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_variable"),
        **OPTIONS,
    )
    op.create_table(
        "connection",
        sa.Column("conn_id", exact_text(250), nullable=False),
        sa.Column("conn_type", sa.String(length=500), nullable=False),
        sa.Column("description", LongText, nullable=True),
        sa.Column("host", sa.String(length=500), nullable=True),
        sa.Column("schema", sa.String(length=500), nullable=True),
        sa.Column("login", LongText, nullable=True),
        sa.Column("password", LongText, nullable=True),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("extra", LongText, nullable=True),
        sa.Column("is_encrypted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("conn_id", name="pk_connection"),
        **OPTIONS,
    )
    op.create_table(
        "slot_pool",
        sa.Column("pool", Id, nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("description", LongText, nullable=True),
        sa.Column("include_deferred", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("pool", name="pk_slot_pool"),
        **OPTIONS,
    )


def _services() -> None:
    """The long-lived processes and their lock."""
    op.create_table(
        "job",
        sa.Column("id", Key, nullable=False),
        sa.Column("job_type", Word, nullable=False),
        sa.Column("state", Word, nullable=False),
        sa.Column("hostname", sa.String(length=250), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_key", sa.String(length=100), nullable=False),
        sa.Column("executor", Word, nullable=True),
        sa.Column("queues", sa.String(length=1000), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=True),
        sa.Column("start_date", Instant(), nullable=False),
        sa.Column("end_date", Instant(), nullable=True),
        sa.Column("latest_heartbeat", Instant(), nullable=False),
        sa.Column("lease_until", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        **OPTIONS,
    )
    op.create_index("ix_job_type_state", "job", ["job_type", "state"])
    op.create_table(
        "grant_lock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("holder", Key, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_grant_lock"),
        **OPTIONS,
    )


def _users() -> None:
    """Who may log in."""
    op.create_table(
        "user",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("username", exact_text(250), nullable=False),
        sa.Column("email", sa.String(length=500), nullable=False),
        sa.Column("first_name", sa.String(length=250), nullable=False),
        sa.Column("last_name", sa.String(length=250), nullable=False),
        sa.Column("password_hash", sa.String(length=500), nullable=False),
        sa.Column("role", Word, nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("session_epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("last_login", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("username", name="uq_user_username"),
        **OPTIONS,
    )
    op.create_table(
        "web_session",
        sa.Column("id", ascii_text(64), nullable=False),
        sa.Column("user_id", Serial, nullable=False),
        sa.Column("csrf_token", ascii_text(64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_web_session_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_web_session"),
        **OPTIONS,
    )
    op.create_index("ix_web_session_expires_at", "web_session", ["expires_at"])
    op.create_table(
        "revoked_token",
        sa.Column("jti", ascii_text(64), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("jti", name="pk_revoked_token"),
        **OPTIONS,
    )
    op.create_index("ix_revoked_token_expires_at", "revoked_token", ["expires_at"])


def upgrade() -> None:
    """Make all tables."""
    _dags()
    _runs()
    _history()
    _registry()
    _services()
    _users()


def downgrade() -> None:
    """Drop all tables."""
    for table in reversed(TABLES):
        op.drop_table(table)
