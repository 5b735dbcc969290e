"""From what a DAG author writes as `schedule` to data, and from data to a timetable.

Authoring calls `spec_from_schedule` where the DAG is defined, so that a mistake is reported
with the line that made it; the scheduler calls `from_spec` on what was stored.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from gale.core.graph import TimetableSpec
from gale.core.timetables.base import Timetable
from gale.core.timetables.cron_steps import PRESETS, CronSteps
from gale.core.timetables.describe import describe_cron, describe_delta
from gale.core.timetables.simple import ContinuousTimetable, EventsTimetable, NoneTimetable, OnceTimetable
from gale.core.timetables.steps import DeltaSteps, IntervalTimetable, TriggerTimetable
from gale.core.timetables.zones import find_zone
from gale.errors import DagDefinitionError

#: Longer ones fit in no column and can only be a mistake.
_LONGEST_EXPRESSION: Final = 500
_SHORTEST_SECONDS: Final = 1e-6
_HINT: Final = (
    "Give a cron expression such as '30 2 * * *', one of "
    f"{', '.join(('@once', '@continuous', *PRESETS))}, a timedelta, or None for runs on request only."
)


def _cron_interval(spec: TimetableSpec) -> Timetable:
    return IntervalTimetable(
        CronSteps(spec.expression, spec.zone), spec.expression, describe_cron(spec.expression, spec.zone)
    )


def _cron_trigger(spec: TimetableSpec) -> Timetable:
    return TriggerTimetable(
        CronSteps(spec.expression, spec.zone), spec.expression, describe_cron(spec.expression, spec.zone)
    )


def _delta(spec: TimetableSpec) -> timedelta:
    delta = timedelta(seconds=spec.seconds)
    if delta <= timedelta():
        message = f"A schedule of {delta} never moves on. Give a timedelta of more than nothing, or None."
        raise DagDefinitionError(message)
    return delta


def _delta_interval(spec: TimetableSpec) -> Timetable:
    delta = _delta(spec)
    return IntervalTimetable(DeltaSteps(delta), str(delta), describe_delta(delta))


def _delta_trigger(spec: TimetableSpec) -> Timetable:
    delta = _delta(spec)
    return TriggerTimetable(DeltaSteps(delta), str(delta), describe_delta(delta))


def _events(spec: TimetableSpec) -> Timetable:
    moments = tuple(sorted({moment.astimezone(UTC) for moment in spec.dates}))
    count = len(moments)
    if not count:
        message = "A schedule of no moments never comes. Give at least one datetime, or None."
        raise DagDefinitionError(message)
    listed = f"{count} moment{'s' * (count > 1)} from {moments[0]:%Y-%m-%d} to {moments[-1]:%Y-%m-%d}"
    return EventsTimetable(summary=f"{count} event{'s' * (count > 1)}", description=f"At {listed}", moments=moments)


_KINDS: Final[Mapping[str, Callable[[TimetableSpec], Timetable]]] = {
    "none": lambda _: NoneTimetable(),
    "once": lambda _: OnceTimetable(),
    "continuous": lambda _: ContinuousTimetable(),
    "cron": _cron_interval,
    "cron_trigger": _cron_trigger,
    "delta": _delta_interval,
    "delta_trigger": _delta_trigger,
    "events": _events,
}


@lru_cache(maxsize=1024)
def from_spec(spec: TimetableSpec) -> Timetable:
    """Return the timetable that `spec` describes; the same spec gives the same object.

    Raises:
        DagDefinitionError: The kind, the expression, the zone or the delta is wrong.
    """
    try:
        make = _KINDS[spec.kind]
    except KeyError:
        message = f"The timetable kind {spec.kind!r} is unknown; this Gale knows {', '.join(_KINDS)}. Update Gale."
        raise DagDefinitionError(message) from None
    return make(spec)


def spec_from_schedule(schedule: Any, *, era: str = "interval", zone: str = "UTC") -> TimetableSpec:
    """Return the data form of what a DAG author gave as `schedule`.

    Args:
        schedule: None, a cron text or preset, a timedelta, a relativedelta without months and years, a sequence of
            aware datetimes, or a TimetableSpec, which is checked and given back.
        era: "interval" or "trigger": what a cron text or timedelta means.
        zone: The DAG's time zone, in which a cron text is read.

    Raises:
        DagDefinitionError: It is none of these, or wrong; the message says what to write.
    """
    find_zone(zone)
    suffix = "_trigger" if era == "trigger" else ""
    spec = _spec(schedule, suffix, zone)
    from_spec(spec)
    return spec


def _spec(schedule: Any, suffix: str, zone: str) -> TimetableSpec:
    if schedule is None:
        return TimetableSpec(zone=zone)
    if isinstance(schedule, TimetableSpec):
        return schedule
    if isinstance(schedule, str):
        return _spec_from_text(schedule, suffix, zone)
    if isinstance(schedule, timedelta):
        return TimetableSpec(kind=f"delta{suffix}", seconds=_checked_seconds(schedule), zone=zone)
    if hasattr(schedule, "normalized") and hasattr(schedule, "leapdays"):
        return TimetableSpec(kind=f"delta{suffix}", seconds=_relative_seconds(schedule), zone=zone)
    if isinstance(schedule, Sequence) and schedule and all(isinstance(item, datetime) for item in schedule):
        return TimetableSpec(kind="events", dates=tuple(_aware(item) for item in schedule), zone=zone)
    message = f"The schedule {_short(schedule)} is of type {type(schedule).__name__}, which says no time. {_HINT}"
    raise DagDefinitionError(message)


def _spec_from_text(schedule: str, suffix: str, zone: str) -> TimetableSpec:
    text = schedule.strip()
    name = text.lower()
    if name in {"@once", "@continuous"}:
        return TimetableSpec(kind=name[1:], zone=zone)
    if not text:
        message = f"The schedule is an empty text, which says no time. {_HINT}"
        raise DagDefinitionError(message)
    if len(text) > _LONGEST_EXPRESSION:
        message = (
            f"The schedule {_short(text)} has {len(text)} characters; more than {_LONGEST_EXPRESSION} can only be a "
            "mistake. Use steps and ranges, or several DAGs."
        )
        raise DagDefinitionError(message)
    return TimetableSpec(kind=f"cron{suffix}", expression=name if name in PRESETS else text, zone=zone)


def _checked_seconds(delta: timedelta) -> float:
    if delta.total_seconds() < _SHORTEST_SECONDS:
        message = f"The schedule {delta!r} is not more than nothing, so time would stand still. Give a longer one."
        raise DagDefinitionError(message)
    return delta.total_seconds()


def _relative_seconds(relative: Any) -> float:
    """Return the length of a dateutil relativedelta, which may not depend on the calendar."""
    absolute = ("year", "month", "day", "weekday", "hour", "minute", "second", "microsecond")
    if relative.years or relative.months or any(getattr(relative, name) is not None for name in absolute):
        message = (
            f"The schedule {relative!r} has no fixed length. Use a cron expression for the calendar, such as "
            "'@monthly', '0 0 1 */2 *' or '@yearly', or a timedelta."
        )
        raise DagDefinitionError(message)
    return _checked_seconds(
        timedelta(
            days=relative.days,
            hours=relative.hours,
            minutes=relative.minutes,
            seconds=relative.seconds,
            microseconds=relative.microseconds,
        )
    )


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        message = f"The schedule lists {moment!r}, which has no time zone. Add one, for example tzinfo=timezone.utc."
        raise DagDefinitionError(message)
    return moment.astimezone(UTC)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - what fits in a line
