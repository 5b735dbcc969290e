"""`gale standalone`, for real: one command, a page, runs that succeed, and nothing left behind."""

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc"),
]

SECONDS = 60.0


def wait_for(what: str, question: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Ask until the answer is true, or fail after so many seconds."""
    deadline = time.monotonic() + seconds
    pause = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        while time.monotonic() < deadline:
            if answer := question():
                return answer
            try:
                pause.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
    finally:
        pause.kill()
        pause.wait()
        assert pause.stdin is not None
        pause.stdin.close()
    pytest.fail(f"Waited {seconds} s in vain for {what}")


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Standalone:
    """A `gale standalone` on a home and a port of its own."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.log = home.parent / f"{home.name}.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("GALE_", "AIRFLOW_"))}
        self.environment = {**variables, "GALE_HOME": str(home), **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Standalone":
        command = [sys.executable, "-m", "gale", "standalone", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        wait_for(f"readiness; {self.log}", self._is_ready_or_dead)
        return self

    def _is_ready_or_dead(self) -> bool:
        assert self.process is not None
        return "Gale is ready" in self.text() or self.process.poll() is not None

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, number: int = signal.SIGINT) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def gale(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gale", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def call(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def token(self) -> str:
        password = (self.home / "admin-password").read_text().strip()
        status, answer = self.call("POST", "/auth/token", {"username": "admin", "password": password})
        assert status == 201, answer
        return str(answer["access_token"])

    def pids(self) -> list[int]:
        """Return every process that lives on this home."""
        marker = f"GALE_HOME={self.home}\0".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if marker in (folder / "environ").read_bytes() + b"\0" and (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
        return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def start(home: Path) -> Iterator[Callable[..., Standalone]]:
    """Start a standalone; at the end none of its processes may be left."""
    started: list[Standalone] = []

    def go(**environment: str) -> Standalone:
        started.append(Standalone(home, **environment))
        return started[-1].start()

    yield go
    for standalone in started:
        assert standalone.process is not None
        if standalone.process.poll() is None:
            standalone.stop()
    left = [pid for standalone in started for pid in standalone.pids()]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def test_one_command_leads_to_a_page_and_a_run_that_succeeds(start, home: Path) -> None:
    gale = start()
    password = (home / "admin-password").read_text().strip()
    assert stat.S_IMODE((home / "admin-password").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "gale.cfg").stat().st_mode) == 0o600
    assert f"http://localhost:{gale.port}" in gale.text()
    assert password in gale.text()

    token = gale.token()
    wait_for("the notes' DAG", lambda: gale.call("GET", "/api/v2/dags/dag", token=token)[0] == 200)
    body = {"dag_run_id": "mine", "logical_date": "2020-02-02T00:00:00Z"}
    status, answer = gale.call("POST", "/api/v2/dags/dag/dagRuns", body, token)
    assert status in {200, 201}, answer
    state = lambda: gale.call("GET", "/api/v2/dags/dag/dagRuns/mine", token=token)[1]["state"]  # noqa: E731
    wait_for("success of the run", lambda: state() == "success")

    assert gale.stop() == 0
    assert "Everything has stopped." in gale.text()
    assert gale.pids() == []


def test_a_dag_file_that_is_dropped_in_is_known_within_five_seconds(start, home: Path) -> None:
    gale = start()
    token = gale.token()
    text = "from gale import DAG, EmptyOperator\nwith DAG('dropped', schedule=None):\n    EmptyOperator(task_id='a')\n"
    (home / "dags" / "dropped.py").write_text(text)
    wait_for("the DAG", lambda: gale.call("GET", "/api/v2/dags/dropped", token=token)[0] == 200, seconds=5)


def test_the_second_start_finds_everything_as_it_was(start, home: Path) -> None:
    first = start()
    password = (home / "admin-password").read_text()
    assert first.stop() == 0
    second = start()
    spent = sum(map(cpu_seconds, second.pids()))
    assert (home / "admin-password").read_text() == password
    assert second.token()
    # Readiness within five seconds is promised; the processor's time is what other work does not stretch.
    assert spent < 5, spent


def test_the_password_that_is_given_is_the_one_that_counts(start, home: Path) -> None:
    gale = start(GALE_ADMIN_PASSWORD="of my own")
    assert (home / "admin-password").read_text().strip() == "of my own"
    assert gale.token()
    children = [Path(f"/proc/{pid}/environ").read_bytes() for pid in gale.pids() if pid != gale.process.pid]
    assert children
    assert not any(b"of my own" in environ for environ in children)


def test_a_second_one_on_the_same_home_is_refused(start) -> None:
    gale = start()
    said = gale.gale("standalone", "--port", "0")
    assert said.returncode == 1
    assert f"is running on {gale.home} already (process {gale.process.pid})" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("command", ["standalone", "webserver"])
def test_a_port_that_is_taken_is_told_and_nothing_is_started(home: Path, command: str) -> None:
    gale = Standalone(home)
    gale.gale("db", "migrate")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", gale.port))
        holder.listen()
        said = gale.gale(command, "--port", str(gale.port))
    assert said.returncode != 0
    assert str(gale.port) in said.stderr
    assert "Traceback" not in said.stdout + said.stderr
    assert gale.pids() == []


def test_a_killed_scheduler_is_started_again_and_works(start) -> None:
    gale = start()
    token = gale.token()
    wait_for("the notes' DAG", lambda: gale.call("GET", "/api/v2/dags/dag", token=token)[0] == 200)
    (scheduler,) = [pid for pid in gale.pids() if b"gale\0scheduler\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(scheduler, signal.SIGKILL)
    wait_for(
        "the word of the restart", lambda: "The scheduler was killed by SIGKILL; it is started again" in gale.text()
    )
    status, _ = gale.call("POST", "/api/v2/dags/dag/dagRuns", {"dag_run_id": "after", "logical_date": None}, token)
    assert status in {200, 201}
    state = lambda: gale.call("GET", "/api/v2/dags/dag/dagRuns/after", token=token)[1]["state"]  # noqa: E731
    wait_for("success of the run", lambda: state() == "success")


def test_nothing_survives_a_kill_of_the_whole(start) -> None:
    gale = start()
    assert gale.process is not None
    gale.process.kill()
    gale.process.wait()
    wait_for("the end of the children", lambda: not gale.pids(), seconds=30)


def test_an_end_that_is_asked_for_in_the_database_ends_the_whole(start, home: Path) -> None:
    """From the notes: a scheduler whose job row says SHUTDOWN ends itself."""
    gale = start(GALE__SCHEDULER__SCHEDULER_HEARTBEAT_SEC="0.5")
    with sqlite3.connect(home / "gale.db", timeout=30) as connection:
        connection.execute("UPDATE job SET state = 'shutdown' WHERE job_type = 'scheduler'")
    assert gale.process is not None
    assert gale.process.wait(SECONDS) == 0
    assert re.search(r"The scheduler has ended\. Stopping everything", gale.text())


@pytest.mark.parametrize(
    ("text", "word"), [("[core]\nparalelism = 1\n", "Did you mean"), ("[core\n", "gale.cfg, line 1")]
)
def test_settings_that_are_wrong_stop_the_start_with_one_message(home: Path, text: str, word: str) -> None:
    home.mkdir()
    (home / "gale.cfg").write_text(text)
    said = Standalone(home).gale("standalone")
    assert said.returncode == 2
    assert word in said.stderr
    assert "Traceback" not in said.stderr
