"""Call an author's function with the arguments that it was given and what it wants of the context."""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from gale.authoring.context import Context


class Call(Protocol):
    """An operator or sensor that calls a function."""

    python_callable: Callable[..., Any]
    op_args: Collection[Any]
    op_kwargs: Mapping[str, Any]


def call_with_context(operator: Call, context: Mapping[str, Any]) -> Any:
    """Return what an operator's function returns; a coroutine is run to its end."""
    assert isinstance(context, Context)  # noqa: S101  run_task makes it
    if "templates_dict" in vars(operator):
        context["templates_dict"] = vars(operator)["templates_dict"]
    args = list(operator.op_args)
    kwargs = keyword_arguments(operator.python_callable, args, operator.op_kwargs, context)
    result = operator.python_callable(*args, **kwargs)
    if inspect.iscoroutine(result):
        # 25 ms of import that only coroutines are worth.
        import asyncio  # noqa: PLC0415

        return asyncio.run(result)
    return result


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return what a function takes; none if it does not tell. Asked ahead of a fork, it is known after it."""
    try:
        return _parameters_of(function)
    except TypeError:  # it cannot be remembered
        return _parameters_of.__wrapped__(function)


@functools.lru_cache(maxsize=4096)
def _parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        # Built-in functions of C need not tell their parameters.
        return []


def keyword_arguments(
    function: Callable[..., Any], args: Collection[Any], given: Mapping[str, Any], context: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a function is called with by keyword: what it was given, and of the context what it names.

    A function with `**kwargs` gets the whole context, as in Airflow.
    """
    parameters = parameters_of(function)
    if not parameters:
        return dict(given)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        taken = {parameter.name for parameter in parameters[: len(args)]}
        return {**{name: context[name] for name in context if name not in taken}, **given}
    wanted = {}
    for parameter in parameters[len(args) :]:
        name = parameter.name
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY} or name in given:
            continue
        if name == "context" and name not in context:
            wanted[name] = context
        elif name in context:
            wanted[name] = context[name]
    return {**wanted, **given}
