"""A MariaDB server of our own for as long as tests run: in a temporary folder, on a free port of this machine."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

START_SECONDS = 60


def is_installed() -> bool:
    """Return True if this machine has the server's programs."""
    return all(shutil.which(name) for name in ("mariadbd", "mariadb-install-db"))


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Run a server and give the URL of an empty database on it."""
    with tempfile.TemporaryDirectory(prefix="gale-mariadb-") as folder:
        data, user = Path(folder) / "data", _user()
        _call(["mariadb-install-db", f"--datadir={data}", "--auth-root-authentication-method=normal", *user])
        port = free_port()
        server = subprocess.Popen(
            [
                "mariadbd",
                "--no-defaults",
                f"--datadir={data}",
                f"--socket={folder}/socket",
                f"--port={port}",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                f"--log-error={folder}/error.log",
                *user,
            ],
        )
        try:
            _wait(Path(folder) / "socket", server)
            create = "CREATE DATABASE gale CHARACTER SET utf8mb4; CREATE USER gale IDENTIFIED BY 'gale';"
            grant = "GRANT ALL ON gale.* TO gale;"
            _call(["mariadb", f"--socket={folder}/socket", "--user=root", "--execute", create + grant])
            yield f"mysql://gale:gale@127.0.0.1:{port}/gale"
        finally:
            server.terminate()
            server.wait(30)


def _user() -> list[str]:
    """The server refuses to run as root unless it is told to, as it must where all is run as root."""
    return ["--user=root"] if os.geteuid() == 0 else []


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")


def _wait(path: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not path.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("The MariaDB server did not start; its error.log says why.")
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.1)
