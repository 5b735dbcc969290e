"""Follow runs until they end: progress bars on a terminal, a line for each change elsewhere."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import click

from gale.core.states import FINISHED, RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gale.cli.session import Session

LOOK_SECONDS: Final = 0.2
ENDED: Final = frozenset({RunState.SUCCESS, RunState.FAILED})
_FINISHED_TASKS: Final = frozenset(state.value for state in FINISHED)


def warn_if_idle(connection: "Connection", session: "Session") -> None:
    """Tell on standard error if no scheduler is there to act on what was asked."""
    from gale.db.read.browse import Page
    from gale.db.read.browse_admin import JobFilter, jobs_matching

    wanted = JobFilter(job_type="scheduler", alive_at=session.now())
    if not jobs_matching(connection, wanted, Page(limit=1)).total:
        click.echo("No scheduler is alive, so this waits. Start one: `gale standalone` or `gale scheduler`.", err=True)


def follow_runs(session: "Session", runs: Mapping[str, str], *, limit_seconds: float | None = None) -> dict[str, str]:
    """Wait until all runs have ended, been deleted, or the time is over; return their last known states.

    Args:
        session: The database.
        runs: Primary key of each run to the name to show.
        limit_seconds: None = wait for ever.
    """
    deadline = None if limit_seconds is None else session.clock.monotonic() + limit_seconds
    display = _Bar(len(runs)) if sys.stderr.isatty() else _Lines(runs)
    states: dict[str, str] = {}
    with display:
        while True:
            known = _states(session, list(runs))
            states = {key: known.get(key, "deleted") for key in runs}
            display.update(states, _tasks(session, [key for key in runs if states[key] == RunState.RUNNING]))
            if all(state in ENDED or state == "deleted" for state in states.values()):
                return states
            if deadline is not None and session.clock.monotonic() >= deadline:
                return states
            time.sleep(LOOK_SECONDS)


def _states(session: "Session", keys: Sequence[str]) -> dict[str, str]:
    from gale.db.read.cli import states_of_runs

    with session.read() as connection:
        return states_of_runs(connection, keys)


def _tasks(session: "Session", keys: Sequence[str]) -> tuple[int, int]:
    """Return how many task instances of the runs have ended, and how many there are."""
    from gale.db.read.browse_tasks import count_task_instances_by_state

    if not keys:
        return 0, 0
    with session.read() as connection:
        counts = count_task_instances_by_state(connection, keys).values()
    total = sum(sum(states.values()) for states in counts)
    return sum(number for states in counts for state, number in states.items() if state in _FINISHED_TASKS), total


class _Bar:
    """Two bars: runs, and the task instances of those under way."""

    def __init__(self, runs: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:<6}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True))
        self._runs = self._progress.add_task("runs", total=runs, note="")
        self._tasks = self._progress.add_task("tasks", total=None, note="")

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, states: Mapping[str, str], tasks: tuple[int, int]) -> None:
        """Show where things stand."""
        failed = sum(state == RunState.FAILED for state in states.values())
        ended = sum(state in ENDED or state == "deleted" for state in states.values())
        self._progress.update(self._runs, completed=ended, note=f"{failed} failed" if failed else "")
        self._progress.update(self._tasks, completed=tasks[0], total=tasks[1] or None)


class _Lines:
    """A line whenever a run changes its state, for logs and pipes."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._shown: dict[str, str] = {}

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, states: Mapping[str, str], tasks: tuple[int, int]) -> None:
        """Show what has changed."""
        del tasks
        for key, state in states.items():
            if self._shown.get(key) != state:
                click.echo(f"{self._names[key]}: {state}", err=True)
        self._shown = dict(states)
