"""Runs that wait for the run before: `depends_on_past` and `wait_for_downstream` across runs."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from gale.core import events as e
from gale.core.commands import Command
from gale.core.graph import DagSpec
from gale.core.run_machine import past_is_met
from gale.core.selection import downstream_of
from gale.core.states import TaskState
from gale.db.read import scheduling as ask
from gale_scheduler.owned_run import OwnedRun

Tell = Callable[[OwnedRun, e.TaskEvent, datetime], list[Command]]


class PastWatch:
    """Knows which runs wait for which.

    Args:
        runs: The runs that this scheduler owns; only looked at.
        tell: Tells a run's machine what has happened.
    """

    def __init__(self, runs: Mapping[str, OwnedRun], tell: Tell) -> None:
        self._runs = runs
        self._tell = tell
        #: Previous run to the runs that wait for one of its tasks.
        self._waiting: dict[str, set[str]] = {}

    def watch(self, previous: str, run: str) -> None:
        """Have `run` told of what happens in `previous`."""
        self._waiting.setdefault(previous, set()).add(run)

    def forget(self, owned: OwnedRun) -> None:
        """Tell this run nothing any more."""
        waiting = self._waiting.get(owned.previous) if owned.previous is not None else None
        if owned.previous is not None and waiting is not None:
            waiting.discard(owned.row.id)
            if not waiting:
                del self._waiting[owned.previous]

    def of(self, connection: Connection, row: Any, spec: DagSpec) -> tuple[str | None, dict[str, bool]]:
        """Return the previous run, and for each task that looks at it whether it is let go."""
        wanting = [task for task in spec.tasks if task.depends_on_past or task.wait_for_downstream]
        if not wanting:
            return None, {}
        previous = ask.previous_run(connection, row, scheduled_only=spec.catchup)
        states = self._states_of(connection, previous) if previous else None
        down = downstream_of(spec)
        return previous, {task.task_id: past_is_met(task, states, down) for task in wanting}

    def _states_of(self, connection: Connection, run: str) -> dict[str, TaskState]:
        """Return task id to state. Of a run of ours, memory knows more than the rows do before the commit."""
        owned = self._runs.get(run)
        if owned is None:
            return ask.states_in_run(connection, run)
        return {facts.task_id: facts.state for facts in owned.machine.task_facts()}

    def tell_successors(self, owned: OwnedRun, now: datetime, cause: str) -> list[Command]:
        """Let go the tasks of later runs that waited for this run's tasks."""
        states = {facts.task_id: facts.state for facts in owned.machine.task_facts()}
        commands: list[Command] = []
        for run in sorted(self._waiting.get(owned.row.id, ())):
            later = self._runs.get(run)
            if later is not None:
                commands += self._release(later, states, now, cause)
        return commands

    def _release(self, later: OwnedRun, states: dict[str, TaskState], now: datetime, cause: str) -> list[Command]:
        down = downstream_of(later.spec)
        commands: list[Command] = []
        for task_id in later.machine.held_by_past():
            facts = later.machine.by_task(task_id)
            if facts is not None and past_is_met(later.machine.task_spec(facts.ti), states, down):
                commands += self._tell(later, e.PastMet(ti=facts.ti, cause=cause), now)
        return commands

    def sweep(self, connection: Connection, now: datetime) -> tuple[list[Command], list[str]]:
        """Look again at previous runs that this scheduler does not own.

        Returns what follows, and the runs whose previous run has been deleted: another one is before them now.
        """
        commands: list[Command] = []
        orphans: list[str] = []
        for previous in [run for run in self._waiting if run not in self._runs]:
            states = ask.states_in_run(connection, previous)
            if not states and not ask.run_exists(connection, previous):
                orphans += sorted(self._waiting[previous])
                continue
            for run in sorted(self._waiting[previous]):
                later = self._runs.get(run)
                if later is not None:
                    commands += self._release(later, states, now, f"past:{previous}")
        return commands, orphans
