"""The thread that runs attempts: one selector loop around the zygote and the supervisor.

The zygote is started by this thread and ends with it: on Linux a child that asks to be told of its
parent's death is told of the death of the *thread* that made it.
"""

import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from gale import telemetry
from gale.clock import Clock
from gale.core.attempt import AttemptEnded, AttemptOrder
from gale.runtime.client import ZygoteClient
from gale.runtime.supervisor import Supervisor

log = structlog.get_logger()

#: The loop looks around at least so often, so that a lost byte costs no more.
LONGEST_WAIT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What the engine is made of; both are called in its thread."""

    zygote: Callable[[selectors.BaseSelector], ZygoteClient]
    supervisor: Callable[[ZygoteClient], Supervisor]


class Engine:
    """Runs attempts in a thread of its own. Its methods may be called from any thread, and none blocks.

    Args:
        options: How zygote and supervisor are made.
        clock: For deadlines.
        on_ended: Called in the engine's thread with ends; it must not block.
        on_crash: Called if the thread fails.
    """

    def __init__(
        self,
        options: EngineOptions,
        clock: Clock,
        on_ended: Callable[[list[AttemptEnded]], None],
        on_crash: Callable[[str], None],
    ) -> None:
        self._options = options
        self._clock = clock
        self._on_ended = on_ended
        self._on_crash = on_crash
        self._inbox: deque[Callable[[Supervisor], None]] = deque()
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self._closing: float | None = None
        #: Set when the thread has ended.
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def launch(self) -> None:
        """Start the thread, and with it the zygote."""
        self._thread.start()

    def start(self, orders: Sequence[AttemptOrder]) -> None:
        """Run attempts."""
        self._tell(lambda supervisor: supervisor.start(orders))

    def stop(self, ti: str, token: str, reason: str, within: float | None = None) -> None:
        """Stop an attempt; unknown ones are ignored. See `Supervisor.stop`."""
        self._tell(lambda supervisor: supervisor.stop(ti, token, reason, within))

    def close(self, seconds: float) -> None:
        """Stop everything within `seconds`, report the ends, end the zygote and the thread."""

        def begin(_: Supervisor) -> None:
            self._closing = seconds

        self._tell(begin)

    def _tell(self, what: Callable[[Supervisor], None]) -> None:
        self._inbox.append(what)
        # A full pipe has woken the loop already; a closed one has nobody to wake.
        with suppress(OSError):
            self._theirs.send(b"\0")

    # --- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop()
        except Exception:
            log.exception(telemetry.SERVICE_CRASHED, part="engine", next="the worker ends, its attempts are lost")
            self._on_crash("its engine failed")
        finally:
            self.ended.set()

    def _loop(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._ours, selectors.EVENT_READ, self._woken)
        zygote = self._options.zygote(selector)
        try:
            supervisor = self._options.supervisor(zygote)
            while self._closing is None:
                for key, _ in selector.select(self._patience(supervisor)):
                    key.data()
                while self._inbox and self._closing is None:
                    self._inbox.popleft()(supervisor)
                supervisor.tick()
                self._report(supervisor.ended())
            self._report(supervisor.shutdown(self._closing))
        finally:
            zygote.close()
            self._ours.close()
            self._theirs.close()

    def _woken(self) -> None:
        with suppress(BlockingIOError):
            self._ours.recv(65536)

    def _patience(self, supervisor: Supervisor) -> float:
        if self._inbox:
            return 0.0
        deadline = supervisor.next_deadline()
        if deadline is None:
            return LONGEST_WAIT_SECONDS
        return max(0.0, min(LONGEST_WAIT_SECONDS, deadline - self._clock.monotonic()))

    def _report(self, ended: list[AttemptEnded]) -> None:
        if ended:
            self._on_ended(ended)
