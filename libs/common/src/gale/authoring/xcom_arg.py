"""The result of a task that has not run yet, to be given to other tasks as an argument.

Where an `XComArg` stands in a templated field, the arrow between the two tasks follows by
itself, and the value is pulled just before the second one runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, Self

from gale.authoring.edges import Node, TaskNode
from gale.errors import DagDefinitionError

#: Key under which the return value of a task is kept.
RETURN_KEY = "return_value"


def refuse_mapping(what: str) -> NoReturn:
    """Refuse dynamic task mapping.

    Raises:
        DagDefinitionError: Always.
    """
    raise DagDefinitionError(
        f"{what} asks for dynamic task mapping, which this version of Gale does not support. Make the tasks in a "
        "Python loop over values that are known when the file is read, or loop inside one task."
    )


class XComArg(Node):
    """One XCom of a task: its return value, or what it pushed under `key`.

    `arg["name"]` is the XCom of that key (see `multiple_outputs`).
    """

    def __init__(self, operator: TaskNode, key: str = RETURN_KEY) -> None:
        self.operator = operator
        self.key = key

    @property
    def roots(self) -> Sequence[TaskNode]:
        """The task whose result it is."""
        return self.operator.roots

    @property
    def leaves(self) -> Sequence[TaskNode]:
        """The task whose result it is."""
        return self.operator.leaves

    def __getitem__(self, key: str) -> XComArg:
        """Return the XCom that the same task pushes under `key`."""
        if not isinstance(key, str):
            raise DagDefinitionError(
                f"The result of task {self.operator.task_id!r} was indexed with {key!r}. Only the names of multiple "
                "outputs work here, because the value is not known yet: index it inside the task that gets it."
            )
        return XComArg(self.operator, key)

    def __iter__(self) -> Iterator[Any]:
        raise DagDefinitionError(
            f"The result of task {self.operator.task_id!r} was iterated over while the DAG is being built, but it is "
            "only known when the task has run. Iterate inside the task that gets it."
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, XComArg) and (self.operator, self.key) == (other.operator, other.key)

    def __hash__(self) -> int:
        return hash((id(self.operator), self.key))

    def __str__(self) -> str:
        """Return the template that pulls the value, for use inside a longer text."""
        return f"{{{{ task_instance.xcom_pull(task_ids='{self.operator.task_id}', key='{self.key}') }}}}"

    def __repr__(self) -> str:
        return f"XComArg({self.operator.task_id!r}, key={self.key!r})"

    def resolve(self, context: Mapping[str, Any]) -> Any:
        """Return the value, inside a running task."""
        return context["ti"].xcom_pull(task_ids=self.operator.task_id, key=self.key)

    def as_setup(self) -> Self:
        """Make the task a setup task."""
        self.operator.as_setup()  # type: ignore[attr-defined]  # every task node in a DAG is an operator
        return self

    def as_teardown(self, **options: Any) -> Self:
        """Make the task a teardown task."""
        self.operator.as_teardown(**options)  # type: ignore[attr-defined]  # see as_setup
        return self

    def map(self, *_: Any) -> NoReturn:
        """Refuse: dynamic mapping."""
        refuse_mapping("XComArg.map()")

    def zip(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: dynamic mapping."""
        refuse_mapping("XComArg.zip()")

    def concat(self, *_: Any) -> NoReturn:
        """Refuse: dynamic mapping."""
        refuse_mapping("XComArg.concat()")


def results_in(value: Any) -> Iterator[XComArg]:
    """Yield every `XComArg` inside a value, through lists, tuples, sets and dicts."""
    if isinstance(value, XComArg):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from results_in(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from results_in(item)
