"""The grid and the graph of one DAG. The grid is polled each second, so nothing changed costs next to nothing."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from flask import Response, request
from sqlalchemy import Connection

from gale.core.graph import DagSpec
from gale.core.states import TaskState
from gale.db.engine import reading
from gale.db.read import browse_dags, browse_grid
from gale.db.read.browse import AnyRow
from gale.errors import BadRequest
from gale_webserver.context import services
from gale_webserver.query import Query, integer, text
from gale_webserver.routing import JSON_TYPE, Routes
from gale_webserver.run_cache import CachedRun

routes = Routes("ui_grid", prefix="/ui/dags/<dag_id>")

MAX_RUNS: Final = 365
#: A mapped task shows the state that needs most attention of all its instances.
_URGENCY: Final = {
    state: place
    for place, state in enumerate(
        (
            TaskState.FAILED,
            TaskState.UPSTREAM_FAILED,
            TaskState.UP_FOR_RETRY,
            TaskState.RESTARTING,
            TaskState.RUNNING,
            TaskState.UP_FOR_RESCHEDULE,
            TaskState.QUEUED,
            TaskState.SCHEDULED,
            TaskState.NONE,
            TaskState.SUCCESS,
            TaskState.SKIPPED,
            TaskState.REMOVED,
        )
    )
}
Cell = tuple[str, str, int, str, int, Any, Any]


@routes.get("/grid", query=(*integer("limit", default=25), *text("before")))
def grid(dag_id: str, query: Query) -> Response:
    """Give the newest runs of the DAG and the state of each task in them; 304 if nothing has changed."""
    limit = query.values["limit"]
    if not 1 <= limit <= MAX_RUNS:
        raise BadRequest(f"limit is {limit}; it must be 1 to {MAX_RUNS}. Older runs come with before=RUN_ID.")
    with reading(services().engine) as conn:
        row = browse_dags.dag_with_id(conn, dag_id)
        runs = browse_grid.grid_runs(conn, dag_id, limit, query.text("before"))
        digests = browse_grid.grid_digests(conn, runs)
        tag = browse_grid.grid_tag(dag_id, row.version_id, digests)
        if request.if_none_match.contains_weak(tag):
            return Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": f'"{tag}"'})
        known = _known_runs(conn, runs, digests)
        spec = browse_dags.spec_of_version(conn, row.version_id)
    task_ids = frozenset().union(*(run.task_ids for run in known))
    body = {"tag": tag, "tasks": task_rows(spec, task_ids), "runs": [msgspec.Raw(run.encoded) for run in known[::-1]]}
    return Response(msgspec.json.encode(body), content_type=JSON_TYPE, headers={"ETag": f'"{tag}"'})


def _known_runs(conn: Connection, runs: Sequence[AnyRow], digests: Sequence[str]) -> list[CachedRun]:
    """Return the runs encoded; only those that changed since they were last sent are read."""
    cache = services().grid_cache
    known = {digest: cache.get(digest) for digest in digests}
    missing = [run.id for run, digest in zip(runs, digests, strict=True) if known[digest] is None]
    tis = _by_run(browse_grid.grid_cells(conn, missing))
    found: list[CachedRun] = []
    for run, digest in zip(runs, digests, strict=True):
        kept = known[digest]
        if kept is None:
            kept = CachedRun(msgspec.json.encode(_run(run, tis[run.id])), frozenset(map(sys.intern, tis[run.id])))
            cache.put(digest, kept)
        found.append(kept)
    return found


def _run(row: AnyRow, tis: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "run_id": row.run_id,
        "pk": row.id,
        "state": row.state,
        "run_type": row.run_type,
        "logical_date": row.logical_date,
        "run_after": row.run_after,
        "queued_at": row.queued_at,
        "start_date": row.start_date,
        "end_date": row.end_date,
        "tis": tis,
    }


def _by_run(cells: Sequence[Any]) -> defaultdict[str, dict[str, dict[str, Any]]]:
    runs: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    mapped: defaultdict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        run, task_id, map_index, state, try_number, start, end = cell
        if map_index >= 0:
            mapped[run, task_id].append(cell)
            continue
        runs[run][task_id] = {
            "state": None if state == "none" else state,
            "try_number": try_number,
            "start_date": start,
            "end_date": end,
        }
    for (run, task_id), instances in mapped.items():
        runs[run][task_id] = _merged(instances)
    return runs


def _merged(instances: list[Cell]) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for cell in instances:
        counts[cell[3]] = counts.get(cell[3], 0) + 1
    state = min(counts, key=lambda name: _URGENCY[TaskState(name)])
    starts = [cell[5] for cell in instances if cell[5] is not None]
    ends = [cell[6] for cell in instances if cell[6] is not None]
    return {
        "state": None if state == "none" else state,
        "try_number": max(cell[4] for cell in instances),
        "start_date": min(starts, default=None),
        "end_date": max(ends, default=None) if len(ends) == len(instances) else None,
        "mapped": counts,
    }


def task_rows(spec: DagSpec | None, task_ids: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the rows of the grid: tasks in their order, each group before its first member.

    Tasks that the newest version no longer has, but the runs shown do, stand at the end.
    """
    groups = {group.group_id: group for group in spec.groups} if spec else {}
    rows: list[dict[str, Any]] = []
    shown: set[str] = set()

    def enter(group_id: str | None) -> int:
        if group_id is None or group_id not in groups:
            return 0
        group = groups[group_id]
        depth = enter(group.parent)
        if group_id not in shown:
            shown.add(group_id)
            label = group.label or group_id
            rows.append({"task_id": group_id, "label": label, "depth": depth, "is_group": True, "parent": group.parent})
        return depth + 1

    by_group = _members_together(spec)
    for task in by_group:
        depth = enter(task.group_id)
        label = task.display_name or task.task_id
        rows.append(
            {"task_id": task.task_id, "label": label, "depth": depth, "is_group": False, "parent": task.group_id}
        )
    known = {task.task_id for task in by_group}
    gone = sorted(set(task_ids) - known)
    rows += [{"task_id": name, "label": name, "depth": 0, "is_group": False, "parent": None} for name in gone]
    return rows


