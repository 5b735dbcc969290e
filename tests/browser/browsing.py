"""What the tests of the page share: a real Gale on a free port, windows of a real Chromium."""

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

HERE: Final = Path(__file__).parent
PASSWORD: Final = "a-password-for-tests"
START_SECONDS: Final = 90
STOP_SECONDS: Final = 30
CHROMIUM_FLAGS: Final = (
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Without these Chromium calls home at every start.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: What a browser says of answers that a test provokes on purpose.
EXPECTED_NOISE: Final = re.compile(
    r"Failed to load resource: (?:the server responded with a status of 4\d\d|net::ERR_)"
)
_READY: Final = re.compile(r"Gale is ready:\s+(?:\x1b\[[0-9;]*m)*(http[^\s\x1b]+)")


@dataclass
class RunningGale:
    """Gale as `gale standalone` starts it."""

    home: Path
    process: subprocess.Popen[str]
    url: str = ""
    output: list[str] = field(default_factory=list)

    @property
    def dags(self) -> Path:
        """The folder that is watched for DAG files."""
        return self.home / "dags"

    def run(self, *arguments: str) -> str:
        """Run a command of Gale on the same home."""
        return subprocess.run(
            [sys.executable, "-m", "gale", *arguments],
            env=_environment(self.home),
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GALE_", "AIRFLOW"))}
    return {**kept, "GALE_HOME": str(home), "GALE_ADMIN_PASSWORD": PASSWORD}


def chromium() -> str:
    """Return the path of a Chromium, or skip the test with the reason."""
    if given := os.environ.get("GALE_TEST_CHROMIUM"):
        return given
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium on this machine (install the package chromium, or name one in GALE_TEST_CHROMIUM)")


@contextmanager
def running_gale(home: Path) -> Iterator[RunningGale]:
    """Start Gale, wait until it says that it is ready, and stop it at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gale", "standalone", "--port", "0"],
        env=_environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines: queue.Queue[str] = queue.Queue()
    running = RunningGale(home, process)
    reader = threading.Thread(target=_read, args=(running, lines), daemon=True)
    reader.start()
    try:
        running.url = _wait_until_ready(lines, running)
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("Gale did not stop after Ctrl-C:\n" + "".join(running.output[-40:])) from None
        finally:
            reader.join(STOP_SECONDS)
            assert process.stdout
            process.stdout.close()


def _read(running: RunningGale, lines: queue.Queue[str]) -> None:
    for line in running.process.stdout or ():
        running.output.append(line)
        lines.put(line)
    lines.put("")


def _wait_until_ready(lines: queue.Queue[str], running: RunningGale) -> str:
    deadline = time.monotonic() + START_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left)
        except queue.Empty:
            break
        if not line:
            break
        if found := _READY.search(line):
            return found[1].rstrip("/")
    raise AssertionError(f"Gale did not get ready within {START_SECONDS} seconds:\n" + "".join(running.output[-60:]))


@dataclass
class Complaints:
    """What a page complained about while a test used it."""

    found: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Listen to a page."""
        page.on("pageerror", lambda error: self.found.append(f"error in the page: {error}"))
        page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not EXPECTED_NOISE.search(message.text):
            self.found.append(f"console: {message.text}")


def new_window(browser: Browser, **options: Any) -> BrowserContext:
    """Open a window of its own, as a new visitor would."""
    usual: dict[str, Any] = {
        "viewport": {"width": 1440, "height": 860},
        "locale": "en-GB",
        "timezone_id": "Europe/Berlin",
        "reduced_motion": "reduce",
    }
    return browser.new_context(**(usual | options))


def sign_in(page: Page, username: str = "admin", password: str = PASSWORD) -> None:
    """Sign in where the page asks for it, and wait for the list of DAGs."""
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="DAGs", exact=True)).to_be_visible()


def trigger(page: Page, dag_id: str) -> str:
    """Trigger a run on the DAG's page and return its id."""
    page.goto(f"/dags/{dag_id}")
    page.get_by_role("button", name="Trigger", exact=True).click()
    page.locator("dialog").get_by_role("button", name="Trigger", exact=True).click()
    told = page.get_by_role("status").filter(has_text="was created")
    expect(told).to_be_visible()
    found = re.search(r"Run (\S+) was created", told.inner_text())
    assert found
    return found[1]


def cell(page: Page, task_id: str, run_id: str) -> Any:
    """Return the cell of the grid that shows a task in a run."""
    return page.get_by_test_id(f"cell-{task_id}-{run_id}")
