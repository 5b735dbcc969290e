"""Branches that the calendar decides: by the day of the week, or by a range of time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta, tzinfo
from typing import Any

from gale.authoring import surroundings
from gale.authoring.instants import to_utc
from gale.authoring.weekdays import week_days
from gale.errors import DagDefinitionError
from gale.operators.branch import BaseBranchOperator


def _moment(context: Mapping[str, Any], *, logical: bool) -> datetime:
    """Return the moment that decides: the run's logical date, or now."""
    run = context["ti"].order.run
    now = surroundings.current().now()
    return (run.logical_date or run.run_after or now) if logical else now


class BranchDayOfWeekOperator(BaseBranchOperator):
    """Go one way on some days of the week, another on the others.

    Args:
        follow_task_ids_if_true: Where to go on those days.
        follow_task_ids_if_false: Where to go on the others.
        week_day: A day or several, by name or as WeekDay.
        use_task_logical_date: Whether the run's logical date decides, instead of today.
        options: See `TaskArguments`; `use_task_execution_day` is the older name of the argument above.
    """

    def __init__(
        self,
        *,
        follow_task_ids_if_true: str | list[str],
        follow_task_ids_if_false: str | list[str],
        week_day: Any,
        use_task_logical_date: bool = False,
        use_task_execution_day: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.follow_task_ids_if_true = follow_task_ids_if_true
        self.follow_task_ids_if_false = follow_task_ids_if_false
        self.week_days = week_days(week_day)
        self.use_task_logical_date = use_task_logical_date or use_task_execution_day

    def choose_branch(self, context: Mapping[str, Any]) -> Any:
        """Return where to go on this day, in the DAG's time zone."""
        day = _moment(context, logical=self.use_task_logical_date).astimezone(self.dag.zone).isoweekday()
        return self.follow_task_ids_if_true if day in self.week_days else self.follow_task_ids_if_false


class BranchDateTimeOperator(BaseBranchOperator):
    """Go one way within a range of time, another outside of it.

    Args:
        follow_task_ids_if_true: Where to go within the range.
        follow_task_ids_if_false: Where to go outside.
        target_lower: Its begin: a datetime, a time of the day, or None for none.
        target_upper: Its end. As a time of the day before `target_lower` it means the next day's.
        use_task_logical_date: Whether the run's logical date decides, instead of now.
        options: See `TaskArguments`; `use_task_execution_date` is the older name of the argument above.
    """

    def __init__(
        self,
        *,
        follow_task_ids_if_true: str | list[str],
        follow_task_ids_if_false: str | list[str],
        target_lower: datetime | time | None = None,
        target_upper: datetime | time | None = None,
        use_task_logical_date: bool = False,
        **options: Any,
    ) -> None:
        older = options.pop("use_task_execution_date", False)
        super().__init__(**options)
        if target_lower is None and target_upper is None:
            raise DagDefinitionError(f"The branch {self.task_id!r} has no target_lower and no target_upper. Give one.")
        self.follow_task_ids_if_true = follow_task_ids_if_true
        self.follow_task_ids_if_false = follow_task_ids_if_false
        self.target_lower = target_lower
        self.target_upper = target_upper
        self.use_task_logical_date = use_task_logical_date or older

    def choose_branch(self, context: Mapping[str, Any]) -> Any:
        """Return where to go at this moment."""
        moment = _moment(context, logical=self.use_task_logical_date)
        lower = _on_day(self.target_lower, moment, self.dag.zone)
        upper = _on_day(self.target_upper, moment, self.dag.zone)
        times = isinstance(self.target_lower, time) and isinstance(self.target_upper, time)
        if times and lower is not None and upper is not None and upper < lower:
            upper += timedelta(days=1)
        inside = (lower is None or lower <= moment) and (upper is None or moment <= upper)
        return self.follow_task_ids_if_true if inside else self.follow_task_ids_if_false


def _on_day(target: datetime | time | None, moment: datetime, zone: tzinfo) -> datetime | None:
    """Return a target as an instant; a time of the day means that of the day of `moment`."""
    if isinstance(target, time):
        own = target.tzinfo or zone
        return datetime.combine(moment.astimezone(own).date(), target.replace(tzinfo=None), own)
    return to_utc(target, zone, what="target")
