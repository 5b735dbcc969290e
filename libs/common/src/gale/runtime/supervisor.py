"""Starts, watches and stops the attempts of one service, and decides how each one ended.

An end is decided from the wait status of the task process itself. What the process said of its
end counts only together with exit status 0; that it said nothing is never taken for an end.
"""

import heapq
import os
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gale.clock import Clock
from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome, TaskServices
from gale.runtime import logs, messages
from gale.runtime.client import ZygoteClient
from gale.runtime.control import ControlLink
from gale.runtime.hosts import Host
from gale.runtime.judgement import Judgement, judge
from gale.runtime.processes import marker_of
from gale.runtime.stream import MessageTooLarge
from gale.runtime.task_services import answer, decode_from_task

#: How often the size of running logs is looked at.
LOG_CHECK_SECONDS: Final = 1.0
#: A host that has not sent a signal by then hangs, and is killed.
HOST_ANSWER_SECONDS: Final = 10.0
STOPPED_BY_SHUTDOWN: Final = "The service was shut down, so the task was stopped"


class _Attempt:
    """One attempt that has not ended."""

    def __init__(self, supervisor: "Supervisor", number: int, order: AttemptOrder, log: Path) -> None:
        self.supervisor = supervisor
        self.number = number
        self.order = order
        self.log = log
        self.marker = marker_of(order.token)
        self.link: ControlLink | None = None
        self.services: TaskServices | None = None
        self.host: Host | None = None
        self.deadline: float | None = None
        #: What `tick` does at the deadline.
        self.at_deadline: Callable[[], None] | None = None
        self.judgement = Judgement(order=order, began=supervisor.clock.now())

    # --- TaskListener ---------------------------------------------------------------------

    def task_started(self, host: Host) -> None:
        """See `TaskListener`."""
        self.host = host
        self.judgement.began = self.supervisor.clock.now()
        limit = self.order.execution_timeout
        if limit is not None:
            self.supervisor.set_deadline(self, limit, self.overdue)

    def task_gone(self, gone: messages.TaskGone) -> None:
        """See `TaskListener`."""
        if self.link is not None:
            self.link.drain()
        self.supervisor.finish(self, gone)

    def task_refused(self, reason: str, text: str) -> None:
        """See `TaskListener`."""
        self.judgement.refused, self.judgement.text = reason, text
        self.supervisor.finish(self, None)

    def task_lost(self, reason: str) -> None:
        """See `TaskListener`."""
        self.judgement.lost = reason
        self.supervisor.finish(self, None)

    # --- what the task process says ---------------------------------------------------------

    def heard(self, body: bytes) -> None:
        """Take a message of the task process."""
        try:
            message = decode_from_task(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.broken("it sent what is no message")
            return
        if isinstance(message, messages.TaskEnded):
            self.judgement.said = message.ended
            # From here on only the exit is missing, which has no reason to take long.
            self.supervisor.set_deadline(self, self.supervisor.kill_grace_seconds, self.kill)
            return
        if self.services is None:
            self.services = self.supervisor.services_for(self.order)
        if self.link is not None:
            self.link.send(answer(message, self.services))

    def broken(self, why: str) -> None:
        """Stop listening to a task process that does not keep to the protocol."""
        if self.link is not None:
            self.link.close()
        self.judgement.broken = why
        self.say(f"The task process broke the protocol ({why}), so its supervisor listens to it no more", "ERROR")

    def say(self, text: str, level: str = "INFO") -> None:
        """Add a line to the attempt's log."""
        logs.append(self.log, logs.gale_line(self.supervisor.clock.now(), text, level))

    # --- stopping ---------------------------------------------------------------------------

    def overdue(self) -> None:
        """Stop it because its execution timeout is over."""
        self.stop(f"The task ran longer than its execution_timeout of {self.order.execution_timeout:g} s")

    def stop(self, reason: str, outcome: Outcome = Outcome.FAILED, within: float | None = None) -> None:
        """Ask it to end (`on_kill`, SIGTERM), and kill it after the grace time, or `within` so many seconds."""
        grace = self.supervisor.kill_grace_seconds
        if within is not None:
            grace = min(grace, within)
        if self.judgement.said is not None or self.judgement.stopped:
            if within is not None and self.host is not None:
                self.supervisor.set_deadline(self, grace, self.kill)
            return
        self.judgement.stopped, self.judgement.stopped_as = reason, outcome
        if self.host is None:
            if self.supervisor.client.forget(self):
                self.supervisor.finish(self, None)
            return
        self.say(f"{reason}: SIGTERM is sent, SIGKILL follows in {grace:g} s", "WARNING")
        self.host.signal(self.number, signal.SIGTERM, self.supervisor.clock.monotonic())
        self.supervisor.set_deadline(self, grace, self.kill)

    def kill(self) -> None:
        """Kill it; and its host, if that does not even answer."""
        if self.host is None:
            return
        self.judgement.killed = True
        now, since = self.supervisor.clock.monotonic(), self.host.unanswered_since
        if since is not None and now - since > HOST_ANSWER_SECONDS:
            self.supervisor.client.kill_host(self.host)
        self.host.signal(self.number, signal.SIGKILL, now)
        self.supervisor.set_deadline(self, HOST_ANSWER_SECONDS, self.kill)


class Supervisor:
    """All attempts of one service. Driven by the selector that the client has."""

    def __init__(
        self,
        client: ZygoteClient,
        services_for: Callable[[AttemptOrder], TaskServices],
        clock: Clock,
        log_folder: str | os.PathLike[str],
        kill_grace_seconds: float = 60.0,
    ) -> None:
        """Prepare.

        Args:
            client: Where task processes are forked.
            services_for: What answers the questions of an attempt; called at the first question.
            clock: For instants in logs and ends, and for time limits.
            log_folder: Below it are the attempts' logs.
            kill_grace_seconds: Between SIGTERM and SIGKILL.
        """
        self.client = client
        self.services_for = services_for
        self.clock = clock
        self.kill_grace_seconds = kill_grace_seconds
        #: Called with the path of a log to which nothing will be added any more.
        self.on_log_complete: Callable[[Path], None] | None = None
        self._log_folder = log_folder
        self._numbers = 0
        self._attempts: dict[int, _Attempt] = {}
        self._by_name: dict[tuple[str, str], _Attempt] = {}
        self._ended: list[AttemptEnded] = []
        self._deadlines: list[tuple[float, int]] = []
        self._next_log_check = 0.0

    def start(self, orders: Sequence[AttemptOrder]) -> None:
        """Run attempts."""
        for order in orders:
            self._numbers += 1
            attempt = _Attempt(self, self._numbers, order, logs.log_path_of(self._log_folder, order))
            self._attempts[attempt.number] = attempt
            self._by_name[order.ti, order.token] = attempt
            self._start(attempt)
        self.client.flush()

    def _start(self, attempt: _Attempt) -> None:
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            attempt.task_lost(f"The supervisor could not make a socket: {error}")
            return
        attempt.link = ControlLink(self.client.selector, ours, attempt.heard, attempt.broken)
        try:
            attempt.link.send(messages.encode_order(attempt.order))
        except MessageTooLarge as error:
            theirs.close()
            attempt.task_refused(f"The conf of the run is too large for a task. {error}".rstrip("."), "")
            return
        task = messages.TaskStart(attempt.number, attempt.marker, os.fspath(attempt.log))
        self.client.run(attempt.order.file, task, theirs.detach(), attempt)

    def stop(self, ti: str, token: str, reason: str, within: float | None = None) -> None:
        """Stop an attempt: `on_kill` and SIGTERM, after the grace time SIGKILL to all it started.

        Args:
            ti: The task instance.
            token: Of the attempt.
            reason: For its log and its end.
            within: Seconds after which it is killed, if the grace time is longer; also if it is being stopped already.
        """
        if attempt := self._by_name.get((ti, token)):
            attempt.stop(reason, within=within)

    def ended(self) -> list[AttemptEnded]:
        """Return the ends since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def running(self) -> frozenset[tuple[str, str]]:
        """Return (ti, token) of the attempts that were started and whose ends were not handed out."""
        return frozenset(self._by_name) | {(end.ti, end.token) for end in self._ended}

    def __len__(self) -> int:
        return len(self._attempts)

    # --- ends -------------------------------------------------------------------------------

    def finish(self, attempt: _Attempt, gone: messages.TaskGone | None) -> None:
        """Decide how an attempt ended, write its last line, hand the end out. Called by the attempt."""
        if self._attempts.pop(attempt.number, None) is None:
            return
        self._by_name.pop((attempt.order.ti, attempt.order.token), None)
        if attempt.link is not None:
            attempt.link.close()
        now = self.clock.now()
        end, last_lines = judge(attempt.judgement, gone, now)
        logs.cut_if_too_long(attempt.log, now)
        logs.append(attempt.log, last_lines)
        if self.on_log_complete is not None:
            self.on_log_complete(attempt.log)
        self._ended.append(end)

    # --- time -------------------------------------------------------------------------------

    def set_deadline(self, attempt: _Attempt, seconds: float, action: Callable[[], None]) -> None:
        """Have `action` called in `seconds`, instead of what was to be done before. Called by the attempt."""
        attempt.deadline, attempt.at_deadline = self.clock.monotonic() + seconds, action
        heapq.heappush(self._deadlines, (attempt.deadline, attempt.number))

    def next_deadline(self) -> float | None:
        """Return when `tick` is to be called at the latest (monotonic), None = no need."""
        while self._deadlines and not self._is_current(self._deadlines[0]):
            heapq.heappop(self._deadlines)
        deadlines = [self._deadlines[0][0]] if self._deadlines else []
        if self._attempts:
            deadlines.append(self._next_log_check)
        of_client = self.client.next_deadline()
        if of_client is not None:
            deadlines.append(of_client)
        return min(deadlines, default=None)

    def _is_current(self, entry: tuple[float, int]) -> bool:
        attempt = self._attempts.get(entry[1])
        return attempt is not None and attempt.deadline == entry[0]

    def tick(self) -> None:
        """Do what is due: time limits, kills, the size of logs."""
        now = self.clock.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            entry = heapq.heappop(self._deadlines)
            if self._is_current(entry):
                attempt = self._attempts[entry[1]]
                action, attempt.deadline, attempt.at_deadline = attempt.at_deadline, None, None
                if action is not None:
                    action()
        if now >= self._next_log_check:
            self._next_log_check = now + LOG_CHECK_SECONDS
            for attempt in self._attempts.values():
                logs.cut_if_too_long(attempt.log, self.clock.now())
        self.client.tick()

    # --- the end ----------------------------------------------------------------------------

    def shutdown(self, seconds: float) -> list[AttemptEnded]:
        """Stop all attempts, kill after `seconds`, and return the ends that were not handed out.

        What is stopped by this ends as lost. The selector is driven from here meanwhile.
        """
        self.kill_grace_seconds = min(self.kill_grace_seconds, seconds)
        for attempt in list(self._attempts.values()):
            attempt.stop(STOPPED_BY_SHUTDOWN, Outcome.LOST)
            # Also those that were being stopped already, and those that are about to exit.
            if attempt.host is not None:
                self.set_deadline(attempt, self.kill_grace_seconds, attempt.kill)
        give_up = self.clock.monotonic() + seconds + HOST_ANSWER_SECONDS
        while self._attempts and (now := self.clock.monotonic()) < give_up:
            deadline = self.next_deadline()
            wait = 0.5 if deadline is None else min(0.5, max(0.0, deadline - now))
            for key, _ in self.client.selector.select(wait):
                key.data()
            self.tick()
        for attempt in list(self._attempts.values()):
            attempt.task_lost("The service was shut down before the end of the task was known")
        return self.ended()
