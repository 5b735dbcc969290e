"""From a DAG with its operators, which only its own file can make, to data that anybody can read.

What the scheduler, the page and the command line need to know of a DAG is a `DagSpec`. It is
made once per version of a file, in a child process; functions, templates and whatever else is
code stay in the file.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from gale.authoring import normalize
from gale.authoring.dag import DAG
from gale.authoring.groups import TaskGroup
from gale.authoring.instants import to_seconds, to_utc
from gale.authoring.operator import BaseOperator
from gale.core.graph import CallbackKind, DagSpec, GroupSpec, TaskSpec
from gale.core.graph_order import effective_weights, topological_order
from gale.errors import DagDefinitionError

_TASK_CALLBACKS = (
    CallbackKind.SUCCESS,
    CallbackKind.FAILURE,
    CallbackKind.RETRY,
    CallbackKind.SKIPPED,
    CallbackKind.EXECUTE,
)
_DAG_CALLBACKS = (CallbackKind.SUCCESS, CallbackKind.FAILURE, CallbackKind.SLA_MISS)
#: Longer documentation is cut: it is shown on a page, not archived.
_LONGEST_DOC = 100_000


def callbacks_of(value: Any) -> list[Callable[..., Any]]:
    """Return what a callback argument holds as a list; None is an empty one."""
    if value is None:
        return []
    if callable(value):
        return [value]
    if isinstance(value, Iterable) and not isinstance(value, str):
        return list(value)
    return [value]


def _callbacks(owner: DAG | BaseOperator, kinds: Iterable[CallbackKind], what: str) -> tuple[CallbackKind, ...]:
    present = []
    for kind in kinds:
        functions = callbacks_of(getattr(owner, kind.value, None))
        for function in functions:
            if not callable(function):
                raise DagDefinitionError(
                    f"{kind.value} of {what} is {function!r}. Give a function or a list of functions."
                )
        if functions:
            present.append(kind)
    return tuple(present)


def _seconds(value: Any, what: str) -> float | None:
    return to_seconds(value, what=what)


def _doc(owner: Any) -> str | None:
    for name in ("doc_md", "doc_rst", "doc", "doc_yaml", "doc_json"):
        text = getattr(owner, name, None)
        if text:
            return str(text)[:_LONGEST_DOC]
    return None


def _task_spec(task: BaseOperator) -> TaskSpec:
    """Return a task as data; what authors may have assigned after making it is normalized again."""
    what = f"task {task.task_id!r}"
    zone = task.dag.zone
    proper = {
        name: rule(getattr(task, name), f"{name} of {what}", zone) for name, rule in normalize.NORMALIZERS.items()
    }
    group = task.task_group
    return TaskSpec(
        task_id=task.task_id,
        operator=task.task_type,
        upstream=tuple(other.task_id for other in task.upstream_list),
        trigger_rule=proper["trigger_rule"],
        owner=proper["owner"],
        retries=proper["retries"],
        retry_delay=proper["retry_delay"].total_seconds(),
        retry_exponential_backoff=proper["retry_exponential_backoff"],
        max_retry_delay=_seconds(proper["max_retry_delay"], what),
        depends_on_past=bool(task.depends_on_past or task.wait_for_downstream),
        wait_for_downstream=bool(task.wait_for_downstream),
        ignore_first_depends_on_past=bool(task.ignore_first_depends_on_past),
        pool=proper["pool"],
        pool_slots=proper["pool_slots"],
        priority_weight=proper["priority_weight"],
        weight_rule=proper["weight_rule"],
        queue=proper["queue"],
        max_active_tis_per_dag=proper["max_active_tis_per_dag"],
        max_active_tis_per_dagrun=proper["max_active_tis_per_dagrun"],
        execution_timeout=_seconds(proper["execution_timeout"], what),
        sla=_seconds(proper["sla"], what),
        email=tuple(proper["email"]),
        email_on_failure=bool(task.email_on_failure),
        email_on_retry=bool(task.email_on_retry),
        callbacks=_callbacks(task, _TASK_CALLBACKS, what),
        is_setup=task.is_setup,
        is_teardown=task.is_teardown,
        on_failure_fail_dagrun=bool(task.on_failure_fail_dagrun),
        start_date=proper["start_date"],
        end_date=proper["end_date"],
        template_fields=tuple(task.template_fields),
        display_name=str(task.task_display_name or ""),
        doc_md=_doc(task),
        ui_color=str(task.ui_color),
        ui_fgcolor=str(task.ui_fgcolor),
        group_id=group.group_id if group else None,
    )


def _group_spec(group: TaskGroup) -> GroupSpec:
    parent = group.parent_group
    return GroupSpec(
        group_id=str(group.group_id),
        label=group.label,
        parent=parent.group_id if parent else None,
        tooltip=group.tooltip,
    )


def dag_to_spec(dag: DAG, fileloc: str) -> DagSpec:
    """Return a DAG as data, its tasks in topological order.

    Args:
        dag: A DAG of a file that has been loaded.
        fileloc: The file's path as it shall be stored.

    Raises:
        DagDefinitionError: The DAG breaks a rule, for instance has a circle.
    """
    tasks = topological_order([_task_spec(task) for task in dag.tasks])
    # A weight that is no number is the author's mistake and has to be told here, not by the scheduler.
    effective_weights(tasks)
    start = to_utc(dag.start_date, dag.zone, what="start_date")
    starts = [task.start_date for task in tasks if task.start_date]
    timeout = _seconds(dag.dagrun_timeout, f"dagrun_timeout of DAG {dag.dag_id!r}")
    return DagSpec(
        dag_id=dag.dag_id,
        fileloc=fileloc,
        tasks=tasks,
        groups=tuple(_group_spec(group) for group in dag.task_group.iter_groups()),
        edge_labels=tuple((before, after, label) for (before, after), label in dag.edge_labels.items()),
        timetable=dag.timetable_spec,
        start_date=start or min(starts, default=None),
        end_date=to_utc(dag.end_date, dag.zone, what="end_date"),
        catchup=bool(dag.catchup),
        max_active_runs=dag.max_active_runs or None,
        max_active_tasks=dag.max_active_tasks or None,
        max_consecutive_failed_dag_runs=dag.max_consecutive_failed_dag_runs or 0,
        dagrun_timeout=timeout,
        fail_fast=bool(dag.fail_fast),
        is_paused_upon_creation=dag.is_paused_upon_creation,
        tags=tuple(str(tag) for tag in dag.tags),
        owners=tuple(dict.fromkeys(task.owner for task in tasks)),
        description=dag.description,
        doc_md=_doc(dag),
        display_name=dag.dag_display_name or "",
        params=dag.params.dump(),
        callbacks=_callbacks(dag, _DAG_CALLBACKS, f"DAG {dag.dag_id!r}"),
        era=dag.era,
        lineno=dag.lineno,
    )


def spec_to_json(spec: DagSpec) -> bytes:
    """Return a spec as JSON text, always the same for the same spec."""
    return msgspec.json.encode(spec, order="deterministic")


def spec_from_json(text: bytes | str) -> DagSpec:
    """Return the spec that `spec_to_json` made the text from."""
    return msgspec.json.decode(text, type=DagSpec)
