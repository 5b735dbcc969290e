"""What the lists of the web tier and of the command line share: pages, sort keys, filters, who sees what.

Every list takes a `Page` and gives a `Listing`. Filters are always bound parameters; text that
a user types is matched literally, except in Airflow's `…_pattern` filters, which are LIKE patterns.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, func, literal, select

from gale.db import tables
from gale.errors import BadRequest

#: A row of whatever columns its query names.
AnyRow: TypeAlias = Row[*tuple[Any, ...]]

ESCAPE: Final = "\\"
#: Suffix of a range filter to the comparison it means.
_COMPARISONS: Final = {"gte": "__ge__", "gt": "__gt__", "lte": "__le__", "lt": "__lt__"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list, in which order. A sort key with a leading `-` means descending."""

    limit: int = 100
    offset: int = 0
    order_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of rows, and how many there are without the page's limit."""

    rows: Sequence[AnyRow]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """Which DAGs the asking person may know of. `owner=None` = all of them."""

    owner: str | None = None

    def condition(self) -> ColumnElement[bool] | None:
        """Return the condition on `dag` that holds for visible DAGs; None if all are."""
        if self.owner is None:
            return None
        spaced = literal(",").concat(func.replace(tables.dag.c.owners, ", ", ",")).concat(",")
        return spaced.like(f"%,{escape_like(self.owner)},%", escape=ESCAPE)

    def only(self, statement: Select[Any], dag_id: ColumnElement[Any]) -> Select[Any]:
        """Return `statement` without the rows whose `dag_id` is not visible."""
        condition = self.condition()
        if condition is None:
            return statement
        return statement.where(dag_id.in_(select(tables.dag.c.dag_id).where(condition)))


EVERYTHING: Final = Visible()
FIRST_PAGE: Final = Page()


@dataclass(frozen=True, slots=True, kw_only=True)
class SortKeys:
    """The keys by which a list may be sorted, and what makes the order complete."""

    keys: Mapping[str, ColumnElement[Any]]
    default: tuple[str, ...]
    tie: ColumnElement[Any]
    #: Other names of the same keys, as Airflow has them.
    aliases: Mapping[str, str] = field(default_factory=dict)

    def apply(self, statement: Select[Any], page: Page) -> Select[Any]:
        """Return `statement` sorted and cut to the page.

        Raises:
            BadRequest: A sort key is unknown; the message lists those that there are.
        """
        for name in page.order_by or self.default:
            plain = name.removeprefix("-")
            column = self.keys.get(self.aliases.get(plain, plain))
            if column is None:
                near = difflib.get_close_matches(plain, self.keys, 1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                known = ", ".join(sorted(self.keys))
                raise BadRequest(f"This list cannot be sorted by {plain[:60]!r}.{hint} It knows: {known}.")
            statement = statement.order_by(column.desc() if name.startswith("-") else column.asc())
        # Equal rows go the way of the last key, so that "newest first" holds for rows of one instant too.
        backwards = (page.order_by or self.default)[-1].startswith("-")
        tie = self.tie.desc() if backwards else self.tie.asc()
        return statement.order_by(tie).limit(page.limit).offset(page.offset)


def escape_like(text: str) -> str:
    r"""Return `text` so that LIKE … ESCAPE '\' matches it literally."""
    return text.replace(ESCAPE, ESCAPE * 2).replace("%", ESCAPE + "%").replace("_", ESCAPE + "_")


def contains(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Return the condition that `column` holds `text`, literally, in any case."""
    return func.lower(column).like(f"%{escape_like(text.lower())}%", escape=ESCAPE)


def matches(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Return the condition that `column` holds Airflow's LIKE `pattern` (`%` any text, `_` any letter), in any case."""
    return func.lower(column).like(f"%{pattern.lower().replace(ESCAPE, ESCAPE * 2)}%", escape=ESCAPE)


def within(
    statement: Select[Any], columns: Mapping[str, ColumnElement[Any]], ranges: Mapping[str, datetime | float]
) -> Select[Any]:
    """Return `statement` with range filters such as `start_date_gte` applied to `columns`."""
    for name, limit in ranges.items():
        column, _, comparison = name.rpartition("_")
        statement = statement.where(getattr(columns[column], _COMPARISONS[comparison])(limit))
    return statement


def list_rows(
    conn: Connection, statement: Select[Any], sort: SortKeys, page: Page, counted: Select[Any] | None = None
) -> Listing:
    """Run a filtered `statement` for one page, and count all of its rows.

    Args:
        conn: A connection.
        statement: The rows, not sorted yet.
        sort: By what they may be sorted.
        page: Which of them, in which order.
        counted: A statement with as many rows that is cheaper to count, because it joins less.
    """
    rows_to_count = statement if counted is None else counted
    total = conn.execute(rows_to_count.with_only_columns(func.count(), maintain_column_froms=True)).scalar_one()
    rows = conn.execute(sort.apply(statement, page)).all() if page.limit else []
    return Listing(rows, total)


def all_of(table: Table, **values: Any) -> ColumnElement[bool]:
    """Return the condition that each named column has the given value."""
    return and_(*(table.c[name] == value for name, value in values.items()))
