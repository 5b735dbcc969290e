"""Cron expressions as a sequence of instants, through every change of the clocks.

A cron expression speaks of a clock on a wall; runs happen at instants. croniter is used for
what it is good at, a calendar: it sees naive wall times only, never a zone. The way from wall
times to instants is here, and it keeps three promises: the sequence strictly increases, it
does not depend on where one starts to read it, and stepping back undoes stepping forward.

What happens when the clocks change:

* **An expression that names hours** (`30 2 * * *`, `0 9-17 * * 1-5`, `0 */6 * * *`) means the
  wall clock: one instant for each wall time that matches.
  *Gap* (the clocks skip that wall time): it comes at the instant of the skip, once, however
  many matches fall into the gap. A daily run is never left out: 02:30 comes at 03:00.
  *Fold* (the clocks show that wall time twice): it comes the first time only.
* **An expression that matches in every hour of the day** (`*/5 * * * *`, `15 * * * *`) means the
  passing of time: every instant whose wall clock matches.
  *Gap*: there is no such instant, and nothing is made up for; the next one comes as usual.
  *Fold*: it comes both times, so an hourly run stays hourly.

This is what Vixie's cron does for changes of up to three hours, and close to what Airflow means. A
change of a whole day (Samoa skipped 30 December 2011) is a gap like any other.

Fields are croniter's: five; a sixth for seconds, *at the end*; a seventh for years. If day of the
month and day of the week are both given, either is enough, as cron has always had it.
"""

import copy
import difflib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from croniter import CroniterBadDateError, CroniterError, croniter

from gale.core.timetables.zones import Zone
from gale.errors import DagDefinitionError

