"""BaseHook: a way to another system by the id of a connection."""

from typing import Any

from gale.authoring.connection import Connection
from gale.authoring.operator import task_log


class BaseHook:
    """What all hooks can do: find their connection."""

    log = task_log

    @classmethod
    def get_connection(cls, conn_id: str) -> Connection:
        """Return a connection by id.

        Raises:
            MissingEntry: There is none.
        """
        return Connection.get(conn_id)

    @classmethod
    def get_connections(cls, conn_id: str) -> list[Connection]:
        """Return the connection as a list of one (Airflow 1.x's form)."""
        return [cls.get_connection(conn_id)]

    def get_conn(self) -> Any:
        """Return the other system's own connection object."""
        raise NotImplementedError(f"{type(self).__name__} has no get_conn(). Write one: it opens the connection.")
