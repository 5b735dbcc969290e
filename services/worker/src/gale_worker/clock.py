"""The database's clock for many threads: only the keeper asks the database, everybody else adds the difference.

`gale.db.engine.DatabaseClock` asks the database itself now and then. In a worker that would make
the thread that kills attempts wait for a database that does not answer.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from gale.clock import Clock


class SharedClock:
    """This machine's clock, corrected by what was last measured."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = timedelta(0)

    def now(self) -> datetime:
        """Return the database's idea of this instant, in UTC."""
        return self._clock.now() + self._offset

    def monotonic(self) -> float:
        """Return this machine's monotonic seconds."""
        return self._clock.monotonic()

    def measure(self, connection: Connection) -> None:
        """Compare our clock with the database's. SQLite has none but ours."""
        if connection.dialect.name not in {"mysql", "mariadb"}:
            return
        theirs: datetime = connection.execute(text("SELECT UTC_TIMESTAMP(6)")).scalar_one()
        self._offset = theirs.replace(tzinfo=UTC) - self._clock.now()
