"""A home for each test, and its end."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The tests are no package, so what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from fault_home import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Give a home of its own; end what it started."""
    made = Home(tmp_path / "home")
    yield made
    made.close()
