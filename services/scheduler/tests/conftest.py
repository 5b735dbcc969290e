"""The world in which the scheduler's tests play."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gale.db import registry
from gale.db import tables as t
from gale.db.engine import open_engine, writing

# The tests are no package, so what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from scheduler_world import Engines, World


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """Engines on a database without DAGs."""
    folder = tmp_path_factory.mktemp("database")
    made = open_engine(f"sqlite:///{folder}/empty.db")
    t.metadata.create_all(made)
    with writing(made) as connection:
        registry.ensure_defaults(connection, default_pool_slots=128)
    made.dispose()
    shared = Engines(folder / "gale.db", folder / "empty.db")
    yield shared
    shared.reset()


@pytest.fixture
def world(tmp_path: Path, engines: Engines) -> Iterator[World]:
    engines.reset()
    made = World(tmp_path, engines)
    yield made
    made.check()
    made.close()
