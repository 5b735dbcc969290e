"""The log of one attempt as the page streams it: by offset, so that each poll reads only what is new."""

from dataclasses import asdict
from typing import Any, Final

from gale.db.engine import reading
from gale.db.read import browse_dags, browse_tasks
from gale.errors import BadRequest
from gale_webserver.context import services, visible
from gale_webserver.log_files import CHUNK_BYTES, NoLog, find_log, may_grow
from gale_webserver.query import Query, integer, text
from gale_webserver.routing import Routes

routes: Final = Routes("ui_logs", prefix="/ui")


@routes.get(
    "/log",
    query=(
        *text("dag_id", "run_id", "task_id"),
        *integer("map_index", default=-1),
        *integer("try_number"),
        *integer("offset", default=0),
    ),
)
def read_log(query: Query) -> dict[str, Any]:
    """Give a log from an offset on. `at_end` is true only if nothing more will come.

    A log that is nowhere has no content; `tried` says where it was looked for, and why in vain.
    """
    dag_id, run_id, task_id = (query.text(name) or "" for name in ("dag_id", "run_id", "task_id"))
    offset = query.values["offset"]
    if offset < 0:
        raise BadRequest(f"offset is {offset}; it must be 0 or what the last answer gave as next_offset.")
    with reading(services().engine) as conn:
        browse_dags.dag_with_id(conn, dag_id, visible())
        ti = browse_tasks.task_instance_with_id(conn, dag_id, run_id, task_id, query.values["map_index"])
        given = query.integer("try_number")
        try_number = max(1, ti.try_number) if given is None else given
        hostname = browse_tasks.hostname_of_try(conn, ti, try_number)
    goes_on = may_grow(ti, try_number)
    found = find_log(ti, try_number, hostname)
    about = {"try_number": try_number, "state": ti.state}
    if isinstance(found, NoLog):
        tried = [asdict(tried) for tried in found.tried]
        return {"content": "", "next_offset": 0, "at_end": not goes_on, "tried": tried, **about}
    content, next_offset, read_all = found.read(offset, CHUNK_BYTES).text()
    return {"content": content, "next_offset": next_offset, "at_end": read_all and not goes_on, "tried": [], **about}
