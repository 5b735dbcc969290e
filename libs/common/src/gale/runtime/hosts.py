"""The service's view of the hosts: which one runs the tasks of a file, and which may go.

A host is used as long as the file and the helpers that it imported are unchanged on disk.
Superseded, unsuited and idle hosts get no new tasks and end with their last one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from gale.clock import Clock
from gale.runtime import messages
from gale.runtime.channel import MAX_FDS, QueuedChannel, close_all

#: A start message with 32 of the longest paths still fits.
MAX_BATCH: Final = min(32, MAX_FDS)
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

    def flush(self) -> None:
        """Tell the host to fork what waits, if it is ready."""
        if not self.ready:
            return
        while self.waiting:
            batch, self.waiting = self.waiting[:MAX_BATCH], self.waiting[MAX_BATCH:]
            for task, _, listener in batch:
                self.running[task.number] = listener
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
    """All hosts of one zygote."""

    def __init__(self, clock: Clock, *, idle_limit: int, idle_seconds: float, start: Callable[..., Host]) -> None:
        self._clock = clock
        self._idle_limit = idle_limit
        self._idle_seconds = idle_seconds
        self._start = start
        self._all: dict[int, Host] = {}
        self._current: dict[str, Host] = {}
        self._unsuited: dict[tuple[str, tuple[int, int]], str] = {}

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
        if host is not None and host.usable and host.stamp == stamp and not self._helpers_changed(host, now):
            host.last_used = now
            return host
        if host is not None:
            self.retire(host)
        host = self._start(file, stamp, self._unsuited.get((file, stamp), ""))
        self._all[host.number] = self._current[file] = host
        return host

    def _helpers_changed(self, host: Host, now: float) -> bool:
        if now - host.helpers_checked < _CHECK_HELPERS_SECONDS:
            return False
        host.helpers_checked = now
        return any(file_stamp(helper.path) != (helper.modified_ns, helper.size) for helper in host.helpers)

    def step_back(self, host: Host, reason: str) -> Host | None:
        """Replace a host from which tasks cannot be forked by one whose tasks import the file themselves."""
        self._unsuited[host.file, host.stamp] = reason
        host.gone = True
        self._current.pop(host.file, None)
        follower = self.for_file(host.file)
        if follower is not None:
            follower.waiting += host.waiting
            host.waiting = []
        return follower

    def retire(self, host: Host) -> None:
        """Give a host no new tasks, and let it end when it has none."""
        if self._current.get(host.file) is host:
            del self._current[host.file]
        # What was promised to it still runs there.
        host.retiring = True
        self.end_if_idle(host)

    def end_if_idle(self, host: Host) -> None:
        """End a retiring host that has nothing left to do."""
        if host.retiring and host.idle and not host.gone:
            host.gone = True
            host.channel.close()

    def remove(self, number: int) -> Host | None:
        """Forget a host whose process is gone."""
        host = self._all.pop(number, None)
        if host is not None:
            if self._current.get(host.file) is host:
                del self._current[host.file]
            host.gone = True
            host.channel.close()
        return host

    def tick(self) -> None:
        """End hosts that were idle for long, and the longest idle ones if there are too many."""
        now = self._clock.monotonic()
        idle = sorted((h for h in self if h.ready and h.usable and h.idle), key=lambda h: h.last_used)
        surplus = max(0, len(idle) - self._idle_limit)
        for index, host in enumerate(idle):
            if index < surplus or now - host.last_used > self._idle_seconds:
                self.retire(host)
