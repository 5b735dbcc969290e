"""The system itself: health, version, jobs, configuration, audit log."""

from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec
from flask import Response, request
from sqlalchemy import literal, select

from gale.db.engine import reading
from gale.db.read import browse_admin
from gale.db.read.browse import AnyRow
from gale.errors import NotFound, StoreError
from gale.settings import ExplainedSetting
from gale_webserver.api import shapes
from gale_webserver.context import Services, services, visible
from gale_webserver.masking import MASK, is_secret, without_password
from gale_webserver.problems import Refused
from gale_webserver.query import PAGE, Query, flag, instant, integer, ranges, text, words
from gale_webserver.routing import JSON_TYPE, Routes
from gale_webserver.version import version

routes: Final = Routes("monitor")

API: Final = "/api/v2"
TEXT: Final = "text/plain"


def health_of(used: Services) -> dict[str, Any]:
    """Return what works, in the form of Airflow's health page. It tells nothing that a stranger must not know."""
    try:
        with reading(used.engine) as conn:
            conn.execute(select(literal(1)))
            schedulers = browse_admin.newest_jobs(conn, "scheduler")
    except StoreError:
        return _health("unhealthy", None, None)
    now = used.clock.now()
    alive = [row for row in schedulers if is_alive(row, now)]
    latest = max((row.latest_heartbeat for row in schedulers), default=None)
    return _health("healthy", "healthy" if alive else "unhealthy", latest)


def _health(database: str, scheduler: str | None, heartbeat: datetime | None) -> dict[str, Any]:
    # The scheduler reads DAG files itself, and there is no triggerer.
    return {
        "metadatabase": {"status": database},
        "scheduler": {"status": scheduler, "latest_scheduler_heartbeat": heartbeat},
        "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
        "dag_processor": {"status": scheduler, "latest_dag_processor_heartbeat": heartbeat},
    }


def is_alive(row: AnyRow, now: datetime) -> bool:
    """Return True if a long-lived process runs and has renewed its lease."""
    return bool(row.state == "running" and row.lease_until > now)


@routes.get("/health")
def old_health() -> dict[str, Any]:
    """Say what works, at the address of Airflow 1 and 2."""
    return health_of(services())


@routes.get(f"{API}/monitor/health")
def health() -> dict[str, Any]:
    """Say what works."""
    return health_of(services())


@routes.get(f"{API}/version", answer=shapes.VersionInfo)
def get_version() -> shapes.VersionInfo:
    """Say which Gale this is."""
    return shapes.VersionInfo(version=version(), git_version=None)


@routes.get(
    f"{API}/jobs",
    query=(
        *PAGE,
        *flag("is_alive"),
        *text("job_state", "job_type", "hostname", "executor_class"),
        *ranges("start_date", "end_date"),
    ),
    answer=shapes.JobCollection,
)
def list_jobs(query: Query) -> shapes.JobCollection:
    """List the long-lived processes of Gale."""
    used = services()
    wanted = browse_admin.JobFilter(
        job_type=query.text("job_type"),
        state=query.text("job_state"),
        hostname=query.text("hostname"),
        executor=query.text("executor_class"),
        alive_at=used.clock.now() if query.is_on("is_alive") else None,
        ranges=query.ranges(),
    )
    with reading(used.engine) as conn:
        found = browse_admin.jobs_matching(conn, wanted, query.page)
    jobs = [
        shapes.Job(
            id=row.id,
            dag_id=None,
            state=row.state,
            job_type=row.job_type,
            start_date=row.start_date,
            end_date=row.end_date,
            latest_heartbeat=row.latest_heartbeat,
            executor_class=row.executor,
            hostname=row.hostname,
            unixname=None,
        )
        for row in found.rows
    ]
    return shapes.JobCollection(jobs=jobs, total_entries=found.total)


# --- audit log ------------------------------------------------------------------------------------------


def _entry(row: AnyRow) -> shapes.EventLog:
    return shapes.EventLog(
        event_log_id=row.id,
        when=row.dttm,
        dag_id=row.dag_id,
        task_id=row.task_id,
        run_id=row.run_id,
        map_index=row.map_index,
        try_number=None,
        event=row.event,
        logical_date=None,
        owner=row.owner,
        extra=row.extra,
    )


