"""The book of the runs that this scheduler owns: a machine for each, and the ledger of slots.

Everything that happens to an owned run goes through `handle`, which asks the run's machine and
keeps the ledger, the timers and the waiting-for-the-past in step with its answers.

Nothing here is the truth: the rows are. When a write was lost or a transaction failed, the
owner drops what he had in memory and builds it again from the rows.
"""

import heapq
import traceback
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from gale import telemetry
from gale.clock import Clock
from gale.core import events as e
from gale.core.commands import Command, MoveTask, WakeAt
from gale.core.facts import TaskFacts
from gale.core.graph import DagSpec
from gale.core.graph_order import effective_weights
from gale.core.ports import Writer
from gale.core.run_machine import RunMachine
from gale.core.slots import Candidate, SlotLedger
from gale.core.states import ACTIVE_RUN, OCCUPYING, TaskState
from gale.db.read import scheduling as ask
from gale.errors import GaleError, IllegalTransition, NotFound
from gale_scheduler.owned_run import EPOCH, OwnedRun, add_missing_tasks, candidate_of
from gale_scheduler.past_watch import PastWatch

log = structlog.get_logger()

_GOOD: Final = frozenset({TaskState.SUCCESS, TaskState.SKIPPED})
#: A run that makes trouble is left alone for so long.
ASIDE_SECONDS: Final = 60.0


