"""Names of parametrised tests that are the same in every process, as pytest-xdist needs them."""

from typing import Any

import pytest


def pytest_make_parametrize_id(config: pytest.Config, val: Any, argname: str) -> str | None:
    """Name values whose usual name changes from process to process: sets, and what shows its address."""
    del config
    if isinstance(val, set | frozenset):
        return str(sorted(map(str, val)))
    return f"{argname}-{type(val).__name__}" if " at 0x" in repr(val) else None
