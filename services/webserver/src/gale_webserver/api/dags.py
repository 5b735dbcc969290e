"""DAGs, their versions, sources, tags, counts and warnings."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import msgspec
from flask import Response, request
from sqlalchemy import Connection

from gale.core.states import RunState
from gale.db.engine import reading, writing
from gale.db.read import browse_dags
from gale.db.read.browse import Page
from gale.db.requests import request_delete_dag, set_paused
from gale.errors import BadRequest
from gale_webserver.api import shapes, to_dags
from gale_webserver.context import person, services, visible
from gale_webserver.query import PAGE, Query, choice, flag, integer, text, words
from gale_webserver.routing import JSON_TYPE, Routes

routes: Final = Routes("dags", prefix="/api/v2")

_DAG_QUERY: Final = (
    *PAGE,
    *words("tags", "owners"),
    *choice("tags_match_mode", "any", "all"),
    *text("dag_id_pattern", "dag_display_name_pattern"),
    *flag("paused", "has_import_errors"),
    *flag("exclude_stale", default=True),
    *choice("last_dag_run_state", *RunState),
)


def _wanted(query: Query) -> browse_dags.DagFilter:
    return browse_dags.DagFilter(
        dag_id_pattern=query.text("dag_id_pattern"),
        display_name_pattern=query.text("dag_display_name_pattern"),
        tags=query.words("tags"),
        all_tags=query.text("tags_match_mode") == "all",
        owners=query.words("owners"),
        paused=query.flag("paused"),
        has_import_errors=query.flag("has_import_errors"),
        last_run_state=query.text("last_dag_run_state"),
        exclude_stale=query.is_on("exclude_stale"),
    )


def _one(conn: Connection, dag_id: str) -> shapes.Dag:
    (found,) = to_dags.dags(conn, [browse_dags.dag_with_id(conn, dag_id, visible())])
    return found


@routes.get("/dags", query=_DAG_QUERY, answer=shapes.DagCollection)
def list_dags(query: Query) -> shapes.DagCollection:
    """List DAGs."""
    with reading(services().engine) as conn:
        found = browse_dags.dags_matching(conn, _wanted(query), query.page, visible())
        return shapes.DagCollection(dags=to_dags.dags(conn, found.rows), total_entries=found.total)


@routes.patch("/dags", query=(*_DAG_QUERY, *words("update_mask")), body=shapes.DagPatch, answer=shapes.DagCollection)
def patch_dags(query: Query, body: shapes.DagPatch) -> shapes.DagCollection:
    """Pause or unpause every DAG that the filter lets through; `dag_id_pattern` is a must, `~` means all."""
    check_mask(query.words("update_mask"), "is_paused")
    if not query.text("dag_id_pattern"):
        raise BadRequest("dag_id_pattern is missing: without it every DAG would be meant. For all of them, say ~.")
    wanted = _wanted(query)
    if wanted.dag_id_pattern == "~":
        wanted = replace(wanted, dag_id_pattern=None)
    used = services()
    with writing(used.engine) as conn:
        found = browse_dags.dags_matching(conn, wanted, query.page, visible())
        ids = [row.dag_id for row in found.rows]
        set_paused(conn, ids, paused=body.is_paused, user=person().username, now=used.clock.now())
        after = browse_dags.dags_matching(
            conn, browse_dags.DagFilter(dag_ids=tuple(ids), exclude_stale=False), Page(limit=max(1, len(ids)))
        )
        rows = after.rows if ids else []
        return shapes.DagCollection(dags=to_dags.dags(conn, rows), total_entries=found.total)


def check_mask(mask: tuple[str, ...], *known: str) -> None:
    """Check the names in an `update_mask`.

    Raises:
        BadRequest: A name is none of the fields that can be changed.
    """
    for name in mask:
        if name not in known:
            raise BadRequest(f"update_mask names {name[:60]!r}; what can be changed here is: {', '.join(known)}.")


@routes.get("/dags/<dag_id>", answer=shapes.Dag)
def get_dag(dag_id: str) -> shapes.Dag:
    """Give one DAG."""
    with reading(services().engine) as conn:
        return _one(conn, dag_id)


@routes.patch("/dags/<dag_id>", query=words("update_mask"), body=shapes.DagPatch, answer=shapes.Dag)
def patch_dag(dag_id: str, query: Query, body: shapes.DagPatch) -> shapes.Dag:
    """Pause or unpause a DAG."""
    check_mask(query.words("update_mask"), "is_paused")
    used = services()
    with writing(used.engine) as conn:
        browse_dags.dag_with_id(conn, dag_id, visible())
        set_paused(conn, [dag_id], paused=body.is_paused, user=person().username, now=used.clock.now())
        return _one(conn, dag_id)


@routes.delete("/dags/<dag_id>")
def delete_dag(dag_id: str) -> None:
    """Ask for a DAG with all its history to be deleted. If its file stays, it comes back empty."""
    used = services()
    with writing(used.engine) as conn:
        request_delete_dag(conn, dag_id, user=person().username, now=used.clock.now())


@routes.get("/dags/<dag_id>/details", answer=shapes.DagDetails)
def get_dag_details(dag_id: str) -> shapes.DagDetails:
    """Give one DAG with all that its newest version says."""
    with reading(services().engine) as conn:
        row = browse_dags.dag_with_id(conn, dag_id, visible())
        spec = browse_dags.spec_of_dag(conn, dag_id)
        tags = browse_dags.tags_of(conn, [dag_id]).get(dag_id, ())
        counts = browse_dags.run_counts_by_state(conn, [dag_id]).get(dag_id, {})
        names = {dag_id: row.display_name or dag_id}
        versions = to_dags.versions(browse_dags.versions_with_ids(conn, [row.version_id]), names)
    fields = to_dags.dag_fields(row, tags) | {
        "has_task_concurrency_limits": any(
            task.max_active_tis_per_dag or task.max_active_tis_per_dagrun for task in spec.tasks
        )
    }
    return shapes.DagDetails(
        **fields,
        catchup=spec.catchup,
        dag_run_timeout=None if spec.dagrun_timeout is None else iso_duration(spec.dagrun_timeout),
        asset_expression=None,
        doc_md=spec.doc_md,
        start_date=spec.start_date,
        end_date=spec.end_date,
        is_paused_upon_creation=spec.is_paused_upon_creation,
        params=dict(spec.params),
        render_template_as_native_obj=False,
        template_search_path=None,
        timezone=spec.timetable.zone,
        last_parsed=row.last_parsed_at,
        default_args=None,
        owner_links=None,
        is_favorite=False,
        active_runs_count=counts.get(RunState.RUNNING, 0) + counts.get(RunState.QUEUED, 0),
        fail_fast=spec.fail_fast,
        concurrency=row.max_active_tasks,
        latest_dag_version=versions.get(row.version_id),
        era=spec.era,
    )


def iso_duration(seconds: float) -> str:
    """Return a length of time as ISO 8601 writes it."""
    return str(msgspec.to_builtins(timedelta(seconds=seconds)))


@routes.get("/dags/<dag_id>/dagVersions", query=PAGE, answer=shapes.VersionCollection)
def list_versions(dag_id: str, query: Query) -> shapes.VersionCollection:
    """List the versions of a DAG."""
    with reading(services().engine) as conn:
        row = browse_dags.dag_with_id(conn, dag_id)
        found = browse_dags.versions_of(conn, dag_id, query.page)
    name = row.display_name or dag_id
    return shapes.VersionCollection(
        dag_versions=[to_dags.version(version, name) for version in found.rows], total_entries=found.total
    )


@routes.get("/dags/<dag_id>/dagVersions/<number:version_number>", answer=shapes.Version)
def get_version(dag_id: str, version_number: int) -> shapes.Version:
    """Give one version of a DAG."""
    with reading(services().engine) as conn:
        row = browse_dags.dag_with_id(conn, dag_id)
        return to_dags.version(browse_dags.version_numbered(conn, dag_id, version_number), row.display_name or dag_id)


@routes.get("/dagSources/<dag_id>", query=integer("version_number"), answer=shapes.Source)
def get_source(dag_id: str, query: Query) -> Response:
    """Give the text of a DAG's file, as JSON or, if the client prefers that, as plain text."""
    with reading(services().engine) as conn:
        row = browse_dags.dag_with_id(conn, dag_id)
        version = browse_dags.version_numbered(conn, dag_id, query.integer("version_number"))
        content = browse_dags.source_text(conn, version.source_digest)
    best = request.accept_mimetypes.best_match([JSON_TYPE, "text/plain"], JSON_TYPE)
    if best == "text/plain":
        return Response(content, content_type="text/plain; charset=utf-8")
    source = shapes.Source(
        content=content,
        dag_id=dag_id,
        version_number=version.version_number,
        dag_display_name=row.display_name or dag_id,
    )
    return Response(msgspec.json.encode(source), content_type=JSON_TYPE)


