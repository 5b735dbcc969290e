"""Waits for the children of a zygote or host, and kills what dead children left behind.

An end is given out only when nothing that the child started is left, because whoever hears
of it may start the next attempt at once.
"""

import os
import resource
import select
import signal
from dataclasses import dataclass
from typing import Final

from gale.clock import Clock
from gale.runtime.processes import IS_LINUX, kill_strays, max_rss_bytes, send_signal

#: A process in an uninterruptible wait cannot be killed; the end is not held back for ever.
STRAY_SECONDS: Final = 2.0
_LOOK_AGAIN_SECONDS: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnd:
    """The end of a child that this process forked itself."""

    number: int
    pid: int
    status: int
    cpu_seconds: float
    max_rss_bytes: int


class Reaper:
    """The children of this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers: dict[int, int] = {}
        self._held: list[ChildEnd] = []
        self._strays = 0
        self._held_since = 0.0

    def add(self, pid: int, number: int) -> None:
        """Take note of a child that was just forked."""
        self._numbers[pid] = number

    def pids(self) -> list[int]:
        """Return the pids of the children that have not ended."""
        return list(self._numbers)

    @property
    def timeout(self) -> float | None:
        """Seconds after which `collect` wants to be called again; None = when a child ends."""
        return _LOOK_AGAIN_SECONDS if self._held else None

    def collect(self) -> tuple[list[ChildEnd], int]:
        """Return the ends that can be told, and how many processes these children had left behind."""
        has_children = self._wait()
        if not self._held:
            if has_children:
                kill_strays(self._numbers)
            return [], 0
        # Without any child left there is nothing to look for, which is the common case.
        found = kill_strays(self._numbers) if has_children else 0
        self._strays += found
        if found and self._clock.monotonic() - self._held_since < STRAY_SECONDS:
            return [], 0
        ends, strays = self._held, self._strays
        self._held, self._strays = [], 0
        return ends, strays

    def _wait(self) -> bool:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            number = self._numbers.pop(pid, None)
            if number is None:
                continue
            if not IS_LINUX:
                # Nobody gets the orphans there; what stayed in the group is what can be found.
                send_signal(pid, signal.SIGKILL, group=True)
            if not self._held:
                self._held_since = self._clock.monotonic()
            self._held.append(_end(number, pid, status, usage))

    def kill_all(self, seconds: float) -> None:
        """Kill every child and all below it, and wait until they are gone or `seconds` have passed."""
        deadline = self._clock.monotonic() + seconds
        while self._clock.monotonic() < deadline:
            for pid in self._numbers:
                send_signal(pid, signal.SIGKILL, group=True)
            self._held.clear()
            if not self._wait():
                return
            kill_strays(self._numbers)
            select.select([], [], [], 0.002)


def _end(number: int, pid: int, status: int, usage: resource.struct_rusage) -> ChildEnd:
    return ChildEnd(
        number=number,
        pid=pid,
        status=status,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        max_rss_bytes=max_rss_bytes(usage),
    )
