"""Rows for each test, and what its modules share."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The tests are no package, so what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from worker_parts import HandsSeen, Rows


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    """A database with a run, and this worker's row in it."""
    made = Rows(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def hands() -> HandsSeen:
    """What is asked of the worker's other parts."""
    return HandsSeen()
