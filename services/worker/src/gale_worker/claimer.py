"""Makes attempts this worker's own: all commands that wait, in one transaction."""

from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy import Connection
from sqlalchemy import Engine as Database

from gale import telemetry
from gale.clock import Clock
from gale.core.attempt import AttemptOrder
from gale.db.claims import Wanted
from gale.db.engine import in_transaction
from gale.errors import StoreError
from gale_worker.hands import Hands
from gale_worker.job import WorkerJob
from gale_worker.own_claims import OwnClaims
from gale_worker.tickets import Stage, Ticket, Tickets

log = structlog.get_logger()

LEASE_FIRST: Final = "The worker's lease has ended or is about to: it must be renewed before anything is claimed."


class Claimer:
    """Claims tickets in batches. Its methods are called by one thread.

    Args:
        database: Where the rows are.
        clock: The database's.
        job: In whose name.
        tickets: All tickets of the worker.
        hands: What is done with those that were won, and with those that were not.
    """

    def __init__(self, database: Database, clock: Clock, job: WorkerJob, tickets: Tickets, hands: Hands) -> None:
        self._database = database
        self._clock = clock
        self._job = job
        self._claims = OwnClaims(job)
        self._tickets = tickets
        self._hands = hands
        #: The last try failed, and nobody knows whether its commit has lasted.
        self._may_have_won = False

    def do(self, batch: Sequence[Ticket]) -> None:
        """Claim a batch; see `Batches`.

        A worker that stood still for as long as its lease claims nothing before it has renewed it.
        """
        if self._job.must_stop_work:
            self._hands.acknowledge(batch)
            raise StoreError(LEASE_FIRST)
        wanted = [
            Wanted(ti=ticket.command.ti, token=ticket.command.token, try_number=ticket.command.try_number)
            for ticket in batch
        ]
        try:
            won = in_transaction(self._database, lambda connection: self._claim(connection, wanted))
        except StoreError:
            self._may_have_won = True
            # All wait here from now on, however long, and no message may wait for its acknowledgement that long.
            self._hands.acknowledge(self._tickets.in_stage(Stage.WAITING))
            raise
        self._may_have_won = False
        orders = {order.token: order for order in won}
        mine = [ticket for ticket in batch if ticket.command.token in orders]
        for ticket in mine:
            ticket.order = orders[ticket.command.token]
        self._tickets.move(orders, Stage.RUNNING)
        self._hands.start(won)
        self._hands.won(mine)
        self._drop([ticket for ticket in batch if ticket.command.token not in orders])

    def _claim(self, connection: Connection, wanted: Sequence[Wanted]) -> list[AttemptOrder]:
        claims, now = self._claims.get(), self._clock.now()
        before = claims.won_before(connection, wanted, now) if self._may_have_won else []
        return before + claims.claim(connection, wanted, now)

    def refuse(self, ticket: Ticket, _error: Exception) -> None:
        """Drop a ticket that cannot be claimed; its row's deadline has it dispatched anew."""
        self._drop([ticket])

    def _drop(self, lost: Sequence[Ticket]) -> None:
        """Forget what somebody else has claimed, or what nobody may run any more. That is normal."""
        if not lost:
            return
        self._tickets.remove(ticket.command.token for ticket in lost)
        self._hands.lost(lost)
        for ticket in lost:
            log.info(
                telemetry.TASK_LOST_RACE,
                dag_id=ticket.command.dag_id,
                task_id=ticket.command.task_id,
                run_id=ticket.command.run_id,
                attempt=ticket.command.try_number,
                next="the command is dropped",
            )
