"""The process from which hosts and parse children are forked: `python -m gale.runtime.zygote <fd>`.

It never imports user code and never starts a thread, and its environment holds no credential of a
database or broker. All that user code commonly needs is imported and used once here, because
a page or a module that is ready before the fork costs nothing after it.
"""

import fcntl
import gc
import logging
import os
import select
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Final, NoReturn

from gale.clock import Clock, SystemClock
from gale.runtime import messages, user_code
from gale.runtime.channel import Channel, ChannelClosed, close_all
from gale.runtime.host import run_host
from gale.runtime.parse_child import run_parse
from gale.runtime.processes import (
    MarkerRoom,
    become_subreaper,
    die_with_parent,
    send_signal,
)
from gale.runtime.reaper import ChildEnd, Reaper
from gale.runtime.task_output import prepare_output
from gale.runtime.waiter import make_waiter

#: What a DAG file prints while it is imported is kept up to here, for the error's text.
OUTPUT_LIMIT: Final = 16 * 1024 * 1024
OUTPUT_SHOWN: Final = 4_000
_LOOK_SECONDS: Final = 0.5
#: How long hosts have to clear up by themselves when the service is gone.
FAREWELL_SECONDS: Final = 1.0
FORK_FAILED: Final = -1


@dataclass(slots=True, kw_only=True)
class _Child:
    """A host or parse child."""

    number: int
    pid: int
    output: IO[bytes]
    #: None = no limit (any more).
    deadline: float | None
    overdue: bool = False


class Zygote:
    """Forks on request, enforces time limits of imports, tells of ends."""

    def __init__(self, channel: Channel, clock: Clock, room: MarkerRoom) -> None:
        self._channel = channel
        self._clock = clock
        self._room = room
        self._waiter = make_waiter(channel.fileno())
        self._reaper = Reaper(clock)
        self._children: dict[int, _Child] = {}
        self._surroundings = messages.Surroundings()

    def serve(self) -> None:
        """Do what the service asks until it is gone; then kill everything."""
        while True:
            if self._waiter.wait(self._timeout()) and not self._listen():
                self._farewell()
                return
            self._report()
            self._look_after_imports()

    def _listen(self) -> bool:
        try:
            received = self._channel.receive()
        except ChannelClosed:
            return False
        for body, fds in received:
            self._handle(messages.decode_to_zygote(body), fds)
        return True

    def _handle(self, message: messages.ToZygote, fds: list[int]) -> None:
        match message:
            case messages.Configure(surroundings=surroundings):
                self._surroundings = surroundings
                user_code.warm_up(surroundings)
                gc.collect()
                gc.freeze()
                self._channel.send(messages.encode(messages.Ready(pid=os.getpid())))
            case messages.StartHost() | messages.StartParse():
                self._fork(message, fds)
                close_all(fds)
            case messages.Settled(child=number):
                if child := self._children.get(number):
                    child.deadline = None
            case messages.KillChild(child=number):
                if child := self._children.get(number):
                    send_signal(child.pid, signal.SIGKILL, group=True)

    def _fork(self, message: messages.StartHost | messages.StartParse, fds: list[int]) -> None:
        try:
            output = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  lives as long as the child
            # So that what is written after the file was cut stands at its start.
            fcntl.fcntl(output.fileno(), fcntl.F_SETFL, os.O_APPEND)
            zygote = os.getpid()
            pid = os.fork()
        except OSError as error:
            gone = messages.ChildGone(child=message.child, status=FORK_FAILED, error=f"cannot start a process: {error}")
            self._channel.send(messages.encode(gone))
            return
        if pid == 0:
            self._in_child(message, fds, output, zygote)
        self._reaper.add(pid, message.child)
        self._waiter.add_child(pid)
        self._children[message.child] = _Child(
            number=message.child,
            pid=pid,
            output=output,
            deadline=self._clock.monotonic() + message.seconds,
        )

    def _in_child(
        self, message: messages.StartHost | messages.StartParse, fds: list[int], output: IO[bytes], zygote: int
    ) -> NoReturn:
        try:
            become_subreaper()
            die_with_parent(zygote)
            os.setsid()
            self._waiter.leave_in_child()
            self._channel.close()
            for child in self._children.values():
                child.output.close()
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            output.close()
            if isinstance(message, messages.StartHost):
                channel = Channel(socket.socket(fileno=fds[0]))
                run_host(channel, message, self._surroundings.dags_folder, self._clock, self._room)
            else:
                run_parse(fds[0], message, self._surroundings.dags_folder, self._clock)
        except BaseException:  # nothing may get back into the zygote's loop in a child
            with suppress(BaseException):
                logging.getLogger("gale.runtime").exception("The process could not be set up")
        finally:
            os._exit(70)

    def _timeout(self) -> float | None:
        timeouts = [] if self._reaper.timeout is None else [self._reaper.timeout]
        if any(child.deadline is not None for child in self._children.values()):
            nearest = min(child.deadline for child in self._children.values() if child.deadline is not None)
            timeouts.append(min(_LOOK_SECONDS, nearest - self._clock.monotonic()))
        return min(timeouts, default=None)

    def _look_after_imports(self) -> None:
        now = self._clock.monotonic()
        for child in self._children.values():
            if child.deadline is None:
                continue
            if now >= child.deadline:
                child.overdue = True
                send_signal(child.pid, signal.SIGKILL, group=True)
            with suppress(OSError):
                if os.fstat(child.output.fileno()).st_size > OUTPUT_LIMIT:
                    os.ftruncate(child.output.fileno(), 0)

    def _report(self) -> None:
        ends, _ = self._reaper.collect()
        for end in ends:
            child = self._children.pop(end.number)
            gone = messages.ChildGone(
                child=end.number, status=end.status, overdue=child.overdue, error=_last_words(child.output, end)
            )
            child.output.close()
            self._channel.send(messages.encode(gone))

    def _farewell(self) -> None:
        # Hosts see the end of their own channels and kill their tasks; then they are killed too.
        deadline = self._clock.monotonic() + FAREWELL_SECONDS
        while self._reaper.pids() and self._clock.monotonic() < deadline:
            self._reaper.collect()
            select.select([], [], [], 0.005)
        self._reaper.kill_all(FAREWELL_SECONDS)


def _last_words(output: IO[bytes], end: ChildEnd) -> str:
    if end.status == 0:
        return ""
    try:
        size = os.fstat(output.fileno()).st_size
        data = os.pread(output.fileno(), OUTPUT_SHOWN, max(0, size - OUTPUT_SHOWN))
    except OSError:
        return ""
    return data.decode("utf-8", "replace").strip("\0\n ")


def main() -> None:
    """Serve the service on the channel whose descriptor is the argument."""
    room = MarkerRoom()
    user_code.environment().pop("LD_BIND_NOW", None)
    become_subreaper()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    prepare_output()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    channel.socket.set_inheritable(False)
    with suppress(ChannelClosed):
        Zygote(channel, SystemClock(), room).serve()
    os._exit(0)


if __name__ == "__main__":
    main()
