"""Writes how attempts ended: all ends that wait, in one transaction, then one hint to the schedulers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import structlog
from sqlalchemy import Engine as Database

from gale import telemetry
from gale.clock import Clock
from gale.core.attempt import AttemptEnded, Outcome
from gale.db.engine import in_transaction
from gale_worker.hands import Hands
from gale_worker.job import WorkerJob
from gale_worker.own_claims import OwnClaims
from gale_worker.tickets import Report, Ticket, Tickets, Verdict

log = structlog.get_logger()

#: Longest part of the database's complaint that goes into the reason of an end.
_TOLD: Final = 300


class Recorder:
    """Writes ends in batches. Its methods are called by one thread.

    Args:
        database: Where the rows are.
        clock: The database's.
        job: In whose name.
        tickets: All tickets of the worker.
        hands: Who is told.
    """

    def __init__(self, database: Database, clock: Clock, job: WorkerJob, tickets: Tickets, hands: Hands) -> None:
        self._database = database
        self._clock = clock
        self._claims = OwnClaims(job)
        self._tickets = tickets
        self._hands = hands

    def do(self, batch: Sequence[AttemptEnded]) -> None:
        """Write a batch; see `Batches`. A commit that failed and yet lasted is seen as written before."""
        claims = self._claims.get()
        written = in_transaction(self._database, lambda connection: claims.finish(connection, batch, self._clock.now()))
        # Also of ends that came too late: who had asked for a stop waits to hear that nothing runs any more.
        self._hands.tell_ended([end.ti for end in batch])
        accepted = frozenset(written)
        ends = {end.token: end for end in batch}
        for ticket in self._tickets.remove(ends):
            end = ends[ticket.command.token]
            if end.ti not in accepted:
                log.info(telemetry.TASK_LATE_END, ti=end.ti, outcome=end.outcome.value, reason=end.reason)
            ticket.close(report_of(ticket, end, accepted=end.ti in accepted))

    def refuse(self, end: AttemptEnded, error: Exception) -> None:
        """Write, instead of an end that cannot be written, that this is so."""
        told = str(error.__cause__ or error)[:_TOLD]
        bare = AttemptEnded(
            ti=end.ti,
            token=end.token,
            outcome=Outcome.FAILED,
            reason=f"What the task left behind ({end.outcome.value}) could not be written: {told}",
            start_date=end.start_date,
            end_date=end.end_date,
            pid=end.pid,
            exit_code=end.exit_code,
        )
        try:
            self.do([bare])
        except Exception:
            log.exception(telemetry.BATCH_REFUSED, ti=end.ti, next="its lease ends, then it is tried again")
            for ticket in self._tickets.remove([end.token]):
                ticket.close(Report(Verdict.FAILED, "Its end could not be written"))


def fair(ticket: Ticket | None, end: AttemptEnded) -> AttemptEnded:
    """Return the end of an attempt that was stopped because of this worker as lost: that is not its fault."""
    if ticket is not None and ticket.given_up and end.outcome is Outcome.FAILED:
        return replace(end, outcome=Outcome.LOST)
    return end


def report_of(ticket: Ticket, end: AttemptEnded, *, accepted: bool) -> Report:
    """Return the end as Celery is told it."""
    if not accepted:
        return Report(Verdict.SUPERSEDED, "superseded")
    text = end.reason or end.outcome.value
    match end.outcome:
        case Outcome.SUCCESS | Outcome.SKIPPED | Outcome.RESCHEDULED:
            return Report(Verdict.SUCCESS, end.outcome.value)
        case Outcome.LOST:
            return Report(Verdict.RETRY, text)
        case Outcome.FAILED if ticket.order is not None and ticket.order.try_number < ticket.order.max_tries:
            return Report(Verdict.RETRY, text)
        case _:
            return Report(Verdict.FAILED, text)
