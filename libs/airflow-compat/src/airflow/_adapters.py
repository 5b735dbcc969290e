"""Small things of Airflow's that have another form, or no other use, in Gale."""

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from enum import StrEnum
from importlib import import_module
from typing import Any, Final

from gale.authoring import surroundings
from gale.authoring.calling import keyword_arguments
from gale.authoring.instants import shown
from gale.authoring.operator import task_log
from gale.core.states import RunState, TaskState
from gale.notifiers.mail import Mail, build_message, send
from gale.notifiers.mail_settings import mail_settings


def apply_defaults(init: Callable[..., None]) -> Callable[..., None]:
    """Return the function as it is: Gale applies `default_args` to every operator."""
    return init


def days_ago(n: int, hour: int = 0, minute: int = 0, second: int = 0, microsecond: int = 0) -> Any:
    """Return the day `n` days ago, at a time of day, in UTC."""
    today = surroundings.current().now().replace(hour=hour, minute=minute, second=second, microsecond=microsecond)
    return shown(today - timedelta(days=n))


def determine_kwargs(func: Callable[..., Any], args: Collection[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return of `kwargs` what a function's parameters name."""
    return keyword_arguments(func, args, {}, kwargs)


def import_string(dotted_path: str) -> Any:
    """Return what a dotted path names."""
    module, _, name = dotted_path.rpartition(".")
    if not module:
        message = f"{dotted_path!r} is no path of a module and a name in it."
        raise ImportError(message)
    try:
        return getattr(import_module(module), name)
    except AttributeError as error:
        message = f"The module {module!r} has no {name!r}."
        raise ImportError(message) from error


def send_email(  # noqa: PLR0917  Airflow's signature
    to: str | list[str],
    subject: str,
    html_content: str,
    files: list[str] | None = None,
    dryrun: bool = False,
    cc: str | list[str] | None = None,
    **options: Any,
) -> None:
    """Send a mail by the house's settings, or by `conn_id`; options are those of EmailOperator."""
    settings = mail_settings(options.get("conn_id"))
    mail = Mail(
        to=to,
        subject=subject,
        text=html_content,
        sender=options.get("from_email") or settings.sender,
        subtype=options.get("mime_subtype", "html"),
        cc=cc,
        bcc=options.get("bcc"),
        files=files or (),
        headers=options.get("custom_headers") or {},
    )
    message = build_message(mail)
    if not dryrun:
        send(message, settings)


def to_boolean(astring: str | None) -> bool:
    """Return whether a text means yes."""
    return astring is not None and astring.lower() in {"true", "t", "yes", "y", "on", "1"}


def is_venv_installed() -> bool:
    """Return False: this Gale has no operators that make virtual environments, and files that ask go without."""
    return False


class LoggingMixin:
    """Gives a class `self.log`, whose lines stand in the attempt's log."""

    @property
    def log(self) -> logging.Logger:
        """The logger of tasks."""
        return task_log


class DagRunType(StrEnum):
    """How a run came to be."""

    BACKFILL_JOB = "backfill"
    SCHEDULED = "scheduled"
    MANUAL = "manual"
    OPERATOR_TRIGGERED = "operator_triggered"


class WeightRule(StrEnum):
    """How the weights of a task's relatives add to its own."""

    DOWNSTREAM = "downstream"
    UPSTREAM = "upstream"
    ABSOLUTE = "absolute"


class State:
    """States as Airflow 1.x named them. None is the state of a task that has none yet."""

    NONE: Final = None
    SCHEDULED: Final = TaskState.SCHEDULED
    QUEUED: Final = TaskState.QUEUED
    RUNNING: Final = TaskState.RUNNING
    SUCCESS: Final = TaskState.SUCCESS
    FAILED: Final = TaskState.FAILED
    SKIPPED: Final = TaskState.SKIPPED
    UPSTREAM_FAILED: Final = TaskState.UPSTREAM_FAILED
    UP_FOR_RETRY: Final = TaskState.UP_FOR_RETRY
    UP_FOR_RESCHEDULE: Final = TaskState.UP_FOR_RESCHEDULE
    REMOVED: Final = TaskState.REMOVED
    RESTARTING: Final = TaskState.RESTARTING

    @classmethod
    def finished(cls) -> frozenset[str]:
        """Return the states in which nothing more happens by itself."""
        return frozenset({cls.SUCCESS, cls.FAILED, cls.SKIPPED, cls.UPSTREAM_FAILED, cls.REMOVED})

    dag_states: Final = (RunState.QUEUED, RunState.SUCCESS, RunState.RUNNING, RunState.FAILED)
