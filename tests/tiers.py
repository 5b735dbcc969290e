"""Runs every tier of tests that this machine can run, and names what it cannot with the reason.

`make test` calls it. On CI a tier that cannot run is a failure: there, everything is installed.
"""

import argparse
import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import containers
import mariadb
import rabbitmq

ROOT = Path(__file__).resolve().parents[1]
NO_TESTS = 5
Extra = dict[str, str]


@dataclass(frozen=True)
class Tier:
    """Some of the tests, and what they need."""

    name: str
    about: str
    #: pytest's marker expression.
    marks: str
    #: Says why it cannot run here; empty if it can.
    obstacle: Callable[[], str] = lambda: ""
    #: Gives further environment variables for as long as the tier runs.
    around: Callable[[], contextlib.AbstractContextManager[Extra]] = lambda: contextlib.nullcontext({})
    #: How pytest-xdist hands tests to one process a core; empty = one after the other, in this one.
    spread: str = ""
    #: Seconds that it should take on two cores with nothing else to do; more is told, but is no failure.
    budget: float = 900.0


@dataclass(frozen=True)
class Result:
    """How a tier went."""

    tier: Tier
    verdict: str
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def is_bad(self) -> bool:
        """True if it ran and did not pass."""
        return not self.verdict.startswith(("passed", "not run"))


def _no_browser() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    if not any(shutil.which(name) for name in names) and not os.environ.get("GALE_TEST_CHROMIUM"):
        return "no Chromium on this machine (install the package chromium, or name one in GALE_TEST_CHROMIUM)"
    return ""


def _no_mysql() -> str:
    if importlib.util.find_spec("MySQLdb") is None:
        return "the driver mysqlclient is not installed (it needs the headers of MySQL's or MariaDB's client library)"
    if not (os.environ.get("GALE_TEST_MYSQL_URL") or mariadb.is_installed() or containers.answers()):
        return "no server: start Docker, install mariadb-server, or name an empty database in GALE_TEST_MYSQL_URL"
    return ""


@contextlib.contextmanager
def _mysql() -> Iterator[Extra]:
    if url := os.environ.get("GALE_TEST_MYSQL_URL"):
        yield {"GALE_TEST_MYSQL_URL": url}
        return
    with containers.mysql_or(mariadb.running, has_private=mariadb.is_installed()) as url:
        yield {"GALE_TEST_MYSQL_URL": url}


def _no_rabbitmq() -> str:
    """Its tests hurt their servers, so they start servers of their own; MySQL is not hurt."""
    if not rabbitmq.is_installed():
        return "no broker: install rabbitmq-server"
    if not os.environ.get("GALE_TEST_MYSQL_URL") and not mariadb.is_installed():
        return "no database: install mariadb-server, or name an empty database in GALE_TEST_MYSQL_URL"
    return _no_mysql()


#: Each process of pytest starts servers of its own, unless the environment names the only one there is.
_SPREAD = "" if os.environ.get("GALE_TEST_MYSQL_URL") else "loadfile"

TIERS = (
    Tier(
        "unit",
        "pure code and single parts",
        "not (architecture or services or slow or integration or browser or mysql or rabbitmq)",
        spread="worksteal",
        budget=60,
    ),
    Tier("architecture", "budgets, layers, documents", "architecture"),
    Tier(
        "services",
        "scheduler and webserver as a whole, on SQLite",
        "services and not (slow or integration or browser or mysql or rabbitmq)",
        spread="worksteal",
    ),
    Tier(
        "slow",
        "property tests with many examples",
        "slow and not (integration or browser or mysql or rabbitmq)",
        spread="worksteal",
    ),
    # They mostly wait; the tests of a file share what they start.
    Tier("integration", "real processes", "integration and not (browser or mysql or rabbitmq)", spread="loadfile"),
    Tier("mysql", "MySQL or MariaDB", "mysql and not (browser or rabbitmq)", _no_mysql, _mysql),
    Tier("rabbitmq", "RabbitMQ and MySQL or MariaDB", "rabbitmq and not browser", _no_rabbitmq, spread=_SPREAD),
    Tier("browser", "the page in Chromium", "browser", _no_browser),
)


def run(tier: Tier, extra_arguments: list[str]) -> Result:
    """Run one tier."""
    if reason := tier.obstacle():
        return Result(tier, f"not run: {reason}")
    sys.stdout.write(f"\n=== {tier.name}: {tier.about}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder, tier.around() as extra:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", tier.marks, f"--junitxml={report}"]
        # The form in which a test may add figures of its own.
        command += ["-o", "junit_family=xunit1", *extra_arguments]
        if tier.spread and (os.cpu_count() or 1) > 1:
            command += ["-n", "auto", "--dist", tier.spread]
        began = time.monotonic()
        code = subprocess.call(command, cwd=ROOT, env={**os.environ, **extra})
        seconds = time.monotonic() - began
        counts = _counts(report)
    verdict = {0: "passed", NO_TESTS: "has no tests"}.get(code, "failed")
    if verdict == "passed" and seconds > tier.budget:
        verdict = f"passed, slower than the {tier.budget:g} s that it should take"
    return Result(tier, verdict, seconds, *counts)


def _counts(report: Path) -> tuple[int, int, int]:
    if not report.exists():
        return 0, 1, 0
    suite = next(iter(ET.parse(report).getroot()))
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    return total - failed - skipped, failed, skipped


def main() -> int:
    """Run the tiers that are named, or all; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiers", nargs="*", help=f"Default: all of {', '.join(tier.name for tier in TIERS)}.")
    arguments, rest = parser.parse_known_args()
    chosen = [tier for tier in TIERS if not arguments.tiers or tier.name in arguments.tiers]
    if unknown := set(arguments.tiers) - {tier.name for tier in TIERS}:
        parser.error(f"There is no tier {', '.join(sorted(unknown))}.")
    results = [run(tier, rest) for tier in chosen]
    on_ci = os.environ.get("CI", "").lower() in {"1", "true"}
    sys.stdout.write("\n=== Tiers\n")
    for result in results:
        counts = f"{result.passed} passed, {result.failed} failed, {result.skipped} skipped, {result.seconds:.0f} s"
        detail = f" ({counts})" if result.seconds else ""
        sys.stdout.write(f"{result.tier.name:<12} {result.verdict}{detail}\n")
    missing = [result for result in results if result.verdict.startswith("not run")]
    if on_ci and missing:
        names = ", ".join(result.tier.name for result in missing)
        sys.stdout.write(f"On CI every tier must run, but these did not: {names}.\n")
    passed, failed, skipped = (sum(getattr(r, n) for r in results) for n in ("passed", "failed", "skipped"))
    sys.stdout.write(f"{passed} passed, {failed} failed, {skipped} skipped\n")
    return int(any(result.is_bad for result in results) or bool(on_ci and missing))


if __name__ == "__main__":
    sys.exit(main())
