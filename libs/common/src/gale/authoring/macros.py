"""What templates reach as `macros`: dates, ids, chance.

Functions, not modules: a template that could get at a module could get at everything.
"""

import json as _json
import random as _random
import time as _time
import uuid as _uuid
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Final

from dateutil import parser as _parser  # type: ignore[import-untyped]  # its stubs are a package of their own
from dateutil import relativedelta as _relativedelta

from gale.authoring import surroundings


def ds_add(ds: str, days: int) -> str:
    """Return the day that lies `days` after `ds`, both as YYYY-MM-DD.

    >>> ds_add("2026-01-01", -5)
    '2025-12-27'
    """
    return (datetime.strptime(str(ds), "%Y-%m-%d") + timedelta(days=days)).strftime("%Y-%m-%d")  # noqa: DTZ007  a day


def ds_format(ds: str, input_format: str, output_format: str) -> str:
    """Return a date text in another format.

    >>> ds_format("2026-01-31", "%Y-%m-%d", "%d.%m.%y")
    '31.01.26'
    """
    return datetime.strptime(str(ds), input_format).strftime(output_format)  # noqa: DTZ007  a text in, a text out


def datetime_diff_for_humans(dt: datetime, since: datetime | None = None) -> str:
    """Return how far `dt` lies from `since` (default: now) in words, for instance "2 days ago"."""
    other = since or surroundings.current().now()
    if dt.tzinfo is None:
        other = other.replace(tzinfo=None)
    seconds = (dt - other).total_seconds()
    for name, length in _UNITS:
        count = int(abs(seconds) // length)
        if count:
            words = f"{count} {name}{'s' * (count > 1)}"
            break
    else:
        words = "a few seconds"
    if since is None:
        return f"in {words}" if seconds > 0 else f"{words} ago"
    return f"{words} after" if seconds > 0 else f"{words} before"


_UNITS: Final = (
    ("year", 365 * 86400), ("month", 30 * 86400), ("week", 7 * 86400), ("day", 86400),
    ("hour", 3600), ("minute", 60), ("second", 1),
)  # fmt: skip


class Macros:
    """The namespace that templates see as `macros`."""

    ds_add = staticmethod(ds_add)
    ds_format = staticmethod(ds_format)
    datetime_diff_for_humans = staticmethod(datetime_diff_for_humans)
    random = staticmethod(_random.random)
    datetime = datetime
    date = date
    timedelta = timedelta
    uuid = SimpleNamespace(UUID=_uuid.UUID, uuid1=_uuid.uuid1, uuid3=_uuid.uuid3, uuid4=_uuid.uuid4, uuid5=_uuid.uuid5)
    time = SimpleNamespace(strftime=_time.strftime, gmtime=_time.gmtime, mktime=_time.mktime)
    json = SimpleNamespace(dumps=_json.dumps, loads=_json.loads)

    dateutil = SimpleNamespace(
        parser=SimpleNamespace(parse=_parser.parse),
        relativedelta=SimpleNamespace(relativedelta=_relativedelta.relativedelta),
    )


macros: Final = Macros()
