"""The real compose file under a name of its own, seen from outside: commands, containers, ports, database."""

import json
import os
import secrets
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

ROOT: Final = Path(__file__).parents[2]
BUILD_SECONDS: Final = 900
UP_SECONDS: Final = 240
#: What a developer has set for another cluster must not show through.
_FOREIGN: Final = ("GALE", "AIRFLOW", "MYSQL", "RABBITMQ", "COMPOSE", "WORKER", "SCHEDULER", "WEBSERVER", "FLOWER")

T = TypeVar("T")


def until(what: str, look: Callable[[], T], seconds: float = 60, *, every: float = 0.3) -> T:
    """Look until there is something to see, and return it."""
    never = threading.Event()
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"In {seconds:g} seconds this did not happen: {what}"
        never.wait(every)
    return seen


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def why_not() -> str:
    """Return why containers cannot be started here; empty if they can."""
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=30)
        subprocess.run(["docker", "compose", "version"], check=True, capture_output=True, timeout=30)
    except FileNotFoundError:
        return "there is no command `docker` on this machine"
    except subprocess.SubprocessError as error:
        return f"Docker does not answer: {(getattr(error, 'stderr', b'') or b'').decode().strip() or error}"
    return ""


@dataclass
class Stack:
    """A cluster of its own: project, ports, passwords, volumes."""

    env_file: Path
    project: str = field(default_factory=lambda: f"gale-test-{secrets.token_hex(3)}")
    page_port: int = field(default_factory=free_port)
    flower_port: int = field(default_factory=free_port)
    mysql_password: str = field(default_factory=lambda: secrets.token_hex(12))
    root_password: str = field(default_factory=lambda: secrets.token_hex(12))
    broker_password: str = field(default_factory=lambda: secrets.token_hex(12))
    _token: str = ""

    def __post_init__(self) -> None:
        """Write the file that stands in for `.env`."""
        variables = {
            "GALE_TAG": "test",
            "GALE_PORT": self.page_port,
            "FLOWER_PORT": self.flower_port,
            "GALE_BASE_URL": self.page,
            "GALE_DAGS_DIR": ROOT / "tests" / "compose" / "dags",
            "WORKER_CONCURRENCY": 8,
            "MYSQL_PASSWORD": self.mysql_password,
            "MYSQL_ROOT_PASSWORD": self.root_password,
            "RABBITMQ_PASSWORD": self.broker_password,
        }
        self.env_file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()), encoding="utf-8")

    @property
    def page(self) -> str:
        """Where Gale's page is."""
        return f"http://localhost:{self.page_port}"

    @property
    def flower(self) -> str:
        """Where Flower is."""
        return f"http://localhost:{self.flower_port}"

    def compose(self, *arguments: str, seconds: float = 120, check: bool = True) -> str:
        """Run `docker compose …` on this project and return what it printed."""
        command = ["docker", "compose", "--project-name", self.project, "--env-file", str(self.env_file)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        done = subprocess.run(
            [*command, "--ansi", "never", "--progress", "plain", *arguments],
            cwd=ROOT,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
        if check and done.returncode:
            ending = "\n".join((done.stdout + done.stderr).splitlines()[-60:])
            raise AssertionError(f"`docker compose {' '.join(arguments)}` ended with {done.returncode}:\n{ending}")
        return done.stdout

    def run_documented(self, commands: str, folder: Path) -> None:
        """Run commands of the README as they stand there, in a folder for the files that they make or read."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        kept["COMPOSE_PROJECT_NAME"], kept["COMPOSE_ENV_FILES"] = self.project, str(self.env_file)
        kept["COMPOSE_FILE"] = str(ROOT / "docker-compose.yml")
        options = ["-euo", "pipefail", "-c"]
        subprocess.run(["bash", *options, commands], cwd=folder, env=kept, check=True, timeout=UP_SECONDS)

    def up(self, *arguments: str) -> None:
        """Start what is not up yet, and wait until it is healthy."""
        try:
            self.compose("up", "--detach", "--wait", "--no-build", *arguments, seconds=UP_SECONDS)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            raise AssertionError(f"{error}\n{self.compose('ps', '--all')}\n{self.logs()[-8000:]}") from None

    def down(self) -> None:
        """Stop everything and delete it, the data too."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "3", seconds=180)

    def logs(self, *services: str) -> str:
        """Return what the containers have written."""
        containers = [each for service in services or ("",) for each in self.containers(service, ended=True)]
        return "".join(docker("logs", container["Id"], both=True) for container in containers)

    def containers(self, service: str = "", *, ended: bool = False) -> list[dict[str, Any]]:
        """Return what Docker says of the containers of a service, or of all."""
        options = ["--all"] if ended else []
        ids = self.compose("ps", "--quiet", *options, *([service] if service else [])).split()
        return json.loads(docker("inspect", *ids)) if ids else []

    def is_healthy(self) -> bool:
        """Return True if every container that runs says that it is well."""
        return all(container["State"]["Health"]["Status"] == "healthy" for container in self.containers())

    def run_in(self, service: str, *command: str, index: int = 1, check: bool = True) -> str:
        """Run a command inside a container."""
        return self.compose("exec", "--no-TTY", "--index", str(index), service, *command, check=check)

    def sql(self, statement: str, database: str = "airflow") -> list[list[str]]:
        """Return the rows of a statement, as MySQL's own client prints them."""
        shell = 'MYSQL_PWD="$MYSQL_PASSWORD" exec mysql -B --skip-column-names --user="$MYSQL_USER" "$0" --execute="$1"'
        printed = self.run_in("mysql", "sh", "-c", shell, database, statement)
        return [line.split("\t") for line in printed.splitlines()]

    def admin_password(self) -> str:
        """Return the first password, as a user finds it."""
        for line in self.logs("migrate").splitlines():
            if line.startswith("Password:"):
                return line.split()[1]
        raise AssertionError(f"There is no password in the log of migrate:\n{self.logs('migrate')}")

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Call the REST API as admin."""
        if not self._token:
            login = {"username": "admin", "password": self.admin_password()}
            self._token = _request("POST", f"{self.page}/auth/token", login)["access_token"]
        return _request(method, f"{self.page}/api/v2{path}", body, {"Authorization": f"Bearer {self._token}"})

    def trigger(self, dag_id: str) -> str:
        """Start a run of a DAG, which may not have been read yet, and return its id."""

        def try_it() -> str:
            try:
                return str(self.api("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"])
            except urllib.error.HTTPError as error:
                if error.code != HTTPStatus.NOT_FOUND:
                    raise
                return ""

        return until(f"{dag_id} can be triggered", try_it)

    def states(self, dag_id: str, run_id: str) -> dict[str, int]:
        """Return how many tasks of a run are in each state."""
        rows = self.sql(
            "SELECT ti.state, count(*) FROM task_instance ti JOIN dag_run run ON run.id = ti.run "
            f"WHERE run.dag_id = '{dag_id}' AND run.run_id = '{run_id}' GROUP BY 1"
        )
        return {state: int(count) for state, count in rows}

    def run_states(self, dag_id: str) -> list[str]:
        """Return the states of all runs of a DAG."""
        return [state for (state,) in self.sql(f"SELECT state FROM dag_run WHERE dag_id = '{dag_id}'")]


def docker(*arguments: str, both: bool = False) -> str:
    """Run `docker …` and return what it printed; both outputs if asked."""
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=180)
    return done.stdout + done.stderr if both else done.stdout


def _request(method: str, url: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or "null")
