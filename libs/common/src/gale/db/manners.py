"""Statements that SQLite and MySQL spell differently, said once and built once: building costs more than running."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.dialects.mysql import insert as mysql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

Rows = Sequence[Mapping[str, Any]]


def insert_if_absent(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows; leave alone those whose key is taken."""
    if rows:
        connection.execute(_insert_if_absent(connection.dialect.name, table), [dict(row) for row in rows])


@cache
def _insert_if_absent(dialect: str, table: Table) -> Executable:
    if dialect == "sqlite":
        return sqlite_insert(table).on_conflict_do_nothing()
    # Not INSERT IGNORE, which would also swallow values that do not fit: an update that changes nothing.
    key = next(iter(table.primary_key.columns)).name
    return mysql_insert(table).on_duplicate_key_update({key: table.c[key]})


def upsert(connection: Connection, table: Table, rows: Rows, *, changing: tuple[str, ...]) -> None:
    """Insert rows; where the primary key is taken, replace the columns `changing`."""
    if rows:
        connection.execute(_upsert(connection.dialect.name, table, changing), [dict(row) for row in rows])


@cache
def _upsert(dialect: str, table: Table, changing: tuple[str, ...]) -> Executable:
    if dialect == "sqlite":
        sqlite = sqlite_insert(table)
        return sqlite.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={name: sqlite.excluded[name] for name in changing}
        )
    mysql = mysql_insert(table)
    return mysql.on_duplicate_key_update({name: mysql.inserted[name] for name in changing})