@routes.get("/dagStats", query=words("dag_ids"), answer=shapes.DagStatsCollection)
def get_stats(query: Query) -> shapes.DagStatsCollection:
    """Count the runs of each DAG by state."""
    wanted = browse_dags.DagFilter(dag_ids=query.words("dag_ids"))
    with reading(services().engine) as conn:
        rows = browse_dags.dags_matching(
            conn, wanted, Page(limit=services().settings.api.maximum_page_limit), visible()
        ).rows
        counts = browse_dags.run_counts_by_state(conn, [row.dag_id for row in rows])
    dags = [
        shapes.DagStats(
            dag_id=row.dag_id,
            dag_display_name=row.display_name or row.dag_id,
            stats=[
                shapes.StateCount(state=state, count=counts.get(row.dag_id, {}).get(state, 0)) for state in RunState
            ],
        )
        for row in rows
    ]
    return shapes.DagStatsCollection(dags=dags, total_entries=len(dags))


@routes.get("/dagTags", query=(*PAGE, *text("tag_name_pattern")), answer=shapes.TagCollection)
def list_tags(query: Query) -> shapes.TagCollection:
    """List the tags in use."""
    with reading(services().engine) as conn:
        found = browse_dags.tags_in_use(conn, query.text("tag_name_pattern"), query.page, visible())
    return shapes.TagCollection(tags=[row.name for row in found.rows], total_entries=found.total)


