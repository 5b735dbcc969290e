"""SqlSensor: wait until a query has an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gale.authoring.exceptions import TaskFailedFinal
from gale.hooks.dbapi import SqliteHook
from gale.sensors.base import BaseSensorOperator


class SqlSensor(BaseSensorOperator):
    """Wait until the first value of a query's first row is true (SQLite).

    Args:
        conn_id: The connection.
        sql: The query, templated; may name an `.sql` template file.
        parameters: Of the query; templated.
        success: Says whether a value ends the wait; default: its truth.
        failure: Says whether a value means failure.
        fail_on_empty: Whether no row at all means failure.
        options: See `BaseSensorOperator`.
    """

    template_fields: Sequence[str] = ("sql", "parameters")
    template_ext: Sequence[str] = (".sql",)

    def __init__(
        self,
        *,
        conn_id: str,
        sql: str,
        parameters: Sequence[Any] | dict[str, Any] | None = None,
        success: Callable[[Any], bool] | None = None,
        failure: Callable[[Any], bool] | None = None,
        fail_on_empty: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.conn_id = conn_id
        self.sql = sql
        self.parameters = parameters
        self.success = success
        self.failure = failure
        self.fail_on_empty = fail_on_empty

    def poke(self, context: Mapping[str, Any]) -> bool:  # noqa: ARG002  the sensor's form
        """Return whether the answer is there.

        Raises:
            TaskFailedFinal: The answer means failure.
        """
        row = SqliteHook(self.conn_id).get_first(self.sql, self.parameters or ())
        if row is None:
            if self.fail_on_empty:
                raise TaskFailedFinal("The query returned no row, which means failure here.")
            return False
        value = row[0]
        if self.failure is not None and self.failure(value):
            raise TaskFailedFinal(f"The query returned {value!r}, which means failure here.")
        return self.success(value) if self.success is not None else bool(value) and value not in {"0", ""}
