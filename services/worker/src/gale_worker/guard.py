"""Makes sure that nothing runs here after its lease has ended. A thread that never asks the database.

Whoever talks to the database may have to wait for it, longer than a lease holds. This thread only
looks at the clock. What cannot be renewed is stopped in time for its cleanup; if even the engine
does not answer, the processes are found by their markers and killed from here.
"""

import threading
from collections.abc import Callable
from typing import Final

import structlog

from gale import telemetry
from gale.clock import Clock, SystemClock
from gale.runtime.processes import kill_marked, marker_of
from gale_worker.job import WorkerJob
from gale_worker.tickets import Stage, Tickets

log = structlog.get_logger()

LOOK_SECONDS: Final = 0.5
#: The last of them is asked to be gone so long before the lease ends, …
KILL_MARGIN_SECONDS: Final = 3.0
#: … and is killed from here so long before it.
LAST_RESORT_SECONDS: Final = 2.0
REASON: Final = "The worker could not renew its lease in the database"


class Guard:
    """Watches the end of the lease.

    Args:
        clock: For the last resort.
        job: Knows when the lease ends.
        tickets: What runs here.
        stop: Stops an attempt: ti, token, reason, and seconds after which it must be gone.
        gate: Called with "shut" or "reopen" and a word, so that nothing new is taken meanwhile.
    """

    def __init__(
        self,
        job: WorkerJob,
        tickets: Tickets,
        stop: Callable[[str, str, str, float | None], None],
        gate: Callable[[str, str], None],
        clock: Clock | None = None,
    ) -> None:
        self._job = job
        self._tickets = tickets
        self._stop = stop
        self._gate = gate
        self._clock = clock or SystemClock()
        self._shut = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Stop what runs if the lease is about to end."""
        if not self._job.must_stop_work:
            if self._shut:
                self._shut = False
                self._gate("reopen", "lease")
            return
        if not self._shut:
            self._shut = True
            self._gate("shut", "lease")
        left = self._job.seconds_left
        if given_up := self._tickets.give_up():
            log.error(
                telemetry.LEASE_ENDING,
                seconds_left=round(left, 1),
                running=len(given_up),
                next="all attempts are stopped, because others may start them again",
            )
            for ticket in given_up:
                self._stop(*ticket.name, REASON, max(0.0, left - KILL_MARGIN_SECONDS))
        if left < LAST_RESORT_SECONDS:
            self._kill_the_rest()

    def _kill_the_rest(self) -> None:
        running = self._tickets.in_stage(Stage.RUNNING)
        if not running:
            return
        left = kill_marked({marker_of(ticket.command.token) for ticket in running}, clock=self._clock, seconds=0.5)
        if left:
            log.error(telemetry.LEASE_ENDING, pids=left, next="these processes could not be killed; tried again")
