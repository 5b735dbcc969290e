"""Filters that come in a body, because they are too long for an address."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from gale.db.read.browse import Page
from gale.errors import BadRequest
from gale_webserver.context import services
from gale_webserver.query import MAX_OFFSET

_ENDS = ("_gte", "_gt", "_lte", "_lt")


def page_of(limit: int, offset: int, order_by: str | None) -> Page:
    """Return the page that a body asks for.

    Raises:
        BadRequest: It is out of bounds.
    """
    most = services().settings.api.maximum_page_limit
    if not 0 <= limit <= most:
        raise BadRequest(f"page_limit is {limit}; it must be 0 to {most}. Fetch the rest with page_offset.")
    if not 0 <= offset <= MAX_OFFSET:
        raise BadRequest(f"page_offset is {offset}; it must be 0 to {MAX_OFFSET}. Narrow the list with a filter.")
    return Page(limit=limit, offset=offset, order_by=(order_by,) if order_by else ())


def ranges_of(body: msgspec.Struct) -> dict[str, datetime]:
    """Return the range filters of a body; an instant without a zone is UTC."""
    found = {}
    for name in body.__struct_fields__:
        value = getattr(body, name)
        if isinstance(value, datetime) and name.endswith(_ENDS):
            found[name] = value if value.tzinfo else value.replace(tzinfo=UTC)
    return found


def states_of(names: Sequence[str | None] | None, known: Iterable[StrEnum]) -> tuple[str, ...]:
    """Return the states of a body; null means a task instance that waits for its upstream tasks.

    Raises:
        BadRequest: There is no such state.
    """
    words = [state.value for state in known]
    found = tuple("none" if name is None or name in {"null", "no_status"} else name for name in names or ())
    for name in found:
        if name not in words:
            raise BadRequest(f"There is no state {name[:60]!r}. There are: {', '.join(words)}.")
    return found
