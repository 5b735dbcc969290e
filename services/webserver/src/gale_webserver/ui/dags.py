"""The list of DAGs and the page of one DAG."""

from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from gale.core.graph import DagSpec
from gale.core.timetables import DataInterval, Limits, from_spec
from gale.db.engine import reading
from gale.db.read import browse_dags, browse_runs
from gale.db.read.browse import AnyRow, Page
from gale.errors import DagDefinitionError
from gale_webserver.context import services, visible
from gale_webserver.query import PAGE, Query, flag, text, words
from gale_webserver.routing import Routes

routes = Routes("ui_dags", prefix="/ui")

RECENT_RUNS: Final = 14
NEXT_RUNS: Final = 5


def _run(row: AnyRow) -> dict[str, Any]:
    return {
        "run_id": row.run_id,
        "state": row.state,
        "run_type": row.run_type,
        "logical_date": row.logical_date,
        "start_date": row.start_date,
        "end_date": row.end_date,
    }


def _summaries(conn: Connection, rows: list[AnyRow]) -> list[dict[str, Any]]:
    ids = [row.dag_id for row in rows]
    tags = browse_dags.tags_of(conn, ids)
    counts = browse_dags.run_counts_by_state(conn, ids)
    recent = browse_runs.recent_runs_of(conn, ids, RECENT_RUNS)
    return [
        {
            "dag_id": row.dag_id,
            "display_name": row.display_name or row.dag_id,
            "description": row.description,
            "is_paused": row.is_paused,
            "is_active": row.is_active,
            "tags": tags.get(row.dag_id, []),
            "owners": split_owners(row.owners),
            "schedule": shown_schedule(row.timetable_summary),
            "schedule_description": row.timetable_description,
            "next_run": None
            if row.next_run_after is None
            else {"logical_date": row.next_logical_date, "run_after": row.next_run_after},
            "recent_runs": [_run(run) for run in recent[row.dag_id]],
            "state_counts": counts.get(row.dag_id, {}),
            "has_import_errors": row.has_import_errors,
            "file": row.fileloc,
        }
        for row in rows
    ]


def split_owners(owners: str) -> list[str]:
    """Return the owners of a DAG, which are stored separated by commas."""
    return [name.strip() for name in owners.split(",") if name.strip()]


def shown_schedule(summary: str | None) -> str | None:
    """Return a schedule as the API shows it: null if the DAG has none."""
    return None if summary in {None, "", "None"} else summary


@routes.get("/dags", query=(*PAGE, *text("search"), *words("tag", "owner"), *flag("paused", "include_stale")))
def list_dags(query: Query) -> dict[str, Any]:
    """List the DAGs with what the start page shows of each."""
    wanted = browse_dags.DagFilter(
        search=query.text("search"),
        tags=query.words("tag"),
        owners=query.words("owner"),
        paused=query.flag("paused"),
        exclude_stale=not query.is_on("include_stale"),
    )
    with reading(services().engine) as conn:
        found = browse_dags.dags_matching(conn, wanted, query.page, visible())
        return {"dags": _summaries(conn, list(found.rows)), "total": found.total}


@routes.get("/dags/<dag_id>")
def get_dag(dag_id: str) -> dict[str, Any]:
    """Describe one DAG: its newest version, its tasks, its schedule, what is wrong with it."""
    with reading(services().engine) as conn:
        row = browse_dags.dag_with_id(conn, dag_id)
        (summary,) = _summaries(conn, [row])
        spec = browse_dags.spec_of_version(conn, row.version_id)
        versions = browse_dags.versions_with_ids(conn, [row.version_id])
        warnings = browse_dags.warnings_about(conn, dag_id).rows
        error = browse_dags.import_error_of_file(conn, row.fileloc)
        scheduled = browse_runs.runs_matching(
            conn,
            browse_runs.RunFilter(dag_ids=(dag_id,), run_types=("scheduled",)),
            Page(limit=1, order_by=("-logical_date",)),
        ).rows
    version = versions.get(row.version_id)
    summary |= {
        "version": None if version is None else version.version_number,
        "max_active_runs": row.max_active_runs,
        "max_active_tasks": row.max_active_tasks,
        "last_parsed_at": row.last_parsed_at,
        "warnings": [{"kind": found.warning_type, "message": found.message} for found in warnings],
        "import_error": None
        if error is None
        else {
            "import_error_id": error.id,
            "filename": error.filename,
            "timestamp": error.timestamp,
            "stack_trace": error.stacktrace,
        },
    }
    return summary if spec is None else summary | _of_spec(spec, scheduled[0] if scheduled else None)


def _of_spec(spec: DagSpec, last: AnyRow | None) -> dict[str, Any]:
    return {
        "era": spec.era,
        "timetable": msgspec.to_builtins(spec.timetable),
        "params": dict(spec.params),
        "doc_md": spec.doc_md,
        "start_date": spec.start_date,
        "end_date": spec.end_date,
        "catchup": spec.catchup,
        "dagrun_timeout": spec.dagrun_timeout,
        "lineno": spec.lineno,
        "tasks": [msgspec.to_builtins(task) for task in spec.tasks],
        "next_runs": next_runs(spec, last, services().clock.now()),
    }


def next_runs(spec: DagSpec, last: AnyRow | None, now: datetime) -> list[dict[str, datetime]]:
    """Return the runs that are to come, as the timetable says now; one if they do not follow a rule of time."""
    try:
        timetable = from_spec(spec.timetable)
    except DagDefinitionError:  # stored by another version of Gale; the import error tells what is wrong
        return []
    limits = Limits(earliest=spec.start_date, latest=spec.end_date, catchup=spec.catchup)
    interval = None
    if last is not None and last.data_interval_start is not None and last.data_interval_end is not None:
        interval = DataInterval(last.data_interval_start, last.data_interval_end)
    found: list[dict[str, datetime]] = []
    wanted = NEXT_RUNS if timetable.periodic else 1
    while len(found) < wanted and (coming := timetable.next_run(interval, limits, now)) is not None:
        interval = coming.interval
        found.append({"logical_date": coming.logical_date, "run_after": coming.run_after})
    return found
