"""gunicorn around the application: the socket, the processes, the stop."""

import errno
import logging
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from gale.clock import SystemClock
from gale.db.engine import open_engine
from gale.errors import ConfigError, GaleError
from gale.settings import Settings
from gale_webserver.app import create_app

GRACE_SECONDS: Final = 10
MAX_PORT: Final = 65535
logger: Final = logging.getLogger(__name__)


class AddressTaken(GaleError):
    """Nobody can listen on the address that the settings name."""

    exit_code = 4


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    gunicorn would try five times, log each failure and leave a reader guessing; so the address
    is taken first, and gunicorn gets the socket.

    Raises:
        AddressTaken: It is taken, not this machine's, or not allowed to this user.
    """
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = infos[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressTaken(
            f"The host {host!r} cannot be listened on: {error.strerror}. Set [webserver] web_server_host to an address "
            "of this machine, for instance 127.0.0.1 or 0.0.0.0."
        ) from None
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise AddressTaken(_why_not(host, port, error)) from None
    listening.set_inheritable(True)
    return listening


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use by another program. Stop that program (`ss -ltnp` shows which it is), "
            f"or choose another port: gale webserver -p {port + 1 if port < MAX_PORT else 8080}."
        )
    if error.errno == errno.EACCES:
        return f"This user may not listen on port {port}: ports below 1024 belong to root. Choose one above, e.g. 8080."
    return (
        f"Nobody can listen on {host}, port {port}: {error.strerror}. "
        "Set [webserver] web_server_host to an address of this machine."
    )


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn, told what the settings say."""

    def __init__(self, settings: Settings, listening: socket.socket, options: dict[str, Any]) -> None:
        self._settings = settings
        self._options = {
            "bind": f"fd://{listening.fileno()}",
            "workers": settings.webserver.workers,
            "worker_class": "gthread",
            "threads": settings.webserver.threads,
            "timeout": settings.webserver.web_server_worker_timeout,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": 5,
            "certfile": settings.webserver.web_server_ssl_cert or None,
            "keyfile": settings.webserver.web_server_ssl_key or None,
            "forwarded_allow_ips": "",
            "limit_request_line": 8190,
            "proc_name": "gale-webserver",
            "control_socket_disable": True,
            "logger_class": "gale_webserver.server_log.ServerLog",
            **options,
        }
        super().__init__()

    def load_config(self) -> None:
        """Hand the settings over; gunicorn's own files and variables are not read."""
        for name, value in self._options.items():
            if value is not None and name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application, in each worker process: an engine must not cross a fork."""
        settings = self._settings
        engine = open_engine(settings.database.sql_alchemy_conn, pool_size=settings.webserver.threads, must_exist=True)
        return create_app(settings, engine, SystemClock())


def serve(settings: Settings, listening: socket.socket, options: dict[str, Any], ready: Callable[[], None]) -> str:
    """Serve until a signal comes; return the reason of the end.

    Raises:
        ConfigError: The workers cannot start; the log says why.
    """
    mother = os.getpid()

    def tell(worker: Any) -> None:
        if worker.age == 1:  # the first of this server: not one of its siblings, nor one that replaces it
            ready()

    server = Server(settings, listening, {"post_worker_init": tell, **options})
    try:
        Arbiter(server).run()
    except SystemExit as end:
        if os.getpid() != mother:  # a worker process ends through here too, being a fork of this one
            raise
        if end.code not in {0, None}:
            raise ConfigError("The webserver could not start; the log lines above say why.") from None
    return "it was told to stop"
