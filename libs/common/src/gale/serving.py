"""gunicorn around an application: the socket, the processes, the stop. For services that depend on gunicorn."""

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from gale.errors import ConfigError, GaleError
from gale.settings import Settings

GRACE_SECONDS: Final = 10
MAX_PORT: Final = 65535
#: Headers of every answer of every service, beside a Content-Security-Policy of its own.
SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Permitted-Cross-Domain-Policies": "none",
}
#: Strict-Transport-Security, where TLS is spoken.
HSTS: Final = "max-age=31536000"


class AddressTaken(GaleError):
    """Nobody can listen on the address that the settings name."""

    exit_code = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a service listens, and what a user would change to move it."""

    host: str
    port: int
    #: The settings that say so, and the command with the option for the port.
    host_setting: str
    command: str


def listen(address: Address) -> socket.socket:
    """Return a socket that listens on an address.

    gunicorn would try five times, log each failure and leave a reader guessing; so the address
    is taken first, and gunicorn gets the socket.

    Raises:
        AddressTaken: It is taken, not this machine's, or not allowed to this user.
    """
    try:
        infos = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = infos[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressTaken(
            f"The host {address.host!r} cannot be listened on: {error.strerror}. Set {address.host_setting} to an "
            "address of this machine, for instance 127.0.0.1 or 0.0.0.0."
        ) from None
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(place)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise AddressTaken(_why_not(address, error)) from None
    listening.set_inheritable(True)
    return listening


def _why_not(address: Address, error: OSError) -> str:
    host, port = address.host, address.port
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use by another program. Stop that program (`ss -ltnp` shows which it is), "
            f"or choose another port: {address.command} {port + 1 if port < MAX_PORT else 8080}."
        )
    if error.errno == errno.EACCES:
        return f"This user may not listen on port {port}: ports below 1024 belong to root. Choose one above, e.g. 8080."
    return (
        f"Nobody can listen on {host}, port {port}: {error.strerror}. "
        f"Set {address.host_setting} to an address of this machine."
    )


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn, told what the settings say."""

    def __init__(self, make_app: Callable[[], Flask], options: dict[str, Any]) -> None:
        self._make_app = make_app
        self._options = {
            "worker_class": "gthread",
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": 5,
            "forwarded_allow_ips": "",
            "limit_request_line": 8190,
            "control_socket_disable": True,
            "logger_class": "gale.serving_log.ServerLog",
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
        return self._make_app()


def options_of(settings: Settings) -> dict[str, Any]:
    """Return what the settings of the web tier say to gunicorn."""
    web = settings.webserver
    return {
        "threads": web.threads,
        "timeout": web.web_server_worker_timeout,
        "certfile": web.web_server_ssl_cert or None,
        "keyfile": web.web_server_ssl_key or None,
    }


def serve(
    make_app: Callable[[], Flask], listening: socket.socket, options: dict[str, Any], ready: Callable[[], None]
) -> str:
    """Serve until a signal comes; return the reason of the end.

    Args:
        make_app: Makes the application in each worker process.
        listening: From `listen`.
        options: Of gunicorn.
        ready: Called when the first worker can answer.

    Raises:
        ConfigError: The workers cannot start; the log says why.
    """
    mother = os.getpid()

    def tell(worker: Any) -> None:
        if worker.age == 1:  # the first of this server: not one of its siblings, nor one that replaces it
            ready()

    server = Server(make_app, {"bind": f"fd://{listening.fileno()}", "post_worker_init": tell, **options})
    try:
        Arbiter(server).run()
    except SystemExit as end:
        if os.getpid() != mother:  # a worker process ends through here too, being a fork of this one
            raise
        if end.code not in {0, None}:
            raise ConfigError("The service could not start; the log lines above say why.") from None
    return "it was told to stop"
