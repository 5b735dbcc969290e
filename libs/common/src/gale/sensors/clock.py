"""Sensors that wait for a time: of the day, on a date, or some while after the interval's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from gale.authoring import surroundings
from gale.authoring.instants import to_utc
from gale.authoring.weekdays import week_days
from gale.errors import DagDefinitionError
from gale.sensors.base import BaseSensorOperator


class TimeDeltaSensor(BaseSensorOperator):
    """Wait until `delta` has passed since the end of the run's data interval."""

    def __init__(self, *, delta: timedelta, deferrable: bool = False, **options: Any) -> None:  # noqa: ARG002  waits in a slot
        super().__init__(**options)
        if not isinstance(delta, timedelta):
            raise DagDefinitionError(f"delta of sensor {self.task_id!r} is {delta!r}. Give a timedelta.")
        self.delta = delta

    def poke(self, context: Mapping[str, Any]) -> bool:
        """Return whether the time has come."""
        run = context["ti"].order.run
        end = run.data_interval_end or run.logical_date or run.run_after
        if end is None:
            return True
        self.log.info("Waiting until %s", end + self.delta)
        due: datetime = end + self.delta
        return surroundings.current().now() >= due


class TimeDeltaSensorAsync(TimeDeltaSensor):
    """TimeDeltaSensor; Airflow's variant that waits elsewhere waits in a slot here."""


class DateTimeSensor(BaseSensorOperator):
    """Wait for an instant: a datetime, or a template of one."""

    template_fields: Sequence[str] = ("target_time",)

    def __init__(self, *, target_time: str | datetime, **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(target_time, str | datetime):
            raise DagDefinitionError(
                f"target_time of sensor {self.task_id!r} is {target_time!r}. Give a datetime or text."
            )
        self.target_time = target_time.isoformat() if isinstance(target_time, datetime) else target_time

    def poke(self, context: Mapping[str, Any]) -> bool:  # noqa: ARG002  the sensor's form
        """Return whether the time has come."""
        target = to_utc(self.target_time, self.dag.zone, what="target_time")
        self.log.info("Waiting until %s", target)
        return target is None or surroundings.current().now() >= target


class DateTimeSensorAsync(DateTimeSensor):
    """DateTimeSensor; Airflow's variant that waits elsewhere waits in a slot here."""


class TimeSensor(BaseSensorOperator):
    """Wait for a time of the day on which the run was created, in the DAG's time zone."""

    def __init__(self, *, target_time: time, **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(target_time, time):
            raise DagDefinitionError(
                f"target_time of sensor {self.task_id!r} is {target_time!r}. Give a datetime.time."
            )
        self.target_time = target_time

    def poke(self, context: Mapping[str, Any]) -> bool:
        """Return whether the time has come."""
        now = surroundings.current().now()
        run = context["ti"].order.run
        began = run.start_date or run.run_after or context["ti"].order.first_reschedule_at or now
        zone = self.target_time.tzinfo or self.dag.zone
        day = began.astimezone(zone).date()
        target = datetime.combine(day, self.target_time.replace(tzinfo=None), zone)
        self.log.info("Waiting until %s", target)
        return now >= target


class TimeSensorAsync(TimeSensor):
    """TimeSensor; Airflow's variant that waits elsewhere waits in a slot here."""


class DayOfWeekSensor(BaseSensorOperator):
    """Wait until it is one of some days of the week, in the DAG's time zone."""

    def __init__(self, *, week_day: Any, use_task_logical_date: bool = False, **options: Any) -> None:
        older = options.pop("use_task_execution_day", False)
        super().__init__(**options)
        self.week_days = week_days(week_day)
        self.use_task_logical_date = use_task_logical_date or older

    def poke(self, context: Mapping[str, Any]) -> bool:
        """Return whether it is such a day."""
        run = context["ti"].order.run
        now = surroundings.current().now()
        moment: datetime = (run.logical_date or now) if self.use_task_logical_date else now
        return moment.astimezone(self.dag.zone).isoweekday() in self.week_days
