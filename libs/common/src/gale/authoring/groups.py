"""Task groups: boxes that tasks are drawn in, and the prefix of their ids.

The outermost box of a DAG is its root group. One stack says which box is being filled: `with
DAG(...)` and `with TaskGroup(...)` push theirs, operators made inside join the top one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from types import TracebackType
from typing import Any, Protocol, Self

from gale.authoring.edges import Node, TaskNode
from gale.core.ids import check_id
from gale.errors import DagDefinitionError, DuplicateTaskId


class DagScope(Protocol):
    """What a group needs to know of its DAG."""

    @property
    def dag_id(self) -> str:
        """Id of the DAG."""

    @property
    def task_group(self) -> TaskGroup:
        """The root group."""

    @property
    def default_args(self) -> dict[str, Any]:
        """Default arguments of the DAG's operators."""

    @property
    def zone(self) -> tzinfo:
        """What a date without a zone means."""


_open: list[TaskGroup] = []


def current_group() -> TaskGroup | None:
    """Return the group that is being filled, if any."""
    return _open[-1] if _open else None


def push(group: TaskGroup) -> None:
    """Begin to fill a group."""
    _open.append(group)


def pop() -> TaskGroup | None:
    """Stop filling the group on top."""
    return _open.pop() if _open else None


def close_all() -> None:
    """Stop filling whatever an aborted DAG file left open."""
    _open.clear()


class TaskGroup(Node):
    """A box of tasks; arrows to it reach its first tasks, arrows from it leave its last.

    Args:
        group_id: Id inside the parent group. None only for a DAG's root group.
        prefix_group_id: Whether ids of what is inside begin with the group's id and a dot.
        parent_group: The group around it; default: the one being filled.
        dag: Its DAG; default: the one being filled.
        default_args: Over the DAG's, for the operators inside.
        tooltip: Text for the graph.
        options: `ui_color`, `ui_fgcolor`, `add_suffix_on_collision`, `group_display_name`, `doc_md`.
    """

    def __init__(  # noqa: PLR0917  Airflow's signature
        self,
        group_id: str | None,
        prefix_group_id: bool = True,
        parent_group: TaskGroup | None = None,
        dag: DagScope | None = None,
        default_args: Mapping[str, Any] | None = None,
        tooltip: str = "",
        **options: Any,
    ) -> None:
        self.prefix_group_id = prefix_group_id
        self.default_args: dict[str, Any] = dict(default_args or {})
        self.tooltip = tooltip or options.pop("doc_md", "") or ""
        self.ui_color: str = options.pop("ui_color", "CornflowerBlue")
        self.ui_fgcolor: str = options.pop("ui_fgcolor", "#000")
        suffix = options.pop("add_suffix_on_collision", False)
        display_name = options.pop("group_display_name", "")
        if options:
            raise DagDefinitionError(f"TaskGroup({group_id!r}) does not know the argument {', '.join(options)}.")
        self.children: dict[str, TaskNode | TaskGroup] = {}
        self.group_id: str | None = None
        self.parent_group: TaskGroup | None = None
        self.dag: DagScope
        if group_id is None:
            if dag is None:
                raise DagDefinitionError("A TaskGroup has no group_id. Only the DAG makes one without: give it an id.")
            self.dag = dag
        else:
            self._join(group_id, parent_group or _parent(dag, group_id), suffix=suffix)
        self.label = display_name or group_id or ""

    def _join(self, group_id: str, parent: TaskGroup, *, suffix: bool) -> None:
        self.parent_group = parent
        self.dag = parent.dag
        full = parent.child_id(check_id(group_id, "group_id"))
        taken = self.dag.task_group.taken_ids() if suffix else set()
        number = 0
        while suffix and (f"{full}__{number}" if number else full) in taken:
            number += 1
        self.group_id = check_id(f"{full}__{number}" if number else full, "group_id")
        parent.add(self)

    def child_id(self, label: str) -> str:
        """Return the id that something named `label` gets inside this group."""
        prefix = self._prefix()
        return f"{prefix}.{label}" if prefix else label

    def _prefix(self) -> str | None:
        if self.group_id is None:
            return None
        if self.prefix_group_id:
            return self.group_id
        return self.parent_group._prefix() if self.parent_group else None  # noqa: SLF001  our own class

    def add(self, child: TaskNode | TaskGroup) -> None:
        """Put a task or a group in.

        Raises:
            DuplicateTaskId: The DAG has a task or group of that id already.
        """
        child_id = child.group_id if isinstance(child, TaskGroup) else child.task_id
        assert child_id is not None  # noqa: S101  only root groups have none, and they have no parent
        if child_id in self.dag.task_group.taken_ids():
            kind = "group_id" if isinstance(child, TaskGroup) else "task_id"
            raise DuplicateTaskId(
                f"The {kind} {child_id!r} is used twice in the DAG {self.dag.dag_id!r}. "
                "An id names one task or group: give the second one another id."
            )
        self.children[child_id] = child
        self.dag.task_group.taken_ids().add(child_id)

    def taken_ids(self) -> set[str]:
        """Return all ids inside; on a root group one living set, so that adding stays cheap."""
        if not hasattr(self, "_taken"):
            self._taken: set[str] = set()
        return self._taken

    def iter_tasks(self) -> Iterator[TaskNode]:
        """Yield all tasks inside, however deep."""
        for child in self.children.values():
            if isinstance(child, TaskGroup):
                yield from child.iter_tasks()
            else:
                yield child

    def iter_groups(self) -> Iterator[TaskGroup]:
        """Yield all groups inside, outer ones first."""
        for child in self.children.values():
            if isinstance(child, TaskGroup):
                yield child
                yield from child.iter_groups()

    def get_child_by_label(self, label: str) -> TaskNode | TaskGroup:
        """Return the task or group that is named `label` in here."""
        return self.children[self.child_id(label)]

    @property
    def roots(self) -> Sequence[TaskNode]:
        """Tasks inside that nothing inside comes before."""
        inside = {task.task_id: task for task in self.iter_tasks()}
        return [task for task in inside.values() if not task.upstream_task_ids & inside.keys()]

    @property
    def leaves(self) -> Sequence[TaskNode]:
        """Tasks inside that nothing inside comes after."""
        inside = {task.task_id: task for task in self.iter_tasks()}
        return [task for task in inside.values() if not task.downstream_task_ids & inside.keys()]

    def get_roots(self) -> Sequence[TaskNode]:
        """Return `roots` (Airflow's name)."""
        return self.roots

    def get_leaves(self) -> Sequence[TaskNode]:
        """Return `leaves` (Airflow's name)."""
        return self.leaves

    def all_default_args(self) -> dict[str, Any]:
        """Return the default arguments of this group over those of the groups around it."""
        outer = self.parent_group.all_default_args() if self.parent_group else {}
        return {**outer, **self.default_args}

    def __enter__(self) -> Self:
        push(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pop()

    def __repr__(self) -> str:
        return f"<TaskGroup {self.group_id or '(root)'}>"


def _parent(dag: DagScope | None, group_id: str) -> TaskGroup:
    here = current_group()
    if here is not None and dag in {None, here.dag}:
        return here
    if dag is not None:
        return dag.task_group
    raise DagDefinitionError(
        f"The task group {group_id!r} belongs to no DAG. Make it inside `with DAG(...)` or give it dag=."
    )
