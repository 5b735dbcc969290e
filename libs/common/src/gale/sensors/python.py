"""PythonSensor: wait until a function returns something true."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from gale.authoring.calling import call_with_context
from gale.sensors.base import BaseSensorOperator, PokeReturnValue


class PythonSensor(BaseSensorOperator):
    """Wait until a function returns something true.

    Args:
        python_callable: The function; gets of the context what its parameters name.
        op_args: Positional arguments, templated.
        op_kwargs: Keyword arguments, templated.
        templates_dict: A dict of templates, in the context as `templates_dict`.
        options: See `BaseSensorOperator`.
    """

    template_fields: Sequence[str] = ("templates_dict", "op_args", "op_kwargs")

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        templates_dict: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.python_callable = python_callable
        self.op_args: Collection[Any] = op_args or ()
        self.op_kwargs: Mapping[str, Any] = op_kwargs or {}
        self.templates_dict = templates_dict

    def poke(self, context: Mapping[str, Any]) -> bool | PokeReturnValue:
        """Return what the function returns."""
        answer = call_with_context(self, context)
        return answer if isinstance(answer, PokeReturnValue) else bool(answer)
