"""What the tests share: people at the page, and rows as the scheduler leaves them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from flask.testing import FlaskClient
from sqlalchemy import Connection, insert

from gale.core.graph import DagSpec, GroupSpec, TaskSpec, TimetableSpec
from gale.db import tables as t

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
ROLES = ("Viewer", "User", "Op", "Admin")


class Browser:
    """Somebody at the page: a client with a session's cookie that sends the CSRF token."""

    def __init__(self, client: FlaskClient, csrf_token: str) -> None:
        self.client = client
        self.csrf_token = csrf_token

    def _send(self, method: str, path: str, **given: Any) -> Any:
        headers = {"X-CSRF-Token": self.csrf_token} | given.pop("headers", {})
        return self.client.open(path, method=method, headers=headers, **given)

    def get(self, path: str, **given: Any) -> Any:
        return self._send("GET", path, **given)

    def post(self, path: str, **given: Any) -> Any:
        return self._send("POST", path, **given)

    def patch(self, path: str, **given: Any) -> Any:
        return self._send("PATCH", path, **given)

    def delete(self, path: str, **given: Any) -> Any:
        return self._send("DELETE", path, **given)


def key(number: int) -> str:
    return f"{number:032x}"


def chain(dag_id: str, length: int = 3, **fields: Any) -> DagSpec:
    tasks = tuple(
        TaskSpec(task_id=f"t{i}", operator="BashOperator", upstream=(f"t{i - 1}",) if i else ()) for i in range(length)
    )
    fields = {"timetable": TimetableSpec(kind="cron", expression="0 0 * * *"), "start_date": START, **fields}
    return DagSpec(dag_id=dag_id, fileloc=f"{dag_id}.py", tasks=tasks, **fields)


def grouped(dag_id: str) -> DagSpec:
    return DagSpec(
        dag_id=dag_id,
        fileloc=f"{dag_id}.py",
        tasks=(
            TaskSpec(task_id="begin"),
            TaskSpec(task_id="outer.a", upstream=("begin",), group_id="outer"),
            TaskSpec(task_id="between", upstream=("begin",)),
            TaskSpec(task_id="outer.inner.b", upstream=("outer.a",), group_id="outer.inner"),
            TaskSpec(task_id="end", upstream=("outer.inner.b", "between")),
        ),
        groups=(
            GroupSpec(group_id="outer", label="outer"),
            GroupSpec(group_id="outer.inner", label="inner", parent="outer"),
        ),
        edge_labels=(("begin", "between", "short cut"),),
    )


def add_dag(conn: Connection, spec: DagSpec, *, source: str = "dag = ...", **fields: Any) -> str:
    """Store a DAG with one version; return the version's id."""
    version = key(abs(hash(spec.dag_id)) % 10**12)
    digest = f"digest-of-{spec.dag_id}"[:64]
    owners = fields.pop("owners", "airflow")
    conn.execute(insert(t.dag_source), [{"digest": digest, "content": source}])
    conn.execute(
        insert(t.dag_version),
        [
            {
                "id": version,
                "dag_id": spec.dag_id,
                "version_number": 1,
                "digest": digest,
                "data": msgspec.json.encode(spec).decode(),
                "source_digest": digest,
                "created_at": START,
            }
        ],
    )
    values = {
        "dag_id": spec.dag_id,
        "fileloc": spec.fileloc,
        "version_id": version,
        "is_paused": False,
        "owners": owners,
        "max_active_tasks": 16,
        "max_active_runs": 16,
        "timetable_summary": "0 0 * * *",
        "timetable_description": "At 00:00",
        "last_parsed_at": START,
    }
    conn.execute(insert(t.dag), [values | fields])
    for tag in spec.tags:
        conn.execute(insert(t.dag_tag), [{"dag_id": spec.dag_id, "name": tag}])
    return version


def add_run(conn: Connection, spec: DagSpec, number: int, *, state: str = "success", **fields: Any) -> dict[str, Any]:
    """Store a run of day `number` with one task instance for each task; return the run's row."""
    day = START + timedelta(days=number)
    version = key(abs(hash(spec.dag_id)) % 10**12)
    run = {
        "id": key((abs(hash(spec.dag_id)) % 10**9) * 10**6 + number),
        "dag_id": spec.dag_id,
        "run_id": f"scheduled__{day.isoformat()}",
        "state": state,
        "run_type": "scheduled",
        "logical_date": day,
        "data_interval_start": day,
        "data_interval_end": day + timedelta(days=1),
        "run_after": day + timedelta(days=1),
        "queued_at": day + timedelta(days=1),
        "start_date": day + timedelta(days=1),
        "end_date": day + timedelta(days=1, minutes=5) if state in {"success", "failed"} else None,
        "conf": "{}",
        "triggered_by": "timetable",
        "version_id": version,
        "updated_at": day + timedelta(days=1),
    } | fields
    conn.execute(insert(t.dag_run), [run])
    add_task_instances(conn, run, [task.task_id for task in spec.tasks], state)
    return run


def add_task_instances(conn: Connection, run: dict[str, Any], task_ids: Sequence[str], state: str = "success") -> None:
    begin = run["run_after"]
    done = state in {"success", "failed", "skipped"}
    base = int(run["id"], 16) * 10**4 % 16**30
    rows = [
        {
            "id": key(base + place),
            "run": run["id"],
            "dag_id": run["dag_id"],
            "run_id": run["run_id"],
            "task_id": task_id,
            "state": state if state != "queued" else "none",
            "try_number": 1 if done or state == "running" else 0,
            "start_date": begin if done or state == "running" else None,
            "end_date": begin + timedelta(seconds=9) if done else None,
            "operator": "BashOperator",
            "version_id": run["version_id"],
            "updated_at": begin,
        }
        for place, task_id in enumerate(task_ids)
    ]
    conn.execute(insert(t.task_instance), rows)
