"""`gale standalone`: everything on this machine, in the foreground, until Ctrl-C."""

import fcntl
import http.client
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import click

from gale.cli.children import Children
from gale.cli.first_start import ADMIN, PASSWORD_FILE, PASSWORD_VARIABLE, ensure_admin, make_tables, read_password
from gale.cli.session import Session, pass_session
from gale.errors import BadRequest, ConfigError
from gale.settings import Settings, whole_environment

LOCK_FILE: Final = "standalone.lock"
START_SECONDS: Final = 60.0
#: What a newcomer wants, unless somebody has set it: many tasks at once, and DAGs that are switched on.
FRIENDLY: Final = {
    ("core", "executor"): "LocalExecutor",
    ("core", "dags_are_paused_at_creation"): "False",
}


@click.command()
@click.option("-p", "--port", type=click.IntRange(0, 65535), help="Port of the page (default: web_server_port, 8080).")
@click.option("--host", help="Address to listen on (default: web_server_host, 127.0.0.1).")
@pass_session
def standalone(session: Session, port: int | None, host: str | None) -> None:
    """Start everything on this machine: database, scheduler, page. Ctrl-C stops it."""
    settings = session.settings
    host = host or settings.webserver.web_server_host
    port = settings.webserver.web_server_port if port is None else port
    with _only_one(settings.home):
        chosen = _free_port(host, port)
        for folder in (settings.core.dags_folder, settings.logging.base_log_folder):
            folder.mkdir(parents=True, exist_ok=True)
        make_tables(session, session.bare_engine)
        ensure_admin(session, session.bare_engine)
        session.bare_engine.dispose()
        children = Children(_environment(settings, host, chosen), session.clock)
        _stop_on_signals(children)
        raise SystemExit(_run(session, children, host, chosen))


def _run(session: Session, children: Children, host: str, port: int) -> int:
    program = [sys.executable, "-m", "gale"]
    deadline = session.clock.monotonic() + START_SECONDS
    try:
        children.start("scheduler", [*program, "scheduler"])
        children.start("webserver", [*program, "webserver", "--hostname", host, "--port", str(port)])
        while not children.stop_reason and not _is_healthy(session.settings, host, port):
            children.turn(0.1)
            if session.clock.monotonic() > deadline:
                children.request_stop(f"Gale did not get ready within {START_SECONDS:g} seconds", exit_code=1)
        if not children.stop_reason:
            _welcome(session.settings, host, port)
        while not children.stop_reason:
            children.turn(1.0)
        children.say(f"{children.stop_reason}. Stopping everything …")
    finally:
        children.stop()
    children.say("Everything has stopped.")
    return children.exit_code


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Hold the home's lock, so that a second `gale standalone` on it is refused."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOCK_FILE).open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise BadRequest(
                f"`gale standalone` is running on {home} already (process {lock.read().strip() or 'unknown'}). "
                "Use that one, end it, or set GALE_HOME to another folder."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _free_port(host: str, port: int) -> int:
    """Return the port, which nobody listens on; for 0 one that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise ConfigError(f"This user may not listen on port {port}. Choose one above 1023: --port 8080.") from None
        except OSError as error:
            raise ConfigError(
                f"Port {port} on {host} cannot be listened on: {error.strerror}. Another program may use it: end that "
                f"one, or choose another port: `gale standalone --port {port + 1}`, `make run PORT={port + 1}`."
            ) from None
        return int(probe.getsockname()[1])


def _environment(settings: Settings, host: str, port: int) -> dict[str, str]:
    """Return the environment of the services: ours, and what nobody has set but a newcomer wants."""
    variables = whole_environment()
    variables.pop(PASSWORD_VARIABLE, None)
    variables["GALE_HOME"] = str(settings.home)
    variables["PYTHONUNBUFFERED"] = "1"
    for (section, key), value in FRIENDLY.items():
        if not settings.is_set(section, key):
            variables[f"GALE__{section}__{key}".upper()] = value
    if not settings.is_set("webserver", "base_url"):
        variables["GALE__WEBSERVER__BASE_URL"] = _url(settings, host, port)
    return variables


def _stop_on_signals(children: Children) -> None:
    def handle(number: int, _frame: FrameType | None) -> None:
        if children.stop_reason:
            raise KeyboardInterrupt
        children.request_stop("Ctrl-C" if number == signal.SIGINT else f"Got {signal.Signals(number).name}")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handle)


def _is_healthy(settings: Settings, host: str, port: int) -> bool:
    """Ask the page whether it and the scheduler are well."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    connection: http.client.HTTPConnection
    if settings.webserver.web_server_ssl_cert:
        # Our own certificate, on our own machine, seldom made out for its address.
        trusting = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection = http.client.HTTPSConnection(reachable, port, timeout=1, context=trusting)
    else:
        connection = http.client.HTTPConnection(reachable, port, timeout=1)
    try:
        connection.request("GET", "/api/v2/monitor/health")
        answer = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return all(answer.get(part, {}).get("status") == "healthy" for part in ("metadatabase", "scheduler"))


def _url(settings: Settings, host: str, port: int) -> str:
    shown = "localhost" if host in {"127.0.0.1", "0.0.0.0", "::", "::1"} else host  # noqa: S104 - compared
    return f"{'https' if settings.webserver.web_server_ssl_cert else 'http'}://{shown}:{port}"


def _welcome(settings: Settings, host: str, port: int) -> None:
    file = settings.home / PASSWORD_FILE
    password = read_password(settings.home)
    lines = [
        f"Gale is ready:  {click.style(_url(settings, host, port), bold=True)}",
        f"User:           {ADMIN}",
        f"Password:       {password}    (kept in {file})" if password else "Password:       the one that you have set",
        f"DAG files:      {settings.core.dags_folder}",
        "Ctrl-C stops everything.",
    ]
    click.echo("\n" + "\n".join(f"  {line}" for line in lines) + "\n")
