"""The whole worker: its threads, how they are joined, and how it ends.

Celery's loop (main thread) → gate → claimer → engine → recorder → bus
keeper, guard: look after the leases
closer: waits to be asked to end, and ends the rest in order
"""

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Engine as Database

from gale import telemetry
from gale.broker.bus import Bus, Ended, Stop
from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome
from gale.db.engine import writing
from gale.db.schema import check_schema
from gale.errors import StoreError
from gale.runtime.processes import kill_marked, marker_of
from gale.service import EXIT_CRASHED
from gale_worker.batches import TELL_SECONDS, Batches, Job
from gale_worker.celery_worker import CeleryActions, GaleWorker
from gale_worker.claimer import Claimer
from gale_worker.clock import SharedClock
from gale_worker.engine import Engine, EngineOptions
from gale_worker.guard import Guard
from gale_worker.intake import Intake
from gale_worker.job import WorkerJob
from gale_worker.keeper import Keeper, KeeperActions
from gale_worker.latch import Latch
from gale_worker.recorder import Recorder, fair
from gale_worker.slots import Slots
from gale_worker.tickets import Report, Stage, Ticket, Tickets, Verdict

log = structlog.get_logger()

#: Between two tries to get at the database when the worker starts.
START_PAUSE_SECONDS: Final = 2.0
#: For how long Celery may take to end once everything else has.
CELERY_SECONDS: Final = 10.0
#: For what a worker that ends has still to write.
LAST_WRITES_SECONDS: Final = 15.0
HURRY_SECONDS: Final = 0.5
KEPT_OFF: Final = "The worker ended before the end of the task was known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """What reaches outside."""

    database: Database
    clock: SharedClock
    job: WorkerJob
    bus: Bus
    engine: EngineOptions
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What can be chosen."""

    slots: int
    check_migrations: bool = True
    max_memory_bytes: int = 0
    #: How long running tasks get to end by themselves when the worker ends.
    drain_seconds: float = 60.0
    #: How long they get after that to clean up.
    stop_seconds: float = 10.0


