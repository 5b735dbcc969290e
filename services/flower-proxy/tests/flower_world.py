"""What the tests share: people's password, waiting for things, and something that plays Flower."""

import contextlib
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gale.clock import SystemClock
from gale_flower_proxy.child import Upstream

PASSWORD = "correct horse battery"
ROLES = ("Viewer", "User", "Op", "Admin")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = {"Sec-Fetch-Site": "same-origin"}
SECONDS = 30.0


def until(found: Callable[[], object], what: str) -> None:
    """Wait until something is so, at most `SECONDS`."""
    clock = SystemClock()
    deadline = clock.monotonic() + SECONDS
    with socket.socket() as never:
        never.bind(("127.0.0.1", 0))
        never.settimeout(0.05)
        never.listen()
        while not found():
            assert clock.monotonic() < deadline, f"{what} did not happen within {SECONDS} s"
            with contextlib.suppress(TimeoutError):  # nobody ever connects: a pause
                never.accept()


@dataclass
class Heard:
    """A request that reached Flower."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeFlower:
    """Answers everything, and remembers what it was asked. Its answers carry what must not pass."""

    heard: list[Heard] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)
    server: ThreadingHTTPServer | None = None
    is_running: bool = True
    password: str = "the password of this very Flower"

    def upstream(self) -> Upstream | None:
        """Where it listens; as `FlowerChild` tells it."""
        if self.server is None or not self.is_running:
            return None
        return Upstream(int(self.server.server_address[1]), self.password)


class Handler(BaseHTTPRequestHandler):
    flower: FakeFlower

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        flower = type(self).flower
        flower.heard.append(Heard(self.command, self.path, dict(self.headers), body))
        said = json.dumps({"path": self.path}).encode()
        self.send_response(flower.answer.get("status", 200))
        usual = {
            "Content-Type": "application/json",
            "Set-Cookie": "_xsrf=2|abc; Path=/",
            "Access-Control-Allow-Origin": "*",
            "WWW-Authenticate": 'Basic realm="flower"',
            "Server": "TornadoServer/6.6",
            "ETag": '"abc"',
        }
        for name, value in (usual | flower.answer.get("headers", {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    do_GET = do_POST = do_HEAD = _answer  # noqa: N815 - the library's names

    def log_message(self, *said: Any) -> None:
        """Say nothing."""
