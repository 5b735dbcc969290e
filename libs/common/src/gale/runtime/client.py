"""The service's side of the zygote: starts it, has files read and tasks forked, notices its death.

Single-threaded, driven by the service's selector: the `data` of each key that is registered
here is a callable without arguments.
"""

import logging
import os
import selectors
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gale.clock import Clock, SystemClock
from gale.runtime import messages
from gale.runtime.channel import QueuedChannel, channel_pair
from gale.runtime.endings import describe_exit
from gale.runtime.environment import zygote_environment
from gale.runtime.hosts import Host, Hosts, TaskListener
from gale.runtime.parsing import ParseJob, ParseRequest, ParseResult
from gale.runtime.processes import kill_marked
from gale.runtime.zygote_process import ZygoteProcess

_log: Final = logging.getLogger(__name__)

#: Zygotes that end before they are ready, one after the other, until requests are refused.
MAX_FAILED_STARTS: Final = 3
#: How often a file is read again because the zygote died meanwhile.
MAX_PARSE_TRIES: Final = 2
#: How long all processes of a dead zygote are hunted before their attempts are given up as lost.
HUNT_SECONDS: Final = 3.0
#: A time limit that the zygote should have enforced by now: then the zygote itself hangs.
ZYGOTE_GRACE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """What can be chosen."""

    #: Hosts without tasks that are kept, and for how long.
    idle_hosts: int = 16
    idle_host_seconds: float = 300.0
    #: Limit for importing a DAG file in order to run its tasks.
    import_seconds: float = 60.0
    #: What user code sees of the settings.
    surroundings: messages.Surroundings = field(default_factory=messages.Surroundings)
    #: What to start instead of this Python's `-m gale.runtime.zygote`.
    #: (-P: what lies in the service's working directory must not stand in for a module.)
    command: tuple[str, ...] = (sys.executable, "-P", "-m", "gale.runtime.zygote")


