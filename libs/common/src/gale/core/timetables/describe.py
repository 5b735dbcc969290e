"""Schedules in English words.

Our own rather than cron-descriptor, which is well kept but reads the process's locale (and warns
if there is none), costs 60 ms to import in every process that reads a DAG file, and has no
word for croniter's order of fields. What is too odd for words is quoted as it stands.
"""

import calendar
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from gale.core.timetables.cron_steps import split_fields

_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY_KEYS: Final = {day[:3].lower(): index for index, day in enumerate(_DAYS[:7])}
_MONTHS: Final = tuple(calendar.month_name[1:])
_MONTH_KEYS: Final = {month[:3].lower(): index + 1 for index, month in enumerate(_MONTHS)}
_ANY: Final = frozenset({"*", "?", "*/1"})
_ZERO: Final = frozenset({"0", "00"})
#: More clock times than this are told by their minutes and hours instead.
_MOST_CLOCK_TIMES: Final = 6
_NTH: Final = {"1": "first", "2": "second", "3": "third", "4": "fourth", "5": "fifth", "l": "last"}
_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def describe_delta(delta: timedelta) -> str:
    """Return a constant distance in words, such as `Every 90 minutes`."""
    seconds = delta.total_seconds()
    for unit, size in _UNITS:
        if seconds % size == 0:
            return f"Every {unit}" if seconds == size else f"Every {seconds / size:.0f} {unit}s"
    return f"Every {seconds:g} seconds"


def describe_cron(expression: str, zone: str = "UTC") -> str:
    """Return a cron expression that has been found valid in words, such as `At 02:30, Monday through Friday`."""
    fields = split_fields(expression.lower())
    minute, hour, day, month, weekday = fields[:5]
    second = fields[5] if len(fields) > 5 else "0"  # noqa: PLR2004 - the sixth field
    year = fields[6] if len(fields) > 6 else "*"  # noqa: PLR2004 - the seventh field
    try:
        time = _time(minute, hour, second)
        days = _dates(day, weekday) or ("every day" if "very" not in time and month in _ANY else "")
        months = "" if month in _ANY else f"in {_spans(_unrolled(month, 12), _month)}"
        years = "" if year in _ANY else f"in {_spans(year, str)}"
        words = ", ".join(part for part in (time, days, months, years) if part)
    except (ValueError, KeyError, IndexError):
        words = f"By the cron expression {expression}"
    return words if zone == "UTC" else f"{words} ({zone})"


# --- lists, ranges and steps ---


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _spans(field: str, name: Callable[[str], str]) -> str:
    """Return a field's numbers and ranges, each value called by `name`."""
    return _joined([_span(item, name) for item in field.split(",")])


def _span(item: str, name: Callable[[str], str]) -> str:
    span, _, step = item.partition("/")
    first, dash, last = span.partition("-")
    if step and step != "1":
        return f"every {_ordinal(int(step))}" + _reach(first, last if dash else "", name)
    return f"{name(first)} through {name(last)}" if dash else name(first)


def _reach(first: str, last: str, name: Callable[[str], str]) -> str:
    """Return from where to where a step goes."""
    if first == "*":
        return ""
    return f" from {name(first)} through {name(last)}" if last else f" from {name(first)}"


def _ordinal(number: int) -> str:
    suffix = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _unrolled(field: str, size: int) -> str:
    """Return `*/n` of a field that counts from 1 as the list that it stands for, if that is short enough to tell."""
    step = _step(field)
    return field if step is None else ",".join(str(value) for value in range(1, size + 1, step))


def _step(field: str) -> int | None:
    """Return n of a field `*/n`, else None."""
    return int(field[2:]) if field.startswith("*/") and field[2:].isdigit() else None


def _numbers(field: str) -> list[int] | None:
    """Return the values of a field that lists plain numbers, else None."""
    items = field.split(",")
    return sorted({int(item) for item in items}) if all(item.isdigit() for item in items) else None


def _number(item: str) -> str:
    return str(int(item))


# --- the time of day ---


