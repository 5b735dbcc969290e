"""Waits for two things at once: a message on the channel, or the end of a child.

On Linux by a descriptor per child (pidfd), because then a task process inherits no signal
handler that it would have to undo: each call in a task process costs page faults. Elsewhere by
SIGCHLD and a pipe.
"""

import os
import select
import signal
from contextlib import suppress
from types import FrameType
from typing import Final, Protocol

from gale.runtime.processes import IS_LINUX

_CHUNK: Final = 4096


class Waiter(Protocol):
    """What zygote and hosts wait with."""

    def add_child(self, pid: int) -> None:
        """Wait for the end of this child as well."""

    def wait(self, timeout: float | None) -> bool:
        """Wait, at most `timeout` seconds; True if the channel has something to read."""

    def leave_in_child(self) -> None:
        """Undo, in a forked child, what would disturb it."""


def make_waiter(channel: int) -> Waiter:
    """Return the waiter of this system for the channel with that descriptor."""
    return PidfdWaiter(channel) if IS_LINUX else SignalWaiter(channel)


def _milliseconds(timeout: float | None) -> float | None:
    return None if timeout is None else max(0.0, timeout * 1000)


class PidfdWaiter:
    """One descriptor per child."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)

    def add_child(self, pid: int) -> None:
        """Wait for the end of this child as well."""
        # Without a descriptor (none left), the end is seen with the next one.
        with suppress(OSError):
            self._poll.register(os.pidfd_open(pid), select.POLLIN)

    def wait(self, timeout: float | None) -> bool:
        """Wait, at most `timeout` seconds; True if the channel has something to read."""
        heard = False
        for fd, _ in self._poll.poll(_milliseconds(timeout)):
            if fd == self._channel:
                heard = True
            else:
                self._poll.unregister(fd)
                os.close(fd)
        return heard

    def leave_in_child(self) -> None:
        """Do nothing: the descriptors close with an `exec`, and hold nothing."""


class SignalWaiter:
    """SIGCHLD and a pipe."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)
        self._poll.register(self._reader, select.POLLIN)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def add_child(self, pid: int) -> None:
        """Do nothing: the signal comes for each child."""

    def wait(self, timeout: float | None) -> bool:
        """Wait, at most `timeout` seconds; True if the channel has something to read."""
        ready = [fd for fd, _ in self._poll.poll(_milliseconds(timeout))]
        if self._reader in ready:
            with suppress(BlockingIOError):
                while len(os.read(self._reader, _CHUNK)) == _CHUNK:
                    pass
        return self._channel in ready

    def leave_in_child(self) -> None:
        """Give back the signal, close the pipe."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._reader)
        os.close(self._writer)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Exist: the byte in the pipe is written only for signals that have a handler in Python."""
