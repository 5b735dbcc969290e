"""What the page says of the system: import errors, health with details."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from gale.clock import SystemClock
from gale.core.explain import WorkerSeats
from gale.db.engine import reading
from gale.db.read import browse_admin, browse_dags
from gale.db.read.why import living_workers
from gale.doctor.examine import examine, is_well
from gale.errors import StoreError
from gale_webserver.api.monitor import health_of, is_alive
from gale_webserver.context import services, visible
from gale_webserver.query import PAGE, Query
from gale_webserver.routing import Routes
from gale_webserver.version import version

routes: Final = Routes("ui_system", prefix="/ui")


@routes.get("/import_errors", query=PAGE)
def import_errors(query: Query) -> dict[str, Any]:
    """List the files that could not be imported, and why."""
    with reading(services().engine) as conn:
        found = browse_dags.import_errors_matching(conn, None, query.page, visible())
    errors = [
        {
            "import_error_id": row.id,
            "filename": row.filename,
            "timestamp": row.timestamp,
            "stack_trace": row.stacktrace,
        }
        for row in found.rows
    ]
    return {"import_errors": errors, "total_entries": found.total}


@routes.get("/health")
def health() -> dict[str, Any]:
    """Say what works, with the processes behind it."""
    used = services()
    told = health_of(used) | {"version": version(), "executor": used.settings.core.executor}
    try:
        with reading(used.engine) as conn:
            rows = browse_admin.newest_jobs(conn, "scheduler")
            workers = living_workers(conn, used.clock.now())
    except StoreError:
        return told
    now = used.clock.now()
    if workers or used.settings.core.executor.endswith("CeleryExecutor"):
        told |= _of_workers(workers)
    told["schedulers"] = {
        "status": told["scheduler"]["status"],
        "instances": [
            {
                "status": "healthy" if is_alive(row, now) else "unhealthy",
                "hostname": row.hostname,
                "pid": row.pid,
                "state": row.state,
                "executor": row.executor,
                "start_date": row.start_date,
                "latest_scheduler_heartbeat": row.latest_heartbeat,
            }
            for row in rows
        ],
    }
    return told


def _of_workers(workers: Sequence[WorkerSeats]) -> dict[str, Any]:
    """Return what the page says of workers: all together, and each."""
    return {
        "worker": {
            "status": "healthy" if workers else "unhealthy",
            "workers": len(workers),
            "slots": sum(worker.slots for worker in workers),
            "running": sum(worker.taken for worker in workers),
        },
        "workers": [
            {
                "hostname": worker.hostname,
                "queues": sorted(worker.queues),
                "slots": worker.slots,
                "running": worker.taken,
            }
            for worker in workers
        ],
    }


@routes.get("/doctor")
def doctor() -> dict[str, Any]:
    """Look at what Gale stands on, from the webserver's machine: what `gale doctor` prints there."""
    # This machine's own clock, because its difference to the database's is one of the things to see.
    findings = examine(services().settings, SystemClock())
    return {"is_well": is_well(findings), "findings": [asdict(finding) for finding in findings]}
