"""A real application on a real SQLite database, people of every role, and something that plays Flower."""

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, insert, select

from gale.access.people import COOKIE, doorkeeper
from gale.access.tokens import tokens_of
from gale.clock import ManualClock
from gale.db import tables as t
from gale.db.engine import open_engine, reading, writing
from gale.settings import Settings
from gale_flower_proxy.app import create_app

# The tests are no package, so what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

import flower_world
from flower_world import NOW, PASSWORD, ROLES, FakeFlower


@pytest.fixture(scope="session")
def played() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), flower_world.Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def flower(played: ThreadingHTTPServer) -> FakeFlower:
    made = FakeFlower(server=played)
    flower_world.Handler.flower = made
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(tmp_path / "home", {"GALE__CELERY__BROKER_URL": "amqp://u:p@127.0.0.1:1/v"})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(f"sqlite:///{tmp_path}/gale.db")
    t.metadata.create_all(made)
    # argon2 is slow on purpose; a hash says itself how slow, so the tests use a cheap one.
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with writing(made) as conn:
        shared = {"password_hash": cheap, "is_active": True, "created_at": NOW}
        conn.execute(insert(t.user), [{"username": role.lower(), "role": role, **shared} for role in ROLES])
    yield made
    made.dispose()


@pytest.fixture
def make_app(engine: Engine, clock: ManualClock, flower: FakeFlower) -> Iterator[Callable[[Settings], Flask]]:
    made: list[Flask] = []

    def make(settings: Settings) -> Flask:
        made.append(create_app(settings, engine, clock, flower))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for app in made:
        app.extensions["gale_flower"].client.close()


@pytest.fixture
def app(make_app: Callable[[Settings], Flask], settings: Settings) -> Flask:
    return make_app(settings)


@pytest.fixture
def anonymous(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def sign_in(app: Flask, settings: Settings, engine: Engine, clock: ManualClock) -> Callable[[str], FlaskClient]:
    """Give somebody the cookie that the web page's login gives: a row of the same table."""

    def enter(username: str) -> FlaskClient:
        keeper = doorkeeper(settings, engine, clock, tokens_of(settings))
        account = keeper.account_with_name(username)
        client = app.test_client()
        client.set_cookie(COOKIE, keeper.open_session(account, "").cookie)
        return client

    return enter


@pytest.fixture
def bearer(settings: Settings, engine: Engine) -> Callable[..., dict[str, str]]:
    def make(username: str, **more: Any) -> dict[str, str]:
        with reading(engine) as conn:
            row = conn.execute(select(t.user).where(t.user.c.username == username)).one()
        token = tokens_of(replace(settings, **more)).make(user_id=row.id, epoch=row.session_epoch, now=NOW)
        return {"Authorization": f"Bearer {token}"}

    return make


@pytest.fixture
def audit(engine: Engine) -> Callable[[], list[tuple[str, str, str]]]:
    def look() -> list[tuple[str, str, str]]:
        with reading(engine) as conn:
            rows = conn.execute(select(t.log).order_by(t.log.c.id)).all()
        return [(row.event, row.owner, row.extra or "") for row in rows]

    return look
