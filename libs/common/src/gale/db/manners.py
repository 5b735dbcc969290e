"""Statements that SQLite and MySQL spell differently, said once."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.mysql import insert as mysql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

Rows = Sequence[Mapping[str, Any]]


def insert_if_absent(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows; leave alone those whose key is taken."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.execute(sqlite_insert(table).on_conflict_do_nothing(), [dict(row) for row in rows])
        return
    # Not INSERT IGNORE, which would also swallow values that do not fit: an update that changes nothing.
    key = next(iter(table.primary_key.columns)).name
    statement = mysql_insert(table)
    statement = statement.on_duplicate_key_update({key: table.c[key]})
    connection.execute(statement, [dict(row) for row in rows])


def upsert(connection: Connection, table: Table, rows: Rows, *, changing: Sequence[str]) -> None:
    """Insert rows; where the primary key is taken, replace the columns `changing`."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        sqlite = sqlite_insert(table)
        statement: Any = sqlite.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={name: sqlite.excluded[name] for name in changing}
        )
    else:
        mysql = mysql_insert(table)
        statement = mysql.on_duplicate_key_update({name: mysql.inserted[name] for name in changing})
    connection.execute(statement, [dict(row) for row in rows])