class RunBook:
    """The runs that this scheduler owns.

    Args:
        clock: For how long troublesome runs are left alone.
        max_active_tasks: The limit for DAGs that set none of their own.
        max_active_runs: The same for runs.
    """

    def __init__(self, clock: Clock, *, max_active_tasks: int, max_active_runs: int) -> None:
        self._clock = clock
        self.runs: dict[str, OwnedRun] = {}
        self.ledger = SlotLedger()
        self._max_active_tasks = max_active_tasks
        self.max_active_runs = max_active_runs
        self._run_of_ti: dict[str, str] = {}
        self._wakes: list[tuple[datetime, str]] = []
        self._past = PastWatch(self.runs, self._handle)
        #: DAGs of which nothing may be started: they are paused, or their file is gone.
        self.halted: frozenset[str] = frozenset()
        #: Task instances of owned runs that hold a slot.
        self.in_flight: set[str] = set()
        #: Those that were queued already when their run was taken over: nobody knows whether their commands were sent.
        self.unsent: list[str] = []
        #: Runs that made trouble, and until when (monotonic) they are left alone.
        self.aside: dict[str, float] = {}

    # --- taking runs in and letting them go ----------------------------------------------------

    def load(self, connection: Connection, rows: Iterable[Any], writer: Writer) -> list[Command]:
        """Build the machines of runs from their rows; return what their rows lack."""
        commands: list[Command] = []
        for row in rows:
            self.drop([row.id])
            try:
                commands += self._load_one(connection, row, writer)
            except (GaleError, LookupError, ValueError) as error:
                self.set_aside(row.id, error)
        return commands

    def _load_one(self, connection: Connection, row: Any, writer: Writer) -> list[Command]:
        version = row.newest_version or row.version_id
        known = ask.version_data(connection, version) if version else None
        if known is None:
            raise NotFound(
                f"The version {version} of {row.dag_id!r} is not there or cannot be read, so its run {row.run_id!r} "
                "cannot go on. It goes on when the DAG's file has been read again."
            )
        spec, digest = known
        weights = effective_weights(spec.tasks)
        add_missing_tasks(connection, row, spec, weights, writer)
        owned = self._own(connection, row, spec, digest, weights)
        return self._handle(owned, e.RunAdopted(cause=f"adopt:{row.run_id}"), writer.now)

    def set_aside(self, run: str, error: Exception) -> None:
        """Stop working on a run that makes trouble, so that the others go on; it is tried again later."""
        what_next = f"it is read again in {ASIDE_SECONDS:g} s"
        trace = "".join(traceback.format_exception(error))
        log.error(telemetry.RUN_SET_ASIDE, run=run, error=trace, next=what_next)
        self.drop([run])
        self.aside[run] = self._clock.monotonic() + ASIDE_SECONDS

    def back_from_aside(self) -> list[str]:
        """Return the runs that were set aside long enough ago."""
        now = self._clock.monotonic()
        due = [run for run, until in self.aside.items() if until <= now]
        for run in due:
            del self.aside[run]
        return due

    def _own(self, connection: Connection, row: Any, spec: DagSpec, digest: str, weights: dict[str, int]) -> OwnedRun:
        tasks = ask.tasks_of_run(connection, row.id)
        previous, past = self._past.of(connection, row, spec)
        machine = RunMachine(ask.status_of(row), spec, tasks, past)
        owned = OwnedRun(row=row, machine=machine, spec=spec, source_digest=digest, weights=weights, previous=previous)
        self.runs[row.id] = owned
        for facts in tasks:
            self._run_of_ti[facts.ti] = row.id
            owned.tis.add(facts.ti)
            if facts.state is TaskState.SCHEDULED:
                self._want(owned, facts)
            elif facts.state in OCCUPYING:
                self.ledger.hold(candidate_of(owned, facts, self._max_active_tasks))
                self.in_flight.add(facts.ti)
                if facts.state is TaskState.QUEUED:
                    self.unsent.append(facts.ti)
        # Also tasks that have ended may wait for their past later on: when they are cleared.
        if previous is not None and not all(past.values()):
            self._past.watch(previous, row.id)
        return owned

    def drop(self, runs: Collection[str]) -> None:
        """Forget runs; their rows stay as they are."""
        for run in runs:
            owned = self.runs.pop(run, None)
            if owned is None:
                continue
            for ti in owned.tis:
                self._run_of_ti.pop(ti, None)
                self.ledger.unwant(ti)
                self.ledger.release(ti)
            self.in_flight -= owned.tis
            self._past.forget(owned)

    def drop_all(self) -> None:
        """Forget everything, after a transaction failed and memory may be ahead of the rows."""
        self.drop(list(self.runs))
        self._wakes.clear()

    def drop_finished(self) -> list[str]:
        """Forget the runs that have ended; return their ids."""
        ended = [run for run, owned in self.runs.items() if owned.machine.status.state not in ACTIVE_RUN]
        self.drop(ended)
        return ended

    # --- events ----------------------------------------------------------------------------------

    def run_of(self, ti: str) -> OwnedRun | None:
        """Return the owned run of a task instance, or None if this scheduler does not own it."""
        run = self._run_of_ti.get(ti)
        return None if run is None else self.runs.get(run)

    def handle(self, run: str, event: e.TaskEvent | e.RunEvent, now: datetime) -> list[Command]:
        """Tell a run's machine what has happened; return what must be done.

        A run whose machine refuses the event is set aside: the others shall not suffer from its trouble.
        """
        owned = self.runs.get(run)
        if owned is None:  # set aside a moment ago
            return []
        try:
            return self._handle(owned, event, now)
        except IllegalTransition as error:
            self.set_aside(run, error)
            return []

    def _handle(self, owned: OwnedRun, event: e.TaskEvent | e.RunEvent, now: datetime) -> list[Command]:
        commands = owned.machine.handle(event, now)
        freed: list[MoveTask] = []
        for command in commands:
            match command:
                case MoveTask():
                    self._follow(owned, command.before.state, command.after)
                    if command.after.state in _GOOD:
                        freed.append(command)
                case WakeAt():
                    heapq.heappush(self._wakes, (command.at, command.run))
                case _:
                    pass
        if freed:
            commands += self._past.tell_successors(owned, now, event.cause)
        return commands

    def _follow(self, owned: OwnedRun, before: TaskState, facts: TaskFacts) -> None:
        """Keep the ledger in step with a move."""
        after = facts.state
        if after in OCCUPYING:
            self.in_flight.add(facts.ti)
        else:
            self.in_flight.discard(facts.ti)
        if after is TaskState.SCHEDULED:
            self.ledger.release(facts.ti)
            self._want(owned, facts)
        elif before is TaskState.SCHEDULED and after not in OCCUPYING:
            self.ledger.unwant(facts.ti)
        elif before in OCCUPYING and after not in OCCUPYING:
            self.ledger.release(facts.ti)

    def take_row(self, owned: OwnedRun, facts: TaskFacts, now: datetime) -> list[Command]:
        """Take in what a worker has written of a task instance; return what follows."""
        cause = f"row:{(facts.token or facts.ti)[:8]}"
        self._follow(owned, owned.machine.facts(facts.ti).state, facts)
        commands = self.handle(owned.row.id, e.RowChanged(ti=facts.ti, facts=facts, cause=cause), now)
        if facts.state in _GOOD and owned.row.id in self.runs:
            commands += self._past.tell_successors(owned, now, cause)
        return commands

    def sweep_past(self, connection: Connection, writer: Writer) -> list[Command]:
        """Look again at previous runs that this scheduler does not own."""
        commands, orphans = self._past.sweep(connection, writer.now)
        if orphans:
            commands += self.load(connection, ask.runs_with_ids(connection, orphans), writer)
        return commands

    def due(self, now: datetime) -> list[Command]:
        """Wake the machines whose time has come; return what they want done."""
        woken: set[str] = set()
        while self._wakes and self._wakes[0][0] <= now:
            woken.add(heapq.heappop(self._wakes)[1])
        commands: list[Command] = []
        for run in sorted(woken & self.runs.keys()):
            commands += self.handle(run, e.TimePassed(cause=f"clock:{now.isoformat()}"), now)
        return commands

    def next_due(self) -> datetime | None:
        """Return the instant of the next timer, if there is one."""
        return self._wakes[0][0] if self._wakes else None

    # --- slots -----------------------------------------------------------------------------------

    def _want(self, owned: OwnedRun, facts: TaskFacts) -> None:
        if owned.spec.dag_id not in self.halted:
            self.ledger.want(candidate_of(owned, facts, self._max_active_tasks))

    def set_halted(self, halted: frozenset[str]) -> None:
        """Take the candidates of paused DAGs out of the line, and those of resumed ones back in."""
        changed = halted ^ self.halted
        self.halted = halted
        if not changed:
            return
        for owned in self.runs.values():
            if owned.spec.dag_id not in changed:
                continue
            for facts in owned.machine.task_facts():
                if facts.state is TaskState.SCHEDULED:
                    self.ledger.unwant(facts.ti)
                    self._want(owned, facts)

    def refresh_held(self, rows: Sequence[Any]) -> None:
        """Replace the book of held slots by what the database says about all schedulers."""
        held: list[Candidate] = []
        for row in rows:
            owned = self.runs.get(row.run)
            if owned is not None and row.id in owned.tis:
                # In this round memory is ahead of the row: what has just ended holds nothing any more.
                facts = owned.machine.facts(row.id)
                if facts.state in OCCUPYING:
                    held.append(candidate_of(owned, facts, self._max_active_tasks))
            else:
                held.append(
                    Candidate(
                        ti=row.id,
                        run=row.run,
                        dag_id=row.dag_id,
                        task_id=row.task_id,
                        pool=row.pool,
                        pool_slots=row.pool_slots,
                        since=EPOCH,
                    )
                )
        self.ledger.set_held(held)