@routes.get(
    f"{API}/eventLogs",
    query=(
        *PAGE,
        *text("dag_id", "run_id", "task_id", "owner", "event"),
        *text("dag_id_pattern", "run_id_pattern", "task_id_pattern", "owner_pattern", "event_pattern"),
        *words("included_events", "excluded_events"),
        *integer("map_index"),
        *instant("before", "after"),
    ),
    answer=shapes.EventLogCollection,
)
def list_event_logs(query: Query) -> shapes.EventLogCollection:
    """List who did what, and when."""
    texts = ("dag_id", "run_id", "task_id", "owner", "event")
    wanted = browse_admin.LogFilter(
        **{name: query.text(name) for name in texts},
        **{f"{name}_pattern": query.text(f"{name}_pattern") for name in texts},
        map_index=query.integer("map_index"),
        included_events=query.words("included_events"),
        excluded_events=query.words("excluded_events"),
        before=query.instant("before"),
        after=query.instant("after"),
    )
    with reading(services().engine) as conn:
        found = browse_admin.log_entries_matching(conn, wanted, query.page, visible())
    return shapes.EventLogCollection(event_logs=[_entry(row) for row in found.rows], total_entries=found.total)


@routes.get(f"{API}/eventLogs/<number:event_log_id>", answer=shapes.EventLog)
def get_event_log(event_log_id: int) -> shapes.EventLog:
    """Give one entry of the audit log."""
    with reading(services().engine) as conn:
        return _entry(browse_admin.log_entry_with_id(conn, event_log_id, visible()))


# --- configuration --------------------------------------------------------------------------------------


def _shown(setting: ExplainedSetting) -> str:
    used = services()
    if setting.value and (setting.secret or is_secret(setting.key, used.settings)):
        return MASK
    return without_password(setting.value)


def _sections() -> dict[str, list[shapes.ConfigOption]]:
    used = services()
    if not used.settings.webserver.expose_config:
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "The configuration is not shown here. To allow it, set [webserver] expose_config to True; "
            "secrets stay hidden.",
        )
    found: dict[str, list[shapes.ConfigOption]] = {}
    for setting in used.settings.explain():
        found.setdefault(setting.section, []).append(shapes.ConfigOption(key=setting.key, value=_shown(setting)))
    return found


def _told(config: shapes.Config) -> Response:
    if request.accept_mimetypes.best_match([JSON_TYPE, TEXT], JSON_TYPE) == TEXT:
        lines = [
            line
            for section in config.sections
            for line in (f"[{section.name}]", *(f"{option.key} = {option.value}" for option in section.options), "")
        ]
        return Response("\n".join(lines), content_type="text/plain; charset=utf-8")
    return Response(msgspec.json.encode(config), content_type=JSON_TYPE)


@routes.get(f"{API}/config", query=text("section"), answer=shapes.Config)
def get_config(query: Query) -> Response:
    """Show the configuration, secrets masked, if `[webserver] expose_config` allows that."""
    sections = _sections()
    wanted = query.text("section")
    if wanted is not None and wanted not in sections:
        raise NotFound(f"There is no section [{wanted[:60]}]. There are: {', '.join(sections)}.")
    names = sections if wanted is None else [wanted]
    return _told(shapes.Config(sections=[shapes.ConfigSection(name=name, options=sections[name]) for name in names]))


@routes.get(f"{API}/config/section/<section>/option/<option>", answer=shapes.Config)
def get_config_option(section: str, option: str) -> Response:
    """Show one setting, masked if it is a secret."""
    options = [one for one in _sections().get(section, ()) if one.key == option]
    if not options:
        raise NotFound(f"There is no setting {option[:60]!r} in [{section[:60]}].")
    return _told(shapes.Config(sections=[shapes.ConfigSection(name=section, options=options)]))


@routes.get(f"{API}/plugins", query=PAGE)
def list_plugins(query: Query) -> dict[str, Any]:
    """List plug-ins: Gale has none."""
    del query
    return {"plugins": [], "total_entries": 0}


@routes.get(f"{API}/providers", query=PAGE)
def list_providers(query: Query) -> dict[str, Any]:
    """List provider packages: Gale has none."""
    del query
    return {"providers": [], "total_entries": 0}
