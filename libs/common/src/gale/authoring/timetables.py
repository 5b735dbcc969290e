"""Timetables as authors write them; what they mean is decided in `gale.core.timetables`."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from gale.authoring.instants import zone_name
from gale.core.graph import TimetableSpec


class Timetable:
    """A schedule that says more than a cron text: give it as `DAG(schedule=...)`."""

    def __init__(self, spec: TimetableSpec) -> None:
        self.spec = spec


class CronDataIntervalTimetable(Timetable):
    """A run for each interval between two ticks of a cron text, when the interval has closed."""

    def __init__(self, cron: str, timezone: Any = "UTC") -> None:
        super().__init__(TimetableSpec(kind="cron", expression=cron, zone=zone_name(timezone)))


class CronTriggerTimetable(Timetable):
    """A run at each tick of a cron text."""

    def __init__(self, cron: str, *, timezone: Any = "UTC") -> None:
        super().__init__(TimetableSpec(kind="cron_trigger", expression=cron, zone=zone_name(timezone)))


class DeltaDataIntervalTimetable(Timetable):
    """A run for each interval of fixed length, when it has closed."""

    def __init__(self, delta: timedelta) -> None:
        super().__init__(TimetableSpec(kind="delta", seconds=delta.total_seconds()))


class DeltaTriggerTimetable(Timetable):
    """A run each time a fixed span has passed."""

    def __init__(self, delta: timedelta) -> None:
        super().__init__(TimetableSpec(kind="delta_trigger", seconds=delta.total_seconds()))


class EventsTimetable(Timetable):
    """A run at each of the given instants."""

    def __init__(self, event_dates: Iterable[datetime]) -> None:
        super().__init__(TimetableSpec(kind="events", dates=tuple(sorted(event_dates))))
