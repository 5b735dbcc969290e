"""Query parameters: declared beside the route, checked before it runs, described in the OpenAPI document."""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from werkzeug.datastructures import MultiDict

from gale.db.read.browse import Page
from gale.errors import BadRequest

MAX_TEXT: Final = 1000
MAX_WORDS: Final = 200
MAX_OFFSET: Final = 10_000_000
#: Bounds of what every database can store as an integer.
MAX_INTEGER: Final = 2**31 - 1
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_RANGES: Final = ("gte", "gt", "lte", "lt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One query parameter. `kind` is text, integer, number, flag or instant; `many` = may be repeated."""

    name: str
    kind: str = "text"
    many: bool = False
    choices: tuple[str, ...] = ()
    default: Any = None
    about: str = ""


def text(*names: str, about: str = "") -> tuple[Param, ...]:
    """Declare text parameters."""
    return tuple(Param(name=name, about=about) for name in names)


def words(*names: str, choices: Iterable[str] = ()) -> tuple[Param, ...]:
    """Declare text parameters that may be repeated."""
    return tuple(Param(name=name, many=True, choices=tuple(choices)) for name in names)


def choice(name: str, *choices: str, default: str | None = None) -> tuple[Param, ...]:
    """Declare a parameter that takes one of a few words."""
    return (Param(name=name, choices=choices, default=default),)


def integer(*names: str, many: bool = False, default: int | None = None) -> tuple[Param, ...]:
    """Declare whole-number parameters."""
    return tuple(Param(name=name, kind="integer", many=many, default=default) for name in names)


def number(*names: str, default: float | None = None) -> tuple[Param, ...]:
    """Declare number parameters."""
    return tuple(Param(name=name, kind="number", default=default) for name in names)


def flag(*names: str, default: bool | None = None) -> tuple[Param, ...]:
    """Declare parameters that are true or false."""
    return tuple(Param(name=name, kind="flag", default=default) for name in names)


def instant(*names: str) -> tuple[Param, ...]:
    """Declare parameters that are instants: ISO 8601 with a zone."""
    return tuple(Param(name=name, kind="instant") for name in names)


def ranges(*names: str) -> tuple[Param, ...]:
    """Declare the four range filters of each named column, such as `start_date_gte`."""
    return tuple(Param(name=f"{name}_{end}", kind="instant") for name in names for end in _RANGES)


#: Every list has these.
PAGE: Final = (
    Param(name="limit", kind="integer", about="How many rows at the most."),
    Param(name="offset", kind="integer", default=0, about="How many rows to leave out."),
    Param(name="order_by", many=True, about="Sort keys; a leading - means descending."),
)


@dataclass(frozen=True, slots=True)
class Query:
    """The checked parameters of one request."""

    values: Mapping[str, Any]
    page: Page

    def text(self, name: str) -> str | None:
        """Return a text parameter; None if it was not given."""
        value = self.values[name]
        return value if value is None else str(value)

    def words(self, name: str) -> tuple[str, ...]:
        """Return every value of a parameter that may be repeated."""
        return tuple(self.values[name])

    def integer(self, name: str) -> int | None:
        """Return a whole number; None if it was not given."""
        value: int | None = self.values[name]
        return value

    def integers(self, name: str) -> tuple[int, ...]:
        """Return every whole number given."""
        return tuple(self.values[name])

    def number(self, name: str) -> float:
        """Return a number that has a default."""
        return float(self.values[name])

    def flag(self, name: str) -> bool | None:
        """Return true or false; None if it was not given and has no default."""
        value: bool | None = self.values[name]
        return value

    def is_on(self, name: str) -> bool:
        """Return whether a flag is set."""
        return bool(self.values[name])

    def instant(self, name: str) -> datetime | None:
        """Return an instant; None if it was not given."""
        value: datetime | None = self.values[name]
        return value

    def ranges(self) -> dict[str, datetime]:
        """Return the range filters that were given, such as {"start_date_gte": instant}."""
        suffixes = tuple(f"_{end}" for end in _RANGES)
        return {name: value for name, value in self.values.items() if value is not None and name.endswith(suffixes)}


def read_query(args: MultiDict[str, str], params: tuple[Param, ...], *, max_limit: int, usual_limit: int) -> Query:
    """Check the parameters of a request.

    Raises:
        BadRequest: A parameter is unknown, of the wrong form or out of bounds; the message says which and how.
    """
    known = {param.name: param for param in params}
    for name in args:
        if name not in known:
            _refuse_unknown(name, known)
    values = {param.name: _value_of(param, args.getlist(param.name)) for param in params}
    return Query(values, _page(values, max_limit, usual_limit) if {"offset", "order_by"} <= set(known) else Page())


def _refuse_unknown(name: str, known: Mapping[str, Param]) -> None:
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    there = f"It knows: {', '.join(sorted(known))}." if known else "It takes none."
    raise BadRequest(f"This address has no query parameter {name[:60]!r}.{hint} {there}")


def _page(values: Mapping[str, Any], max_limit: int, usual_limit: int) -> Page:
    limit = values["limit"]
    offset = values["offset"]
    if limit is None:
        limit = min(usual_limit, max_limit)
    if not 0 <= limit <= max_limit:
        raise BadRequest(f"limit is {limit}; it must be 0 to {max_limit}. Fetch the rest with offset.")
    if not 0 <= offset <= MAX_OFFSET:
        raise BadRequest(f"offset is {offset}; it must be 0 to {MAX_OFFSET}. Narrow the list with a filter instead.")
    keys = tuple(key.strip() for text in values["order_by"] for key in text.split(",") if key.strip())
    if len(keys) > 10:  # noqa: PLR2004 - more keys than any list has columns worth sorting by
        raise BadRequest("order_by names more than 10 sort keys; give those that matter.")
    return Page(limit=limit, offset=offset, order_by=keys)


def _value_of(param: Param, given: list[str]) -> Any:
    if param.many:
        if len(given) > MAX_WORDS:
            raise BadRequest(f"{param.name} is given {len(given)} times; {MAX_WORDS} are allowed. Ask more than once.")
        return [_one(param, item) for item in given]
    if len(given) > 1:
        raise BadRequest(f"{param.name} is given {len(given)} times; give it once.")
    if not given or (not given[0] and param.kind != "text"):
        return param.default
    return _one(param, given[0])


def _one(param: Param, given: str) -> Any:
    match param.kind:
        case "integer":
            return _integer(param.name, given)
        case "number":
            return _number(param.name, given)
        case "flag":
            return _flag(param.name, given)
        case "instant":
            return read_instant(param.name, given)
    if len(given) > MAX_TEXT:
        raise BadRequest(f"{param.name} has {len(given)} characters; {MAX_TEXT} are allowed.")
    if "\0" in given:
        raise BadRequest(f"{param.name} holds a NUL character, which no name in Gale can have. Leave it out.")
    if param.choices and given not in param.choices:
        raise BadRequest(f"{param.name} is {given[:60]!r}; it must be one of: {', '.join(param.choices)}.")
    return given


def _integer(name: str, given: str) -> int:
    # `int` alone would take spaces, underscores, Arabic digits and a million characters.
    if len(given) <= 11 and given.isascii() and given.removeprefix("-").isdigit():  # noqa: PLR2004 - digits of 2**31
        value = int(given)
        if -MAX_INTEGER <= value <= MAX_INTEGER:
            return value
    raise BadRequest(f"{name} is {given[:60]!r}; it must be a whole number between -{MAX_INTEGER} and {MAX_INTEGER}.")


def _number(name: str, given: str) -> float:
    try:
        value = float(given[:60])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadRequest(f"{name} is {given[:60]!r}; it must be a number such as 1.5.")
    return value


def _flag(name: str, given: str) -> bool:
    if given.lower() in _TRUE | _FALSE:
        return given.lower() in _TRUE
    raise BadRequest(f"{name} is {given[:60]!r}; it must be true or false.")


def read_instant(name: str, given: str) -> datetime:
    """Return the instant that an ISO 8601 text names; without a zone it is UTC.

    Raises:
        BadRequest: The text names no instant.
    """
    # A `+` of an offset that was not percent-encoded arrives as a space.
    plain = given.strip().replace(" 0", "+0", 1) if "T" in given else given.strip()
    try:
        value = datetime.fromisoformat(plain[:60])
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRequest(
            f"{name} is {given[:60]!r}, which is no instant. Write it as 2026-01-31T12:00:00Z (ISO 8601)."
        ) from None
    return value
