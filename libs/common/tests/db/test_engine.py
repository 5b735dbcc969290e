"""The manners of the databases: locked, read-only, gone, deadlocked; and who waits for whom."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, select, text, update

from gale.clock import ManualClock, SystemClock
from gale.db import tables as t
from gale.db.engine import TRANSACTION_TRIES, DatabaseClock, in_transaction, open_engine, reading, writing
from gale.errors import ConfigError, StoreError, StoreLocked, StoreReadOnly, StoreUnreachable

PATIENCE_SECONDS = 60


def _describe(connection: Connection, about: str, pool: str = "default_pool") -> None:
    connection.execute(update(t.slot_pool).where(t.slot_pool.c.pool == pool).values(description=about))


def _description(engine: Engine, pool: str = "default_pool") -> str:
    with reading(engine) as connection:
        return str(connection.execute(select(t.slot_pool.c.description).where(t.slot_pool.c.pool == pool)).scalar_one())


@pytest.fixture
def hurried(sqlite: Engine) -> Iterator[Engine]:
    """An engine on the same file that waits for the lock only for a moment."""
    opened = open_engine(str(sqlite.url))

    @event.listens_for(opened, "connect")
    def hurry(connection, record) -> None:
        del record
        connection.execute("PRAGMA busy_timeout=5")

    yield opened
    opened.dispose()


# --- SQLite --------------------------------------------------------------------------------------


def test_every_connection_to_sqlite_has_the_manners_that_the_rest_relies_on(sqlite: Engine) -> None:
    with reading(sqlite) as connection:
        said = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert said == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 15_000}


def test_a_writer_says_so_at_its_beginning_so_that_a_second_one_waits(sqlite: Engine, hurried: Engine) -> None:
    """A transaction that reads first and writes later could not wait: it would fail at once."""
    with writing(sqlite) as first:
        first.execute(select(t.slot_pool))  # it has not written anything yet
        with pytest.raises(StoreLocked, match="locked by another program"), writing(hurried):
            pass
    with writing(hurried) as second:
        _describe(second, "at last")
    assert _description(sqlite) == "at last"


def test_readers_of_sqlite_do_not_wait_for_a_writer_and_see_what_was_before(sqlite: Engine, hurried: Engine) -> None:
    with writing(sqlite) as connection:
        _describe(connection, "half done")
        assert _description(hurried) != "half done"
    assert _description(hurried) == "half done"


def test_a_transaction_that_met_a_lock_is_done_again_as_a_whole(sqlite: Engine, hurried: Engine) -> None:
    holder = sqlite.connect().execution_options(gale_writes=True)
    lock = holder.begin()

    @event.listens_for(hurried, "handle_error")
    def let_go(context) -> None:
        assert "locked" in str(context.original_exception)
        if lock.is_active:
            lock.rollback()

    in_transaction(hurried, lambda connection: _describe(connection, "written"))
    holder.close()
    assert _description(sqlite) == "written"


def test_a_lock_that_never_ends_is_given_up_with_a_sentence_that_helps(sqlite: Engine, hurried: Engine) -> None:
    tries = []
    event.listen(hurried, "handle_error", lambda context: tries.append(context))  # noqa: PLW0108 - returns nothing
    with writing(sqlite), pytest.raises(StoreLocked, match="Find who holds it"):
        in_transaction(hurried, lambda connection: _describe(connection, "never"))
    assert len(tries) == TRANSACTION_TRIES


def test_an_error_of_the_work_itself_is_not_tried_again(sqlite: Engine) -> None:
    calls = []

    def work(connection: Connection) -> None:
        _describe(connection, "half done")
        calls.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_transaction(sqlite, work)
    assert len(calls) == 1
    assert _description(sqlite) != "half done"


def test_a_database_that_can_only_be_read_is_read_and_says_so_when_written(sqlite: Engine) -> None:
    path = sqlite.url.database
    read_only = open_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert _description(read_only)
    with pytest.raises(StoreReadOnly, match="can be read but not written"), writing(read_only) as connection:
        _describe(connection, "never")
    read_only.dispose()


def test_a_database_file_that_is_not_there_is_not_made_by_accident(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable, match="gale db migrate"):
        open_engine(f"sqlite:///{tmp_path}/gale.db", must_exist=True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    opened = open_engine(f"sqlite:///{tmp_path}/nowhere/gale.db")
    with pytest.raises(StoreUnreachable, match="cannot be reached"), reading(opened):
        pass
    opened.dispose()


def test_a_database_without_our_tables_says_what_to_run(tmp_path: Path) -> None:
    opened = open_engine(f"sqlite:///{tmp_path}/gale.db")
    with pytest.raises(StoreError, match="gale db migrate"), reading(opened) as connection:
        connection.execute(select(t.slot_pool))
    opened.dispose()


# --- what is no database at all ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("gale.db", "is no database URL"),
        ("postgresql://gale@localhost/gale", "does not know databases of the kind"),
        ("oracle+nowhere://gale@localhost/gale", "driver|kind"),
    ],
)
def test_an_address_that_is_none_is_refused_with_an_example(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        open_engine(url)


@pytest.mark.mysql
def test_a_server_that_does_not_answer_is_told_without_its_password(mysql_url: str) -> None:
    del mysql_url  # only so that the driver is known to be there
    opened = open_engine("mysql://gale:hush-hush@127.0.0.1:1/gale")
    with pytest.raises(StoreUnreachable, match="cannot be reached") as caught, reading(opened):
        pass
    assert "hush-hush" not in str(caught.value)


# --- MySQL and MariaDB ---------------------------------------------------------------------------


@pytest.fixture
def rows(mysql: Engine) -> Engine:
    """Two rows that two transactions may want in different order."""
    with writing(mysql) as connection:
        for pool in ("left", "right"):
            values = {"pool": pool, "slots": 1, "include_deferred": False, "description": ""}
            connection.execute(t.slot_pool.insert(), [values])
    return mysql


@pytest.mark.mysql
def test_every_connection_to_a_server_has_the_manners_that_the_rest_relies_on(mysql: Engine) -> None:
    with reading(mysql) as connection:
        said = connection.execute(text("SELECT @@session.time_zone, @@character_set_connection")).one()
        assert tuple(said) == ("+00:00", "utf8mb4")
        assert connection.get_isolation_level() == "READ COMMITTED"


@pytest.mark.mysql
def test_two_transactions_in_a_deadlock_both_get_through(rows: Engine) -> None:
    both_have_one = threading.Barrier(2)
    calls: list[str] = []
    failures: list[BaseException] = []

    def change(first: str, second: str) -> None:
        def work(connection: Connection) -> None:
            calls.append(first)
            _describe(connection, f"by {first}", first)
            if len(calls) <= 2:
                both_have_one.wait(PATIENCE_SECONDS)
            _describe(connection, f"by {first}", second)

        try:
            in_transaction(rows, work)
        except BaseException as error:  # noqa: BLE001 - looked at below
            failures.append(error)

    threads = [threading.Thread(target=change, args=names) for names in (("left", "right"), ("right", "left"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert failures == []
    assert len(calls) == 3, "one of the two was the victim of a real deadlock, and was done again"
    assert _description(rows, "left") == _description(rows, "right")


@pytest.mark.mysql
def test_a_lock_wait_that_took_too_long_is_done_again(rows: Engine) -> None:
    holder = rows.connect()
    lock = holder.begin()
    _describe(holder, "held", "left")
    opened = open_engine(rows.url.render_as_string(hide_password=False))

    @event.listens_for(opened, "connect")
    def hurry(connection, record) -> None:
        del record
        cursor = connection.cursor()
        cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
        cursor.close()

    codes = []

    @event.listens_for(opened, "handle_error")
    def let_go(context) -> None:
        codes.append(context.original_exception.args[0])
        lock.commit()

    in_transaction(opened, lambda connection: _describe(connection, "after the wait", "left"))
    assert codes == [1205]
    assert _description(rows, "left") == "after the wait"
    holder.close()
    opened.dispose()


@pytest.mark.mysql
def test_a_connection_that_the_server_has_closed_is_replaced_unseen(mysql: Engine) -> None:
    opened = open_engine(mysql.url.render_as_string(hide_password=False))
    with reading(opened) as connection:
        number = connection.execute(text("SELECT CONNECTION_ID()")).scalar_one()
    with reading(mysql) as connection:
        connection.execute(text(f"KILL {number}"))
    with reading(opened) as connection:
        assert connection.execute(text("SELECT CONNECTION_ID()")).scalar_one() != number
    opened.dispose()


@pytest.mark.mysql
def test_the_clock_of_the_database_decides_where_the_database_has_one(mysql: Engine) -> None:
    wrong = ManualClock()
    wrong.set_wall(SystemClock().now() + timedelta(hours=7))
    assert abs(DatabaseClock(mysql, wrong).now() - SystemClock().now()) < timedelta(seconds=5)


def test_sqlite_has_no_clock_but_ours(sqlite: Engine) -> None:
    clock = ManualClock()
    assert DatabaseClock(sqlite, clock).now() == clock.now()
