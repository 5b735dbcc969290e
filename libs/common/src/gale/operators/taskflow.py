"""`@task`: functions as tasks.

Calling a decorated function while a DAG is being built does not run it: it makes a task, and
returns the result that the task will have. Given to another such call, that result becomes an
arrow between the two tasks and, when they run, the argument.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, overload

from gale.authoring.calling import call_with_context
from gale.authoring.context import context_names
from gale.authoring.exceptions import TaskError, TaskSkipped
from gale.authoring.groups import TaskGroup, current_group
from gale.authoring.operator import BaseOperator
from gale.authoring.xcom_arg import XComArg, refuse_mapping
from gale.errors import DagDefinitionError
from gale.operators.bash import BashOperator
from gale.operators.python import BranchPythonOperator, PythonOperator, ShortCircuitOperator
from gale.sensors.python import PythonSensor


class _BashTask(BashOperator):
    """Runs the command that a function returns."""

    template_fields: Sequence[str] = ("op_args", "op_kwargs", "env", "cwd")

    def __init__(
        self,
        *,
        python_callable: Callable[..., str],
        op_args: Collection[Any],
        op_kwargs: Mapping[str, Any],
        **options: Any,
    ) -> None:
        super().__init__(bash_command="", **options)
        self.python_callable = python_callable
        self.op_args = op_args
        self.op_kwargs = op_kwargs

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Call the function, fill in what it returns, and run it."""
        command = call_with_context(self, context)
        if not isinstance(command, str) or not command.strip():
            raise TaskError(
                f"The function of @task.bash {self.task_id!r} returned {command!r}. Return the command as text."
            )
        self.bash_command = self.render_template(command, context)
        return super().execute(context)


#: Name after `task.` to the operator that it makes.
_KINDS: Final[Mapping[str, type[BaseOperator]]] = {
    "python": PythonOperator,
    "branch": BranchPythonOperator,
    "short_circuit": ShortCircuitOperator,
    "sensor": PythonSensor,
    "bash": _BashTask,
}
_NOT_HERE: Final = frozenset(
    {
        "branch_external_python", "branch_virtualenv", "docker", "external_python", "kubernetes", "kubernetes_cmd",
        "pyspark", "stub", "virtualenv",
    }
)  # fmt: skip


