"""Services wait for a database server that does not answer yet, and for nothing else."""

import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gale.db.engine import open_engine
from gale.db.waiting import TELL_EVERY, wait_for_database
from gale.errors import SchemaOutdated, StoreUnreachable


class Enough(Exception):
    """The test has seen what it wanted."""


def nobody() -> int:
    """Return a port on which nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def never(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s")


@pytest.mark.parametrize("check_migrations", [True, False])
def test_a_server_that_does_not_answer_is_waited_for_and_told_now_and_then(check_migrations: bool) -> None:
    pytest.importorskip("MySQLdb")
    engine = open_engine(f"mysql://gale:gale@127.0.0.1:{nobody()}/gale")
    looks = []

    def look(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == TELL_EVERY + 1:
            raise Enough

    with capture_logs() as logs, pytest.raises(Enough):
        wait_for_database(engine, check_migrations=check_migrations, pause=look)
    assert len(logs) == 2
    assert "cannot be reached" in logs[0]["error"]
    assert logs[0]["next"] == "waits for it before anything else"
    assert ":gale@" not in str(logs)
    engine.dispose()


def test_a_file_that_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/no-such-folder/gale.db")
    with pytest.raises(StoreUnreachable):
        wait_for_database(engine, pause=never)


def test_a_database_without_our_tables_is_refused_at_once(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/gale.db")
    with pytest.raises(SchemaOutdated):
        wait_for_database(engine, pause=never)
    wait_for_database(engine, check_migrations=False, pause=never)
    engine.dispose()
