"""Databases with a Python DB-API driver; SQLite comes with Python itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any, ClassVar, Protocol

from gale.authoring.exceptions import TaskError
from gale.hooks.base import BaseHook


class Cursor(Protocol):
    """What the DB-API says of a cursor, as far as it is used here."""

    def execute(self, sql: str, parameters: Any = ...) -> Any:
        """Run a statement."""

    def fetchall(self) -> list[Any]:
        """Return all rows."""

    def fetchone(self) -> Any:
        """Return the next row."""

    def close(self) -> None:
        """Let go of it."""


class DbApiHook(BaseHook):
    """Run SQL by way of a connection. Subclasses say in `get_conn` how it is opened."""

    conn_name_attr: ClassVar[str] = "conn_id"
    default_conn_name: ClassVar[str] = "default_conn_id"
    placeholder: ClassVar[str] = "%s"

    def __init__(self, conn_id: str | None = None, **names: str) -> None:
        self.conn_id = names.get(self.conn_name_attr) or conn_id or self.default_conn_name

    def run(
        self,
        sql: str | Iterable[str],
        parameters: Sequence[Any] | dict[str, Any] = (),
        autocommit: bool = False,  # noqa: ARG002  all of it is one transaction
    ) -> None:
        """Run one statement or several, in one transaction."""
        with closing(self.get_conn()) as connection:
            with closing(connection.cursor()) as cursor:
                for statement in [sql] if isinstance(sql, str) else sql:
                    cursor.execute(statement, parameters)
            connection.commit()

    def get_records(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        """Return all rows of a query."""
        with closing(self.get_conn()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(sql, parameters)
            rows: list[Any] = cursor.fetchall()
            return rows

    def get_first(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> Any:
        """Return the first row of a query, or None."""
        with closing(self.get_conn()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchone()

    def insert_rows(
        self,
        table: str,
        rows: Iterable[Sequence[Any]],
        target_fields: Sequence[str] | None = None,
        commit_every: int = 1000,
    ) -> int:
        """Insert rows and return how many; `commit_every` of them share a transaction (0 = all)."""
        fields = f" ({', '.join(target_fields)})" if target_fields else ""
        count = 0
        with closing(self.get_conn()) as connection:
            with closing(connection.cursor()) as cursor:
                for row in rows:
                    marks = ", ".join([self.placeholder] * len(row))
                    cursor.execute(f"INSERT INTO {table}{fields} VALUES ({marks})", tuple(row))  # noqa: S608  names are the author's
                    count += 1
                    if commit_every and count % commit_every == 0:
                        connection.commit()
            connection.commit()
        return count


class SqliteHook(DbApiHook):
    """A SQLite file: the connection's host (or its schema) is the path."""

    conn_name_attr: ClassVar[str] = "sqlite_conn_id"
    default_conn_name: ClassVar[str] = "sqlite_default"
    placeholder: ClassVar[str] = "?"

    def get_conn(self) -> sqlite3.Connection:
        """Open the file."""
        connection = self.get_connection(self.conn_id)
        path = connection.host or connection.schema
        # sqlite:////absolute/path has the path where other types have the schema.
        if connection.schema and not connection.host:
            path = connection.schema if connection.schema.startswith(("/", ":")) else f"/{connection.schema}"
        if not path:
            raise TaskError(f"The connection {self.conn_id!r} names no file. Set its host to the path of the database.")
        return sqlite3.connect(path)
