"""What services say about themselves: log lines with names, counters with names.

A log event is `noun.verb` with fields beside it, so that a search finds all of a kind. Where
Airflow has a metric for the same thing, the metric has Airflow's name.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

# --- log events of the frame -------------------------------------------------------------------------

SERVICE_START: Final = "service.start"
SERVICE_STOP: Final = "service.stop"
SERVICE_REFUSED: Final = "service.refused"
SERVICE_CRASHED: Final = "service.crashed"
SETTING_NOTE: Final = "setting.note"

# --- log events of the scheduler ---------------------------------------------------------------------

SCHEDULER_START: Final = "scheduler.start"
SCHEDULER_STOP: Final = "scheduler.stop"
SCHEDULER_NOT_CLOSED: Final = "scheduler.not_closed"
DATABASE_ERROR: Final = "database.error"
LEASE_ENDING: Final = "lease.ending"
JOB_DEAD: Final = "job.dead"
RUN_MOVED: Final = "run.moved"
RUN_SET_ASIDE: Final = "run.set_aside"
TASK_FAILED: Final = "task.failed"
TASK_LOST: Final = "task.lost"
TASK_LATE_END: Final = "task.late_end"
TASK_LOST_RACE: Final = "task.lost_race"
REQUEST_DONE: Final = "request.done"
DAG_PAUSED: Final = "dag.paused"
DAG_GONE: Final = "dag.gone"
DAG_FILE_READ: Final = "dag_file.read"
DAG_FILE_NOT_STORED: Final = "dag_file.not_stored"
FILE_EVENTS_OFF: Final = "file_events.off"
MAIL_SENT: Final = "mail.sent"
MAIL_FAILED: Final = "mail.failed"
SLA_MISSED: Final = "sla.missed"

# --- log events of whatever people sign in to -------------------------------------------------------

ACCESS_BAD_TOKEN: Final = "access.bad_token"  # noqa: S105 - the name of an event
ACCESS_BAD_SESSION: Final = "access.bad_session"
SESSION_NOT_RENEWED: Final = "session.not_renewed"

# --- log events of flower-proxy and of remote logs ---------------------------------------------------

FLOWER_READY: Final = "flower.ready"
FLOWER_SAID: Final = "flower.said"
FLOWER_ENDED: Final = "flower.ended"
FLOWER_AWAY: Final = "flower.away"
FLOWER_USED: Final = "flower.used"
LOG_SERVER_START: Final = "log_server.start"
LOG_REFUSED: Final = "log.refused"
LOG_STORED: Final = "log.stored"
LOG_NOT_STORED: Final = "log.not_stored"

# --- log events of the broker ------------------------------------------------------------------------

BROKER_AWAY: Final = "broker.away"
BROKER_BACK: Final = "broker.back"
COMMANDS_LATE: Final = "commands.late"
COMMAND_REFUSED: Final = "command.refused"
HINT_REFUSED: Final = "hint.refused"

# --- log events of the worker ------------------------------------------------------------------------

WORKER_START: Final = "worker.start"
WORKER_READY: Final = "worker.ready"
WORKER_DRAIN: Final = "worker.drain"
WORKER_NOT_CLOSED: Final = "worker.not_closed"
BATCH_REFUSED: Final = "batch.refused"
CLAIM_STRAY: Final = "claim.stray"
MESSAGE_REFUSED: Final = "message.refused"
MESSAGE_NOT_SHOWN: Final = "message.not_shown"
MESSAGE_NOT_ACKNOWLEDGED: Final = "message.not_acknowledged"

#: Fields of every line.
_bound: Final[dict[str, Any]] = {}
#: Libraries that log what our own lines say better.
_QUIET: Final = {
    "alembic": logging.WARNING,
    "amqp": logging.WARNING,
    "httpx": logging.WARNING,
    "kombu": logging.WARNING,
    "pika": logging.CRITICAL,
    "watchfiles": logging.WARNING,
    "sqlalchemy.engine": logging.WARNING,
    "urllib3": logging.WARNING,
}


def configure_logging(*, level: str = "INFO", json_lines: bool = False, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's log lines to one stream, in one form.

    Args:
        level: Least important level that is shown.
        json_lines: One JSON object a line instead of text.
        stream: Default: standard error.
    """
    target = stream or sys.stderr
    shared: list[Any] = [
        _add_bound,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json_lines
        else structlog.dev.ConsoleRenderer(
            colors=target.isatty(),
            pad_event_to=0,
            sort_keys=False,
            # The default one (rich) prints local variables: settings with their secrets among them.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([structlog.processors.format_exc_info] if json_lines else []),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, logging.getLevelName(level)))


def bind(**fields: Any) -> None:
    """Add fields to every log line of this process from now on, such as the service's name."""
    # Not structlog's contextvars: a thread begins without those of the thread that started it.
    _bound.update(fields)


def _add_bound(_logger: Any, _name: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add what is bound, after what the line itself says."""
    for name, value in _bound.items():
        fields.setdefault(name, value)
    return fields
