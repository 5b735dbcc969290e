"""Which tasks belong to a choice: relatives in the graph, for clear, mark and partial runs."""

from collections.abc import Callable, Iterable

from gale.core.graph import DagSpec


def downstream_of(spec: DagSpec) -> Callable[[str], tuple[str, ...]]:
    """Return a function from a task id to the ids of its direct downstream tasks."""
    down: dict[str, list[str]] = {}
    for task in spec.tasks:
        for upstream in task.upstream:
            down.setdefault(upstream, []).append(task.task_id)
    return lambda task_id: tuple(down.get(task_id, ()))


def relatives(spec: DagSpec, task_ids: Iterable[str], *, upstream: bool = False, downstream: bool = False) -> list[str]:
    """Return `task_ids` and all that is up- or downstream of them, in the DAG's order.

    Ids that the DAG does not have are left out.
    """
    ups = {task.task_id: task.upstream for task in spec.tasks}
    chosen = {task_id for task_id in task_ids if task_id in ups}
    result = set(chosen)
    if upstream:
        result |= _reach(chosen, lambda task_id: ups.get(task_id, ()))
    if downstream:
        result |= _reach(chosen, downstream_of(spec))
    return [task.task_id for task in spec.tasks if task.task_id in result]


def _reach(start: Iterable[str], step: Callable[[str], Iterable[str]]) -> set[str]:
    seen: set[str] = set()
    front = list(start)
    while front:
        for task_id in step(front.pop()):
            if task_id not in seen:
                seen.add(task_id)
                front.append(task_id)
    return seen
