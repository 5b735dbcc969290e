"""The order of a DAG's tasks and the weight of each, from its edges alone.

Both are worked out once per version of a DAG, when the file is read: a circle becomes an
import error that names it, and the scheduler only ever sees tasks in topological order with
their effective weights at hand.
"""

import heapq
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from gale.core.graph import TaskSpec
from gale.errors import CyclicDag, DagDefinitionError, DuplicateTaskId

WEIGHT_RULES: Final = ("downstream", "upstream", "absolute")
#: What a 32-bit column holds. Sums in large DAGs can be more, and databases differ in how they refuse.
MAX_WEIGHT: Final = 2**31 - 1
MIN_WEIGHT: Final = -(2**31)


def _by_id(tasks: Collection[TaskSpec]) -> dict[str, TaskSpec]:
    """Return the tasks by id, having made sure that each edge has two ends."""
    by_id: dict[str, TaskSpec] = {}
    for task in tasks:
        if task.task_id in by_id:
            message = (
                f"The task id {task.task_id!r} is used by two tasks of one DAG. An id names one: rename one of them."
            )
            raise DuplicateTaskId(message)
        by_id[task.task_id] = task
    for task in tasks:
        for upstream in task.upstream:
            if upstream not in by_id:
                message = (
                    f"The task {task.task_id!r} depends on {upstream!r}, which is no task of this DAG. "
                    f"Add {upstream!r} to the DAG or drop the dependency."
                )
                raise DagDefinitionError(message)
    return by_id


def _downstream(tasks: Collection[TaskSpec]) -> dict[str, list[str]]:
    downstream: dict[str, list[str]] = {task.task_id: [] for task in tasks}
    for task in tasks:
        for upstream in dict.fromkeys(task.upstream):
            downstream[upstream].append(task.task_id)
    return downstream


def _circle_among(task_ids: Sequence[str], by_id: Mapping[str, TaskSpec]) -> list[str]:
    """Return one circle, in the direction of the edges, given tasks that all have an upstream task among them."""
    left = set(task_ids)
    trail: list[str] = []
    place: dict[str, int] = {}
    here = task_ids[0]
    while here not in place:
        place[here] = len(trail)
        trail.append(here)
        here = next(upstream for upstream in by_id[here].upstream if upstream in left)
    circle = [*trail[place[here] :], here]
    circle.reverse()
    return circle


def topological_order(tasks: Sequence[TaskSpec]) -> tuple[TaskSpec, ...]:
    """Return the tasks so that each stands after all it depends on, otherwise as they were given.

    Raises:
        CyclicDag: Tasks depend on each other in a circle; the message walks it once.
        DuplicateTaskId: Two tasks have one id.
        DagDefinitionError: A task depends on one that is not among `tasks`.
    """
    by_id = _by_id(tasks)
    downstream = _downstream(tasks)
    place = {task.task_id: index for index, task in enumerate(tasks)}
    waits_for = {task.task_id: len(set(task.upstream)) for task in tasks}
    ready = [place[task_id] for task_id, count in waits_for.items() if not count]
    heapq.heapify(ready)
    order: list[TaskSpec] = []
    while ready:
        task = tasks[heapq.heappop(ready)]
        order.append(task)
        for follower in downstream[task.task_id]:
            waits_for[follower] -= 1
            if not waits_for[follower]:
                heapq.heappush(ready, place[follower])
    if len(order) < len(tasks):
        circle = _circle_among([task_id for task_id, count in waits_for.items() if count], by_id)
        message = (
            f"The tasks depend on each other in a circle: {' >> '.join(circle)}. "
            "None of them could ever start. Remove one of these dependencies."
        )
        raise CyclicDag(message)
    return tuple(order)


