"""Looks for what others have changed in the database, and takes it in.

Others are users (triggers, requests, pauses, pools), other schedulers (runs that they left, claims that
they took over) and the DAG files (new versions). All of it happens in the round's transaction.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from gale.core import events as e
from gale.core.commands import Command, StopAttempt
from gale.core.ports import Writer
from gale.core.states import RunState
from gale.db.lease import adopt_runs
from gale.db.read import scheduling as ask
from gale_scheduler.due_runs import create_due_runs
from gale_scheduler.parts import Pace, Parts


@dataclass(slots=True)
class Seen:
    """What a look has found."""

    commands: list[Command] = field(default_factory=list)
    #: There may be more: look again in the next round, or when the next change is looked for.
    look_again: bool = False
    look_soon: bool = False


class Lookout:
    """Takes in what others have done."""

    def __init__(self, parts: Parts, pace: Pace) -> None:
        self._p = parts
        self._pace = pace
        #: Memory was dropped: build the machines of all runs of ours again.
        self.must_rebuild = False
        #: Compare claims and processes, because they may have come apart.
        self.must_check_claims = False

    def look(self, connection: Connection, alive: set[str], writer: Writer) -> Seen:
        """Take in what others have done: pools, pauses, new versions, requests, runs.

        Args:
            connection: The round's transaction.
            alive: Tokens of the attempts that run here or whose ends are not written yet.
            writer: Who writes, and when.
        """
        p, seen = self._p, Seen()
        p.book.ledger.set_pools(ask.pools(connection))
        p.book.set_halted(ask.halted_dags(connection))
        seen.commands += self._rebuild_outdated(connection, writer)
        seen.commands += p.requests.act(connection, writer)
        if self._pace.use_timetables:
            limit = self._pace.runs_per_loop
            if create_due_runs(connection, writer, limit=limit, max_active_runs=p.book.max_active_runs):
                seen.look_again = True  # there may be more than one look creates
        ids = adopt_runs(connection, p.job.id, writer.now, self._pace.adopt_at_once)
        if len(ids) == self._pace.adopt_at_once:
            seen.look_soon = True  # there may be more, but let the others have a look first
        ids += p.book.back_from_aside()
        if ids:
            seen.commands += p.book.load(connection, ask.runs_with_ids(connection, ids), writer)
        if self.must_check_claims and p.executor.claims_here:
            self.must_check_claims = False
            seen.commands += self._give_up_unstarted(connection, alive, writer.now)
        seen.commands += p.rescuer.rescue(connection, alive, writer)
        seen.commands += p.book.sweep_past(connection, writer)
        seen.commands += self._start_queued(connection, writer.now)
        p.notices.look(connection, writer.now)
        return seen

    def read_rows(self, connection: Connection, tis: Collection[str] | None, now: datetime) -> list[Command]:
        """Take in what workers have written; return what follows.

        Args:
            connection: The round's transaction. To be called before anything else of the round, because
                afterwards memory is ahead of the rows.
            tis: Of which to read the rows: a worker has said that they ended; None = of all that hold a slot.
            now: The instant on the database's clock.
        """
        book = self._p.book
        if self._p.executor.claims_here:
            return []
        commands: list[Command] = []
        for facts in ask.tasks_with_ids(
            connection, book.in_flight if tis is None else book.in_flight.intersection(tis)
        ):
            owned = book.run_of(facts.ti)
            known = owned.machine.facts(facts.ti) if owned is not None else None
            if owned is not None and known is not None and (known.state, known.token) != (facts.state, facts.token):
                commands += book.take_row(owned, facts, now)
        return commands

    def _rebuild_outdated(self, connection: Connection, writer: Writer) -> list[Command]:
        """Build machines again whose DAG has a new version; after a lost transaction, all that are ours."""
        p = self._p
        if self.must_rebuild:
            self.must_rebuild = False
            rows = ask.runs_owned_by(connection, p.job.id)
            self.must_check_claims = True
            return p.book.load(connection, rows, writer)
        newest = ask.newest_versions(connection, {owned.spec.dag_id for owned in p.book.runs.values()})
        outdated = [
            run for run, owned in p.book.runs.items() if newest.get(owned.spec.dag_id) != owned.row.newest_version
        ]
        return p.book.load(connection, ask.runs_with_ids(connection, outdated), writer) if outdated else []

    def _give_up_unstarted(self, connection: Connection, alive: set[str], now: datetime) -> list[Command]:
        """Give up claims of ours that no process stands behind, and stop processes that no claim stands behind.

        A commit that seemed to fail may have been durable: then its claims were never started, and its stops
        never made. And the ends of a run that was set aside had nobody to take them.
        """
        p = self._p
        claims = ask.claims_of(connection, p.job.id)
        claimed = {row.token for row in claims}
        commands: list[Command] = [
            StopAttempt(ti=ti, token=token, reason="Its task instance has moved on without it")
            for ti, token in p.executor.running()
            if token not in claimed and not p.notices.is_callback(token)
        ]
        for row in claims:
            owned = p.book.run_of(row.id)
            if owned is None and row.token in alive and row.run not in p.book.aside:
                reason = "Another scheduler has taken over its run, because this one did not renew its lease in time"
                commands.append(StopAttempt(ti=row.id, token=row.token, reason=reason))
            if owned is None or row.token in alive:
                continue
            reason = "No process stands behind the claim: it was never started, or its end was not recorded"
            event = e.HeartbeatLost(ti=row.id, token=row.token, reason=reason, cause=f"unstarted:{row.token[:8]}")
            commands += p.book.handle(row.run, event, now)
        return commands

    def _start_queued(self, connection: Connection, now: datetime) -> list[Command]:
        """Start queued runs, oldest first, as far as `max_active_runs` of their DAG allows."""
        book = self._p.book
        queued = [
            owned
            for owned in book.runs.values()
            if owned.machine.status.state is RunState.QUEUED and owned.spec.dag_id not in book.halted
        ]
        if not queued:
            return []
        ask.lock_grants(connection)
        running = dict(ask.running_runs_by_dag(connection, {owned.spec.dag_id for owned in queued}))
        commands: list[Command] = []
        for owned in sorted(queued, key=lambda owned: (owned.row.logical_date or owned.row.run_after, owned.row.id)):
            dag_id = owned.spec.dag_id
            limit = owned.spec.max_active_runs or book.max_active_runs
            if running.get(dag_id, 0) < limit:
                running[dag_id] = running.get(dag_id, 0) + 1
                event = e.RunStarted(cause=f"start:{owned.row.run_id}")
                commands += book.handle(owned.row.id, event, now)
        return commands
