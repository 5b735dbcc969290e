"""`airflow.utils.timezone`: aware datetimes."""

import datetime as dt
from typing import Any

from gale.authoring import surroundings
from gale.authoring.instants import shown, to_utc, zone_of

utc = dt.UTC


def utcnow() -> Any:
    """Return the time, aware, in UTC."""
    return shown(surroundings.current().now())


def aware_datetime(*args: Any, **kwargs: Any) -> Any:
    """Return a datetime in UTC (`timezone.datetime(2026, 1, 31)`)."""
    kwargs.setdefault("tzinfo", utc)
    return shown(dt.datetime(*args, **kwargs))  # noqa: DTZ001  the line above gives the zone


def is_localized(value: dt.datetime) -> bool:
    """Return whether a datetime has a zone."""
    return value.utcoffset() is not None


def is_naive(value: dt.datetime) -> bool:
    """Return whether a datetime has no zone."""
    return value.utcoffset() is None


def make_aware(value: dt.datetime | None, timezone: Any = None) -> Any:
    """Return a naive datetime with a zone (default: the house's)."""
    if value is None:
        return None
    zone = zone_of(timezone or surroundings.current().default_timezone)
    if is_localized(value):
        message = f"make_aware() got {value!r}, which has a zone already. Use astimezone()."
        raise ValueError(message)
    return shown(value.replace(tzinfo=zone))


def make_naive(value: dt.datetime, timezone: Any = None) -> dt.datetime:
    """Return an aware datetime as wall time of a zone (default: the house's), without the zone."""
    zone = zone_of(timezone or surroundings.current().default_timezone)
    return value.astimezone(zone).replace(tzinfo=None)


def convert_to_utc(value: dt.datetime | None) -> Any:
    """Return a datetime in UTC."""
    return shown(to_utc(value))


def coerce_datetime(value: dt.datetime | None, tz: Any = None) -> Any:
    """Return a datetime with a zone."""
    if value is None or is_localized(value):
        return shown(value)
    return make_aware(value, tz)


def parse(string: str, timezone: Any = None) -> Any:
    """Return the datetime that an ISO 8601 text says."""
    return coerce_datetime(dt.datetime.fromisoformat(string), timezone)