class Worker:
    """Runs attempts that commands from the broker name, until it is told to end."""

    def __init__(self, edges: Edges, options: WorkerOptions) -> None:
        self._edges = edges
        self._options = options
        self._tickets = Tickets()
        self._slots = Slots(options.slots)
        self._asked = Latch()
        self._hurry = Latch()
        self._crashed = False
        self._reason = ""
        database, clock, job = edges.database, edges.clock, edges.job
        self.engine = Engine(edges.engine, clock, self._take_ends, self._crash)
        claimer = Claimer(database, clock, job, self._tickets, self)
        recorder = Recorder(database, clock, job, self._tickets, self)

        def is_rush() -> bool:
            """Tell whether throughput counts for more than the time that one attempt takes."""
            return 2 * len(self._tickets) > options.slots

        self._claimer: Batches[Ticket] = Batches(
            Job(
                name="claimer",
                do=claimer.do,
                refuse=claimer.refuse,
                key=lambda ticket: ticket.command.ti,
                is_rush=is_rush,
            ),
            clock,
            self._crash,
        )
        self._recorder: Batches[AttemptEnded] = Batches(
            Job(
                name="recorder",
                do=recorder.do,
                refuse=recorder.refuse,
                key=lambda end: end.ti,
                is_rush=is_rush,
            ),
            clock,
            self._crash,
        )
        actions = KeeperActions(stop=self.engine.stop, end=self._end, gate=self._gate)
        self._keeper = Keeper(database, clock, job, self._tickets, actions, max_memory_bytes=options.max_memory_bytes)
        self._guard = Guard(job, self._tickets, self.engine.stop, self._gate)
        self.intake = Intake(self._slots, self._tickets, edges.key, self._claimer.put)
        self._celery: GaleWorker | None = None
        self._celery_ended = threading.Event()
        self._closer = threading.Thread(target=self._close, name="closer", daemon=True)

    # --- hands: what the threads have done by each other ------------------------------------------------

    def acknowledge(self, tickets: Sequence[Ticket]) -> None:
        """See `Hands`."""
        self.intake.acknowledge(tickets)

    def start(self, orders: Sequence[AttemptOrder]) -> None:
        """See `Hands`."""
        self.engine.start(orders)

    def won(self, tickets: Sequence[Ticket]) -> None:
        """See `Hands`."""
        if self._celery is not None:
            self._celery.show(tickets)

    def lost(self, tickets: Sequence[Ticket]) -> None:
        """See `Hands`."""
        self._slots.give(len(tickets))
        self.intake.acknowledge(tickets)

    def tell_ended(self, tis: Sequence[str]) -> None:
        """See `Hands`."""
        self._edges.bus.publish(Ended(tuple(tis)))

    def _take_ends(self, ends: list[AttemptEnded]) -> None:
        """Take ends from the engine: their slots are free from now on, whatever the database does."""
        judged = [fair(self._tickets.get(end.token), end) for end in ends]
        self._tickets.move([end.token for end in ends], Stage.ENDED)
        self._slots.give(len(ends))
        self._recorder.put(judged)
        self.intake.look()

    def _gate(self, what: str, why: str) -> None:
        """Take nothing new ("shut"), or take it again ("reopen")."""
        if what == "shut":
            self._slots.shut(why)
        else:
            self._slots.reopen(why)
        self.intake.look()

    def _on_stop_hint(self, hint: Stop) -> None:
        if self._tickets.get(hint.token) is not None:
            self.engine.stop(hint.ti, hint.token, hint.reason)

    # --- from outside ----------------------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """End when the running tasks have ended; at once if that was asked for already. Safe in signal handlers."""
        self._reason = self._reason or reason
        if not self._asked.set():
            self._hurry.set()

    def _crash(self, reason: str) -> None:
        self._crashed = True
        self._reason = self._reason or reason
        self._asked.set()
        self._hurry.set()

    def _end(self, reason: str) -> None:
        """End, for a reason that may come up again and again."""
        self._reason = self._reason or reason
        self._asked.set()

    def run(self, make_celery: Callable[[Intake, CeleryActions], GaleWorker]) -> str:
        """Run until asked to end; return the reason.

        Args:
            make_celery: Makes Celery's worker, to which the gate belongs.

        Raises:
            RuntimeError: Something failed that must not; what it was has been logged.
        """
        self._celery = make_celery(self.intake, CeleryActions(stop=self.engine.stop, end=self._end, gate=self._gate))
        if not self._register():
            return self._reason
        self.engine.launch()
        self._claimer.start()
        self._recorder.start()
        self._keeper.start()
        self._guard.start()
        self._edges.bus.listen(Stop, self._on_stop_hint)
        self._closer.start()
        log.info(telemetry.WORKER_START, job_id=self._edges.job.identity.job_id, slots=self._options.slots)
        try:
            self._celery.start()
        finally:
            self._celery_ended.set()
            if not self._asked.is_set:
                self._crash("Celery's worker ended by itself")
            self._closer.join()
        if self._crashed:
            raise RuntimeError(self._reason)
        return self._reason

    def _register(self) -> bool:
        """Enter this worker into the database, as soon as there is one; False if asked to end before."""
        edges = self._edges
        waited = TELL_SECONDS
        while not self._asked.is_set:
            try:
                if self._options.check_migrations:
                    check_schema(edges.database)
                with writing(edges.database) as connection:
                    edges.clock.measure(connection)
                    edges.job.open(connection)
            except StoreError as error:
                if waited >= TELL_SECONDS:
                    waited = 0.0
                    log.warning(telemetry.DATABASE_ERROR, error=str(error), next="waits for it before it takes work")
            else:
                return True
            waited += START_PAUSE_SECONDS
            self._asked.wait(START_PAUSE_SECONDS)
        return False

    # --- the end ---------------------------------------------------------------------------------------

    def _close(self) -> None:
        """Wait to be asked to end, then end everything in order."""
        self._asked.wait()
        try:
            self._drain()
            self._stop_running()
            self._write_the_last()
        except Exception:
            self._crashed = True
            log.exception(telemetry.SERVICE_CRASHED, part="closer", next="the process ends")
        finally:
            for ticket in self._tickets.remove(self._tickets.tokens()):
                ticket.close(Report(Verdict.RETRY, KEPT_OFF))
            self._edges.bus.close()
            self._end_celery()

    def _end_celery(self) -> None:
        """Have Celery end, which has nothing left to do; a broker that does not answer must not keep it."""
        if self._celery is not None:
            self._celery.end()
        if not self._celery_ended.wait(CELERY_SECONDS):
            log.warning(telemetry.WORKER_NOT_CLOSED, error="Celery does not end", next="the process ends without it")
            os._exit(EXIT_CRASHED if self._crashed else 0)

    def _drain(self) -> None:
        """Take nothing more, and let what runs end by itself for a while."""
        self._gate("shut", "ending")
        running = len(self._tickets)
        log.info(telemetry.WORKER_DRAIN, reason=self._reason, running=running, seconds=self._options.drain_seconds)
        give_up = self._edges.clock.monotonic() + self._options.drain_seconds
        while len(self._tickets) and not self._hurry.is_set and self._edges.clock.monotonic() < give_up:
            self._hurry.wait(0.1)
        waiting = self._claimer.drop()
        self._tickets.remove(ticket.command.token for ticket in waiting)
        self._claimer.close(1.0)

    def _stop_running(self) -> None:
        self.engine.close(HURRY_SECONDS if self._hurry.is_set else self._options.stop_seconds)
        give_up = self._edges.clock.monotonic() + self._options.stop_seconds + LAST_WRITES_SECONDS
        while not self.engine.ended.wait(0.1):
            is_late = self._edges.clock.monotonic() > give_up
            if self._hurry.is_set or is_late:
                markers = {marker_of(ticket.command.token) for ticket in self._tickets.in_stage(Stage.RUNNING)}
                kill_marked(markers, clock=self._edges.clock, seconds=HURRY_SECONDS)
            if is_late:  # it waits for a database that does not answer
                break
        left = self._tickets.in_stage(Stage.RUNNING)
        self._take_ends(
            [
                AttemptEnded(ti=ticket.command.ti, token=ticket.command.token, outcome=Outcome.LOST, reason=KEPT_OFF)
                for ticket in left
            ]
        )

    def _write_the_last(self) -> None:
        edges = self._edges
        if not self._recorder.close(min(LAST_WRITES_SECONDS, max(1.0, edges.job.seconds_left))):
            log.error(telemetry.WORKER_NOT_CLOSED, unwritten=len(self._tickets), next="their leases end by themselves")
        self._keeper.close(1.0)
        self._guard.close()
        try:
            with writing(edges.database) as connection:
                edges.job.close(connection, state="failed" if self._crashed else "success")
        except StoreError as error:
            log.error(telemetry.WORKER_NOT_CLOSED, error=str(error), next="its lease ends by itself")  # noqa: TRY400