def _members_together(spec: DagSpec | None) -> list[Any]:
    """Return the tasks so that those of a group, nested ones included, follow each other."""
    if spec is None:
        return []
    parents = {group.group_id: group.parent for group in spec.groups}
    first: dict[str, int] = {}

    def path_of(group_id: str | None) -> list[str]:
        path: list[str] = []
        while group_id is not None and group_id in parents and group_id not in path:
            path.insert(0, group_id)
            group_id = parents[group_id]
        return path

    for place, task in enumerate(spec.tasks):
        for group_id in path_of(task.group_id):
            first.setdefault(group_id, place)
    places = {task.task_id: place for place, task in enumerate(spec.tasks)}
    return sorted(
        spec.tasks, key=lambda task: [*(first[group] for group in path_of(task.group_id)), places[task.task_id]]
    )


@routes.get("/structure")
def structure(dag_id: str) -> dict[str, Any]:
    """Give the DAG's tasks, groups and dependencies for the graph."""
    with reading(services().engine) as conn:
        spec = browse_dags.spec_of_dag(conn, dag_id)
    labels = {(source, target): label for source, target, label in spec.edge_labels}
    return {
        "nodes": [
            {
                "id": task.task_id,
                "label": task.display_name or task.task_id,
                "operator": task.operator,
                "group": task.group_id,
                "trigger_rule": task.trigger_rule,
                "ui_color": task.ui_color,
                "ui_fgcolor": task.ui_fgcolor,
                "is_setup": task.is_setup,
                "is_teardown": task.is_teardown,
                "doc": task.doc_md,
            }
            for task in spec.tasks
        ],
        "groups": [
            {"id": group.group_id, "label": group.label, "parent": group.parent, "tooltip": group.tooltip}
            for group in spec.groups
        ],
        "edges": [
            {"source": upstream, "target": task.task_id, "label": labels.get((upstream, task.task_id))}
            for task in spec.tasks
            for upstream in task.upstream
        ],
    }
