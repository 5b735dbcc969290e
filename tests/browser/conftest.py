"""Gale is started once for all tests of the page, with a home of its own.

Each test has a fresh window, and fails if the page threw an error or broke the
Content-Security-Policy on the way.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import browsing  # noqa: E402 - the tests are no package

expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that it runs in the tier of the browser."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    path = browsing.chromium()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(browsing.CHROMIUM_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def gale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browsing.RunningGale]:
    """A Gale with the examples and the DAG files of `tests/browser/dags`."""
    home = tmp_path_factory.mktemp("gale")
    shutil.copytree(HERE / "dags", home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    with browsing.running_gale(home) as running:
        yield running


@pytest.fixture(scope="session")
def admin_session(browser: Browser, gale: browsing.RunningGale, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sign in once; the session's cookie serves all tests."""
    file = tmp_path_factory.mktemp("session") / "state.json"
    context = browsing.new_window(browser, base_url=gale.url)
    page = context.new_page()
    page.goto("/")
    browsing.sign_in(page)
    context.storage_state(path=file)
    context.close()
    return file


@pytest.fixture
def complaints() -> Iterator[browsing.Complaints]:
    """Fail the test if a page that it used complained."""
    heard = browsing.Complaints()
    yield heard
    assert heard.found == []


@pytest.fixture
def page(
    browser: Browser, gale: browsing.RunningGale, admin_session: Path, complaints: browsing.Complaints
) -> Iterator[Page]:
    """A window in which the admin is signed in."""
    context = browsing.new_window(browser, base_url=gale.url, storage_state=admin_session)
    window = context.new_page()
    complaints.watch(window)
    yield window
    context.close()


@pytest.fixture
def stranger(browser: Browser, gale: browsing.RunningGale, complaints: browsing.Complaints) -> Iterator[Page]:
    """A window in which nobody is signed in."""
    context = browsing.new_window(browser, base_url=gale.url)
    window = context.new_page()
    complaints.watch(window)
    yield window
    context.close()
