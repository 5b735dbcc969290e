"""Rows of DAGs, versions and runs to bodies of the API."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from gale.db.read import browse_dags
from gale.db.read.browse import AnyRow
from gale_webserver.api import shapes

BUNDLE = shapes.BUNDLE


def owners(text: str) -> list[str]:
    """Return the owners of a DAG, which are stored separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def versions(rows: Mapping[str, AnyRow], names: Mapping[str, str]) -> dict[str, shapes.Version]:
    """Return versions of DAGs by id."""
    return {key: version(row, names.get(row.dag_id, row.dag_id)) for key, row in rows.items()}


def version(row: AnyRow, display_name: str) -> shapes.Version:
    """Return a version of a DAG."""
    return shapes.Version(
        id=row.id,
        version_number=row.version_number,
        dag_id=row.dag_id,
        bundle_name=BUNDLE,
        bundle_version=None,
        created_at=row.created_at,
        dag_display_name=display_name,
    )


def dags(conn: Connection, rows: Sequence[AnyRow]) -> list[shapes.Dag]:
    """Return DAGs as lists show them."""
    tags = browse_dags.tags_of(conn, [row.dag_id for row in rows])
    return [shapes.Dag(**dag_fields(row, tags.get(row.dag_id, ()))) for row in rows]


def dag_fields(row: AnyRow, tags: Sequence[str]) -> dict[str, Any]:
    """Return the fields that every body of a DAG has."""
    name = row.display_name or row.dag_id
    summary = row.timetable_summary
    return {
        "dag_id": row.dag_id,
        "dag_display_name": name,
        "is_paused": row.is_paused,
        "is_stale": not row.is_active,
        "last_parsed_time": row.last_parsed_at,
        "last_parse_duration": None,
        "last_expired": row.last_expired_at,
        "bundle_name": BUNDLE,
        "bundle_version": None,
        "relative_fileloc": row.fileloc,
        "fileloc": row.fileloc,
        "description": row.description,
        "timetable_summary": None if summary in {"", "None"} else summary,
        "timetable_description": row.timetable_description,
        "timetable_partitioned": False,
        "timetable_periodic": row.next_run_after is not None,
        "tags": [shapes.Tag(name=tag, dag_id=row.dag_id, dag_display_name=name) for tag in tags],
        "max_active_tasks": row.max_active_tasks,
        "max_active_runs": row.max_active_runs,
        "max_consecutive_failed_dag_runs": row.max_consecutive_failed_dag_runs,
        "has_task_concurrency_limits": False,
        "has_import_errors": row.has_import_errors,
        "next_dagrun_logical_date": row.next_logical_date,
        "next_dagrun_data_interval_start": row.next_interval_start,
        "next_dagrun_data_interval_end": row.next_interval_end,
        "next_dagrun_run_after": row.next_run_after,
        "allowed_run_types": None,
        "owners": owners(row.owners),
        "file_token": row.fileloc,
    }


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return how long something took; None if it has not both begun and ended."""
    return None if start is None or end is None else (end - start).total_seconds()


def runs(conn: Connection, rows: Sequence[AnyRow]) -> list[shapes.DagRun]:
    """Return runs."""
    names = browse_dags.display_names(conn, [row.dag_id for row in rows])
    known = versions(browse_dags.versions_with_ids(conn, [row.version_id for row in rows]), names)
    return [run(row, names.get(row.dag_id, row.dag_id), known.get(row.version_id)) for row in rows]


def run(row: AnyRow, display_name: str, of_version: shapes.Version | None) -> shapes.DagRun:
    """Return one run."""
    return shapes.DagRun(
        dag_run_id=row.run_id,
        dag_id=row.dag_id,
        logical_date=row.logical_date,
        queued_at=row.queued_at,
        start_date=row.start_date,
        end_date=row.end_date,
        duration=seconds_between(row.start_date, row.end_date),
        data_interval_start=row.data_interval_start,
        data_interval_end=row.data_interval_end,
        run_after=row.run_after,
        last_scheduling_decision=row.updated_at,
        run_type=row.run_type,
        state=row.state,
        triggered_by=row.triggered_by,
        triggering_user_name=row.triggering_user_name,
        conf=msgspec.Raw(row.conf.encode()) if row.conf else {},
        note=row.note,
        dag_versions=[of_version] if of_version else [],
        bundle_version=None,
        dag_display_name=display_name,
    )
