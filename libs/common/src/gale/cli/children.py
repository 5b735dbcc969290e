"""Child processes in the foreground: their output with a name in front, restarts, a quick and complete end.

Each child leads a session of its own, so that Ctrl-C reaches only this process, which then asks
the children to stop in order. Should this process be killed, the kernel tells them (on Linux).
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import click

from gale.clock import Clock
from gale.runtime.processes import die_with_parent

#: A service that ends by itself is started again, but not for ever.
MAX_RESTARTS: Final = 5
RESTART_WINDOW_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
_LONGEST_LINE: Final = 100_000
_COLOURS: Final = ("cyan", "magenta", "yellow", "green")


@dataclass(slots=True, kw_only=True)
class Child:
    """A child process and what is to be known of it."""

    name: str
    command: Sequence[str]
    colour: str = ""
    process: subprocess.Popen[bytes] | None = None
    restarts: deque[float] = field(default_factory=deque)
    #: Output that does not end with a line break yet.
    rest: bytes = b""


class Children:
    """Runs commands side by side until one ends for good or somebody asks for the end.

    Args:
        environment: Theirs.
        clock: For restarts and limits.
        write: Takes each line of output.
    """

    def __init__(self, environment: Mapping[str, str], clock: Clock, write: Callable[[str], None] = click.echo) -> None:
        self._environment = dict(environment)
        self._clock = clock
        self._write = write
        self._children: list[Child] = []
        self._selector = selectors.DefaultSelector()
        self.stop_reason = ""
        self.exit_code = 0

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a command whose lines get `name` in front."""
        child = Child(name=name, command=command, colour=_COLOURS[len(self._children) % len(_COLOURS)])
        self._children.append(child)
        self._spawn(child)

    def request_stop(self, reason: str, exit_code: int = 0) -> None:
        """Have `run` end; the first reason counts."""
        if not self.stop_reason:
            self.stop_reason, self.exit_code = reason, exit_code

    def turn(self, seconds: float) -> None:
        """Pass on output for at most so many seconds, and see to children that have ended."""
        for key, _ in self._selector.select(seconds):
            self._read(key.data)
        for child in self._children:
            self._look_after(child)

    def stop(self) -> None:
        """Ask all children to end, wait, and kill what is left after STOP_SECONDS or on a second Ctrl-C."""
        deadline = self._clock.monotonic() + STOP_SECONDS
        self._signal(signal.SIGTERM)
        try:
            while self._alive() and self._clock.monotonic() < deadline:
                for key, _ in self._selector.select(0.1):
                    self._read(key.data)
        except KeyboardInterrupt:
            self.say("Killed at once, as a second Ctrl-C asks for.")
        self._signal(signal.SIGKILL)
        for child in self._children:
            if child.process is not None:
                child.process.wait()
                while child.process.stdout is not None and not child.process.stdout.closed:
                    self._read(child)
        self._selector.close()

    def say(self, line: str) -> None:
        """Write a line of our own between those of the children."""
        self._write(line)

    def _alive(self) -> list[Child]:
        return [child for child in self._children if child.process is not None and child.process.poll() is None]

    def _signal(self, number: int) -> None:
        for child in self._alive():
            if child.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(number)

    def _spawn(self, child: Child) -> None:
        child.process = subprocess.Popen(  # noqa: S603 - our own commands
            child.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
        )
        if child.process.stdout is not None:
            self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _read(self, child: Child) -> None:
        pipe = child.process.stdout if child.process is not None else None
        if pipe is None or pipe.closed:
            return
        data = os.read(pipe.fileno(), 65536)
        *lines, child.rest = (child.rest + data).split(b"\n")
        if not data or len(child.rest) > _LONGEST_LINE:
            lines, child.rest = [*lines, *([child.rest] if child.rest else [])], b""
        for line in lines:
            self._write_line(child, line.decode("utf-8", "replace"))
        if not data:
            self._selector.unregister(pipe)
            pipe.close()

    def _write_line(self, child: Child, line: str) -> None:
        label = f"{child.name:<{max(len(other.name) for other in self._children)}} |"
        self._write(f"{click.style(label, fg=child.colour) if sys.stdout.isatty() else label} {line}")

    def _look_after(self, child: Child) -> None:
        code = child.process.poll() if child.process is not None else None
        if code is None or self.stop_reason:
            return
        while child.process is not None and child.process.stdout is not None and not child.process.stdout.closed:
            self._read(child)
        if code == 0:
            self.request_stop(f"The {child.name} has ended")
            return
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        now = self._clock.monotonic()
        child.restarts.append(now)
        while child.restarts[0] < now - RESTART_WINDOW_SECONDS:
            child.restarts.popleft()
        # An error of ours has been told in a sentence and will be the same at the next try.
        if 0 < code < os.EX_USAGE or len(child.restarts) > MAX_RESTARTS:
            self.request_stop(f"The {child.name} {how}", exit_code=code if code > 0 else 1)
            return
        self.say(f"The {child.name} {how}; it is started again.")
        self._spawn(child)
