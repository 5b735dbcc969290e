"""A real application on a real SQLite database, and people of every role."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, insert, select

from gale.clock import ManualClock
from gale.db import registry
from gale.db import tables as t
from gale.db.engine import open_engine, reading, writing
from gale.settings import Settings
from gale_webserver.app import create_app

# The tests are no package, so what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

import web_seeds as seeds
from web_seeds import NOW, PASSWORD, ROLES, Browser


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a user of every role, made once and copied for each test."""
    path = tmp_path_factory.mktemp("database") / "gale.db"
    # argon2 is slow on purpose; a hash says itself how slow, so the tests use a cheap one.
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    made = open_engine(f"sqlite:///{path}")
    t.metadata.create_all(made)
    with writing(made) as conn:
        registry.ensure_defaults(conn, default_pool_slots=128)
        shared = {"password_hash": cheap, "is_active": True, "created_at": NOW}
        conn.execute(insert(t.user), [{"username": role.lower(), "role": role, **shared} for role in ROLES])
    made.dispose()
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    loaded = Settings.load(tmp_path / "home", {})
    return replace(loaded, webserver=replace(loaded.webserver, expose_config=True))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def engine(tmp_path: Path, empty_database: Path) -> Iterator[Engine]:
    made = open_engine(f"sqlite:///{shutil.copy(empty_database, tmp_path)}")
    yield made
    made.dispose()


@pytest.fixture
def app(settings: Settings, engine: Engine, clock: ManualClock) -> Flask:
    return create_app(settings, engine, clock, patience_seconds=0)


@pytest.fixture
def anonymous(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def sign_in(app: Flask) -> Callable[[str], Browser]:
    def enter(username: str, password: str = PASSWORD) -> Browser:
        client = app.test_client()
        answer = client.post("/ui/login", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.get_json()
        return Browser(client, answer.get_json()["csrf_token"])

    return enter


@pytest.fixture
def admin(sign_in: Callable[[str], Browser]) -> Browser:
    return sign_in("admin")


@pytest.fixture
def viewer(sign_in: Callable[[str], Browser]) -> Browser:
    return sign_in("viewer")


@pytest.fixture
def etl(engine: Engine) -> dict[str, Any]:
    """A DAG `etl` of three tasks in a chain, with one run that ended well and one that is under way."""
    spec = seeds.chain("etl", tags=("nightly",))
    with writing(engine) as conn:
        seeds.add_dag(conn, spec, source="# the text of etl.py\n")
        done = seeds.add_run(conn, spec, 0)
        going = seeds.add_run(conn, spec, 1, state="running")
    return {
        "spec": spec,
        "done": done["run_id"],
        "going": going["run_id"],
        "done_pk": done["id"],
        "going_pk": going["id"],
    }


@pytest.fixture
def rows(engine: Engine) -> Callable[..., list[Any]]:
    """Return the rows of a table, for a look behind the API."""

    def look(table: Any, **values: Any) -> list[Any]:
        statement = select(table).where(*(table.c[name] == value for name, value in values.items()))
        with reading(engine) as conn:
            return list(conn.execute(statement).all())

    return look
