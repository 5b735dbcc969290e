"""ExternalTaskSensor: wait for tasks, or for the run, of another DAG."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from gale.authoring import services
from gale.authoring.calling import keyword_arguments
from gale.authoring.exceptions import TaskError, TaskSkipped
from gale.authoring.instants import to_utc
from gale.authoring.operator import BaseOperator
from gale.errors import DagDefinitionError
from gale.sensors.base import BaseSensorOperator


class ExternalTaskSensor(BaseSensorOperator):
    """Wait until tasks of another DAG, in the run for the same date, are in an allowed state.

    Args:
        external_dag_id: The other DAG; templated.
        external_task_id: Its task; neither this nor `external_task_ids` means the run as a whole. Templated.
        external_task_ids: Its tasks; templated.
        allowed_states: States that end the wait; default: success.
        skipped_states: States that make this task skipped.
        failed_states: States that make this task fail.
        execution_delta: How much earlier the other run's date is.
        execution_date_fn: Works out the other run's date, or dates, from this one's.
        options: See `BaseSensorOperator`.
    """

    template_fields: Sequence[str] = ("external_dag_id", "external_task_id", "external_task_ids")
    ui_color = "#4db7db"
    ui_fgcolor = "#fff"

    def __init__(
        self,
        *,
        external_dag_id: str,
        external_task_id: str | None = None,
        external_task_ids: Collection[str] | None = None,
        external_task_group_id: str | None = None,
        allowed_states: Collection[str] | None = None,
        skipped_states: Collection[str] | None = None,
        failed_states: Collection[str] | None = None,
        execution_delta: timedelta | None = None,
        execution_date_fn: Callable[..., Any] | None = None,
        check_existence: bool = False,  # noqa: ARG002  a DAG that is not there yet may come
        deferrable: bool = False,  # noqa: ARG002  waits in a slot
        **options: Any,
    ) -> None:
        super().__init__(**options)
        what = f"The sensor {self.task_id!r}"
        if external_task_group_id is not None:
            raise DagDefinitionError(f"{what} names a task group; give the group's tasks as external_task_ids instead.")
        if external_task_id is not None and external_task_ids is not None:
            raise DagDefinitionError(f"{what} has external_task_id and external_task_ids. Give one of them.")
        if execution_delta is not None and execution_date_fn is not None:
            raise DagDefinitionError(f"{what} has execution_delta and execution_date_fn. Give one of them.")
        self.external_dag_id = external_dag_id
        self.external_task_id = external_task_id
        self.external_task_ids = [external_task_id] if external_task_id else list(external_task_ids or ())
        self.allowed_states = [str(state) for state in allowed_states or ["success"]]
        self.skipped_states = [str(state) for state in skipped_states or []]
        self.failed_states = [str(state) for state in failed_states or []]
        both = set(self.allowed_states) & {*self.skipped_states, *self.failed_states}
        if both:
            raise DagDefinitionError(
                f"{what} takes {', '.join(sorted(both))} for both an end and a failure. Choose one."
            )
        self.execution_delta = execution_delta
        self.execution_date_fn = execution_date_fn

    def dates(self, context: Mapping[str, Any]) -> list[datetime]:
        """Return the dates of the other DAG's runs that are waited for."""
        date = context["logical_date"]
        if self.execution_date_fn is not None:
            found = self.execution_date_fn(date, **keyword_arguments(self.execution_date_fn, [date], {}, context))
        else:
            found = date - self.execution_delta if self.execution_delta else date
        instants = [
            to_utc(item, what="execution_date") for item in (found if isinstance(found, list | tuple) else [found])
        ]
        return [instant for instant in instants if instant is not None]

    def poke(self, context: Mapping[str, Any]) -> bool:
        """Return whether all of them are in an allowed state.

        Raises:
            TaskError: One is in a state that means failure.
            TaskSkipped: One is in a state that means to skip.
        """
        dates = self.dates(context)
        # The single id may be a template, and only it and the list as given have been filled in.
        task_ids = [self.external_task_id] if self.external_task_id else self.external_task_ids
        what = f"{', '.join(task_ids) or 'the run'} of {self.external_dag_id}"
        self.log.info("Looking at %s for %s", what, ", ".join(date.isoformat() for date in dates))
        if self.failed_states and self._count(task_ids, dates, self.failed_states):
            sentence = f"{what} is {' or '.join(self.failed_states)}."
            raise TaskSkipped(sentence) if self.soft_fail else TaskError(sentence)
        if self.skipped_states and self._count(task_ids, dates, self.skipped_states):
            raise TaskSkipped(f"{what} is {' or '.join(self.skipped_states)}.")
        wanted = len(dates) * max(1, len(task_ids))
        return self._count(task_ids, dates, self.allowed_states) >= wanted

    def _count(self, task_ids: Sequence[str], dates: Sequence[datetime], states: Sequence[str]) -> int:
        return services.required("ExternalTaskSensor").count_states(
            dag_id=self.external_dag_id, task_ids=task_ids, logical_dates=dates, states=states
        )


class ExternalTaskMarker(BaseOperator):
    """Mark that a task of another DAG waits for this one; does nothing when run."""

    template_fields: Sequence[str] = ("external_dag_id", "external_task_id", "logical_date")
    ui_color = "#4db7db"
    inherits_from_empty_operator: ClassVar[bool] = True

    def __init__(
        self,
        *,
        external_dag_id: str,
        external_task_id: str,
        logical_date: str | None = None,
        execution_date: str | None = None,
        recursion_depth: int = 10,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.external_dag_id = external_dag_id
        self.external_task_id = external_task_id
        self.logical_date = logical_date or execution_date or "{{ logical_date.isoformat() }}"
        self.recursion_depth = recursion_depth

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Do nothing."""
