"""Rows of task instances to bodies of the API."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from gale.core.graph import DagSpec
from gale.core.states import TaskState
from gale.db.read import browse_dags, browse_tasks
from gale.db.read.browse import AnyRow
from gale_webserver.api import shapes, to_dags
from gale_webserver.api.to_dags import seconds_between

#: What the history tells of each try; the rest of an attempt is the task instance's.
_TOLD: Final = ("start_date", "end_date", "state", "hostname", "queued_when", "scheduled_when", "reason")


def shown_state(state: str) -> str | None:
    """Return a state as the API shows it."""
    return None if state == TaskState.NONE else state


def names_of_tasks(spec: DagSpec | None) -> dict[str, str]:
    """Return the name to show for each task of a DAG that has one."""
    return {task.task_id: task.display_name for task in spec.tasks if task.display_name} if spec else {}


def task_instances(conn: Connection, rows: Sequence[AnyRow]) -> list[shapes.TaskInstance]:
    """Return task instances as lists show them: without rendered fields, which may be large."""
    if not rows:
        return []
    dag_names = browse_dags.display_names(conn, [row.dag_id for row in rows])
    versions = to_dags.versions(browse_dags.versions_with_ids(conn, [row.version_id for row in rows]), dag_names)
    task_names = {
        key: names_of_tasks(browse_dags.spec_of_version(conn, key)) for key in {row.version_id for row in rows}
    }
    return [
        shapes.TaskInstance(
            **_common(row, dag_names.get(row.dag_id, row.dag_id), task_names[row.version_id]),
            id=row.id,
            logical_date=row.logical_date,
            run_after=row.run_after,
            note=row.note,
            rendered_map_index=None if row.map_index < 0 else str(row.map_index),
            rendered_fields={},
            trigger=None,
            triggerer_job=None,
            dag_version=versions.get(row.version_id),
            reason=row.reason,
            due_at=row.due_at,
        )
        for row in rows
    ]


def _common(row: AnyRow, dag_name: str, task_names: dict[str, str]) -> dict[str, Any]:
    return {
        "task_id": row.task_id,
        "dag_id": row.dag_id,
        "dag_run_id": row.run_id,
        "map_index": row.map_index,
        "start_date": row.start_date,
        "end_date": row.end_date,
        "duration": seconds_between(row.start_date, row.end_date),
        "state": shown_state(row.state),
        "try_number": row.try_number,
        "max_tries": row.max_tries,
        "task_display_name": task_names.get(row.task_id, row.task_id),
        "dag_display_name": dag_name,
        "hostname": row.hostname,
        "unixname": None,
        "pool": row.pool,
        "pool_slots": row.pool_slots,
        "queue": row.queue,
        "priority_weight": row.priority_weight,
        "operator": row.operator,
        "operator_name": row.operator,
        "queued_when": row.queued_at,
        "scheduled_when": row.scheduled_at,
        "pid": row.pid,
        "executor": None,
        "executor_config": "{}",
    }


def task_instance(conn: Connection, row: AnyRow) -> shapes.TaskInstance:
    """Return one task instance with its rendered fields."""
    (found,) = task_instances(conn, [row])
    fields = browse_tasks.rendered_fields_of(conn, row.id)
    if fields:
        found.rendered_fields = json.loads(fields)
    return found


def attempts(conn: Connection, row: AnyRow) -> list[shapes.Attempt]:
    """Return the tries of a task instance, told from its history: the row itself knows only the last one."""
    (now,) = task_instances(conn, [row])
    tries: dict[int, dict[str, Any]] = {}
    scheduled = queued = None
    for event in browse_tasks.events_of_task_instance(conn, row.id):
        match event.to_state:
            case TaskState.SCHEDULED:
                scheduled, queued = event.at, None
            case TaskState.QUEUED:
                queued = event.at
            case TaskState.RUNNING:
                begun = tries.get(event.try_number, {})  # a rescheduled sensor starts the same try again and again
                tries[event.try_number] = {
                    "start_date": begun.get("start_date", event.at),
                    "end_date": None,
                    "state": TaskState.RUNNING.value,
                    "hostname": event.hostname or None,
                    "queued_when": queued,
                    "scheduled_when": scheduled,
                    "reason": None,
                }
        if event.from_state in {TaskState.RUNNING, TaskState.RESTARTING} and event.try_number in tries:
            ended = tries[event.try_number]
            ended.update(end_date=event.at, state=shown_state(event.to_state), reason=event.detail)
    shared = {
        name: getattr(now, name)
        for name in shapes.Attempt.__struct_fields__
        if name not in {"try_number", "duration", "pid", *_TOLD}
    }
    found = [
        shapes.Attempt(
            **shared,
            **told,
            try_number=number,
            pid=now.pid if number == now.try_number else None,
            duration=seconds_between(told["start_date"], told["end_date"]),
        )
        for number, told in sorted(tries.items())
    ]
    if not found or found[-1].try_number != row.try_number:
        return found
    last = found[-1]
    last.start_date, last.end_date = row.start_date or last.start_date, row.end_date
    last.state, last.reason, last.duration = now.state, row.reason, now.duration
    return found
