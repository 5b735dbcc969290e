"""Why is it not running? The answer of the code that decides, for the page."""

from typing import Any, Final

from gale.db.engine import reading
from gale.db.read import browse_dags
from gale.db.read.why import why_dag, why_run, why_task
from gale.errors import BadRequest
from gale_webserver.context import limits_of_all, services, visible
from gale_webserver.query import Query, integer, text
from gale_webserver.routing import Routes

routes: Final = Routes("ui_why", prefix="/ui")


@routes.get("/why", query=(*text("dag_id", "run_id", "task_id"), *integer("map_index", default=-1)))
def why(query: Query) -> dict[str, Any]:
    """Say why a DAG, a run or a task instance is not running."""
    dag_id, run_id, task_id = query.text("dag_id"), query.text("run_id"), query.text("task_id")
    if not dag_id or (task_id and not run_id):
        raise BadRequest("Give dag_id; for a run also run_id; for a task instance also task_id.")
    used = services()
    now = used.clock.now()
    with reading(used.engine) as conn:
        browse_dags.dag_with_id(conn, dag_id, visible())
        if not run_id:
            answer = why_dag(conn, dag_id, limits_of_all(used), now)
        elif not task_id:
            answer = why_run(conn, dag_id, run_id, limits_of_all(used), now)
        else:
            answer = why_task(conn, (dag_id, run_id, task_id), limits_of_all(used), now, query.values["map_index"])
    return {
        "cause": answer.cause,
        "sentence": answer.sentence,
        "sentence_zh": answer.sentence_zh,
        "facts": dict(answer.facts),
    }
