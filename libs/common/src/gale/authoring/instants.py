"""Dates in DAG files: naive or aware, of any library, in; aware UTC datetimes out.

Inside Gale every instant is an aware datetime in UTC. Templates of Airflow DAGs expect
pendulum's; `airflow-compat` installs a converter for that with `show_as`.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gale.authoring import surroundings
from gale.errors import DagDefinitionError


def zone_of(value: Any) -> tzinfo:
    """Return a tzinfo from an IANA name or a tzinfo of any library.

    Raises:
        DagDefinitionError: There is no such zone.
    """
    if isinstance(value, tzinfo):
        return value
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise DagDefinitionError(
            f"There is no time zone {value!r}. Use a name of the IANA list, for instance 'UTC' or 'Asia/Shanghai'."
        ) from error


def zone_name(value: Any) -> str:
    """Return the IANA name of a zone (given as name or tzinfo).

    Raises:
        DagDefinitionError: It has none, so that days in it cannot be counted elsewhere.
    """
    if isinstance(value, str):
        zone_of(value)
        return value
    # zoneinfo says `key`, pendulum `name`, pytz `zone`.
    for attribute in ("key", "name", "zone"):
        name = getattr(value, attribute, None)
        if isinstance(name, str) and name:
            return zone_name(name) if name[0] not in "+-" else _fixed(value)
    return _fixed(value)


def _fixed(zone: tzinfo) -> str:
    offset = zone.utcoffset(None)
    if offset is None:
        raise DagDefinitionError(f"The time zone {zone!r} has no IANA name. Use zoneinfo.ZoneInfo('Area/City').")
    hours, rest = divmod(offset, timedelta(hours=1))
    if rest or not -14 <= hours <= 12:  # noqa: PLR2004  what Etc/GMT… covers
        raise DagDefinitionError(
            f"The fixed offset {zone!r} has no IANA name. Use zoneinfo.ZoneInfo('Area/City') instead."
        )
    # The signs of Etc/GMT names are reversed, by POSIX.
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"


def to_utc(value: Any, zone: tzinfo | None = None, *, what: str = "date") -> datetime | None:
    """Return a date of a DAG file as an aware datetime in UTC; None stays None.

    Args:
        value: A datetime, a date (its midnight) or an ISO 8601 text.
        zone: What a value without a zone means; None = the house's default zone.
        what: Name of the argument, for the message.

    Raises:
        DagDefinitionError: It is none of these.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise DagDefinitionError(
                f"The {what} {value!r} is no date: {error}. Write it as 2026-01-31T08:00."
            ) from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001  the zone follows
    if not isinstance(value, datetime):
        raise DagDefinitionError(
            f"The {what} is {value!r}, a {type(value).__name__}. Give a datetime, for instance datetime(2026, 1, 31)."
        )
    if value.tzinfo is None:
        value = value.replace(tzinfo=zone or zone_of(surroundings.current().default_timezone))
    # pendulum's own type would follow the value around; inside there is only the standard one.
    instant = value.astimezone(UTC)
    return datetime(
        instant.year, instant.month, instant.day, instant.hour, instant.minute, instant.second, instant.microsecond, UTC
    )


def to_seconds(value: Any, *, what: str) -> float | None:
    """Return a duration (timedelta or a number of seconds) in seconds; None stays None.

    Raises:
        DagDefinitionError: It is neither, or negative.
    """
    if value is None:
        return None
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise DagDefinitionError(
            f"{what} is {value!r}, a {type(value).__name__}. Give a timedelta, for instance timedelta(minutes=5)."
        )
    if not 0 <= seconds < float("inf"):
        raise DagDefinitionError(f"{what} is {value!r}, which no clock can wait for. Give a duration of 0 or more.")
    return seconds


_show: Callable[[datetime], Any] | None = None


def show_as(convert: Callable[[datetime], Any] | None) -> None:
    """Let user code see instants as `convert` makes them (None = as they are)."""
    global _show  # noqa: PLW0603  set once, when the airflow package is imported
    _show = convert


def shown(instant: datetime | None) -> Any:
    """Return an instant as user code shall see it."""
    return instant if instant is None or _show is None else _show(instant)
