"""The book of the runs that this scheduler owns: a machine for each, and the ledger of slots.

Everything that happens to an owned run goes through `handle`, which asks the run's machine and
keeps the ledger, the timers and the waiting-for-the-past in step with its answers.

Nothing here is the truth: the rows are. When a write was lost or a transaction failed, the
owner drops what he had in memory and builds it again from the rows.
"""

import heapq
import traceback
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from gale import telemetry
from gale.clock import Clock
from gale.core import events as e
from gale.core.commands import Command, MoveTask, StopAttempt, WakeAt
from gale.core.facts import TaskFacts
from gale.core.graph import DagSpec
from gale.core.graph_order import effective_weights
from gale.core.ports import Writer
from gale.core.run_machine import RunMachine, past_is_met
from gale.core.selection import downstream_of
from gale.core.slots import Candidate, SlotLedger
from gale.core.states import ACTIVE_RUN, OCCUPYING, TaskState
from gale.db.apply import add_tasks
from gale.db.keys import new_key
from gale.db.read import scheduling as ask
from gale.errors import GaleError, IllegalTransition

log = structlog.get_logger()

_GOOD: Final = frozenset({TaskState.SUCCESS, TaskState.SKIPPED})
#: A run that makes trouble is left alone for so long.
ASIDE_SECONDS: Final = 60.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class OwnedRun:
    """A run that this scheduler works on."""

    row: Any
    machine: RunMachine
    spec: DagSpec
    source_digest: str
    weights: dict[str, int]
    #: The DAG's run before this one, where a task waits for its past.
    previous: str | None = None
    last_success: Any = None
    tis: set[str] = field(default_factory=set)


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
        #: Previous run to the runs that wait for one of its tasks.
        self._waiting: dict[str, set[str]] = {}
        self._paused: frozenset[str] = frozenset()
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
            return []
        spec, digest = known
        weights = effective_weights(spec.tasks)
        self._add_missing_tasks(connection, row, spec, weights, writer)
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
        previous, past = self._past_of(connection, row, spec)
        machine = RunMachine(ask.status_of(row), spec, tasks, past)
        owned = OwnedRun(row=row, machine=machine, spec=spec, source_digest=digest, weights=weights, previous=previous)
        owned.last_success = ask.last_success_before(connection, row)
        self.runs[row.id] = owned
        for facts in tasks:
            self._note(owned, facts)
            if facts.state is TaskState.SCHEDULED:
                self._want(owned, facts)
            elif facts.state in OCCUPYING:
                self.ledger.hold(self.candidate(owned, facts))
        # Also tasks that have ended may wait for their past later on: when they are cleared.
        if previous is not None and not all(past.values()):
            self._waiting.setdefault(previous, set()).add(row.id)
        return owned

    def _note(self, owned: OwnedRun, facts: TaskFacts) -> None:
        self._run_of_ti[facts.ti] = owned.row.id
        owned.tis.add(facts.ti)

    def _past_of(self, connection: Connection, row: Any, spec: DagSpec) -> tuple[str | None, dict[str, bool]]:
        wanting = [task for task in spec.tasks if task.depends_on_past or task.wait_for_downstream]
        if not wanting:
            return None, {}
        previous = ask.previous_run(connection, row, scheduled_only=spec.catchup)
        states = self._states_of(connection, previous) if previous else None
        down = downstream_of(spec)
        return previous, {task.task_id: past_is_met(task, states, down) for task in wanting}

    def _states_of(self, connection: Connection, run: str) -> dict[str, TaskState]:
        """Return task id to state. Of a run of ours, memory knows more than the rows do before the commit."""
        owned = self.runs.get(run)
        if owned is None:
            return ask.states_in_run(connection, run)
        return {facts.task_id: facts.state for facts in owned.machine.task_facts()}

    def _add_missing_tasks(
        self, connection: Connection, row: Any, spec: DagSpec, weights: dict[str, int], writer: Writer
    ) -> None:
        have = ask.states_in_run(connection, row.id)
        rows = [
            {
                "id": new_key(writer.now),
                "run": row.id,
                "dag_id": row.dag_id,
                "run_id": row.run_id,
                "task_id": task.task_id,
                "map_index": -1,
                "max_tries": task.retries + 1,
                "operator": task.operator,
                "pool": task.pool,
                "pool_slots": task.pool_slots,
                "queue": task.queue,
                "priority_weight": weights[task.task_id],
                "version_id": row.newest_version,
            }
            for task in spec.tasks
            if task.task_id not in have and _lies_within(row.logical_date, task.start_date, task.end_date)
        ]
        if rows:
            add_tasks(connection, rows, writer)

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
            if owned.previous is not None:
                waiting = self._waiting.get(owned.previous)
                if waiting is not None:
                    waiting.discard(run)
                    if not waiting:
                        del self._waiting[owned.previous]

    def drop_all(self) -> None:
        """Forget everything, after a transaction failed and memory may be ahead of the rows."""
        self.drop(list(self.runs))
        self._wakes.clear()
        self._waiting.clear()

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
        try:
            return self._handle(self.runs[run], event, now)
        except IllegalTransition as error:
            self.set_aside(run, error)
            return []

    def _handle(self, owned: OwnedRun, event: e.TaskEvent | e.RunEvent, now: datetime) -> list[Command]:
        commands = owned.machine.handle(event, now)
        freed: list[MoveTask] = []
        for command in commands:
            match command:
                case MoveTask():
                    self._follow(owned, command)
                    if command.after.state in _GOOD:
                        freed.append(command)
                case WakeAt():
                    heapq.heappush(self._wakes, (command.at, command.run))
                case _:
                    pass
        if freed and owned.row.id in self._waiting:
            commands += self._tell_successors(owned, now, event.cause)
        return commands

    def _follow(self, owned: OwnedRun, move: MoveTask) -> None:
        """Keep the ledger in step with a move."""
        before, after = move.before.state, move.after.state
        if after is TaskState.SCHEDULED:
            self.ledger.release(move.after.ti)
            self._want(owned, move.after)
        elif before is TaskState.SCHEDULED and after not in OCCUPYING:
            self.ledger.unwant(move.after.ti)
        elif before in OCCUPYING and after not in OCCUPYING:
            self.ledger.release(move.after.ti)

    def _tell_successors(self, owned: OwnedRun, now: datetime, cause: str) -> list[Command]:
        """Let go the tasks of later runs that waited for this run's tasks."""
        states = {facts.task_id: facts.state for facts in owned.machine.task_facts()}
        commands: list[Command] = []
        for run in sorted(self._waiting.get(owned.row.id, ())):
            later = self.runs.get(run)
            if later is not None:
                commands += self._release_past(later, states, now, cause)
        return commands

    def _release_past(self, later: OwnedRun, states: dict[str, TaskState], now: datetime, cause: str) -> list[Command]:
        down = downstream_of(later.spec)
        commands: list[Command] = []
        for task_id in later.machine.held_by_past():
            facts = later.machine.by_task(task_id)
            if facts is not None and past_is_met(later.machine.task_spec(facts.ti), states, down):
                commands += self._handle(later, e.PastMet(ti=facts.ti, cause=cause), now)
        return commands

    def sweep_past(self, connection: Connection, now: datetime) -> list[Command]:
        """Look again at previous runs that this scheduler does not own."""
        commands: list[Command] = []
        for previous in [run for run in self._waiting if run not in self.runs]:
            states = ask.states_in_run(connection, previous)
            for run in sorted(self._waiting[previous]):
                later = self.runs.get(run)
                if later is not None:
                    commands += self._release_past(later, states, now, f"past:{previous}")
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

    def candidate(self, owned: OwnedRun, facts: TaskFacts) -> Candidate:
        """Return what the ledger needs to know of a task instance."""
        task = owned.machine.task_spec(facts.ti)
        return Candidate(
            ti=facts.ti,
            run=owned.row.id,
            dag_id=owned.spec.dag_id,
            task_id=task.task_id,
            pool=task.pool,
            pool_slots=task.pool_slots,
            weight=owned.weights.get(task.task_id, task.priority_weight),
            since=owned.row.logical_date or owned.row.run_after or _EPOCH,
            max_active_tasks=owned.spec.max_active_tasks or self._max_active_tasks,
            per_run=owned.spec.era == "trigger",
            max_active_tis_per_dag=task.max_active_tis_per_dag,
            max_active_tis_per_dagrun=task.max_active_tis_per_dagrun,
        )

    def _want(self, owned: OwnedRun, facts: TaskFacts) -> None:
        if owned.spec.dag_id not in self._paused:
            self.ledger.want(self.candidate(owned, facts))

    def is_halted(self, dag_id: str) -> bool:
        """Tell whether nothing of a DAG may be started: it is paused, or its file is gone."""
        return dag_id in self._paused

    def set_paused(self, paused: frozenset[str]) -> None:
        """Take the candidates of paused DAGs out of the line, and those of resumed ones back in."""
        changed = paused ^ self._paused
        self._paused = paused
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
                    held.append(self.candidate(owned, facts))
            else:
                held.append(
                    Candidate(
                        ti=row.id,
                        run=row.run,
                        dag_id=row.dag_id,
                        task_id=row.task_id,
                        pool=row.pool,
                        pool_slots=row.pool_slots,
                        since=_EPOCH,
                    )
                )
        self.ledger.set_held(held)


def _lies_within(date: datetime | None, start: datetime | None, end: datetime | None) -> bool:
    """A task has no part in runs before its own start_date or after its own end_date."""
    return date is None or ((start is None or start <= date) and (end is None or date <= end))


def stops_in(commands: Iterable[Command]) -> list[StopAttempt]:
    """Return the attempts whose processes are to be stopped."""
    return [command for command in commands if isinstance(command, StopAttempt)]
