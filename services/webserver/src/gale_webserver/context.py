"""What a request may use: the services made once at start, and who is asking."""

import threading
from dataclasses import dataclass
from typing import Final, cast

from flask import current_app, g
from sqlalchemy import Engine

from gale.access.people import Doorkeeper, Person
from gale.access.roles import Permission
from gale.access.tokens import Tokens
from gale.clock import Clock
from gale.db.read.browse import Visible
from gale.db.read.why import Defaults
from gale.runtime.log_store import LogStore
from gale.runtime.remote_logs import WorkerLogs
from gale.secrets import FernetBox
from gale.settings import Settings
from gale_webserver.run_cache import RunCache

EXTENSION: Final = "gale"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPlaces:
    """Where logs are looked for that are not in this machine's folder."""

    own_hostname: str
    #: None without a cluster: then no worker serves logs.
    workers: WorkerLogs | None
    store: LogStore | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What was made once, when the application was."""

    settings: Settings
    engine: Engine
    clock: Clock
    box: FernetBox
    tokens: Tokens
    doorkeeper: Doorkeeper
    grid_cache: RunCache
    logs: LogPlaces
    #: Places for clients that wait for a run: each keeps a thread, and others must still be answered.
    waiting: threading.BoundedSemaphore
    #: True if users reach the page over TLS, so that cookies may insist on it.
    secure: bool
    #: How long an answer waits for the scheduler to do what was asked.
    patience_seconds: float


def services() -> Services:
    """Return the services of the application that handles the request."""
    return cast("Services", current_app.extensions[EXTENSION])


def person() -> Person:
    """Return who is asking; the guard has let nobody unknown through."""
    return cast("Person", g.person)


def visible() -> Visible:
    """Return which DAGs the asking person may know of: all, unless `filter_by_owner` is on."""
    asking = person()
    if services().settings.webserver.filter_by_owner and not asking.may(Permission.ALL_DAGS):
        return Visible(owner=asking.username)
    return Visible()


def limits_of_all(used: Services) -> Defaults:
    """Return the settings that limit a DAG which sets no limits itself."""
    core = used.settings.core
    return Defaults(
        parallelism=core.parallelism,
        max_active_tasks=core.max_active_tasks_per_dag,
        max_active_runs=core.max_active_runs_per_dag,
    )
