"""The tasks of a DAG, as its newest version says."""

from datetime import timedelta
from typing import Final

from gale.core.graph import DagSpec, TaskSpec
from gale.core.selection import downstream_of
from gale.db.engine import reading
from gale.db.read import browse_dags
from gale.errors import BadRequest, NotFound
from gale_webserver.api import shapes
from gale_webserver.context import services
from gale_webserver.query import Query, text
from gale_webserver.routing import Routes

routes: Final = Routes("tasks", prefix="/api/v2/dags/<dag_id>/tasks")

#: Keys by which the list may be sorted: fields of the body with values that can be compared.
_SORT: Final = frozenset(
    {"task_id", "task_display_name", "owner", "trigger_rule", "retries", "queue", "pool", "operator_name"}
)


def _duration(seconds: float | None) -> shapes.Duration | None:
    if seconds is None:
        return None
    length = timedelta(seconds=seconds)
    return shapes.Duration(days=length.days, seconds=length.seconds, microseconds=length.microseconds)


def _task(task: TaskSpec, downstream: tuple[str, ...]) -> shapes.Task:
    return shapes.Task(
        task_id=task.task_id,
        task_display_name=task.display_name or task.task_id,
        owner=task.owner,
        start_date=task.start_date,
        end_date=task.end_date,
        trigger_rule=task.trigger_rule,
        depends_on_past=task.depends_on_past,
        wait_for_downstream=task.wait_for_downstream,
        retries=task.retries,
        queue=task.queue,
        pool=task.pool,
        pool_slots=task.pool_slots,
        execution_timeout=_duration(task.execution_timeout),
        retry_delay=_duration(task.retry_delay),
        retry_exponential_backoff=task.retry_exponential_backoff,
        priority_weight=task.priority_weight,
        weight_rule=task.weight_rule,
        ui_color=task.ui_color,
        ui_fgcolor=task.ui_fgcolor,
        template_fields=list(task.template_fields),
        downstream_task_ids=sorted(downstream),
        upstream_task_ids=sorted(task.upstream),
        doc_md=task.doc_md,
        operator_name=task.operator,
        params={},
        class_ref=shapes.ClassRef(module_path=None, class_name=task.operator),
        is_mapped=False,
        extra_links=[],
    )


def _all(spec: DagSpec) -> list[shapes.Task]:
    downstream = downstream_of(spec)
    return [_task(task, downstream(task.task_id)) for task in spec.tasks]


@routes.get("", query=text("order_by"), answer=shapes.TaskCollection)
def list_tasks(dag_id: str, query: Query) -> shapes.TaskCollection:
    """List the tasks of a DAG, by default in the order of their ids."""
    key = query.text("order_by") or "task_id"
    name = key.removeprefix("-")
    if name not in _SORT:
        raise BadRequest(f"Tasks cannot be sorted by {name[:60]!r}. The list knows: {', '.join(sorted(_SORT))}.")
    with reading(services().engine) as conn:
        tasks = _all(browse_dags.spec_of_dag(conn, dag_id))
    tasks.sort(key=lambda task: (getattr(task, name), task.task_id), reverse=key.startswith("-"))
    return shapes.TaskCollection(tasks=tasks, total_entries=len(tasks))


@routes.get("/<task_id>", answer=shapes.Task)
def get_task(dag_id: str, task_id: str) -> shapes.Task:
    """Give one task of a DAG."""
    with reading(services().engine) as conn:
        found = [task for task in _all(browse_dags.spec_of_dag(conn, dag_id)) if task.task_id == task_id]
    if not found:
        raise NotFound(f"The DAG {dag_id!r} has no task {task_id!r}.")
    return found[0]
