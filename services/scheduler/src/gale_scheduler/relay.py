"""Hands out slots, and hands attempts to the executor. The only publisher of task commands.

The slots are granted under a lock in the database, in the transaction that writes the moves, so
that limits hold however many schedulers there are. An executor that runs tasks right here claims
them in the same transaction: one commit, and the processes start. (One that works over a broker
leaves them queued; the rows that say so are its outbox.)
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from gale.core import events as e
from gale.core.attempt import AttemptOrder
from gale.core.commands import Command
from gale.core.ports import Executor
from gale.db.apply import clear_xcoms
from gale.db.file_versions import FileVersions
from gale.db.keys import new_token
from gale.db.lease import lease_end
from gale.db.read import scheduling as ask
from gale_scheduler.book import RunBook
from gale_scheduler.orders import order_for
from gale_scheduler.owned_run import OwnedRun, refresh_last_success


@dataclass(slots=True)
class Grants:
    """Slots handed out in one round: the moves to write, then the orders to start."""

    commands: list[Command] = field(default_factory=list)
    orders: list[AttemptOrder] = field(default_factory=list)


class Relay:
    """Grants slots to candidates of the book and builds the orders for their attempts."""

    def __init__(self, book: RunBook, executor: Executor, *, job_id: str, hostname: str, files: FileVersions) -> None:
        self._book = book
        self._executor = executor
        self._job_id = job_id
        self._hostname = hostname
        self._files = files
        self._must_recount = True

    def recount(self) -> None:
        """Have the held slots counted anew before the next grant, because others may have freed some."""
        self._must_recount = True

    def grant(self, connection: Connection, now: datetime) -> Grants:
        """Hand out what is free. The caller writes the commands, commits, then starts the orders."""
        grants = Grants()
        free = self._executor.open_slots()
        if free <= 0 or not self._book.ledger.wanted():
            return grants
        is_alone = ask.lock_grants(connection) == self._job_id
        if self._must_recount or not is_alone:
            self._book.refresh_held(ask.occupied(connection))
            self._must_recount = False
        alive = frozenset(ti for ti, _ in self._executor.running())
        for candidate in self._book.ledger.grant(free, except_for=alive):
            owned = self._book.run_of(candidate.ti)
            if owned is not None:
                self._claim(connection, owned, candidate.ti, now, grants)
        # Who grants nothing writes nothing: or else two who wait would wake each other for ever.
        if grants.commands and not is_alone:
            ask.note_grants(connection, self._job_id)
        return grants

    def _claim(self, connection: Connection, owned: OwnedRun, ti: str, now: datetime, grants: Grants) -> None:
        token = new_token()
        run = owned.row.id
        before = owned.machine.facts(ti)
        cause = f"slot:{token[:8]}"
        grants.commands += self._book.handle(run, e.SlotGranted(ti=ti, token=token, cause=cause), now)
        if not self._executor.claims_here:
            return
        started = e.Started(ti=ti, token=token, hostname=self._hostname, lease_until=lease_end(now), cause=cause)
        grants.commands += self._book.handle(run, started, now)
        if run not in self._book.runs:  # its machine refused
            return
        facts = owned.machine.facts(ti)
        again = before.start_date if before.start_date and not before.end_date else None
        if facts.try_number > 1 and again is None:
            clear_xcoms(connection, [_Keys(owned, facts.task_id, facts.map_index)])
        refresh_last_success(connection, owned, now)
        file = self._files.file_for(connection, owned.row.fileloc, owned.source_digest)
        grants.orders.append(order_for(owned, facts, file=file, first_try_at=again))


class _Keys:
    """The columns that name a task instance in tables of its own."""

    __slots__ = ("dag_id", "map_index", "run_id", "task_id")

    def __init__(self, owned: OwnedRun, task_id: str, map_index: int) -> None:
        self.dag_id = owned.row.dag_id
        self.run_id = owned.row.run_id
        self.task_id = task_id
        self.map_index = map_index