class ZygoteClient:
    """Has DAG files read and tasks forked."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        environment: Mapping[str, str],
        clock: Clock | None = None,
        options: ClientOptions | None = None,
    ) -> None:
        """Start the zygote.

        Args:
            selector: The service's loop.
            environment: What tasks shall have; credentials of database and broker are taken out.
            clock: For limits.
            options: What can be chosen.
        """
        self.selector = selector
        self._clock = clock or SystemClock()
        self._options = options or ClientOptions()
        self._environment = environment
        #: The marker of the present zygote's processes.
        self._household = ""
        self._numbers = 0
        self._failed_starts = 0
        self._closed = False
        self._jobs: dict[int, tuple[ParseJob, float]] = {}
        self._touched: set[Host] = set()
        self._hosts = Hosts(
            self._clock,
            idle_limit=self._options.idle_hosts,
            idle_seconds=self._options.idle_host_seconds,
            start=self._start_host,
            settled=lambda host: self._send(messages.Settled(child=host.number)),
        )
        self._zygote: ZygoteProcess | None = None
        self._start()

    # --- the zygote -----------------------------------------------------------------------

    @property
    def zygote_pid(self) -> int | None:
        """Return the pid of the zygote, None if there is none at the moment."""
        return self._zygote.pid if self._zygote else None

    def _start(self) -> ZygoteProcess:
        self._household = uuid.uuid4().hex
        self._zygote = ZygoteProcess(
            self.selector,
            self._options.command,
            zygote_environment(self._environment, self._household),
            on_child_gone=self._child_gone,
            on_death=self._zygote_died,
        )
        self._zygote.send(messages.Configure(surroundings=self._options.surroundings))
        return self._zygote

    def _send(self, message: messages.ToZygote, fds: Sequence[int] = ()) -> None:
        (self._zygote or self._start()).send(message, fds)

    def _zygote_died(self) -> None:
        """Clear up after a zygote, tell everybody, start a new one."""
        zygote, self._zygote = self._zygote, None
        if zygote is None:
            return
        how = zygote.bury()
        self._failed_starts = 0 if zygote.ready else self._failed_starts + 1
        _log.error("The zygote ended (%s); its tasks are lost, a new one is started", how)
        lost = self._hosts.abandon_all()
        # Hosts see the end of their channels and clear up, unless they hang. Nobody waits for that.
        markers = {self._household, *(task.marker for task in lost)}
        if left := kill_marked(markers, clock=self._clock, seconds=HUNT_SECONDS):
            _log.error("Processes of lost attempts cannot be killed: %s", left)
        jobs, self._jobs = self._jobs, {}
        if not self._closed and self._failed_starts < MAX_FAILED_STARTS:
            self._start()
        for task in lost:
            task.task_lost(f"The zygote process ended ({how}), and all tasks with it")
        for job, _ in jobs.values():
            self._retry(job, how)

    def _retry(self, job: ParseJob, how: str) -> None:
        if self._zygote is not None and job.tries < MAX_PARSE_TRIES:
            self._hand_over(job)
            return
        job.close()
        told = f"The zygote process ended ({how}) while the file was read. The service's log tells more."
        job.done(job.failed(told, "process"))

    def _child_gone(self, gone: messages.ChildGone) -> None:
        if (entry := self._jobs.pop(gone.child, None)) is not None:
            job, _ = entry
            job.done(job.judge(gone))
        elif (host := self._hosts.get(gone.child)) is not None:
            reason, text = self._why_host_ended(gone)
            self._hosts.bury(host, reason, text, _how(gone))

    def _why_host_ended(self, gone: messages.ChildGone) -> tuple[str, str]:
        if gone.overdue:
            limit = self._options.import_seconds
            return f"Importing the DAG file took longer than {limit:g} s, so it was stopped", gone.error
        return f"Importing the DAG file ended its process ({_how(gone)})", gone.error

    # --- reading files --------------------------------------------------------------------

    def parse(self, request: ParseRequest, done: Callable[[ParseResult], None]) -> None:
        """Have a file read in a child process; `done` is called from the selector's loop."""
        number = self._next()
        job = ParseJob(request, done, self.selector, lambda: self._send(messages.KillChild(child=number)))
        self._hand_over(job, number)

    def _hand_over(self, job: ParseJob, number: int | None = None) -> None:
        number = self._next() if number is None else number
        request = job.request
        deadline = self._clock.monotonic() + request.timeout_seconds + ZYGOTE_GRACE_SECONDS
        self._jobs[number] = (job, deadline)
        start = messages.StartParse(
            child=number,
            file=os.fsencode(request.path),
            seconds=request.timeout_seconds,
            memory_bytes=request.memory_bytes,
        )
        self._send(start, [job.open()])

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    # --- running tasks --------------------------------------------------------------------

    def run(self, file: str, task: messages.TaskStart, control_fd: int, listener: TaskListener) -> None:
        """Have a task process forked, with the next `flush`. The descriptor is closed here."""
        host = self._hosts.for_file(file)
        if host is None:
            os.close(control_fd)
            listener.task_refused(f"The DAG file {file} is not there (any more). Bring it back, or remove the run", "")
            return
        host.waiting.append((task, control_fd, listener))
        self._touched.add(host)

    def flush(self) -> None:
        """Send what `run` has collected."""
        for host in self._touched:
            host.flush()
        self._touched.clear()

    def forget(self, listener: TaskListener) -> bool:
        """Take a task back that was not forked yet; False if it was."""
        return self._hosts.forget(listener)

    def kill_host(self, host: Host) -> None:
        """Kill a host that does not answer, and all its tasks with it."""
        self._send(messages.KillChild(child=host.number))

    def _start_host(self, file: str, stamp: tuple[int, int], fresh_because: str) -> Host:
        ours, theirs = channel_pair()
        host = Host(
            number=self._next(),
            file=file,
            channel=QueuedChannel(ours, self.selector),
            fresh_because=fresh_because,
            stamp=stamp,
            last_used=self._clock.monotonic(),
        )
        start = messages.StartHost(
            child=host.number, file=file, fresh_because=fresh_because, seconds=self._options.import_seconds
        )
        self._send(start, [theirs.detach()])
        return host

    # --- time -----------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Return when `tick` is to be called next (monotonic), None = no need."""
        deadlines = [deadline for _, deadline in self._jobs.values()]
        if any(True for _ in self._hosts):
            deadlines.append(self._clock.monotonic() + self._options.idle_host_seconds)
        return min(deadlines, default=None)

    def tick(self) -> None:
        """Let idle hosts go; replace a zygote that does not enforce limits."""
        self._hosts.tick()
        now = self._clock.monotonic()
        if any(now > deadline for _, deadline in self._jobs.values()):
            _log.error("The zygote does not answer; it is killed")
            self._zygote_died()

    def close(self) -> None:
        """End the zygote and everything below it."""
        self._closed = True
        zygote, self._zygote = self._zygote, None
        lost = self._hosts.abandon_all()
        for job, _ in self._jobs.values():
            job.close()
        self._jobs.clear()
        if zygote is not None:
            zygote.close()
        for task in lost:
            task.task_lost("The service ended before the task did")


def _how(gone: messages.ChildGone) -> str:
    return gone.error or "no process" if gone.status < 0 else describe_exit(gone.status)
