"""The server of a worker's logs, asked by the real client over a real socket, and by those who should get nothing."""

import http.client
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from gale.clock import ManualClock
from gale.errors import ConfigError
from gale.runtime.logs import LogPart
from gale.runtime.remote_logs import LogUnreachable, WorkerLogs, log_key, read_from_worker, sign
from gale.settings import Settings
from gale_worker import log_server
from gale_worker.log_server import LogServer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAME = "dag_id=etl/run_id=r1/task_id=load/attempt=1.log"
OTHER = "dag_id=pay/run_id=r1/task_id=load/attempt=1.log"
HOST = "127.0.0.1"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    loaded = Settings.load(tmp_path / "home", {})
    own = replace(
        loaded.logging, base_log_folder=tmp_path / "logs", worker_log_server_host=HOST, worker_log_server_port=0
    )
    return replace(loaded, logging=own)


@pytest.fixture
def logs(settings: Settings) -> Path:
    base = settings.logging.base_log_folder
    for name, text in ((NAME, "line one\nline zwei ä\n"), (OTHER, "paid\n")):
        (base / name).parent.mkdir(parents=True)
        (base / name).write_text(text, encoding="utf-8")
    return base


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def server(settings: Settings, logs: Path, clock: ManualClock) -> Iterator[LogServer]:
    started = log_server.start(settings, clock)
    assert started is not None
    yield started
    started.close()


@pytest.fixture
def reader(settings: Settings, server: LogServer, clock: ManualClock) -> WorkerLogs:
    return WorkerLogs(log_key(settings), server.port, clock)


