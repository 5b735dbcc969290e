"""Keeps what this worker has claimed: renews the leases, and stops what is no longer its own.

Once a second the rows that name this worker are compared with what runs here. What a user has
cleared or marked, and what somebody else has taken, is stopped, whether or not a hint has come.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Engine as Database

from gale import telemetry
from gale.core.ports import JobAnswer
from gale.core.states import TaskState
from gale.db.engine import in_transaction, reading, writing
from gale.db.lease import LEASE_SECONDS, give_up_claims
from gale.errors import StoreError
from gale_worker.batches import TELL_SECONDS
from gale_worker.clock import SharedClock
from gale_worker.job import WorkerJob
from gale_worker.own_claims import OwnClaims
from gale_worker.tickets import Stage, Tickets

log = structlog.get_logger()

COMPARE_SECONDS: Final = 1.0
RENEW_SECONDS: Final = LEASE_SECONDS / 3
#: What a worker may do to end what it runs when it has been declared dead.
LAST_WORDS_SECONDS: Final = 30.0
CLEARED: Final = "The task was cleared while it ran, so this attempt was stopped"
MOVED_ON: Final = "The task's state was changed from outside, or its lease was lost, so this attempt was stopped"
DECLARED_DEAD: Final = "The worker was declared dead, so that others may start its tasks again"
_STATM: Final = Path("/proc/self/statm")
_PAGE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperActions:
    """What the keeper has done by others."""

    #: Stop an attempt: ti, token, reason, and seconds after which it must be gone (None = its usual grace).
    stop: Callable[[str, str, str, float | None], None]
    #: End the worker, for a reason, once its tasks have ended.
    end: Callable[[str], None]
    #: Take no new commands ("shut"), or take them again ("reopen"), because of a word.
    gate: Callable[[str, str], None]


class Keeper:
    """A thread that looks after the rows of this worker.

    Args:
        database: Where they are.
        clock: Is measured here, for all threads.
        job: The worker's own row.
        tickets: What runs here.
        actions: What follows.
        max_memory_bytes: Of this process, without its tasks, above which the worker ends; 0 = no limit.
    """

    def __init__(
        self,
        database: Database,
        clock: SharedClock,
        job: WorkerJob,
        tickets: Tickets,
        actions: KeeperActions,
        *,
        max_memory_bytes: int = 0,
    ) -> None:
        self._database = database
        self._clock = clock
        self._job = job
        self._tickets = tickets
        self._actions = actions
        self._max_memory_bytes = max_memory_bytes
        self._claims = OwnClaims(job)
        self._next_renewal = clock.monotonic() + RENEW_SECONDS
        self._told_at: float | None = None
        self._strays: frozenset[tuple[str, str]] = frozenset()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, seconds: float) -> None:
        """End the thread, and wait for it for `seconds` at the most."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while not self._closed.wait(COMPARE_SECONDS):
                self.turn()
        except Exception:
            log.exception(telemetry.SERVICE_CRASHED, part="keeper", next="the worker ends")
            self._actions.end("its keeper failed")

    def turn(self) -> None:
        """Renew if it is time, and compare."""
        try:
            if self._clock.monotonic() >= self._next_renewal:
                self._renew()
                self._watch_memory()
            self._compare()
        except StoreError as error:
            self._next_renewal = self._clock.monotonic()
            self._tell(error)
        else:
            self._told_at = None

    # --- leases ------------------------------------------------------------------------------------

    def _renew(self) -> None:
        began = self._clock.monotonic()
        with reading(self._database) as connection:
            self._clock.measure(connection)
        tokens = self._tickets.tokens()
        answer = in_transaction(
            self._database, lambda connection: self._job.renew(connection, tokens, self._clock.now())
        )
        if answer is JobAnswer.LOST:
            self._begin_again()
            return
        self._job.renewed(began)
        self._next_renewal = began + RENEW_SECONDS
        if answer is JobAnswer.SHUTDOWN:
            self._actions.end("its job row was set to shutdown")

    def _begin_again(self) -> None:
        """Stop everything at once, because others may start it again, and register anew."""
        log.error(telemetry.JOB_DEAD, job_id=self._job.identity.job_id, next="its tasks are stopped, it registers anew")
        self._actions.gate("shut", "dead")
        try:
            for ticket in self._tickets.give_up():
                self._actions.stop(*ticket.name, DECLARED_DEAD, 0.0)
            self._tickets.wait_until(lambda all_: all(t.stage is Stage.WAITING for t in all_), LAST_WORDS_SECONDS)
            with writing(self._database) as connection:
                self._job.open(connection)
            self._next_renewal = self._clock.monotonic() + RENEW_SECONDS
        finally:
            self._actions.gate("reopen", "dead")

    # --- what the rows say ---------------------------------------------------------------------------

    def _compare(self) -> None:
        # In this order: what was claimed before the look must be seen by it.
        running = [ticket.name for ticket in self._tickets.in_stage(Stage.RUNNING)]
        with reading(self._database) as connection:
            held = self._claims.get().held(connection)
        for name in running:
            state = held.get(name)
            if state is None:
                self._actions.stop(*name, MOVED_ON, None)
            elif state == TaskState.RESTARTING.value:
                self._actions.stop(*name, CLEARED, None)
        self._give_up_strays(frozenset(held))

    def _give_up_strays(self, held: frozenset[tuple[str, str]]) -> None:
        """End the leases of claims that nobody here knows of, when they have been seen twice."""
        known = set(self._tickets.tokens())
        strays = frozenset((ti, token) for ti, token in held if token not in known)
        if lasting := strays & self._strays:
            tokens = [token for _, token in lasting]
            log.warning(telemetry.CLAIM_STRAY, count=len(tokens), next="they are given up, and tried again")
            job_id, now = self._job.identity.job_id, self._clock.now()
            in_transaction(self._database, lambda connection: give_up_claims(connection, job_id, tokens, now))
        self._strays = strays

    # --- the rest ----------------------------------------------------------------------------------

    def _watch_memory(self) -> None:
        used = resident_bytes()
        if 0 < self._max_memory_bytes < used:
            self._actions.end(
                f"it uses {used / 1e6:.0f} MB, more than [celery] worker_max_memory_mb "
                f"({self._max_memory_bytes / 1e6:.0f} MB)"
            )

    def _tell(self, error: StoreError) -> None:
        now = self._clock.monotonic()
        if self._told_at is None or now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            log.error(
                telemetry.DATABASE_ERROR,
                part="keeper",
                running=len(self._tickets),
                seconds_left=round(self._job.seconds_left, 1),
                error=str(error),
                next="tries again each second; what cannot be renewed is stopped before its lease ends",
            )


def resident_bytes() -> int:
    """Return how much memory this process has, without its children; 0 where nobody tells."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