class _Weigher:
    """Sums of weights over sets of tasks. A set is an int with a bit for each task."""

    def __init__(self, tasks: Sequence[TaskSpec]) -> None:
        self.bit = {task.task_id: 1 << index for index, task in enumerate(tasks)}
        # One mask per distinct weight: DAGs have few of these, so a sum is a few counts of bits.
        self._mask: dict[int, int] = {}
        for task in tasks:
            self._mask[task.priority_weight] = self._mask.get(task.priority_weight, 0) | self.bit[task.task_id]

    def weigh(self, bits: int) -> int:
        return sum(weight * (bits & mask).bit_count() for weight, mask in self._mask.items())

    def closures(self, order: Sequence[str], before: Mapping[str, Sequence[str]]) -> dict[str, int]:
        """Return each task together with all that `before` leads to, given an order in which these come first."""
        closed: dict[str, int] = {}
        for task_id in order:
            bits = self.bit[task_id]
            for relative in before[task_id]:
                bits |= closed[relative]
            closed[task_id] = bits
        return closed


def effective_weights(tasks: Sequence[TaskSpec]) -> dict[str, int]:
    """Return each task's effective priority weight by its weight rule, clamped to 32 bits.

    `downstream`: its own and those of all tasks after it, so that long chains begin early.
    `upstream`: its own and those of all tasks before it, so that begun runs end early.
    `absolute`: its own alone. A relative counts once, however many ways lead to it.

    Args:
        tasks: In any order.

    Raises:
        DagDefinitionError: A weight rule is unknown, or the tasks make no DAG.
    """
    order = topological_order(tasks)
    rules = {task.weight_rule for task in order}
    for task in order:
        if task.weight_rule not in WEIGHT_RULES:
            message = (
                f"The task {task.task_id!r} has the weight rule {task.weight_rule!r}, which does not exist. "
                f"Use one of {', '.join(WEIGHT_RULES)}."
            )
            raise DagDefinitionError(message)
    weigher = _Weigher(order)
    ids = [task.task_id for task in order]
    closures = {"absolute": weigher.bit}
    if "upstream" in rules:
        closures["upstream"] = weigher.closures(ids, {task.task_id: task.upstream for task in order})
    if "downstream" in rules:
        closures["downstream"] = weigher.closures(ids[::-1], _downstream(order))
    return {
        task.task_id: max(MIN_WEIGHT, min(MAX_WEIGHT, weigher.weigh(closures[task.weight_rule][task.task_id])))
        for task in order
    }


def guards(tasks: Sequence[TaskSpec]) -> dict[str, tuple[str, ...]]:
    """Return for each task the tasks further up, not directly before it, that hold it back beside its rule.

    Before work: the setups in whose scope it lies, that is, those with a teardown after the work, or with
    none. Before a teardown: the work between its setups and it. Only tasks that have guards are named.
    Source: Airflow's documentation on setup and teardown.

    Args:
        tasks: In any order.

    Raises:
        DagDefinitionError: The tasks make no DAG.
    """
    setups = [task.task_id for task in tasks if task.is_setup]
    if not setups:
        return {}
    order = topological_order(tasks)
    by_id = {task.task_id: task for task in order}
    downstream = _downstream(order)
    before = _relatives([task.task_id for task in order], {task.task_id: task.upstream for task in order})
    after = _relatives([task.task_id for task in reversed(order)], downstream)
    teardowns = {setup: [down for down in downstream[setup] if by_id[down].is_teardown] for setup in setups}
    found: dict[str, tuple[str, ...]] = {}
    for task in order:
        indirect = before[task.task_id] - set(task.upstream)
        if task.is_teardown:
            scopes = [after[upstream] for upstream in task.upstream if by_id[upstream].is_setup]
            holding = indirect & frozenset().union(*scopes)
        else:
            later = after[task.task_id]
            holding = frozenset(
                setup
                for setup in setups
                if setup in indirect and (not teardowns[setup] or not later.isdisjoint(teardowns[setup]))
            )
        if holding:
            found[task.task_id] = tuple(sorted(holding))
    return found


def _relatives(order: Sequence[str], before: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
    """Return all that `before` leads to from each task, given an order in which these come first."""
    found: dict[str, frozenset[str]] = {}
    for task_id in order:
        found[task_id] = frozenset(before[task_id]).union(*(found[relative] for relative in before[task_id]))
    return found