def ask(server: LogServer, target: str, token: str = "", method: str = "GET") -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with closing(http.client.HTTPConnection(HOST, server.port, timeout=5)) as connection:
        connection.request(method, target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_the_webserver_reads_a_log_in_parts(reader: WorkerLogs) -> None:
    whole = "line one\nline zwei ä\n".encode()
    assert reader.read(HOST, NAME, 0, 100) == LogPart(whole, 0, len(whole))
    assert reader.read(HOST, NAME, 9, 4) == LogPart(b"line", 9, len(whole))
    assert reader.read(HOST, NAME, 10_000, 4) == LogPart(b"", len(whole), len(whole))


def test_a_log_that_grows_is_followed_from_where_the_last_part_ended(reader: WorkerLogs, logs: Path) -> None:
    first = reader.read(HOST, NAME, 0, 1000)
    with (logs / NAME).open("a") as file:
        file.write("more\n")
    assert reader.read(HOST, NAME, first.size, 1000).data == b"more\n"


def test_a_log_that_is_not_there_is_told_in_words(reader: WorkerLogs) -> None:
    with pytest.raises(LogUnreachable, match="no such log"):
        reader.read(HOST, NAME.replace("=1.log", "=2.log"), 0, 10)


def test_nobody_reads_a_log_without_a_token(server: LogServer) -> None:
    assert ask(server, f"/log/{NAME}") == (401, b"")


def test_a_token_of_another_log_opens_nothing(server: LogServer, settings: Settings) -> None:
    assert ask(server, f"/log/{NAME}", sign(log_key(settings), OTHER, NOW)) == (403, b"")


def test_a_token_ends_with_its_time(server: LogServer, settings: Settings, clock: ManualClock) -> None:
    token = sign(log_key(settings), NAME, NOW)
    assert ask(server, f"/log/{NAME}", token)[0] == 200
    clock.advance(timedelta(minutes=5).total_seconds())
    assert ask(server, f"/log/{NAME}", token) == (401, b"")


def test_two_installations_do_not_trust_each_other(server: LogServer, clock: ManualClock) -> None:
    stranger = WorkerLogs(b"x" * 32, server.port, clock)
    with pytest.raises(LogUnreachable, match="refuses our signature"):
        stranger.read(HOST, NAME, 0, 10)


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "dag_id=etl/../../secret.txt",
        "/etc/passwd",
        "",
        ".",
        "dag_id=etl",
        "dag_id=etl/run_id=r1/task_id=load/attempt=1.log/../../../../../secret.txt",
        "dag_id=etl/run_id=r1/task_id=load/attempt=1.log\0",
    ],
)
def test_even_a_signed_name_is_no_way_out_of_the_log_folder(
    name: str, server: LogServer, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("the secret")
    token = sign(log_key(settings), name, NOW)
    for target in (quote(name), quote(name, safe=""), quote(name, safe="").replace(".", "%2e")):
        status, body = ask(server, f"/log/{target}", token)
        assert (status, body) in {(403, b""), (404, b"")}


@pytest.mark.parametrize(
    "target", ["/", "/log", "/metrics", "//log/x", "http://other/log/x", "/log/%ff", "/log/a?offset=x"]
)
def test_other_addresses_get_nothing_at_all(target: str, server: LogServer) -> None:
    status, body = ask(server, target)
    assert status in {400, 401, 404}
    assert body == b""


@pytest.mark.parametrize("query", ["offset=-1", "offset=x", "limit=9e9", "offset=99999999999999999999"])
def test_a_part_that_makes_no_sense_is_refused(query: str, server: LogServer, settings: Settings) -> None:
    assert ask(server, f"/log/{NAME}?{query}", sign(log_key(settings), NAME, NOW)) == (400, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"])
def test_a_log_can_only_be_read(method: str, server: LogServer, settings: Settings) -> None:
    assert ask(server, f"/log/{NAME}", sign(log_key(settings), NAME, NOW), method)[0] == 501


def test_a_link_that_leads_out_of_the_log_folder_is_not_followed(
    reader: WorkerLogs, logs: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("the secret")
    (logs / NAME).unlink()
    (logs / NAME).symlink_to(tmp_path / "secret.txt")
    with pytest.raises(LogUnreachable, match="refuses to give"):
        reader.read(HOST, NAME, 0, 100)


def test_what_is_no_plain_file_is_not_waited_for(reader: WorkerLogs, logs: Path) -> None:
    (logs / NAME).unlink()
    os.mkfifo(logs / NAME)
    with pytest.raises(LogUnreachable, match="refuses to give"):
        reader.read(HOST, NAME, 0, 100)


def test_a_log_folder_that_is_itself_a_link_is_fine(settings: Settings, logs: Path, clock: ManualClock) -> None:
    real = logs.rename(logs.with_name("elsewhere"))
    logs.symlink_to(real)
    started = log_server.start(settings, clock)
    assert started is not None
    try:
        assert WorkerLogs(log_key(settings), started.port, clock).read(HOST, NAME, 0, 8).data == b"line one"
    finally:
        started.close()


def test_silent_connections_do_not_keep_others_waiting(server: LogServer, reader: WorkerLogs) -> None:
    silent = [socket.create_connection((HOST, server.port)) for _ in range(log_server.MAX_CONNECTIONS - 1)]
    try:
        assert reader.read(HOST, NAME, 0, 8).data == b"line one"
    finally:
        for connection in silent:
            connection.close()


def test_many_readers_at_once_all_get_their_log(reader: WorkerLogs) -> None:
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: got.extend(reader.read(HOST, NAME, 0, 8).data for _ in range(5)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [b"line one"] * 40


def test_a_second_worker_on_the_machine_does_without_a_server_of_its_own(settings: Settings, server: LogServer) -> None:
    taken = replace(settings, logging=replace(settings.logging, worker_log_server_port=server.port))
    assert log_server.start(taken) is None


def test_without_a_secret_there_is_no_server(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="secret_key"):
        log_server.start(replace(settings, webserver=replace(settings.webserver, secret_key="")))


def test_something_else_on_the_port_is_told_in_words(clock: ManualClock) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(LogUnreachable, match="something else"):
            read_from_worker(HOST, other.getsockname()[1], NAME, 0, token="x")
        thread.join()
