"""What `gale doctor` finds of a database server."""

from datetime import timedelta

import pytest
from sqlalchemy import event, text

from gale.clock import ManualClock, SystemClock
from gale.core.findings import Verdict
from gale.db.engine import open_engine
from gale.db.migrate import reset
from gale.db.probe import CLOCK_FAILURE_SECONDS, probe_database

pytestmark = pytest.mark.mysql


@pytest.fixture
def engine(mysql_url):
    opened = open_engine(mysql_url)
    yield opened
    opened.dispose()


def found(engine, clock=None):
    return {finding.check: finding for finding in probe_database(engine, clock or SystemClock())}


def test_a_server_as_gale_needs_it_is_well(engine):
    reset(engine, default_pool_slots=1)
    all_of_it = found(engine)
    assert [finding for finding in all_of_it.values() if finding.verdict is not Verdict.OK] == []
    assert list(all_of_it) == ["login", "version", "charset", "isolation", "strictness", "clock", "migrations"]
    assert "tested" in all_of_it["version"].sentence


@pytest.mark.parametrize(
    ("statement", "check", "verdict"),
    [
        ("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "isolation", Verdict.FAILED),
        ("SET SESSION sql_mode = ''", "strictness", Verdict.FAILED),
        ("SET NAMES utf8mb3", "charset", Verdict.FAILED),
    ],
)
def test_a_session_that_would_lose_something_fails(engine, statement, check, verdict):
    @event.listens_for(engine, "connect")
    def spoil(connection, record):
        connection.cursor().execute(statement)

    # SQLAlchemy sets the isolation when a connection is taken from the pool; what came later is what we want.
    engine = engine.execution_options(isolation_level="REPEATABLE READ") if check == "isolation" else engine
    assert found(engine)[check].verdict is verdict


def test_tables_that_cannot_hold_every_character_are_named(engine):
    reset(engine, default_pool_slots=1)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE xcom DEFAULT CHARACTER SET latin1"))
    charset = found(engine)["charset"]
    assert charset.verdict is Verdict.WARNING
    assert "xcom (latin1_swedish_ci)" in charset.sentence
    reset(engine, default_pool_slots=1)


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0.5, Verdict.OK), (10, Verdict.WARNING), (CLOCK_FAILURE_SECONDS + 60, Verdict.FAILED)],
)
def test_a_clock_that_differs_is_told_by_how_much(engine, seconds, verdict):
    clock = ManualClock(SystemClock().now() + timedelta(seconds=seconds))
    finding = found(engine, clock)["clock"]
    assert finding.verdict is verdict
    assert "behind this machine's" in finding.sentence


def test_a_wrong_password_fails_once_and_without_showing_it(mysql_url):
    engine = open_engine(mysql_url.replace("gale:gale@", "gale:s3cret@"))
    (login,) = found(engine).values()
    engine.dispose()
    assert login.verdict is Verdict.FAILED
    assert "s3cret" not in login.sentence