def _time(minute: str, hour: str, second: str) -> str:
    clock = _clock_times(minute, hour, second)
    if clock:
        return f"At {_joined(clock)}"
    if second not in _ZERO:
        return _with_seconds(minute, hour, second)
    often = _often(minute, "minute")
    if hour in _ANY:
        if minute in _ZERO:
            return "Every hour"
        return often or f"At {_plural('minute', minute)} of every hour"
    hours_step = _step(hour)
    if hours_step and minute in _ZERO:
        return f"Every {hours_step} hours" + ("" if 24 % hours_step == 0 else " from midnight")
    minutes = often or f"At {_plural('minute', minute)}"
    return f"{minutes} {_hours(hour)}"


def _clock_times(minute: str, hour: str, second: str) -> list[str]:
    minutes, hours, seconds = _numbers(minute), _numbers(hour), _numbers(second)
    if not minutes or not hours or not seconds or len(minutes) * len(hours) * len(seconds) > _MOST_CLOCK_TIMES:
        return []
    tail = [""] if second in _ZERO else [f":{value:02}" for value in seconds]
    return [f"{h:02}:{m:02}{s}" for h in hours for m in minutes for s in tail]


def _often(field: str, unit: str) -> str:
    """Return `Every n minutes` for `*` and `*/n`, and nothing for other fields."""
    if field in _ANY:
        return f"Every {unit}"
    step = _step(field)
    if step is None:
        return ""
    larger = {"second": "minute", "minute": "hour"}[unit]
    return f"Every {step} {unit}s" + ("" if 60 % step == 0 else f" from the start of each {larger}")


def _plural(unit: str, field: str) -> str:
    if "/" in field and "," not in field:
        span, _, step = field.partition("/")
        first, _, last = span.partition("-")
        return f"every {_ordinal(int(step))} {unit}" + _reach(first, last, _number)
    several = "," in field or "-" in field
    return f"{unit}{'s' * several} {_spans(field, _number)}"


def _hours(hour: str) -> str:
    first, dash, last = hour.partition("-")
    if dash and first.isdigit() and last.isdigit():
        return f"between {int(first):02}:00 and {int(last):02}:59"
    return f"of {_plural('hour', hour)}"


def _with_seconds(minute: str, hour: str, second: str) -> str:
    seconds = _often(second, "second") or f"At {_plural('second', second)}"
    minutes = "" if minute in _ANY else f" of {_plural('minute', minute)}"
    return seconds + minutes + ("" if hour in _ANY else f" {_hours(hour)}")


# --- the date ---


def _dates(day: str, weekday: str) -> str:
    days = "" if day in _ANY else _month_days(day)
    weekdays = "" if weekday in _ANY else f"on {_joined([_weekday_item(item) for item in weekday.split(',')])}"
    if days and weekdays:
        return f"{days} or {weekdays}"
    return days or weekdays


def _month_days(day: str) -> str:
    if day == "l":
        return "on the last day of the month"
    if "w" in day:
        return f"on the weekday nearest day {int(day.strip('w'))} of the month"
    step = _step(day)
    if step:
        return f"on every {_ordinal(step)} day of the month"
    plain = [item for item in day.split(",") if item != "l"]
    last = " and on the last day" if len(plain) < len(day.split(",")) else ""
    return f"on {_plural_days(plain)}{last} of the month"


def _plural_days(items: Sequence[str]) -> str:
    several = len(items) > 1 or "-" in items[0] or "/" in items[0]
    return f"day{'s' * several} {_spans(','.join(items), _number)}"


def _weekday(item: str) -> str:
    return _DAYS[_DAY_KEYS[item] if item in _DAY_KEYS else int(item)]


def _weekday_item(item: str) -> str:
    name, hash_sign, nth = item.partition("#")
    if hash_sign:
        return f"the {_NTH[nth]} {_weekday(name)} of the month"
    if item.startswith("l"):
        return f"the last {_weekday(item[1:])} of the month"
    if "/" in item:
        return f"{_span(item, _weekday)} day of the week" if item.startswith("*") else _span(item, _weekday)
    return _span(item, _weekday)


def _month(item: str) -> str:
    return _MONTHS[(_MONTH_KEYS[item] if item in _MONTH_KEYS else int(item)) - 1]
