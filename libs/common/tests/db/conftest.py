"""Stores of every kind: in memory, on SQLite, and on a MySQL or MariaDB server where there is one."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, update

from gale.core.ports import Store
from gale.db import registry
from gale.db import tables as t
from gale.db.engine import open_engine, writing
from gale.db.store import DbStore
from gale.settings import environment
from gale.testing.memory_store import MemoryStore

# What starts a server of our own is shared with other folders of tests.
sys.path.insert(0, str(Path(__file__).parents[4] / "tests"))

import mariadb

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def mysql_url() -> Iterator[str]:
    """The server at GALE_TEST_MYSQL_URL, or one of our own: private folder, free port."""
    if importlib.util.find_spec("MySQLdb") is None:
        pytest.skip("the driver mysqlclient is not installed")
    if url := environment("GALE_TEST_MYSQL_URL"):
        yield url
        return
    if not mariadb.is_installed():
        pytest.skip("no server: install mariadb-server, or name an empty database in GALE_TEST_MYSQL_URL")
    with mariadb.running() as url:
        yield url


@pytest.fixture(scope="session")
def mysql_engine(mysql_url: str) -> Iterator[Engine]:
    opened = open_engine(mysql_url, pool_size=10)
    yield opened
    opened.dispose()


def _empty(engine: Engine) -> None:
    """Make the tables, where they are not there, and take everything out of them."""
    t.metadata.create_all(engine)
    with writing(engine) as connection:
        for table in reversed(t.metadata.sorted_tables):
            connection.execute(table.delete())
        registry.ensure_defaults(connection, default_pool_slots=128)


@pytest.fixture
def mysql(mysql_engine: Engine) -> Engine:
    """An empty database on a MySQL or MariaDB server."""
    _empty(mysql_engine)
    return mysql_engine


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """An empty SQLite database."""
    opened = open_engine(f"sqlite:///{tmp_path}/gale.db")
    _empty(opened)
    yield opened
    opened.dispose()


@dataclass
class Kept:
    """A store under test, and the little of the world around it that the port does not name."""

    store: Store
    #: Gives the same store to somebody else: with a connection of his own, where there are connections.
    again: Callable[[], Store]
    pause: Callable[[str], None]
    shut_down: Callable[[str], None]
    engine: Engine | None = None
    closing: list[Engine] = field(default_factory=list)


def _in_memory() -> Kept:
    store = MemoryStore()

    def shut_down(job: str) -> None:
        store._tables.jobs[job].state = "shutdown"

    return Kept(store, lambda: store, store.halt, shut_down)


def _in_database(engine: Engine) -> Kept:
    dags = [
        {
            "dag_id": dag_id,
            "fileloc": f"{dag_id}.py",
            "is_paused": False,
            "is_active": True,
            "max_active_tasks": 16,
            "max_active_runs": 16,
        }
        for dag_id in ("etl", "other")
    ]
    with writing(engine) as connection:
        connection.execute(insert(t.dag), dags)
    closing: list[Engine] = []

    def again() -> Store:
        opened = open_engine(engine.url.render_as_string(hide_password=False))
        closing.append(opened)
        return DbStore(opened)

    def pause(dag_id: str) -> None:
        with writing(engine) as connection:
            connection.execute(update(t.dag).where(t.dag.c.dag_id == dag_id).values(is_paused=True))

    def shut_down(job: str) -> None:
        with writing(engine) as connection:
            connection.execute(update(t.job).where(t.job.c.id == job).values(state="shutdown"))

    return Kept(DbStore(engine), again, pause, shut_down, engine, closing)


@pytest.fixture(params=["memory", "sqlite", pytest.param("mysql", marks=pytest.mark.mysql)])
def kept(request: pytest.FixtureRequest) -> Iterator[Kept]:
    """The same store three times: what one promises, all keep."""
    made = _in_memory() if request.param == "memory" else _in_database(request.getfixturevalue(request.param))
    yield made
    for engine in made.closing:
        engine.dispose()
