"""The real thing: `gale webserver` as a process, over a real socket."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import web_seeds as seeds
from sqlalchemy import Engine, text, update

from gale.clock import SystemClock
from gale.db import tables as t
from gale.db.engine import writing
from gale.db.schema import NEEDED, VERSION_TABLE
from gale.serving import Address, AddressTaken, listen

#: Real servers on real sockets.
pytestmark = pytest.mark.integration

COMMAND = [sys.executable, "-c", "from gale_webserver.cli import webserver; webserver()"]
START_SECONDS = 30.0


class Served:
    """A webserver that runs, and what it wrote."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.lines: list[str] = []

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            sent = {"Content-Type": "application/json"} | (headers or {})
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def token(self) -> dict[str, str]:
        status, body = self.ask("POST", "/auth/token", {"username": "admin", "password": seeds.PASSWORD})
        assert status == 201, body
        return {"Authorization": f"Bearer {json.loads(body)['access_token']}"}


def read_until(process: subprocess.Popen[str], word: str, lines: list[str]) -> None:
    assert process.stderr is not None
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    try:
        for line in process.stderr:
            lines.append(line)
            if word in line:
                return
    finally:
        timer.cancel()
    pytest.fail(f"The webserver ended without saying {word!r}: {''.join(lines)}")


@pytest.fixture
def home(tmp_path: Path, engine: Engine) -> Path:
    """A home whose database has the schema, a user and a DAG."""
    folder = tmp_path / "served"
    folder.mkdir()
    spec = seeds.chain("etl")
    with writing(engine) as conn:
        conn.execute(text(f"create table {VERSION_TABLE} (version_num varchar(32))"))
        conn.execute(text(f"insert into {VERSION_TABLE} values ('{NEEDED}')"))
        seeds.add_dag(conn, spec)
        seeds.add_run(conn, spec, 0, state="running")
    return folder


@pytest.fixture
def environment(home: Path, engine: Engine) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "GALE_HOME": str(home),
        "GALE__DATABASE__SQL_ALCHEMY_CONN": str(engine.url),
        "NO_COLOR": "1",
    }


@contextmanager
def running(environment: dict[str, str], *options: str) -> Iterator[Served]:
    process = subprocess.Popen(
        [*COMMAND, "-p", "0", *options], env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    served = Served(process, 0)
    try:
        read_until(process, "webserver.ready", served.lines)
        served.port = int(served.lines[-1].rpartition("url=")[2].split()[0].rpartition(":")[2])
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            rest = process.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            rest = process.communicate()[1]
        served.lines.append(rest)


def refuse(environment: dict[str, str], *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [*COMMAND, *options], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stderr + done.stdout


def test_a_login_a_list_and_a_trigger_over_a_real_socket(environment: dict[str, str]) -> None:
    with running(environment) as served:
        assert served.ask("GET", "/health")[0] == 200
        assert served.ask("GET", "/api/v2/dags")[0] == 401
        header = served.token()
        status, body = served.ask("GET", "/api/v2/dags", headers=header)
        assert (status, json.loads(body)["total_entries"]) == (200, 1)
        status, body = served.ask("POST", "/api/v2/dags/etl/dagRuns", {"conf": {}}, header)
        assert (status, json.loads(body)["state"]) == (200, "queued")
    assert served.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_stop_signal_ends_every_process_within_seconds(number: int, environment: dict[str, str]) -> None:
    clock = SystemClock()
    with running(environment) as served:
        children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
        assert children
        begin = clock.monotonic()
        served.process.send_signal(number)
        assert served.process.wait(timeout=20) == 0
        assert clock.monotonic() - begin < 8
        assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert "Traceback" not in "".join(served.lines)
    assert "".join(served.lines).count("service.stop") == 1


def test_a_request_that_is_under_way_is_answered_before_the_end(environment: dict[str, str], engine: Engine) -> None:
    with running(environment) as served:
        header = served.token()
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        run = f"scheduled__{seeds.START.isoformat()}".replace("+", "%2B")
        connection.request("GET", f"/api/v2/dags/etl/dagRuns/{run}/wait?interval=0.2", headers=header)
        answer = connection.getresponse()
        assert json.loads(answer.readline()) == {"state": "running"}
        served.process.terminate()
        with writing(engine) as conn:
            conn.execute(update(t.dag_run).values(state="success"))
        assert json.loads(answer.read().splitlines()[-1]) == {"state": "success"}
        connection.close()


def test_a_port_in_use_is_one_clear_sentence_and_no_traceback(environment: dict[str, str]) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = refuse(environment, "-p", str(port))
    assert code not in {0, None}
    assert f"Port {port} on 127.0.0.1 is in use" in said
    assert f"gale webserver -p {port + 1}" in said
    assert "Traceback" not in said


def test_an_address_of_another_machine_is_refused_with_advice() -> None:
    for host in ("192.0.2.1", "no-such-host.invalid"):
        address = Address(host=host, port=0, host_setting="[webserver] web_server_host", command="gale webserver -p")
        with pytest.raises(AddressTaken, match="web_server_host"):
            listen(address)


def test_a_login_cannot_be_switched_off_and_the_log_says_so(environment: dict[str, str]) -> None:
    with running(environment | {"GALE__WEBSERVER__AUTHENTICATE": "False"}) as served:
        assert served.ask("GET", "/ui/dags")[0] == 401
    assert "authenticate = False" in "".join(served.lines)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("GALE__WEBSERVER__SECRET_KEY", "temporary_key", "[webserver] secret_key"),
        ("GALE__WEBSERVER__SECRET_KEY", "", "[webserver] secret_key"),
        ("GALE__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////nowhere/gale.db", "gale db migrate"),
        ("GALE__DATABASE__SQL_ALCHEMY_CONN", "nonsense", "sql_alchemy_conn"),
    ],
)
def test_a_setting_that_cannot_work_is_one_clear_sentence_and_no_traceback(
    variable: str, value: str, says: str, environment: dict[str, str]
) -> None:
    code, said = refuse(environment | {variable: value}, "-p", "0")
    assert code not in {0, None}
    assert says in said
    assert "Traceback" not in said


