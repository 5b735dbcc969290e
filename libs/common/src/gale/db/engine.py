"""The way to the database: engines, transactions, and errors that teach.

Manners that this file takes care of, so that nobody else needs to know them:

- SQLite: write-ahead log, every commit synced to disk, foreign keys on, and writers that take the
  write lock at BEGIN. (A transaction that reads first and writes later cannot wait for the lock:
  it would fail at once with "database is locked".)
- MySQL and MariaDB: READ COMMITTED, UTC, utf8mb4, dead connections noticed before use.
- Errors 1205 (lock wait), 1213 (deadlock) and 1020 (record has changed) ask for the whole
  transaction once more; so does a busy SQLite.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, exc, text
from sqlalchemy.engine import URL, make_url

from gale.clock import Clock
from gale.errors import ConfigError, StoreError, StoreLocked, StoreReadOnly, StoreUnreachable

T = TypeVar("T")

#: How long a transaction waits for locks of others before it gives up.
LOCK_SECONDS: Final = 15.0
TRANSACTION_TRIES: Final = 5
#: After this time a transaction is not tried again. Who waited for SQLite's lock has waited that long already.
TRANSACTION_SECONDS: Final = 10.0
CLOCK_CHECK_SECONDS: Final = 60.0
_RETRYABLE_MYSQL: Final = frozenset({1205, 1213, 1020})
_NO_SUCH_TABLE: Final = 1146
_UNREACHABLE_MYSQL: Final = frozenset({1040, 1044, 1045, 1049, 2002, 2003, 2005, 2006, 2013, 2055})


def open_engine(
    url: str,
    *,
    pool_size: int = 5,
    must_exist: bool = False,
    lock_seconds: float | None = None,
    trusted_seconds: float = 0.0,
) -> Engine:
    """Return an engine for `url` with the manners that Gale relies on. Nothing is connected yet.

    Args:
        url: `sqlite:///…`, `mysql://…` or `mariadb://…`, as in `sql_alchemy_conn`.
        pool_size: Connections that are kept open at the most.
        must_exist: Refuse a SQLite file that is not there instead of making an empty one.
        lock_seconds: How long a transaction waits for locks of others; default `LOCK_SECONDS`. Whoever has a
            lease to keep must not wait for long.
        trusted_seconds: A connection that was used so recently is not asked whether it lives, which would be one
            more trip to the server. For those who go on from the rows after any error.

    Raises:
        ConfigError: The URL cannot be read, or its driver is not installed.
        StoreUnreachable: `must_exist`, and there is no such file.
    """
    lock_seconds = LOCK_SECONDS if lock_seconds is None else lock_seconds
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise ConfigError(
            f"sql_alchemy_conn is no database URL ({error}). Write dialect://user:password@host:port/database, "
            "for instance sqlite:////var/lib/gale/gale.db or mysql://gale:secret@localhost:3306/gale."
        ) from None
    try:
        if parsed.get_backend_name() == "sqlite":
            return _open_sqlite(parsed, must_exist=must_exist, lock_seconds=lock_seconds)
        return _open_server(parsed, pool_size, lock_seconds, trusted_seconds)
    except (ImportError, exc.NoSuchModuleError) as error:
        raise ConfigError(
            f"The driver for {parsed.drivername!r} databases is not installed ({error}). "
            "Run: pip install 'gale[mysql]' (or use a sqlite:/// URL)."
        ) from None


def _open_sqlite(url: URL, *, must_exist: bool, lock_seconds: float) -> Engine:
    path = url.database
    if must_exist and path and path != ":memory:" and not path.startswith("file:") and not Path(path).exists():
        raise StoreUnreachable(f"There is no database file {path}. Run `gale db migrate` to make one.")
    engine = create_engine(
        url,
        connect_args={"timeout": lock_seconds, "check_same_thread": False},
        # Every block here commits or rolls back itself; a second rollback would cost a tenth of a short one.
        pool_reset_on_return=None,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        del record
        connection.isolation_level = None  # we say BEGIN ourselves, below
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA temp_store=MEMORY")
        if path and path != ":memory:" and cursor.execute("PRAGMA query_only").fetchone() == (0,):
            try:
                cursor.execute("PRAGMA journal_mode=WAL")
            except Exception:  # noqa: BLE001 - a read-only file cannot be switched; reading still works
                cursor.execute("PRAGMA query_only")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("gale_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _open_server(url: URL, pool_size: int, lock_seconds: float, trusted_seconds: float) -> Engine:
    if url.get_backend_name() not in {"mysql", "mariadb"}:
        raise ConfigError(
            f"Gale does not know databases of the kind {url.get_backend_name()!r}. Use a sqlite:// or mysql:// URL."
        )
    if "charset" not in url.query:
        url = url.update_query_dict({"charset": "utf8mb4"})
    engine = create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=pool_size,
        pool_recycle=1800,
        # Every block here commits or rolls back itself; a second rollback would be one more trip to the server.
        pool_reset_on_return=None,
    )

    @event.listens_for(engine, "checkin")
    def note(connection: Any, record: Any) -> None:
        del connection
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def check(connection: Any, record: Any, proxy: Any) -> None:
        del proxy
        used_at = record.info.get("used_at")
        if used_at is None or time.monotonic() - used_at < trusted_seconds:
            return
        try:
            connection.ping()
        except Exception as error:
            raise exc.DisconnectionError from error  # the pool opens another one

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        del record
        cursor = connection.cursor()
        cursor.execute(f"SET SESSION time_zone = '+00:00', SESSION innodb_lock_wait_timeout = {ceil(lock_seconds)}")
        cursor.close()

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that only reads.

    Raises:
        StoreError: The database cannot be used; the message says why and what to do.
    """
    with told(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that writes; it commits at the end of the block.

    Raises:
        StoreError: The database cannot be used; the message says why and what to do.
    """
    with told(engine), engine.connect().execution_options(gale_writes=True) as connection, connection.begin():
        yield connection


def in_transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Do `work` in one transaction, and the whole of it again when the database asks for that.

    Args:
        engine: The database.
        work: What to do. It may be called several times, so it must change nothing but the database.

    Raises:
        StoreError: The database cannot be used; the message says why and what to do.
    """
    give_up_at = time.monotonic() + TRANSACTION_SECONDS
    for attempt in range(1, TRANSACTION_TRIES + 1):
        try:
            with engine.connect().execution_options(gale_writes=True) as connection, connection.begin():
                return work(connection)
        except exc.DBAPIError as error:
            is_last = attempt == TRANSACTION_TRIES or time.monotonic() > give_up_at
            if is_last or not is_retryable(error):
                raise explain(engine, error) from error
            time.sleep(0.01 * 2**attempt)
    raise AssertionError("unreachable: the loop returns or raises")


@contextmanager
def told(engine: Engine) -> Iterator[None]:
    """Turn the driver's errors about the database as such into ones that say what to do."""
    try:
        yield
    except exc.DBAPIError as error:
        # A plain DatabaseError is SQLite's word for a file that is something else.
        if isinstance(error, exc.OperationalError) or error.connection_invalidated or type(error) is exc.DatabaseError:
            raise explain(engine, error) from error
        raise


def _code(error: exc.DBAPIError) -> int:
    code = error.orig.args[0] if error.orig is not None and error.orig.args else 0
    return code if isinstance(code, int) else 0


def is_retryable(error: exc.DBAPIError) -> bool:
    """Tell whether the same transaction may succeed if it is done again."""
    return _code(error) in _RETRYABLE_MYSQL or "database is locked" in str(error.orig)


def explain(engine: Engine, error: exc.DBAPIError) -> StoreError:
    """Return the error that says in plain words what is wrong with the database."""
    where = engine.url.render_as_string(hide_password=True)
    said = str(error.orig)
    if "locked" in said or "busy" in said or _code(error) in _RETRYABLE_MYSQL:
        return StoreLocked(
            f"The database {where} is locked by another program ({said}). "
            "Find who holds it (a copy, a backup, an open shell), end that, and try again."
        )
    if "readonly" in said or "read-only" in said:
        return StoreReadOnly(
            f"The database {where} can be read but not written ({said}). "
            "Give this user write permission on the file and on its folder."
        )
    if "no such table" in said or _code(error) == _NO_SUCH_TABLE:
        return StoreError(f"The database {where} lacks a table ({said}). Run `gale db migrate`.")
    if "unable to open" in said or _code(error) in _UNREACHABLE_MYSQL:
        return StoreUnreachable(
            f"The database {where} cannot be reached ({said}). Check that it runs and that sql_alchemy_conn names it."
        )
    if "not a database" in said or "malformed" in said:
        return StoreError(
            f"The file of {where} is damaged or no SQLite database ({said}). "
            "Restore it from a copy, or name another file in [database] sql_alchemy_conn."
        )
    return StoreError(f"The database {where} refused a statement: {said}")


class DatabaseClock:
    """The database's clock, which alone decides about leases and due times.

    Asking the database each time would cost a round trip; instead the difference to our own
    clock is measured now and then. SQLite has no clock but ours.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._offset = timedelta(0)
        self._measured_at: float | None = None
        self._has_own_clock = engine.dialect.name in {"mysql", "mariadb"}

    def now(self) -> datetime:
        """Return the database's idea of this instant, in UTC."""
        if self._has_own_clock:
            self._measure()
        return self._clock.now() + self._offset

    def monotonic(self) -> float:
        """Return this machine's monotonic seconds."""
        return self._clock.monotonic()

    def _measure(self) -> None:
        at = self._clock.monotonic()
        if self._measured_at is not None and at - self._measured_at < CLOCK_CHECK_SECONDS:
            return
        with reading(self._engine) as connection:
            theirs: datetime = connection.execute(text("SELECT UTC_TIMESTAMP(6)")).scalar_one()
        self._offset = theirs.replace(tzinfo=UTC) - self._clock.now()
        self._measured_at = at
