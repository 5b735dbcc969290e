"""Days of the week, and what authors write for them."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from gale.errors import DagDefinitionError


class WeekDay(IntEnum):
    """Days of the week as ISO 8601 counts them."""

    MONDAY = 1
    TUESDAY = 2
    WEDNESDAY = 3
    THURSDAY = 4
    FRIDAY = 5
    SATURDAY = 6
    SUNDAY = 7


def week_days(value: Any) -> frozenset[WeekDay]:
    """Return the days that an author named: one or several, by name or as WeekDay.

    >>> sorted(day.name for day in week_days({"Saturday", WeekDay.SUNDAY}))
    ['SATURDAY', 'SUNDAY']

    Raises:
        DagDefinitionError: One is no day of the week, or there is none.
    """
    given = [value] if isinstance(value, str | WeekDay) or not isinstance(value, Iterable) else list(value)
    found = set()
    for day in given:
        name = day.strip().upper() if isinstance(day, str) else str(getattr(day, "name", day))
        if name not in WeekDay.__members__:
            raise DagDefinitionError(f"{day!r} is no day of the week. Use one of {', '.join(WeekDay.__members__)}.")
        found.add(WeekDay[name])
    if not found:
        raise DagDefinitionError("No day of the week was given. Name at least one.")
    return frozenset(found)
