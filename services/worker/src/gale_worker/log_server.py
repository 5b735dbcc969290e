"""Gives the logs of this worker's attempts to the webserver, which asks with a signed token.

Nothing but plain files below the log folder, nothing without a token for exactly that log.
"""

import os
import re
import stat
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET, AF_INET6, socket
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import structlog

from gale import telemetry
from gale.clock import Clock, SystemClock
from gale.runtime.logs import LogPart, is_log_name
from gale.runtime.remote_logs import MAX_PART_BYTES, OFFSET_HEADER, PREFIX, SIZE_HEADER, log_key, may_read
from gale.settings import Settings

#: Connections at once: the webserver's threads are fewer, and each reads a few hundred kilobytes.
MAX_CONNECTIONS: Final = 32
#: Who says nothing for so long is hung up on.
SILENCE_SECONDS: Final = 10.0
_NUMBER: Final = re.compile(r"\d{1,15}", re.ASCII)


class _Refused(Exception):
    """A request that gets no log; `status` says how it is told."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What may be given out."""

    base: Path
    key: bytes
    clock: Clock

    def part(self, target: str, authorization: str) -> LogPart:
        """Return what a request asks for.

        Raises:
            _Refused: It is not for this asker, or not there.
        """
        address = urlsplit(target)
        if not address.path.startswith(PREFIX) or address.scheme or address.netloc:
            raise _Refused(HTTPStatus.NOT_FOUND)
        name = unquote(address.path.removeprefix(PREFIX), errors="replace")
        scheme, _, token = authorization.partition(" ")
        allowed = may_read(self.key, token.strip(), name, self.clock.now()) if scheme.lower() == "bearer" else None
        if allowed is None:
            raise _Refused(HTTPStatus.UNAUTHORIZED)
        # Signed names are of our own making; should the key be known to somebody, they still are no way out.
        if not allowed or not is_log_name(name):
            raise _Refused(HTTPStatus.FORBIDDEN)
        query = parse_qs(address.query, max_num_fields=4)
        return self._read(name, _number(query, "offset", 0), _number(query, "limit", MAX_PART_BYTES))

    def _read(self, name: str, offset: int, limit: int) -> LogPart:
        try:
            path = (self.base / name).resolve(strict=True)
        except (OSError, ValueError):
            raise _Refused(HTTPStatus.NOT_FOUND) from None
        # A link in the folder may lead anywhere; what counts is where the file really is.
        if not path.is_relative_to(self.base.resolve()):
            raise _Refused(HTTPStatus.FORBIDDEN)
        try:
            # Not to wait for the other end of a pipe; not to follow a link that was put there a moment ago.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:
            raise _Refused(HTTPStatus.NOT_FOUND) from None
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise _Refused(HTTPStatus.FORBIDDEN)
            offset = min(offset, found.st_size)
            data = os.pread(fd, max(4, min(limit, MAX_PART_BYTES)), offset)
        finally:
            os.close(fd)
        return LogPart(data, offset, max(found.st_size, offset + len(data)))


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    given = query.get(name, [str(default)])[0]
    if not _NUMBER.fullmatch(given):
        raise _Refused(HTTPStatus.BAD_REQUEST)
    return int(given)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request and hangs up."""

    server: "_Server"
    timeout = SILENCE_SECONDS
    server_version = "gale"
    sys_version = ""

    def do_GET(self) -> None:
        """Give a part of a log."""
        try:
            part = self.server.shelf.part(self.path, self.headers.get("Authorization", ""))
        except _Refused as refused:
            self._refuse(refused.status)
            return
        except ValueError:  # an address or a query that nobody can read
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(part.data)))
        self.send_header(OFFSET_HEADER, str(part.offset))
        self.send_header(SIZE_HEADER, str(part.size))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(part.data)

    def _refuse(self, status: HTTPStatus) -> None:
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            structlog.get_logger().warning(
                telemetry.LOG_REFUSED, status=status.value, address=self.client_address[0], path=self.path[:300]
            )
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Bearer realm="gale worker logs"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing: a page that follows a log asks every second."""


class _Server(ThreadingHTTPServer):
    """A thread for each connection, but not for any number of them."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], shelf: _Shelf) -> None:
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        self.shelf = shelf
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a connection in a thread of its own, or hang up if there are too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """Say nothing of clients that hang up in the middle."""


class LogServer:
    """A server that runs in a thread."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.2,), name="log-server", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start(settings: Settings, clock: Clock | None = None) -> LogServer | None:
    """Serve this worker's logs; None, with a line in the log, if the address is taken.

    Several workers on one machine have one log folder, so that the first one serves for all.

    Raises:
        ConfigError: `[webserver] secret_key` is missing or short, so that nobody could be trusted.
    """
    own = settings.logging
    shelf = _Shelf(own.base_log_folder, log_key(settings), clock or SystemClock())
    address = (own.worker_log_server_host, own.worker_log_server_port)
    try:
        server = LogServer(_Server(address, shelf))
    except OSError as error:
        structlog.get_logger().warning(
            telemetry.LOG_SERVER_START,
            error=f"{address[0]}, port {address[1]}: {error.strerror}",
            next="logs of this worker are read from here only by another worker on this machine, or from a shared "
            "folder; [logging] worker_log_server_port chooses another port, the same on all workers",
        )
        return None
    structlog.get_logger().info(telemetry.LOG_SERVER_START, host=address[0], port=server.port)
    return server
