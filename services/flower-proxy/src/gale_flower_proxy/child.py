"""Keeps Flower running: on the loopback device, under a password of its own, as a child that cannot outlive us.

Flower's own login is not used for people. But its port is open to every user of this machine, so it gets
a password that is made anew at each start and known to this process only; with one, Flower's API needs no
`FLOWER_UNAUTHENTICATED_API` and sends no header that opens it to other sites.
"""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from gale import telemetry
from gale.clock import Clock
from gale.settings import whole_environment
from gale_flower_proxy.flower_process import VARIABLE

LOOPBACK: Final = "127.0.0.1"
USER: Final = "gale"
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
#: Who ran for so long was well: the next pause is a short one again.
WELL_AFTER_SECONDS: Final = 60.0
#: It keeps nothing that it would have to save; with its broker away it does not end by itself.
STOP_SECONDS: Final = 2.0
MAX_LINE: Final = 2000
#: What a process needs to run Python and to find certificates; no setting of Gale and no password among it.
_KEPT: Final = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
)
#: `[E 261122 19:21:04 events:190] ` in front of each line of Flower's log.
_PREFIX: Final = re.compile(r"^\[([A-Z]) [^\]]*\] ")


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where Flower listens just now, and the password for it."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://{LOOPBACK}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowerSettings:
    """What Flower is told."""

    #: Settings of its Celery application, the broker's address among them.
    celery: Mapping[str, Any]
    #: With a slash in front and none at the end, or empty.
    prefix: str = ""
    #: Texts that must not appear in our log although Flower might write them.
    hidden: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=whole_environment)


class FlowerChild:
    """A thread that starts Flower, says in our log what it says, and starts it again when it ends."""

    def __init__(self, settings: FlowerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._log = structlog.get_logger()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._upstream: Upstream | None = None
        self._said: deque[str] = deque(maxlen=20)
        # The kernel ends the child when the *thread* that started it ends, so this one stays.
        self._thread = threading.Thread(target=self._run, name="flower-child", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def upstream(self) -> Upstream | None:
        """Return where Flower should be answering; None while it is not running."""
        with self._lock:
            return self._upstream

    @property
    def pid(self) -> int | None:
        """The process of Flower; None while it is not running."""
        with self._lock:
            return None if self._process is None else self._process.pid

    def stop(self) -> None:
        """End Flower and wait until it is gone."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            code = self._live()
            if self._stopping.is_set():
                return
            if self._clock.monotonic() - began > WELL_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._log.warning(telemetry.FLOWER_ENDED, exit_code=code, next=f"it is started again in {pause:g} s")
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _live(self) -> int:
        """Run Flower once; return its exit code."""
        upstream = Upstream(_free_port(), secrets.token_urlsafe(32))
        process = subprocess.Popen(
            # Neither the working directory nor the user's site-packages may slip modules in; `/` because
            # Flower runs a flowerconfig.py that it finds where it is started.
            [sys.executable, "-P", "-m", "gale_flower_proxy.flower_process"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment(upstream),
            cwd="/",
        )
        with self._lock:
            self._process, self._upstream = process, upstream
        if self._stopping.is_set():  # `stop` may have looked before there was a process
            process.terminate()
        try:
            for line in process.stdout or ():
                self._tell(line)
            return process.wait()
        finally:
            with self._lock:
                self._process = self._upstream = None
            if process.stdout is not None:
                process.stdout.close()

    def _environment(self, upstream: Upstream) -> dict[str, str]:
        told = {
            "ADDRESS": LOOPBACK,
            "PORT": str(upstream.port),
            "BASIC_AUTH": f"{USER}:{upstream.password}",
            "PERSISTENT": "false",
            "URL_PREFIX": self._settings.prefix.strip("/"),
        }
        order = {"parent": os.getpid(), "celery": dict(self._settings.celery)}
        kept = {name: value for name, value in self._settings.environ.items() if name in _KEPT}
        flower = {f"FLOWER_{name}": value for name, value in told.items() if value}
        return {**kept, **flower, VARIABLE: json.dumps(order), "PYTHONUNBUFFERED": "1"}

    def _tell(self, line: bytes) -> None:
        text = line[:MAX_LINE].decode("utf-8", "replace").rstrip()
        for secret in self._settings.hidden:
            text = text.replace(secret, "***")
        text = _PREFIX.sub("", text)
        if self._stopping.is_set():  # how it feels about SIGTERM is of no interest
            return
        # With the broker away Flower says the same few things every few seconds.
        if text and text not in self._said:
            self._said.append(text)
            self._log.warning(telemetry.FLOWER_SAID, line=text)


def _free_port() -> int:
    """Return a port that is free now. Should somebody take it at once, Flower ends and gets another."""
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
