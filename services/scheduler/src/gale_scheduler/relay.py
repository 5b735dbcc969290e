"""Hands out slots, and hands attempts to the executor. The only publisher of task commands.

The slots are granted under a lock in the database, in the transaction that writes the moves, so
that limits hold however many schedulers there are. An executor that runs tasks right here claims
them in the same transaction: one commit, and the processes start. One that works over a broker
leaves them queued, and the rows that say so are its outbox: whoever takes a run over sends its
commands again (who claims is decided by the token, so that twice is not too often), and a command
that nobody has claimed by its deadline is replaced by one with a new token.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from gale.core import events as e
from gale.core.attempt import AttemptOrder, RunFacts
from gale.core.commands import Command
from gale.core.facts import TaskFacts
from gale.core.ports import Executor
from gale.core.states import TaskState
from gale.db.apply import clear_xcoms
from gale.db.file_versions import FileVersions
from gale.db.keys import new_token
from gale.db.lease import lease_end
from gale.db.orders import Definition, first_try_of, order_of
from gale.db.read import scheduling as ask
from gale_scheduler.book import RunBook
from gale_scheduler.owned_run import OwnedRun, refresh_last_success, run_facts_of


@dataclass(slots=True)
class Grants:
    """Slots handed out in one round: the moves to write, then the orders to start."""

    commands: list[Command] = field(default_factory=list)
    orders: list[AttemptOrder] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTerms:
    """How attempts are claimed."""

    #: Of the process that claims what is run right here.
    job_id: str
    hostname: str
    #: Seconds that a worker has to claim what is sent to it (`task_queued_timeout`).
    queued_seconds: float = 60.0


class Relay:
    """Grants slots to candidates of the book and builds the orders for their attempts."""

    def __init__(self, book: RunBook, executor: Executor, terms: ClaimTerms, files: FileVersions) -> None:
        self._book = book
        self._executor = executor
        self._terms = terms
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
        is_alone = ask.lock_grants(connection) == self._terms.job_id
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
            ask.note_grants(connection, self._terms.job_id)
        return grants

    def _claim(self, connection: Connection, owned: OwnedRun, ti: str, now: datetime, grants: Grants) -> None:
        token, run, terms = new_token(), owned.row.id, self._terms
        before = owned.machine.facts(ti)
        cause = f"slot:{token[:8]}"
        claims_here = self._executor.claims_here
        claim_by = None if claims_here else now + timedelta(seconds=terms.queued_seconds)
        granted = e.SlotGranted(ti=ti, token=token, claim_by=claim_by, cause=cause)
        grants.commands += self._book.handle(run, granted, now)
        if claims_here:
            started = e.Started(ti=ti, token=token, hostname=terms.hostname, lease_until=lease_end(now), cause=cause)
            grants.commands += self._book.handle(run, started, now)
        if run not in self._book.runs:  # its machine refused
            return
        facts = owned.machine.facts(ti)
        if claims_here:
            grants.orders.append(self._whole_order(connection, owned, facts, first_try_of(before), now))
        else:
            grants.orders.append(_short_order(owned, facts))

    def _whole_order(
        self, connection: Connection, owned: OwnedRun, facts: TaskFacts, again: datetime | None, now: datetime
    ) -> AttemptOrder:
        if facts.try_number > 1 and again is None:
            clear_xcoms(connection, [_Keys(owned, facts.task_id, facts.map_index)])
        refresh_last_success(connection, owned, now)
        task = owned.machine.task_spec(facts.ti)
        definition = Definition(
            task=task,
            weight=owned.weights.get(task.task_id, task.priority_weight),
            file=self._files.file_for(connection, owned.row.fileloc, owned.source_digest),
            source_digest=owned.source_digest,
        )
        return order_of(facts, run_facts_of(owned), definition, first_try_at=again)

    def unsent(self) -> list[AttemptOrder]:
        """Return the orders of queued attempts of runs that were taken over: nobody knows whether they were sent."""
        orders: list[AttemptOrder] = []
        unsent, self._book.unsent = self._book.unsent, []
        for ti in unsent:
            owned = self._book.run_of(ti)
            facts = owned.machine.facts(ti) if owned is not None else None
            if owned is not None and facts is not None and facts.state is TaskState.QUEUED:
                orders.append(_short_order(owned, facts))
        return orders


def _short_order(owned: OwnedRun, facts: TaskFacts) -> AttemptOrder:
    """Return what is needed to send a command: whoever claims it reads the rest from the rows."""
    task = owned.machine.task_spec(facts.ti)
    return AttemptOrder(
        ti=facts.ti,
        token=facts.token or "",
        run=RunFacts(dag_id=owned.row.dag_id, run_id=owned.row.run_id),
        task_id=facts.task_id,
        map_index=facts.map_index,
        try_number=facts.try_number,
        max_tries=facts.max_tries,
        file="",
        queue=task.queue,
        priority_weight=owned.weights.get(task.task_id, task.priority_weight),
    )


class _Keys:
    """The columns that name a task instance in tables of its own."""

    __slots__ = ("dag_id", "map_index", "run_id", "task_id")

    def __init__(self, owned: OwnedRun, task_id: str, map_index: int) -> None:
        self.dag_id = owned.row.dag_id
        self.run_id = owned.row.run_id
        self.task_id = task_id
        self.map_index = map_index
