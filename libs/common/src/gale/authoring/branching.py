"""Which tasks a branch leaves out.

Only the tasks directly after the branch are named; what comes after those is decided by their
trigger rules. A task that another chosen way leads to as well is never left out.
"""

from collections.abc import Iterable
from typing import Any

from gale.authoring.arguments import nearest
from gale.authoring.dag import DAG
from gale.authoring.exceptions import TaskError
from gale.authoring.operator import task_log
from gale.authoring.task_instance import TaskInstance


def _task_ids(dag: DAG, chosen: Any, branch: str) -> list[str]:
    """Return the ids of the chosen tasks; a group stands for its first tasks.

    Raises:
        TaskError: What was chosen is no id of a task or group of the DAG.
    """
    if chosen is None:
        return []
    names = [chosen] if isinstance(chosen, str) else chosen
    if not isinstance(names, Iterable):
        raise TaskError(
            f"The branch {branch!r} returned {chosen!r}, a {type(chosen).__name__}. Return the task_id to go on with, "
            "a list of them, or None for none."
        )
    found: list[str] = []
    groups = {group.group_id: group for group in dag.task_group.iter_groups()}
    for name in names:
        if dag.has_task(str(name)):
            found.append(str(name))
        elif name in groups:
            found += [task.task_id for task in groups[name].roots]
        else:
            right = nearest(str(name), [*dag.task_dict, *(str(group) for group in groups)])
            hint = (
                f"Did you mean {right!r}?"
                if right
                else "Return an id as it stands in the DAG, prefixes of groups included."
            )
            raise TaskError(f"The branch {branch!r} chose {name!r}, which is no task of the DAG {dag.dag_id!r}. {hint}")
    return found


def leave_out_all_but(ti: TaskInstance, chosen: Any) -> None:
    """Leave out the tasks directly after `ti` that are neither chosen nor come after a chosen one."""
    task = ti.task
    ids = _task_ids(task.dag, chosen, task.task_id)
    reached = set(ids)
    for task_id in ids:
        reached |= task.dag.get_task(task_id).get_flat_relative_ids(upstream=False)
    out = [other.task_id for other in task.downstream_list if other.task_id not in reached and not other.is_teardown]
    task_log.info("Going on with %s; leaving out %s", ", ".join(ids) or "nothing", ", ".join(out) or "nothing")
    ti.not_taken.extend(out)


def leave_out_downstream(ti: TaskInstance, *, far: bool) -> None:
    """Leave out everything after `ti`, or only what comes directly after it. Teardowns are never left out."""
    task = ti.task
    ids = sorted(task.get_flat_relative_ids()) if far else [other.task_id for other in task.downstream_list]
    out = [task_id for task_id in ids if not task.dag.get_task(task_id).is_teardown]
    task_log.info("Leaving out %s", ", ".join(out) or "nothing")
    ti.not_taken.extend(out)
