"""One cluster for all tests of this folder. They build images and take minutes, so that they run only if asked for.

`make test-compose` asks. Where Docker does not answer they are skipped with the reason; on CI that is a failure.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "browser")]

import browsing  # noqa: E402 - the tests are no package
import stack as stacks  # noqa: E402 - likewise

IS_ASKED_FOR = os.environ.get("GALE_TEST_COMPOSE") == "1"
IS_CI = os.environ.get("CI", "").lower() in {"1", "true"}
collect_ignore_glob = [] if IS_ASKED_FOR else ["test_*.py"]
expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.compose)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stacks.Stack]:
    """The cluster as the compose file makes it: three workers, two schedulers."""
    if reason := stacks.why_not():
        (pytest.fail if IS_CI else pytest.skip)(f"{reason}, so there is nothing to bring the cluster up with")
    started = stacks.Stack(tmp_path_factory.mktemp("compose") / "env")
    started.compose("build", seconds=stacks.BUILD_SECONDS)
    try:
        started.up("--scale", "worker=3", "--scale", "scheduler=2")
        yield started
    finally:
        started.down()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    path = browsing.chromium()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(browsing.CHROMIUM_FLAGS))
        yield chromium
        chromium.close()
