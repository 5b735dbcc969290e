"""Which task instances a clear or a mark is about: tasks, relatives, runs before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from gale.core.graph import DagSpec
from gale.core.selection import relatives
from gale.core.states import CLAIMED, TaskState
from gale.db.read.browse import AnyRow
from gale.db.read.browse_runs import run_with_id, runs_around, runs_between
from gale.db.read.browse_tasks import task_instances_of_runs
from gale.errors import BadRequest

#: More would neither fit into one answer nor into one transaction that others can wait for.
MAX_CHOSEN: Final = 100_000
_BAD: Final = frozenset({TaskState.FAILED, TaskState.UPSTREAM_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What somebody points at. Either a run, or the runs between two instants (None = open end)."""

    run_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    #: None = all tasks.
    task_ids: tuple[str, ...] | None = None
    #: Task id to the map indexes that are meant; a task that is not here = all of its instances.
    map_indexes: Mapping[str, frozenset[int]] | None = None
    upstream: bool = False
    downstream: bool = False
    future: bool = False
    past: bool = False
    only_failed: bool = False
    only_running: bool = False


def chosen_task_instances(conn: Connection, dag_id: str, spec: DagSpec, choice: Choice) -> Sequence[AnyRow]:
    """Return the task instances that a choice is about, with the dates of their runs.

    Raises:
        NotFound: There is no such run.
        BadRequest: A task is named that neither the DAG nor the run has.
    """
    if choice.run_id is not None:
        row = run_with_id(conn, dag_id, choice.run_id)
        runs = runs_around(conn, row, future=choice.future, past=choice.past)
    else:
        runs = runs_between(conn, dag_id, choice.start, choice.end)
    if not runs:
        return []
    if len(runs) * max(1, len(spec.tasks)) > MAX_CHOSEN:
        raise BadRequest(
            f"{len(runs)} runs of {len(spec.tasks)} tasks are more than can be handled at once ({MAX_CHOSEN} task "
            "instances). Take a shorter stretch of time, and then the next one."
        )
    found = task_instances_of_runs(conn, [run.id for run in runs], _tasks(spec, choice))
    _check_tasks(spec, choice, found)
    return [ti for ti in found if _is_meant(ti, choice)]


def _tasks(spec: DagSpec, choice: Choice) -> list[str] | None:
    if choice.task_ids is None:
        return None
    related = relatives(spec, choice.task_ids, upstream=choice.upstream, downstream=choice.downstream)
    # A task that the newest version no longer has can still be pointed at in an old run.
    return [*related, *(name for name in choice.task_ids if name not in related)]


def _check_tasks(spec: DagSpec, choice: Choice, found: Sequence[AnyRow]) -> None:
    known = {task.task_id for task in spec.tasks} | {ti.task_id for ti in found}
    missing = [name for name in choice.task_ids or () if name not in known]
    if missing:
        raise BadRequest(
            f"The DAG {spec.dag_id!r} has no task {missing[0][:250]!r}. "
            f"`gale tasks list {spec.dag_id}` shows those that there are."
        )


def _is_meant(ti: AnyRow, choice: Choice) -> bool:
    indexes = (choice.map_indexes or {}).get(ti.task_id)
    if indexes is not None and ti.map_index not in indexes:
        return False
    if choice.only_failed:
        return ti.state in _BAD
    if choice.only_running:
        return ti.state in CLAIMED
    return True
