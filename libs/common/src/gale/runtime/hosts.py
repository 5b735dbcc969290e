"""The service's view of the hosts: which one runs the tasks of a file, and which may go.

A host is used as long as the file and the helpers that it imported are unchanged on disk.
Superseded, unsuited and idle hosts get no new tasks and end with their last one.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from gale.clock import Clock
from gale.runtime import messages
from gale.runtime.channel import MAX_FDS, ChannelClosed, QueuedChannel, close_all

_log: Final = logging.getLogger(__name__)

#: A start message with 32 of the longest paths still fits.
MAX_BATCH: Final = min(32, MAX_FDS)
#: Setting the environment of tasks costs a host a few hundred bytes each that the C library never gives
#: back, and who knows what a library leaks. After so many tasks a new host takes its place.
MAX_SERVED: Final = 10_000
_CHECK_HELPERS_SECONDS: Final = 1.0


class TaskListener(Protocol):
    """Who wants to know how a task process fares. One of the last three is called, once."""

    marker: str

    def task_started(self, host: "Host") -> None:
        """Hear that the host was told to fork it."""

    def task_gone(self, gone: messages.TaskGone) -> None:
        """Hear how the process ended."""

    def task_refused(self, reason: str, text: str) -> None:
        """Hear that it cannot run because of its DAG file."""

    def task_lost(self, reason: str) -> None:
        """Hear that nothing is known of its end, but that it is gone."""


@dataclass(slots=True, kw_only=True, eq=False)
class Host:
    """One host."""

    number: int
    file: str
    channel: QueuedChannel
    #: Why each task imports the file itself; "" = the host has imported it.
    fresh_because: str
    stamp: tuple[int, int]
    last_used: float
    #: The file is imported.
    ready: bool = False
    #: Gets no new tasks; ends when it has none.
    retiring: bool = False
    #: Its process is gone, or about to go.
    gone: bool = False
    source_digest: str = ""
    helpers: list[messages.FileStamp] = field(default_factory=list)
    helpers_checked: float = 0.0
    waiting: list[tuple[messages.TaskStart, int, TaskListener]] = field(default_factory=list)
    running: dict[int, TaskListener] = field(default_factory=dict)
    #: Tasks that it was given so far.
    served: int = 0
    #: Set when a signal was asked for, cleared when the host says that it sent it.
    unanswered_since: float | None = None

    @property
    def usable(self) -> bool:
        """True if new tasks may be given to it."""
        return not (self.retiring or self.gone)

    @property
    def idle(self) -> bool:
        """True if it has nothing to do."""
        return not self.running and not self.waiting

    def signal(self, number: int, which: int, now: float) -> None:
        """Have a task process and its group signalled."""
        self.channel.send(messages.encode(messages.SignalTask(number=number, signal=which)))
        if self.unanswered_since is None:
            self.unanswered_since = now

    def flush(self) -> None:
        """Tell the host to fork what waits, if it is ready."""
        if not self.ready:
            return
        while self.waiting:
            batch, self.waiting = self.waiting[:MAX_BATCH], self.waiting[MAX_BATCH:]
            for task, _, listener in batch:
                self.running[task.number] = listener
            self.served += len(batch)
            starts = messages.StartTasks(tasks=[task for task, _, _ in batch])
            self.channel.send(messages.encode(starts), [fd for _, fd, _ in batch])
            for _, _, listener in batch:
                listener.task_started(self)

    def abandon(self) -> tuple[list[TaskListener], list[TaskListener]]:
        """Forget all tasks; return the listeners of those that waited and of those that ran."""
        close_all([fd for _, fd, _ in self.waiting])
        waited = [listener for _, _, listener in self.waiting]
        ran = list(self.running.values())
        self.waiting, self.running = [], {}
        return waited, ran


def file_stamp(file: str) -> tuple[int, int] | None:
    """Return what tells whether a file has changed; None if it is not there."""
    try:
        facts = Path(file).stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size


class Hosts:
    """All hosts of one zygote, and what they say.

    Args:
        clock: For idle times.
        idle_limit: Hosts without tasks that are kept.
        idle_seconds: For how long.
        start: Has the zygote fork a host: file, stamp, why tasks import it themselves.
        settled: Hears that a host has imported its file.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        idle_limit: int,
        idle_seconds: float,
        start: Callable[[str, tuple[int, int], str], Host],
        settled: Callable[[Host], None],
    ) -> None:
        self._clock = clock
        self._idle_limit = idle_limit
        self._idle_seconds = idle_seconds
        self._start = start
        self._settled = settled
        self._all: dict[int, Host] = {}
        self._current: dict[str, Host] = {}
        self._unsuited: dict[str, tuple[tuple[int, int], str]] = {}

    def __iter__(self) -> Iterator[Host]:
        return iter(list(self._all.values()))

    def get(self, number: int) -> Host | None:
        """Return a host by its number."""
        return self._all.get(number)

    def for_file(self, file: str) -> Host | None:
        """Return the host that runs the tasks of a file as it is on disk now; None if the file is not there."""
        stamp = file_stamp(file)
        if stamp is None:
            return None
        now = self._clock.monotonic()
        host = self._current.get(file)
        if host is not None and self._is_good(host, stamp, now):
            host.last_used = now
            return host
        if host is not None:
            self.retire(host)
        unsuited_stamp, reason = self._unsuited.get(file, (None, ""))
        host = self._start(file, stamp, reason if unsuited_stamp == stamp else "")
        host.channel.watch(partial(self.listen_to, host))
        self._all[host.number] = self._current[file] = host
        return host

    def _is_good(self, host: Host, stamp: tuple[int, int], now: float) -> bool:
        if not host.usable or host.stamp != stamp or host.served >= MAX_SERVED:
            return False
        return not self._helpers_changed(host, now)

    def _helpers_changed(self, host: Host, now: float) -> bool:
        if now - host.helpers_checked < _CHECK_HELPERS_SECONDS:
            return False
        host.helpers_checked = now
        return any(file_stamp(helper.path) != (helper.modified_ns, helper.size) for helper in host.helpers)

    def forget(self, listener: TaskListener) -> bool:
        """Take a task back that was not handed to its host yet; False if it was."""
        for host in self:
            for entry in host.waiting:
                if entry[2] is listener:
                    host.waiting.remove(entry)
                    close_all([entry[1]])
                    return True
        return False

    # --- what hosts say ---------------------------------------------------------------------

    def listen_to(self, host: Host) -> None:
        """Take what a host says."""
        try:
            while received := host.channel.receive():
                for body, _ in received:
                    self._heard(host, messages.decode_from_host(body))
        except (ChannelClosed, OSError):
            # Its end is told by the zygote, with the reason.
            host.gone = True
            host.channel.close()

    def _heard(self, host: Host, message: messages.FromHost) -> None:
        match message:
            case messages.TasksGone(tasks=tasks):
                for gone in tasks:
                    if listener := host.running.pop(gone.number, None):
                        listener.task_gone(gone)
                self._end_if_idle(host)
            case messages.HostReady(source_digest=digest, files=files):
                self._settled(host)
                host.ready, host.source_digest, host.helpers = True, digest, files
                host.flush()
                self._end_if_idle(host)
            case messages.HostUnsuited(reason=reason):
                _log.warning("Tasks of %s import it afresh each: importing left %s behind", host.file, reason)
                self._step_back(host, reason)
            case messages.HostBroken(reason=reason, text=text):
                host.gone = True
                self._refuse(host, reason, text)
            case messages.Signalled():
                host.unanswered_since = None

    def _step_back(self, host: Host, reason: str) -> None:
        """Replace a host from which tasks cannot be forked by one whose tasks import the file themselves."""
        self._unsuited[host.file] = (host.stamp, reason)
        host.gone = True
        self._current.pop(host.file, None)
        follower = self.for_file(host.file)
        if follower is None:
            self._refuse(host, f"The DAG file {host.file} is not there any more", "")
            return
        follower.waiting += host.waiting
        host.waiting = []
        follower.flush()

    def _refuse(self, host: Host, reason: str, text: str) -> None:
        waited, _ = host.abandon()
        for listener in waited:
            listener.task_refused(reason, text)

    # --- ends -------------------------------------------------------------------------------

    def bury(self, host: Host, reason: str, text: str, how: str) -> None:
        """Tell the attempts of a host that its process is gone.

        Args:
            host: The host.
            reason: For those that waited for its import.
            text: For their logs.
            how: Exit code or signal, for those that ran.
        """
        # What the host said before its end is still to be read.
        self.listen_to(host)
        waited, ran = host.abandon()
        self._remove(host)
        for listener in waited:
            listener.task_refused(reason, text)
        for listener in ran:
            listener.task_lost(f"The process that forked this attempt ended ({how}), and the attempt with it")

    def abandon_all(self) -> list[TaskListener]:
        """Forget all hosts and return who waits for the ends of their tasks."""
        lost: list[TaskListener] = []
        for host in self:
            waited, ran = host.abandon()
            lost += waited + ran
            self._remove(host)
        return lost

    def retire(self, host: Host) -> None:
        """Give a host no new tasks, and let it end when it has none."""
        if self._current.get(host.file) is host:
            del self._current[host.file]
        # What was promised to it still runs there.
        host.retiring = True
        self._end_if_idle(host)

    def _end_if_idle(self, host: Host) -> None:
        if host.retiring and host.idle and not host.gone:
            host.gone = True
            host.channel.close()

    def _remove(self, host: Host) -> None:
        self._all.pop(host.number, None)
        if self._current.get(host.file) is host:
            del self._current[host.file]
        host.gone = True
        host.channel.close()

    def tick(self) -> None:
        """End hosts that were idle for long, and the longest idle ones if there are too many."""
        now = self._clock.monotonic()
        idle = sorted((h for h in self if h.ready and h.usable and h.idle), key=lambda h: h.last_used)
        surplus = max(0, len(idle) - self._idle_limit)
        for index, host in enumerate(idle):
            if index < surplus or now - host.last_used > self._idle_seconds:
                self.retire(host)
