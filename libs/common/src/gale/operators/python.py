"""Operators that call a function: Python, branch, short circuit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Unpack

from gale.authoring.arguments import TaskArguments
from gale.authoring.branching import leave_out_all_but, leave_out_downstream
from gale.authoring.calling import call_with_context
from gale.authoring.operator import BaseOperator
from gale.errors import DagDefinitionError


class PythonOperator(BaseOperator):
    """Call a Python function.

    Args:
        python_callable: The function. Parameters that bear the name of something in the context get it.
        op_args: Positional arguments, templated.
        op_kwargs: Keyword arguments, templated; they go before the context.
        templates_dict: A dict of templates, in the context as `templates_dict`.
        templates_exts: File endings for which a text in these names a template file.
        show_return_value_in_logs: Whether the result is logged.
        options: See `TaskArguments`.
    """

    template_fields: Sequence[str] = ("templates_dict", "op_args", "op_kwargs")
    ui_color = "#ffefeb"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        templates_dict: dict[str, Any] | None = None,
        templates_exts: Sequence[str] | None = None,
        show_return_value_in_logs: bool = True,
        **options: Unpack[TaskArguments],
    ) -> None:
        super().__init__(**options)
        if not callable(python_callable):
            raise DagDefinitionError(
                f"python_callable of task {self.task_id!r} is {python_callable!r}, which cannot be called. "
                "Give the function itself, without parentheses."
            )
        self.python_callable = python_callable
        self.op_args: Collection[Any] = op_args if op_args is not None else ()
        self.op_kwargs: Mapping[str, Any] = op_kwargs if op_kwargs is not None else {}
        self.templates_dict = templates_dict
        self.show_return_value_in_logs = show_return_value_in_logs
        if templates_exts:
            self.template_ext = tuple(templates_exts)

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Call the function and return what it returns."""
        result = self.call(context)
        if result is not None and self.show_return_value_in_logs:
            self.log.info("Done. Returned value was: %s", _short(result))
        return result

    def call(self, context: Mapping[str, Any]) -> Any:
        """Call the function with its arguments; a coroutine is run to its end."""
        return call_with_context(self, context)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 1000 else f"{text[:1000]}…"  # noqa: PLR2004  a log line, not an archive


class BranchPythonOperator(PythonOperator):
    """Call a function that returns the id (or ids) of the tasks or groups to go on with; the others are skipped."""

    inherits_from_skip_mixin = True

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Call the function and leave out what it did not choose."""
        chosen = self.call(context)
        leave_out_all_but(context["ti"], chosen)
        return chosen if isinstance(chosen, str) or not isinstance(chosen, Iterable) else list(chosen)


class ShortCircuitOperator(PythonOperator):
    """Call a function; if what it returns is false, skip what comes after.

    Args:
        ignore_downstream_trigger_rules: Whether everything after is skipped (True), or only what comes directly
            after, leaving the rest to their trigger rules (False).
        options: See `PythonOperator`.
    """

    inherits_from_skip_mixin = True

    def __init__(self, *, ignore_downstream_trigger_rules: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.ignore_downstream_trigger_rules = ignore_downstream_trigger_rules

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Call the function and return what it returned."""
        condition = self.call(context)
        self.log.info("Condition is %s", bool(condition))
        if not condition:
            leave_out_downstream(context["ti"], far=self.ignore_downstream_trigger_rules)
        return condition
