"""How authors draw the arrows of a DAG: `>>`, `<<`, lists of tasks, labels, `chain`.

Everything that can stand at an end of an arrow is a `Node`: a task, a task group, the result
of a task. A node says which tasks an arrow into it reaches (`roots`) and which one out of it
leaves (`leaves`); the arrow itself is kept by the tasks, label by the DAG.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from gale.errors import DagDefinitionError

_ENDS = "a task, a task group, the result of a @task function, or a list of these"


class Node:
    """Something that can stand at either end of an arrow."""

    @property
    def roots(self) -> Sequence[TaskNode]:
        """The tasks that an arrow into this node reaches."""
        raise NotImplementedError

    @property
    def leaves(self) -> Sequence[TaskNode]:
        """The tasks that an arrow out of this node leaves."""
        raise NotImplementedError

    def set_downstream(self, task_or_task_list: Any, edge_modifier: EdgeModifier | None = None) -> None:
        """Let the given nodes run after this one."""
        for node in nodes_of(task_or_task_list):
            _connect(self, node, edge_modifier)

    def set_upstream(self, task_or_task_list: Any, edge_modifier: EdgeModifier | None = None) -> None:
        """Let the given nodes run before this one."""
        for node in nodes_of(task_or_task_list):
            _connect(node, self, edge_modifier)

    def __rshift__(self, other: Any) -> Any:
        """`self >> other`: other runs after self."""
        if isinstance(other, EdgeModifier):
            return other.begin(self, forward=True)
        self.set_downstream(other)
        return other

    def __lshift__(self, other: Any) -> Any:
        """`self << other`: other runs before self."""
        if isinstance(other, EdgeModifier):
            return other.begin(self, forward=False)
        self.set_upstream(other)
        return other

    def __rrshift__(self, other: Any) -> Node:
        """`[a, b] >> self`."""
        self.set_upstream(other)
        return self

    def __rlshift__(self, other: Any) -> Node:
        """`[a, b] << self`."""
        self.set_downstream(other)
        return self


class TaskNode(Node):
    """A node that is one task. Its arrows are kept here, in the order in which they were drawn."""

    task_id: str

    def __init__(self) -> None:
        self._upstream: dict[str, TaskNode] = {}
        self._downstream: dict[str, TaskNode] = {}

    @property
    def roots(self) -> Sequence[TaskNode]:
        """The task itself."""
        return (self,)

    @property
    def leaves(self) -> Sequence[TaskNode]:
        """The task itself."""
        return (self,)

    def add_edge(self, after: TaskNode, label: str | None) -> None:  # noqa: ARG002  the DAG keeps it, see operator
        """Let `after` run after this task."""
        self._downstream[after.task_id] = after
        after._upstream[self.task_id] = self

    @property
    def upstream_task_ids(self) -> set[str]:
        """Ids of the tasks directly before this one."""
        return set(self._upstream)

    @property
    def downstream_task_ids(self) -> set[str]:
        """Ids of the tasks directly after this one."""
        return set(self._downstream)

    @property
    def upstream_list(self) -> list[Any]:
        """The tasks directly before this one, in the order of their arrows."""
        return list(self._upstream.values())

    @property
    def downstream_list(self) -> list[Any]:
        """The tasks directly after this one, in the order of their arrows."""
        return list(self._downstream.values())

    def get_direct_relatives(self, upstream: bool = False) -> list[Any]:
        """Return the tasks directly before (or after) this one."""
        return self.upstream_list if upstream else self.downstream_list

    def get_flat_relative_ids(self, upstream: bool = False) -> set[str]:
        """Return the ids of all tasks before (or after) this one, however far."""
        found: dict[str, TaskNode] = {}
        waiting: list[TaskNode] = self.get_direct_relatives(upstream)
        while waiting:
            node = waiting.pop()
            if node.task_id not in found:
                found[node.task_id] = node
                waiting.extend(node.get_direct_relatives(upstream))
        return set(found)


class EdgeModifier:
    """A label on an arrow: `a >> Label("when empty") >> b`."""

    def __init__(self, label: str | None = None) -> None:
        self.label = label
        self._open: list[tuple[Node, bool]] = []

    def begin(self, node: Any, *, forward: bool) -> EdgeModifier:
        """Hold one end of the arrow until the other one is known."""
        self._open = [(end, forward) for end in nodes_of(node)]
        return self

    def _finish(self, other: Any, *, forward: bool) -> Any:
        if not self._open:
            return self.begin(other, forward=forward)
        for node, _ in self._open:
            (node.set_downstream if forward else node.set_upstream)(other, edge_modifier=self)
        self._open = []
        return other

    def __rshift__(self, other: Any) -> Any:
        """`a >> label >> other`."""
        return self._finish(other, forward=True)

    def __lshift__(self, other: Any) -> Any:
        """`a << label << other`."""
        return self._finish(other, forward=False)

    def __rrshift__(self, other: Any) -> EdgeModifier:
        """`[a, b] >> label`."""
        return self.begin(other, forward=True)

    def __rlshift__(self, other: Any) -> EdgeModifier:
        """`[a, b] << label`."""
        return self.begin(other, forward=False)


def Label(label: str) -> EdgeModifier:  # noqa: N802  Airflow's name
    """Return a label for an arrow.

    >>> Label("when empty").label
    'when empty'
    """
    return EdgeModifier(label)


def nodes_of(value: Any) -> list[Node]:
    """Return the nodes of one end of an arrow, lists flattened.

    Raises:
        DagDefinitionError: Something in it cannot stand at an end of an arrow.
    """
    if isinstance(value, Node):
        return [value]
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | dict):
        return [node for item in value for node in nodes_of(item)]
    raise DagDefinitionError(
        f"A dependency was set to {value!r}, a {type(value).__name__}. An arrow needs {_ENDS} at each end. "
        "If this is a function, call it; if it is an operator's id, use the operator."
    )


def _connect(upstream: Node, downstream: Node, modifier: EdgeModifier | None) -> None:
    label = modifier.label if modifier else None
    for before in upstream.leaves:
        for after in downstream.roots:
            before.add_edge(after, label)


def chain(*nodes: Any) -> None:
    """Draw an arrow from each argument to the next; two neighbouring lists are joined pairwise.

    `chain(a, [b, c], [d, e], f)` means `a >> [b, c]`, `b >> d`, `c >> e`, `[d, e] >> f`.

    Raises:
        DagDefinitionError: Two neighbouring lists differ in length.
    """
    labelled: EdgeModifier | None = None
    before: Any = None
    for node in nodes:
        if isinstance(node, EdgeModifier):
            labelled = node
            continue
        if before is not None:
            _link(before, node, labelled)
            labelled = None
        before = node


def _link(before: Any, after: Any, modifier: EdgeModifier | None) -> None:
    if isinstance(before, Node) or isinstance(after, Node):
        for node in nodes_of(before):
            node.set_downstream(after, modifier)
        return
    befores, afters = nodes_of(before), nodes_of(after)
    if len(befores) != len(afters):
        raise DagDefinitionError(
            f"chain() got neighbouring lists of {len(befores)} and {len(afters)} tasks. Neighbouring lists are joined "
            "pairwise, so they must have the same length. Put a single task between them or use cross_downstream()."
        )
    for one, other in zip(befores, afters, strict=True):
        one.set_downstream(other, modifier)


def cross_downstream(from_tasks: Any, to_tasks: Any) -> None:
    """Draw an arrow from each task of the first list to each of the second."""
    for node in nodes_of(from_tasks):
        node.set_downstream(to_tasks)


def chain_linear(*nodes: Any) -> None:
    """Draw arrows from everything in each argument to everything in the next."""
    for before, after in pairwise([node for node in nodes if nodes_of(node)]):
        cross_downstream(before, after)
