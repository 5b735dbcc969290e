"""The application: what is made once at start, and every group of routes."""

import secrets
import threading
from typing import Final

from flask import Flask
from sqlalchemy import Engine
from werkzeug.middleware.proxy_fix import ProxyFix

from gale.clock import Clock
from gale.errors import ConfigError
from gale.secrets import FernetBox
from gale.settings import Settings
from gale_webserver import cors, headers, openapi, pages, problems
from gale_webserver.access.throttle import Throttle
from gale_webserver.access.tokens import Tokens
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
from gale_webserver.context import EXTENSION, Services
from gale_webserver.routing import CONVERTERS, MAX_BODY_BYTES, Routes
from gale_webserver.run_cache import RunCache
from gale_webserver.ui import dags as ui_dags
from gale_webserver.ui import grid as ui_grid
from gale_webserver.ui import logs as ui_logs
from gale_webserver.ui import system as ui_system
from gale_webserver.ui import why as ui_why

GRID_CACHE_BYTES: Final = 32 * 1024 * 1024
MIN_SECRET_LENGTH: Final = 16
#: Values that stand in guides and images, so that everybody knows them.
_KNOWN_SECRETS: Final = frozenset(
    {"temporary_key", "secret", "secret_key", "changeme", "change_me", "cannot_be_empty", "airflow", "gale", "password"}
)

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


def check_settings(settings: Settings) -> str:
    """Return the secret that signs tokens.

    Raises:
        ConfigError: It is missing, short or known to everybody; or users would log in by other means than passwords.
    """
    backend = settings.webserver.auth_backend
    if "password" not in backend.lower():
        raise ConfigError(
            f"[webserver] auth_backend is {backend}, but this Gale knows only passwords in its own users table. "
            "Leave the setting out, and make users with `gale users create`."
        )
    secret = settings.api_auth.jwt_secret or settings.webserver.secret_key
    name = "[api_auth] jwt_secret" if settings.api_auth.jwt_secret else "[webserver] secret_key"
    advice = (
        f"Put a random one of at least {MIN_SECRET_LENGTH} characters there, for instance {secrets.token_urlsafe(32)}, "
        "the same on every webserver."
    )
    if not secret:
        raise ConfigError(f"{name} is empty, so anybody could sign tokens. {advice}")
    if secret.lower() in _KNOWN_SECRETS or len(set(secret)) < 4:  # noqa: PLR2004 - "aaaa…" is no secret
        raise ConfigError(f"{name} is a value that everybody knows, so anybody could sign tokens. {advice}")
    if len(secret) < MIN_SECRET_LENGTH:
        raise ConfigError(f"{name} has {len(secret)} characters, so it can be guessed. {advice}")
    return secret


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
    secret = check_settings(settings)
    app = Flask(__name__, static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=0,
        MAX_FORM_PARTS=0,
        PROPAGATE_EXCEPTIONS=False,
        DEBUG=False,
        TESTING=False,
    )
    auth = settings.api_auth
    app.extensions[EXTENSION] = Services(
        settings=settings,
        engine=engine,
        clock=clock,
        box=FernetBox(settings.core.fernet_key),
        tokens=Tokens(
            secret=secret,
            issuer=auth.jwt_issuer,
            audience=auth.jwt_audience,
            lifetime_seconds=auth.jwt_expiration_time,
        ),
        throttle=Throttle(clock.monotonic),
        grid_cache=RunCache(GRID_CACHE_BYTES),
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


def is_secure(settings: Settings) -> bool:
    """Return True if users reach the page over TLS."""
    web = settings.webserver
    return web.cookie_secure or bool(web.web_server_ssl_cert) or web.base_url.lower().startswith("https://")
