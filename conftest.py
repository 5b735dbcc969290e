"""What holds for all tests: the tier of those of services, and names that are the same in every process."""

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent
#: Folders whose tests have a tier of their own.
TIERS = {ROOT / "services": "services", ROOT / "tests" / "architecture": "architecture"}


def pytest_make_parametrize_id(config: pytest.Config, val: Any, argname: str) -> str | None:
    """Name values whose usual name changes from process to process: sets, and what shows its address."""
    del config
    if isinstance(val, set | frozenset):
        return str(sorted(map(str, val)))
    return f"{argname}-{type(val).__name__}" if " at 0x" in repr(val) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of services, which drive them as a whole, and those that read all code."""
    for item in items:
        for folder, tier in TIERS.items():
            if item.path.is_relative_to(folder):
                item.add_marker(tier)
