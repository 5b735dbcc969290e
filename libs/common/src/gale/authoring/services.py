"""The door from user code to variables, connections, XComs and other DAGs.

A task process gets a `TaskServices` that asks its supervisor. While a DAG file is merely
imported, or run by plain `python`, only the environment answers: `GALE_VAR_X`, `AIRFLOW_VAR_X`,
`GALE_CONN_X` and `AIRFLOW_CONN_X`. The environment also goes first when there are services,
as in Airflow.
"""

from contextvars import ContextVar

from gale.authoring import surroundings
from gale.authoring.exceptions import TaskError
from gale.core.attempt import TaskServices

_current: ContextVar[TaskServices | None] = ContextVar("gale_task_services", default=None)


class use:  # noqa: N801 - used as a function; a generator would touch more memory, which each task process must copy
    """Let `services` answer inside a `with` block; None = the environment alone."""

    __slots__ = ("_services", "_token")

    def __init__(self, services: TaskServices | None) -> None:
        self._services = services

    def __enter__(self) -> None:
        self._token = _current.set(self._services)

    def __exit__(self, *error: object) -> None:
        _current.reset(self._token)


def current() -> TaskServices | None:
    """Return the services that answer now; None = the environment alone."""
    return _current.get()


def required(what: str) -> TaskServices:
    """Return the services that answer now.

    Raises:
        TaskError: There are none, because no task is running.
    """
    services = _current.get()
    if services is None:
        raise TaskError(
            f"{what} needs a running Gale, but no task is running here: this code is being imported or run by hand. "
            "Move the call into a task, or use `gale tasks test`."
        )
    return services


def from_environment(kind: str, name: str) -> str | None:
    """Return what the environment says about a `VAR` or `CONN` of that name."""
    environ = surroundings.current().environ
    for prefix in ("GALE", "AIRFLOW"):
        value = environ.get(f"{prefix}_{kind}_{name.upper()}")
        if value is not None:
            return value
    return None
