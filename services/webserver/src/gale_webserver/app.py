"""The application: what is made once at start, and every group of routes."""

import threading
from typing import Final

from flask import Flask
from sqlalchemy import Engine
from werkzeug.middleware.proxy_fix import ProxyFix

from gale.access.people import doorkeeper, is_secure
from gale.access.tokens import tokens_of
from gale.clock import Clock
from gale.runtime.identity import host_name
from gale.runtime.log_store import open_store
from gale.runtime.remote_logs import WorkerLogs, log_key
from gale.secrets import FernetBox
from gale.settings import Settings
from gale_webserver import cors, headers, openapi, pages, problems
from gale_webserver.api import (
    connections,
    dags,
    logs,
    monitor,
    pools,
    runs,
    task_instances,
    tasks,
    users,
    variables,
    xcoms,
)
from gale_webserver.auth import guard, login
from gale_webserver.context import EXTENSION, LogPlaces, Services
from gale_webserver.routing import CONVERTERS, MAX_BODY_BYTES, Routes
from gale_webserver.run_cache import RunCache
from gale_webserver.ui import dags as ui_dags
from gale_webserver.ui import grid as ui_grid
from gale_webserver.ui import logs as ui_logs
from gale_webserver.ui import system as ui_system
from gale_webserver.ui import why as ui_why

GRID_CACHE_BYTES: Final = 32 * 1024 * 1024
ROUTES: Final[tuple[Routes, ...]] = (
    login.routes,
    ui_dags.routes,
    ui_grid.routes,
    ui_logs.routes,
    ui_why.routes,
    ui_system.routes,
    dags.routes,
    runs.routes,
    task_instances.routes,
    tasks.routes,
    logs.routes,
    xcoms.routes,
    variables.routes,
    connections.routes,
    pools.routes,
    users.routes,
    monitor.routes,
)


def create_app(settings: Settings, engine: Engine, clock: Clock, *, patience_seconds: float = 1.0) -> Flask:
    """Make the application.

    Args:
        settings: All settings.
        engine: The database.
        clock: Where the time comes from.
        patience_seconds: How long an answer waits for the scheduler to do what was asked.

    Raises:
        ConfigError: A setting would leave the door open.
    """
    tokens = tokens_of(settings)
    app = Flask(__name__, static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=0,
        MAX_FORM_PARTS=0,
        PROPAGATE_EXCEPTIONS=False,
        DEBUG=False,
        TESTING=False,
    )
    app.extensions[EXTENSION] = Services(
        settings=settings,
        engine=engine,
        clock=clock,
        box=FernetBox(settings.core.fernet_key),
        tokens=tokens,
        doorkeeper=doorkeeper(settings, engine, clock, tokens),
        grid_cache=RunCache(GRID_CACHE_BYTES),
        logs=_log_places(settings, clock),
        waiting=threading.BoundedSemaphore(max(1, settings.webserver.threads // 2)),
        secure=is_secure(settings),
        patience_seconds=patience_seconds,
    )
    problems.install(app)
    headers.install(app)
    cors.install(app)
    guard.install(app)
    app.url_map.converters.update(CONVERTERS)
    for group in ROUTES:
        group.install(app)
    openapi.install(app, ROUTES)
    pages.install(app)
    if settings.webserver.enable_proxy_fix:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    return app


def _log_places(settings: Settings, clock: Clock) -> LogPlaces:
    """Return where logs are looked for that are not in this machine's folder."""
    is_cluster = settings.core.executor.endswith("CeleryExecutor")
    port = settings.logging.worker_log_server_port
    return LogPlaces(
        own_hostname=host_name(settings.core.hostname_callable),
        workers=WorkerLogs(log_key(settings), port, clock) if is_cluster else None,
        store=open_store(settings),
    )
