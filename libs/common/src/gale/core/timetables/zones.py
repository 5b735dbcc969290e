"""Time zones as stretches of constant offset, and the way between wall clocks and instants.

`zoneinfo` answers what the offset is at one instant. Stepping a schedule across a change of
the clocks needs to know where the change lies; this module finds it by looking, once per zone
and year. "Wall" values are naive datetimes: what a clock on a wall in that zone would show.
"""

import difflib
import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final

from gale.errors import DagDefinitionError

_SECOND: Final = timedelta(seconds=1)
#: No zone is known to change its offset twice within this time; the full sweep of the tests would show one.
_PROBE: Final = timedelta(hours=12)
_FIXED: Final = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?", re.ASCII)
_LONGEST_FIXED_OFFSET_MINUTES: Final = 24 * 60 - 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time during which a zone's offset does not change: from `start` until just before `end`."""

    start: datetime
    end: datetime
    offset: timedelta

    def wall(self, instant: datetime) -> datetime:
        """Return what the wall clock shows at `instant`, which need not lie within the stretch."""
        return instant.replace(tzinfo=None) + self.offset

    def instant(self, wall: datetime) -> datetime:
        """Return the instant at which a clock with this offset shows `wall`."""
        return (wall - self.offset).replace(tzinfo=UTC)


_ALWAYS_START: Final = datetime.min.replace(tzinfo=UTC)
_ALWAYS_END: Final = datetime.max.replace(tzinfo=UTC)


def _fixed_offset(name: str) -> timezone | None:
    match = _FIXED.fullmatch(name)
    if match is None:
        return None
    minutes = int(match[2]) * 60 + int(match[3] or 0)
    if minutes > _LONGEST_FIXED_OFFSET_MINUTES:
        return None
    return timezone(timedelta(minutes=minutes if match[1] == "+" else -minutes))


@lru_cache(maxsize=1024)
def find_zone(name: str) -> tzinfo:
    """Return the zone with an IANA name such as `Europe/Berlin`, or a fixed offset such as `+02:00`.

    Raises:
        DagDefinitionError: There is no such zone; the message names the nearest.
    """
    if name.upper() in {"UTC", "Z"}:
        return UTC
    fixed = _fixed_offset(name)
    if fixed is not None:
        return fixed
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = {zone.casefold(): zone for zone in zoneinfo.available_timezones()}
        near = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.6)
        hint = f"Did you mean {known[near[0]]!r}?" if near else "Use an IANA name such as 'Europe/Berlin'."
        message = f"The time zone {name!r} does not exist, so no wall clock can be read in it. {hint}"
        raise DagDefinitionError(message) from error


class Zone:
    """One time zone, seen as stretches of constant offset."""

    def __init__(self, name: str) -> None:
        """Find the zone.

        Raises:
            DagDefinitionError: There is none of that name.
        """
        self.name = name
        self._info = find_zone(name)
        self._constant = (
            Stretch(_ALWAYS_START, _ALWAYS_END, self._info.utcoffset(None))
            if isinstance(self._info, timezone)
            else None
        )

    def stretch(self, instant: datetime) -> Stretch:
        """Return the stretch around `instant`.

        Its start is a change of the clocks or at least a year back, its end a change or the turn
        of the year: enough to know every change nearby without searching a century for one.
        """
        if self._constant is not None:
            return self._constant
        year = _stretches(self._info, instant.year)
        for index, found in enumerate(year):
            if instant < found.end:
                if index == 0:
                    before = _stretches(self._info, instant.year - 1)[-1]
                    if before.offset == found.offset:
                        return Stretch(before.start, found.end, found.offset)
                return found
        return year[-1]

    def first_instant(self, wall: datetime) -> datetime:
        """Return the first instant at which the wall clock shows `wall`.

        If it never does because the clocks skip it: the instant at which they skip.
        """
        # PEP 495: with fold=0 a wall time in a gap gets the offset from before the gap, and so
        # an instant behind the gap; the stretch there begins at the gap.
        instant = wall.replace(tzinfo=self._info, fold=0).astimezone(UTC)
        if instant.astimezone(self._info).replace(tzinfo=None, fold=0) == wall:
            return instant
        return self.stretch(instant).start

    def end_of_repeat(self, instant: datetime) -> datetime | None:
        """Return the wall time up to which the clocks run twice, if `instant` is in the second pass; else None."""
        if self._constant is not None or not instant.astimezone(self._info).fold:
            return None
        here = self.stretch(instant)
        return self.stretch(here.start - _SECOND).wall(here.start)


@lru_cache(maxsize=4096)
def _stretches(info: tzinfo, year: int) -> tuple[Stretch, ...]:
    """Return the stretches of one year (of UTC), the first and last cut off at its ends."""
    start = datetime(year, 1, 1, tzinfo=UTC)
    end = datetime(year + 1, 1, 1, tzinfo=UTC)
    found: list[Stretch] = []
    probe, offset = start, _offset(info, start)
    while probe < end:
        following = min(probe + _PROBE, end)
        if _offset(info, following) != offset:
            change = _change_between(info, probe, following)
            if change < end:
                found.append(Stretch(start, change, offset))
                start, offset = change, _offset(info, change)
        probe = following
    return (*found, Stretch(start, end, offset))


def _offset(info: tzinfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(info).utcoffset()
    return timedelta() if offset is None else offset


def _change_between(info: tzinfo, before: datetime, after: datetime) -> datetime:
    """Return the second at which the offset changes, known to lie in (before, after]."""
    old = _offset(info, before)
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if _offset(info, middle) == old:
            before = middle
        else:
            after = middle
    return after
