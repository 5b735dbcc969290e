"""XCom values as JSON text, and back.

JSON has no dates, decimals, sets or infinities, and tasks hand these on all the time. They travel as
`{"__type": ..., "value": ...}`. A tuple becomes a list; a dataclass, a numpy or pandas value
becomes what it holds. Anything else is refused with a sentence instead of being pickled:
a value must outlive the code that made it, and reading it must run nobody's code.
"""

import base64
import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from gale.authoring.exceptions import TaskError

_TAG: Final = "__type"

_TO: Final[tuple[tuple[type, str, Callable[[Any], Any]], ...]] = (
    (datetime, "datetime", datetime.isoformat),
    (date, "date", date.isoformat),
    (time, "time", time.isoformat),
    (timedelta, "timedelta", timedelta.total_seconds),
    (Decimal, "decimal", str),
    (UUID, "uuid", str),
    (bytes, "bytes", lambda value: base64.b64encode(value).decode("ascii")),
    (frozenset, "set", list),
    (set, "set", list),
)
_FROM: Final[Mapping[str, Callable[[Any], Any]]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda value: timedelta(seconds=value),
    "decimal": Decimal,
    "uuid": UUID,
    "bytes": base64.b64decode,
    "float": float,
    "set": set,
}


def _plain(value: Any) -> Any:
    """Return what JSON can hold in place of `value` (called by json for unknown types)."""
    for kind, name, convert in _TO:
        if isinstance(value, kind):
            return {_TAG: name, "value": convert(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    # numpy scalars and arrays, pandas series, pydantic models: by what they can do, so that none is imported.
    for method in ("tolist", "to_dict", "model_dump"):
        if callable(take := getattr(value, method, None)):
            return take()
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__}")


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain, allow_nan=False)


def _without_odd_floats(value: Any) -> Any:
    """Return the value with infinities and NaN, for which JSON has no words, in the tagged form."""
    if isinstance(value, float):
        return value if math.isfinite(value) else {_TAG: "float", "value": str(value)}
    if isinstance(value, Mapping):
        return {key: _without_odd_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_odd_floats(item) for item in value]
    if isinstance(value, str | int | None):
        return value
    return _without_odd_floats(_plain(value))


def _encode(value: Any) -> str:
    try:
        return _ENCODER.encode(value)
    except ValueError:
        # Seldom, so that only those who have such numbers pay for the search.
        return _ENCODER.encode(_without_odd_floats(value))


def _restore(found: dict[str, Any]) -> Any:
    if len(found) == 2 and (convert := _FROM.get(found.get(_TAG, ""))) is not None:  # noqa: PLR2004  tag and value
        return convert(found.get("value"))
    return found


_DECODER: Final = json.JSONDecoder(object_hook=_restore)


def to_json(value: Any, what: str = "value") -> str:
    """Return `value` as JSON text.

    Raises:
        TaskError: It holds something that JSON cannot.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise TaskError(
            f"The {what} cannot be handed on: it holds {error}, which JSON cannot store. Return plain data (text, "
            "numbers, lists, dicts, dates), write large or special things to a file and return its path, or set "
            "do_xcom_push=False."
        ) from error


def from_json(text: str) -> Any:
    """Return the value that `to_json` made the text from."""
    return _DECODER.decode(text)