#: Cron texts with a name. The keys in this order are what error messages offer.
PRESETS: Final = {
    "@minutely": "* * * * *",
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
FIELD_NAMES: Final = ("minute", "hour", "day of the month", "month", "day of the week", "second", "year")
_FIELD_RANGES: Final = ("0-59", "0-23", "1-31", "1-12 or jan-dec", "0-7 or sun-sat", "0-59", "1970-2099")
_FIELD_COUNTS: Final = (5, 6, 7)
_HOUR: Final = 1
_SECOND: Final = timedelta(seconds=1)
#: Longer than any expression has to wait: the 29th of February on a Monday comes every 28 years, and years end in 2099.
_YEARS_TO_LOOK_AHEAD: Final = 130
#: Outside these, zones and calendars are guesswork. Start dates such as `datetime.min` are read as the first.
_FIRST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def split_fields(expression: str) -> tuple[str, ...]:
    """Return the fields of a cron expression, or of the preset that it names.

    Raises:
        DagDefinitionError: It is an unknown preset or has a wrong number of fields.
    """
    text = PRESETS.get(expression.strip().lower(), expression)
    fields = tuple(text.split())
    if text.strip().startswith("@"):
        offered = ("@once", "@continuous", *PRESETS)
        near = difflib.get_close_matches(expression.strip().lower(), offered, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}?" if near else f"Use one of {', '.join(offered)}."
        message = f"The schedule {expression!r} names a preset that does not exist. {hint}"
        raise DagDefinitionError(message)
    if len(fields) not in _FIELD_COUNTS:
        message = (
            f"The schedule {expression!r} has {len(fields)} fields; a cron expression has five (minute, hour, "
            "day of the month, month, day of the week), and may have a sixth for seconds and a seventh for years. "
            "Write for example '30 2 * * *' for half past two each night, or '@daily'."
        )
        raise DagDefinitionError(message)
    return fields


def _parse(expression: str) -> croniter:
    """Return croniter's calendar for `expression`, or say what is wrong with it."""
    fields = split_fields(expression)
    for index, field in enumerate(fields):
        if _draws_lots(field):
            message = (
                f"The schedule {expression!r} leaves its {FIELD_NAMES[index]} to chance ({field!r}), so that it would "
                "change with every look at it. Write the value down."
            )
            raise DagDefinitionError(message)
    try:
        return croniter(" ".join(fields), start_time=0.0, max_years_between_matches=_YEARS_TO_LOOK_AHEAD)
    except (CroniterError, ValueError, TypeError, KeyError, IndexError) as error:
        raise DagDefinitionError(_what_is_wrong(expression, fields, error)) from error


def _draws_lots(field: str) -> bool:
    """True for Jenkins' `H` and `R`, which stand for a hashed and a random value."""
    return field[:1] in "hHrR"


def _what_is_wrong(expression: str, fields: Sequence[str], error: Exception) -> str:
    for index, field in enumerate(fields):
        alone = ["*"] * len(fields)
        alone[index] = field
        try:
            croniter(" ".join(alone), start_time=0.0)
        except (CroniterError, ValueError, TypeError, KeyError, IndexError):
            return (
                f"The schedule {expression!r} is no cron expression: its {FIELD_NAMES[index]} field {field!r} is not "
                f"allowed. Give {_FIELD_RANGES[index]}, '*', a list such as 1,2, a range such as 1-5 or a step "
                "such as */2."
            )
    return f"The schedule {expression!r} is no cron expression ({error}). Write for example '30 2 * * *', or '@daily'."


class CronSteps:
    """The instants of a cron expression in a zone. Immutable; threads may share one."""

    def __init__(self, expression: str, zone: str) -> None:
        """Read the expression.

        Raises:
            DagDefinitionError: The expression or the zone is wrong, or no date ever matches.
        """
        self._calendar = _parse(expression)
        self._zone = Zone(zone)
        # croniter writes any list of all hours as `*`.
        self._every_hour = "*" in self._calendar.expanded[_HOUR]
        if self._next_wall(datetime(1970, 1, 1) - _SECOND) is None:  # noqa: DTZ001 - a wall time
            message = f"The schedule {expression!r} never comes: no date matches it. Mend its day or month."
            raise DagDefinitionError(message)

    def anchored(self, anchor: datetime | None) -> "CronSteps":  # noqa: ARG002 - other steps need it
        """Return the steps themselves: where a cron expression's instants lie depends on nothing else."""
        return self

    def after(self, instant: datetime) -> datetime | None:
        """Return the first instant of the sequence after `instant`, or None if it has ended."""
        if instant >= _LAST:
            return None
        instant = max(instant, _FIRST)
        return self._passing_after(instant) if self._every_hour else self._wall_after(instant)

    def until(self, instant: datetime) -> datetime | None:
        """Return the last instant of the sequence that is not after `instant`, or None if it has not begun."""
        if instant < _FIRST:
            return None
        instant = min(instant, _LAST)
        return self._passing_until(instant) if self._every_hour else self._wall_until(instant)

    # --- expressions that name hours: one instant for each wall time ---

    def _wall_after(self, instant: datetime) -> datetime | None:
        wall = self._next_wall(self._wall_reached(instant))
        return None if wall is None else self._zone.first_instant(wall)

    def _wall_until(self, instant: datetime) -> datetime | None:
        wall = self._last_wall(self._wall_reached(instant))
        return None if wall is None else self._zone.first_instant(wall)

    def _wall_reached(self, instant: datetime) -> datetime:
        """Return the latest wall time that has come for the first time by `instant`.

        In the second pass of a fold all wall times up to the fold's end have come already.
        """
        repeated = self._zone.end_of_repeat(instant)
        if repeated is not None:
            return repeated - _SECOND
        return self._zone.stretch(instant).wall(instant)

    # --- expressions for every hour: each instant whose wall clock matches ---

    def _passing_after(self, instant: datetime) -> datetime | None:
        stretch = self._zone.stretch(instant)
        wall = self._next_wall(stretch.wall(instant))
        while wall is not None:
            found = stretch.instant(wall)
            if found < stretch.end:
                return found
            # Stretches also end where a year does, and the next one then begins before that: go on from here.
            here = stretch.end
            stretch = self._zone.stretch(here)
            wall = self._next_wall(stretch.wall(here) - _SECOND)
        return None

    def _passing_until(self, instant: datetime) -> datetime | None:
        stretch = self._zone.stretch(instant)
        wall = self._last_wall(stretch.wall(instant))
        while wall is not None:
            found = stretch.instant(wall)
            if found >= stretch.start:
                return found
            if stretch.start <= _FIRST:
                return None
            here = stretch.start - _SECOND
            stretch = self._zone.stretch(here)
            wall = self._last_wall(stretch.wall(here))
        return None

    # --- the calendar: wall times that match, without a zone ---

    def _next_wall(self, wall: datetime) -> datetime | None:
        """Return the first matching wall time after `wall`."""
        return self._ask(wall.replace(microsecond=0), forward=True)

    def _last_wall(self, wall: datetime) -> datetime | None:
        """Return the last matching wall time that is not after `wall`."""
        return self._ask(wall.replace(microsecond=0) + _SECOND, forward=False)

    def _ask(self, wall: datetime, *, forward: bool) -> datetime | None:
        # croniter keeps its position in itself, and timetables are shared: each question gets a copy.
        calendar = copy.copy(self._calendar)
        step = calendar.get_next if forward else calendar.get_prev
        try:
            found: datetime = step(datetime, start_time=wall)
        except CroniterBadDateError:
            return None
        return found