class TaskFunction:
    """A function that makes a task each time it is called. `function` is the undecorated one."""

    def __init__(self, kind: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self.kind = kind
        self.function = function
        self.options = {"multiple_outputs": _promises_dict(function), **options}
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> XComArg:
        """Make a task that calls the function with these arguments, and return its future result."""
        options = dict(self.options)
        task_id = options.pop("task_id", None) or self.function.__name__
        self._check(task_id, args, kwargs)
        options.setdefault("doc_md", inspect.getdoc(self.function))
        after = options.pop("_after", None)
        operator: Any = _KINDS[self.kind]
        task: BaseOperator = operator(
            task_id=_free_id(task_id, options),
            python_callable=self.function,
            op_args=args,
            op_kwargs=kwargs,
            **options,
        )
        if after is not None:
            after(task)
        return XComArg(task)

    def _check(self, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse arguments that the function does not take. Names of the context need not be given."""
        signature = inspect.signature(self.function)
        try:
            bound = signature.bind_partial(*args, **kwargs)
        except TypeError as error:
            raise DagDefinitionError(f"The call of the @task function {task_id!r} is wrong: {error}.") from error
        for name, parameter in signature.parameters.items():
            needed = parameter.default is parameter.empty and parameter.kind not in {
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            }
            if needed and name not in bound.arguments and name not in context_names():
                raise DagDefinitionError(
                    f"The call of the @task function {task_id!r} is wrong: its argument {name!r} is missing. Give "
                    "it, or a default; only names of the context, such as ds or ti, come by themselves."
                )

    def override(self, **options: Any) -> TaskFunction:
        """Return the same function with other options, for instance another task_id."""
        return TaskFunction(self.kind, self.function, {**self.options, **options})

    def partial(self, **_: Any) -> Any:
        """Refuse: dynamic mapping."""
        refuse_mapping(f"{self.function.__name__}.partial()")

    def expand(self, **_: Any) -> Any:
        """Refuse: dynamic mapping."""
        refuse_mapping(f"{self.function.__name__}.expand()")

    def expand_kwargs(self, *_: Any, **__: Any) -> Any:
        """Refuse: dynamic mapping."""
        refuse_mapping(f"{self.function.__name__}.expand_kwargs()")


def _promises_dict(function: Callable[..., Any]) -> bool:
    """Return whether the function's annotation says that it returns a dict."""
    if "return" not in getattr(function, "__annotations__", {}):
        return False
    try:
        result = typing.get_type_hints(function)["return"]
    except (NameError, TypeError, AttributeError, SyntaxError):
        # An annotation that only a type checker can resolve promises nothing here.
        return False
    origin = typing.get_origin(result) or result
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _free_id(task_id: str, options: Mapping[str, Any]) -> str:
    """Return the id, with a number behind it if it is taken: calling a function twice makes two tasks."""
    group: TaskGroup | None = options.get("task_group") or current_group()
    if options.get("dag") is not None and (group is None or group.dag is not options["dag"]):
        group = options["dag"].task_group
    if group is None:
        return task_id
    taken = group.dag.task_group.taken_ids()
    number = 0
    while group.child_id(f"{task_id}__{number}" if number else task_id) in taken:
        number += 1
    return f"{task_id}__{number}" if number else task_id


class _TaskDecorator:
    """The decorator `task`, and its variants `task.branch` and so on."""

    def __init__(self, kind: str = "python") -> None:
        self._kind = kind

    @overload
    def __call__(self, function: Callable[..., Any]) -> TaskFunction: ...

    @overload
    def __call__(self, function: None = None, **options: Any) -> Callable[[Callable[..., Any]], TaskFunction]: ...

    def __call__(self, function: Callable[..., Any] | None = None, **options: Any) -> Any:
        """Turn a function into one that makes tasks.

        >>> from gale import DAG, task
        >>> @task
        ... def double(value):
        ...     return value * 2
        >>> with DAG("sums", schedule=None) as dag:
        ...     _ = double(double(21))
        >>> dag.get_task("double__1").upstream_task_ids
        {'double'}

        Args:
            function: The function, when used without parentheses.
            options: Those of the operator.
        """
        if function is None:
            return lambda given: TaskFunction(self._kind, given, options)
        if not callable(function):
            raise DagDefinitionError(
                f"@task was given {function!r}. Give options by name: @task(task_id={function!r})."
            )
        return TaskFunction(self._kind, function, options)

    def __getattr__(self, name: str) -> _TaskDecorator:
        if name in _KINDS:
            return _TaskDecorator(name)
        if name in _NOT_HERE:
            raise DagDefinitionError(
                f"@task.{name} is not supported by this version of Gale. "
                "Use @task, or @task.bash to run another program."
            )
        raise AttributeError(f"@task.{name} does not exist. There are {', '.join(f'@task.{kind}' for kind in _KINDS)}.")

    @staticmethod
    def run_if(
        condition: Callable[[Any], Any], skip_message: str | None = None
    ) -> Callable[[TaskFunction], TaskFunction]:
        """Skip the decorated task unless `condition`, called with its context, returns something true."""
        return lambda function: _conditioned(function, condition, skip_message, wanted=True)

    @staticmethod
    def skip_if(
        condition: Callable[[Any], Any], skip_message: str | None = None
    ) -> Callable[[TaskFunction], TaskFunction]:
        """Skip the decorated task if `condition`, called with its context, returns something true."""
        return lambda function: _conditioned(function, condition, skip_message, wanted=False)


def _conditioned(
    function: TaskFunction, condition: Callable[[Any], Any], message: str | None, *, wanted: bool
) -> TaskFunction:
    before = function.options.get("pre_execute")

    def check(context: Any) -> None:
        if bool(condition(context)) is not wanted:
            raise TaskSkipped(message or f"The condition of the task says: {'do not run' if wanted else 'skip'}.")
        if before is not None:
            before(context)

    return function.override(pre_execute=check)


task: Final = _TaskDecorator()


def _marking(after: Callable[[Any], Any], function: Any) -> TaskFunction:
    made = function if isinstance(function, TaskFunction) else TaskFunction("python", function, {})
    return made.override(_after=after)


def setup(function: Any) -> TaskFunction:
    """Turn a function (or a `@task` function) into one that makes setup tasks."""
    return _marking(lambda task: task.as_setup(), function)


def teardown(function: Any = None, *, on_failure_fail_dagrun: bool | None = None) -> Any:
    """Turn a function (or a `@task` function) into one that makes teardown tasks.

    Args:
        function: The function, when used without parentheses.
        on_failure_fail_dagrun: Whether the run fails if the teardown does.
    """

    def mark(given: Any) -> TaskFunction:
        return _marking(lambda task: task.as_teardown(on_failure_fail_dagrun=on_failure_fail_dagrun), given)

    return mark if function is None else mark(function)