@routes.get("/dagWarnings", query=(*PAGE, *text("dag_id", "warning_type")), answer=shapes.WarningCollection)
def list_warnings(query: Query) -> shapes.WarningCollection:
    """List what parsing had to say about DAGs."""
    with reading(services().engine) as conn:
        found = browse_dags.warnings_about(
            conn, query.text("dag_id"), query.text("warning_type"), query.page, visible()
        )
        names = browse_dags.display_names(conn, [row.dag_id for row in found.rows])
    warnings = [
        shapes.Warned(
            dag_id=row.dag_id,
            warning_type=row.warning_type,
            message=row.message,
            timestamp=row.timestamp,
            dag_display_name=names.get(row.dag_id, row.dag_id),
        )
        for row in found.rows
    ]
    return shapes.WarningCollection(dag_warnings=warnings, total_entries=found.total)


@routes.get("/importErrors", query=(*PAGE, *text("filename_pattern")), answer=shapes.ImportErrorCollection)
def list_import_errors(query: Query) -> shapes.ImportErrorCollection:
    """List the files that could not be imported, and why."""
    with reading(services().engine) as conn:
        found = browse_dags.import_errors_matching(conn, query.text("filename_pattern"), query.page, visible())
    return shapes.ImportErrorCollection(
        import_errors=[import_error(row) for row in found.rows], total_entries=found.total
    )


@routes.get("/importErrors/<number:import_error_id>", answer=shapes.ImportErrorAnswer)
def get_import_error(import_error_id: int) -> shapes.ImportErrorAnswer:
    """Give one import error."""
    with reading(services().engine) as conn:
        return import_error(browse_dags.import_error_with_id(conn, import_error_id, visible()))


def import_error(row: Any) -> shapes.ImportErrorAnswer:
    """Return the body of an import error."""
    return shapes.ImportErrorAnswer(
        import_error_id=row.id,
        timestamp=row.timestamp,
        filename=row.filename,
        bundle_name=shapes.BUNDLE,
        stack_trace=row.stacktrace,
    )
