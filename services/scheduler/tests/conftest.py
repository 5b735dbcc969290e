"""The world in which the scheduler's tests play."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gale.db import registry
from gale.db import tables as t
from gale.db.engine import open_engine, writing

# The tests are no package, so what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from scheduler_world import World


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without DAGs, made once and copied for each test."""
    path = tmp_path_factory.mktemp("database") / "gale.db"
    made = open_engine(f"sqlite:///{path}")
    t.metadata.create_all(made)
    with writing(made) as connection:
        registry.ensure_defaults(connection, default_pool_slots=128)
    made.dispose()
    return path


@pytest.fixture
def world(tmp_path: Path, empty_database: Path) -> Iterator[World]:
    made = World(tmp_path, Path(shutil.copy(empty_database, tmp_path / "gale.db")))
    yield made
    made.check()
    made.close()
