"""Bring the arguments of tasks into their proper types, or say what is wrong with them.

One function per argument: value, name for messages and the DAG's zone in, proper value out.
A wrong type is caught here, in the author's own line, and not at two in the morning.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from gale.authoring.instants import to_seconds, to_utc
from gale.core.graph_order import WEIGHT_RULES
from gale.core.ids import check_id
from gale.core.trigger_rules import TriggerRule
from gale.errors import DagDefinitionError

_Normalizer = Callable[[Any, str, tzinfo | None], Any]


def addresses(value: Any, what: str, _: tzinfo | None = None) -> list[str]:
    """Return mail addresses given as a list, or as one text with commas or semicolons."""
    if value is None:
        return []
    if isinstance(value, str):
        return [address for address in re.split(r"[,;\s]+", value) if address]
    if isinstance(value, list | tuple | set) and all(isinstance(address, str) for address in value):
        return list(value)
    raise DagDefinitionError(f"{what} is {value!r}. Give one address or a list of addresses.")


def _count(minimum: int) -> _Normalizer:
    def normalize(value: Any, what: str, _: tzinfo | None) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise DagDefinitionError(f"{what} is {value!r}. Give a whole number of {minimum} or more.")
        return value

    return normalize


def _retries(value: Any, what: str, zone: tzinfo | None) -> int:
    number: int = 0 if value is None else _count(0)(value, what, zone)
    return number


def _whole(value: Any, what: str, _: tzinfo | None) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise DagDefinitionError(f"{what} is {value!r}. Give a whole number.")
    return value


def _limit(value: Any, what: str, zone: tzinfo | None) -> int | None:
    return None if value is None else _count(1)(value, what, zone)


def _span(value: Any, what: str, _: tzinfo | None) -> timedelta | None:
    seconds = to_seconds(value, what=what)
    if seconds is None:
        return None
    try:
        return timedelta(seconds=seconds)
    except OverflowError as error:
        raise DagDefinitionError(f"{what} is {value!r}, which is longer than time can be counted.") from error


def _delay(value: Any, what: str, zone: tzinfo | None) -> timedelta:
    return _span(value, what, zone) or timedelta()


def _instant(value: Any, what: str, zone: tzinfo | None) -> datetime | None:
    return to_utc(value, zone, what=what)


def _rule(value: Any, what: str, _: tzinfo | None) -> TriggerRule:
    try:
        return TriggerRule(value)
    except ValueError as error:
        raise DagDefinitionError(f"{what} is {value!r}. Use one of {', '.join(TriggerRule)}.") from error


def _weight_rule(value: Any, what: str, _: tzinfo | None) -> str:
    name = getattr(value, "value", value)
    if name not in WEIGHT_RULES:
        raise DagDefinitionError(f"{what} is {value!r}. Use one of {', '.join(WEIGHT_RULES)}.")
    return str(name)


def _factor(value: Any, what: str, _: tzinfo | None) -> float:
    if isinstance(value, bool):
        return 2.0 if value else 0.0
    if isinstance(value, int | float) and 0 <= value < float("inf"):
        return float(value)
    raise DagDefinitionError(f"{what} is {value!r}. Give True, False or the factor by which the delay grows.")


def _pool(value: Any, what: str, _: tzinfo | None) -> str:
    return check_id("default_pool" if value is None else value, what)


def _id(value: Any, what: str, _: tzinfo | None) -> str:
    return check_id(value, what)


def _owner(value: Any, what: str, _: tzinfo | None) -> str:
    if not isinstance(value, str):
        raise DagDefinitionError(f"{what} is {value!r}. Give the owner's name as text.")
    return value


NORMALIZERS: Final[Mapping[str, _Normalizer]] = {
    "owner": _owner,
    "email": addresses,
    "retries": _retries,
    "retry_delay": _delay,
    "retry_exponential_backoff": _factor,
    "max_retry_delay": _span,
    "start_date": _instant,
    "end_date": _instant,
    "sla": _span,
    "execution_timeout": _span,
    "priority_weight": _whole,
    "weight_rule": _weight_rule,
    "queue": _id,
    "pool": _pool,
    "pool_slots": _count(1),
    "trigger_rule": _rule,
    "max_active_tis_per_dag": _limit,
    "max_active_tis_per_dagrun": _limit,
}