def test_a_database_without_tables_is_told_before_the_port_is_taken(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "empty.db").touch()
    code, said = refuse(environment | {"GALE__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/empty.db"}, "-p", "0")
    assert code not in {0, None}
    assert "gale db migrate" in said
    assert "Traceback" not in said


def test_eight_clients_at_once_are_all_answered(environment: dict[str, str]) -> None:
    statuses: list[int] = []
    with running(environment) as served:
        header = served.token()

        def ask() -> None:
            statuses.extend(served.ask("GET", "/ui/dags", headers=header)[0] for _ in range(10))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 80


def test_a_body_that_was_refused_unread_is_not_taken_for_the_next_request(environment: dict[str, str]) -> None:
    smuggled = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 200
    with running(environment) as served, closing(http.client.HTTPConnection("127.0.0.1", served.port)) as connection:
        for _ in range(3):
            connection.request("POST", "/api/v2/variables", smuggled, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 401
            assert b"metadatabase" not in answer.read()


def test_a_hundred_megabytes_over_a_real_socket_are_refused_at_once(environment: dict[str, str]) -> None:
    clock = SystemClock()
    with running(environment) as served:
        header = served.token() | {"Content-Type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)) as connection:
            connection.putrequest("POST", "/api/v2/variables")
            for name, value in (header | {"Content-Length": str(100 * 1024 * 1024)}).items():
                connection.putheader(name, value)
            connection.endheaders(b"x" * 1000)
            begin = clock.monotonic()
            assert connection.getresponse().status == 413
            assert clock.monotonic() - begin < 3
        with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)) as connection:
            endless = (b"x" * 65536 for _ in range(1600))
            with suppress(BrokenPipeError, ConnectionResetError):  # the server hangs up before all is sent
                connection.request("POST", "/api/v2/variables", endless, header, encode_chunked=True)
            with suppress(ConnectionResetError):
                assert connection.getresponse().status == 413
        assert served.ask("GET", "/health")[0] == 200


def test_what_the_help_says_needs_nothing_heavy(tmp_path: Path) -> None:
    """The command line loads this module for its help: flask and gunicorn would double its start."""
    code = (
        "import sys, gale_webserver.cli; sys.exit(bool({'flask', 'gunicorn', 'sqlalchemy', 'jwt'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0


def test_the_page_is_ready_within_a_second_or_so(
    environment: dict[str, str], record_property: Callable[..., None]
) -> None:
    """The bound is wide because the machine may be busy; the benchmark has the true figure."""
    clock = SystemClock()
    begin = clock.monotonic()
    with running(environment):
        record_property("seconds_to_start", clock.monotonic() - begin)
        assert clock.monotonic() - begin < 10
