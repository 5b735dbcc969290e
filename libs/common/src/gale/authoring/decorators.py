"""`@dag` and `@task_group`: functions that fill a DAG or a group when they are called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from gale.authoring.dag import DAG
from gale.authoring.groups import TaskGroup
from gale.authoring.params import DagParam, Param
from gale.errors import DagDefinitionError


def dag_decorator(kind: type[DAG]) -> Callable[..., Any]:
    """Return a `@dag` that makes DAGs of a kind (of an era)."""

    def dag(dag_id: Any = None, description: str | None = None, **options: Any) -> Any:
        """Turn a function into one that makes a DAG when it is called.

        The function's parameters become params of the DAG.

        >>> from gale import dag, task
        >>> @dag(schedule=None)
        ... def hello(name: str = "world"):
        ...     @task
        ...     def greet(name):
        ...         return f"hello {name}"
        ...     greet(name)
        >>> hello().task_ids
        ['greet']

        Args:
            dag_id: Default: the function's name.
            description: One line for the list of DAGs.
            options: See `DAG`.
        """
        if callable(dag_id):
            return _dag_factory(kind, dag_id, {})
        given = {**options, **({} if description is None else {"description": description})}
        return lambda function: _dag_factory(kind, function, {**given, **({"dag_id": dag_id} if dag_id else {})})

    return dag


dag = dag_decorator(DAG)


def _dag_factory(kind: type[DAG], function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., DAG]:
    """Return the function that makes the DAG."""
    signature = inspect.signature(function)
    made_with = {"dag_id": function.__name__, "doc_md": inspect.getdoc(function), **options}

    @functools.wraps(function)
    def factory(*args: Any, **kwargs: Any) -> DAG:
        bound = signature.bind_partial(*args, **kwargs)
        made = kind(**made_with)
        for name, parameter in signature.parameters.items():
            if name in bound.arguments:
                made.params[name] = bound.arguments[name]
            elif parameter.default is not parameter.empty:
                made.params[name] = parameter.default
            elif name not in made.params:
                made.params[name] = Param()
        with made:
            function(**{name: DagParam(name) for name in signature.parameters})
        return made

    return factory


def task_group(group_id: Any = None, **options: Any) -> Any:
    """Turn a function into one that makes a task group when it is called, and fills it.

    What the function returns is returned, so that results can be handed on; without, the group is.

    Args:
        group_id: Default: the function's name. A second call gets a number behind it.
        options: See `TaskGroup`.
    """
    if callable(group_id):
        return _GroupFactory(group_id, {})
    return lambda function: _GroupFactory(function, {**options, **({"group_id": group_id} if group_id else {})})


class _GroupFactory:
    """A function that makes a group each time it is called."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self._function = function
        self._options = options
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        made_with = {
            "group_id": self._function.__name__,
            "tooltip": inspect.getdoc(self._function) or "",
            "add_suffix_on_collision": True,
            **self._options,
        }
        with TaskGroup(**made_with) as group:
            result = self._function(*args, **kwargs)
        return group if result is None else result

    def override(self, **options: Any) -> _GroupFactory:
        """Return the same with other options."""
        return _GroupFactory(self._function, {**self._options, **options})

    def __getattr__(self, name: str) -> Any:
        if name in {"expand", "expand_kwargs", "partial"}:
            raise DagDefinitionError(
                f"The task group {self._function.__name__!r} asks for dynamic mapping (.{name}), which this version "
                "of Gale does not support. Call it in a Python loop over values that are known when the file is read."
            )
        raise AttributeError(name)
