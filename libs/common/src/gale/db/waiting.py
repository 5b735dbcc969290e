"""A service that starts before its database waits for it and says so; ending would only have it started again."""

import threading
from collections.abc import Callable
from typing import Any, Final

import structlog
from sqlalchemy import Engine

from gale import telemetry
from gale.db.engine import reading
from gale.db.schema import check_schema
from gale.errors import StoreUnreachable

PAUSE_SECONDS: Final = 1.0
#: What it waits for is told again after so many looks.
TELL_EVERY: Final = 30


def _sleep(seconds: float) -> None:
    # A signal's handler runs meanwhile; before there is one, the signal ends the process.
    threading.Event().wait(seconds)


def wait_for_database(engine: Engine, *, check_migrations: bool = True, pause: Callable[[float], Any] = _sleep) -> None:
    """Return as soon as the database answers and has the schema that this program needs.

    Only servers are waited for, and whatever keeps them from answering: not started yet, another password, no such
    database. A SQLite file does not appear by itself.

    Args:
        engine: The database.
        check_migrations: Whether another schema than ours is refused.
        pause: Waits between two looks.

    Raises:
        StoreError: It has another schema, holds another program's tables, or is a file that is not there.
    """
    looks = 0
    while True:
        try:
            if check_migrations:
                check_schema(engine)
            else:
                with reading(engine) as connection:
                    connection.exec_driver_sql("SELECT 1")
        except StoreUnreachable as error:
            if engine.dialect.name == "sqlite":
                raise
            if looks % TELL_EVERY == 0:
                structlog.get_logger().warning(
                    telemetry.DATABASE_ERROR, error=str(error), next="waits for it before anything else"
                )
        else:
            return
        looks += 1
        pause(PAUSE_SECONDS)
