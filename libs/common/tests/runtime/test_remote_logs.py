"""Tokens for logs of workers, and the store of finished logs."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from gale.errors import ConfigError
from gale.runtime.log_store import LogStore, open_store, shown
from gale.runtime.logs import LogPart, is_log_name, log_name, log_path, read_part
from gale.runtime.remote_logs import (
    ALGORITHM,
    AUDIENCE,
    LEEWAY,
    LIFETIME,
    LogUnreachable,
    log_key,
    may_read,
    read_from_worker,
    sign,
)
from gale.secrets import derive_key
from gale.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "a secret of this installation"
KEY = derive_key(SECRET, "worker logs")
NAME = "dag_id=etl/run_id=r1/task_id=load/attempt=1.log"
CLAIMS: dict[str, Any] = {"aud": AUDIENCE, "log": NAME, "iat": NOW, "exp": NOW + LIFETIME}


def made(key: bytes = KEY, algorithm: str = ALGORITHM, **claims: Any) -> str:
    return jwt.encode({**CLAIMS, **claims}, key, algorithm=algorithm)


def without(claim: str) -> str:
    return jwt.encode({name: value for name, value in CLAIMS.items() if name != claim}, KEY, algorithm=ALGORITHM)


def unsigned() -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = CLAIMS | {"iat": NOW.timestamp(), "exp": (NOW + LIFETIME).timestamp()}
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def test_a_token_opens_the_log_that_it_names_and_no_other() -> None:
    token = sign(KEY, NAME, NOW)
    assert may_read(KEY, token, NAME, NOW) is True
    assert may_read(KEY, token, NAME.replace("etl", "pay"), NOW) is False


@pytest.mark.parametrize(
    "name",
    [
        "",
        NAME + "2",
        NAME + "/../attempt=2.log",
        NAME[:-1],
        f"/{NAME}",
        f"./{NAME}",
        NAME.replace("/", "//", 1),
        NAME.upper(),
    ],
)
def test_a_name_that_only_looks_like_the_one_of_the_token_is_refused(name: str) -> None:
    assert may_read(KEY, sign(KEY, NAME, NOW), name, NOW) is False


@pytest.mark.parametrize("seconds", [-LEEWAY.total_seconds(), 0, 29, (LIFETIME + LEEWAY).total_seconds() - 1])
def test_a_token_is_good_for_its_time_and_for_clocks_that_differ_a_little(seconds: float) -> None:
    assert may_read(KEY, sign(KEY, NAME, NOW), NAME, NOW + timedelta(seconds=seconds)) is True


@pytest.mark.parametrize("seconds", [-LEEWAY.total_seconds() - 1, (LIFETIME + LEEWAY).total_seconds(), 86_400])
def test_a_token_is_void_before_and_after_its_time(seconds: float) -> None:
    assert may_read(KEY, sign(KEY, NAME, NOW), NAME, NOW + timedelta(seconds=seconds)) is None


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="no token"),
        pytest.param("x.y.z", id="nonsense"),
        pytest.param(unsigned(), id="alg=none"),
        pytest.param(made(key=derive_key(SECRET, "task commands")), id="key of another purpose"),
        pytest.param(made(key=derive_key("the secret of another installation", "worker logs")), id="another secret"),
        pytest.param(made(key=SECRET.encode() * 2), id="the secret itself"),
        pytest.param(made(algorithm="HS512", key=KEY * 2), id="another algorithm"),
        pytest.param(made(aud="gale-api"), id="audience of the REST API"),
        pytest.param(made(iat="now"), id="begins at no instant"),
        pytest.param(made(exp=None), id="never ends"),
        *(pytest.param(without(claim), id=f"without {claim}") for claim in CLAIMS),
    ],
)
def test_a_token_that_is_none_of_ours_opens_nothing(token: str) -> None:
    assert may_read(KEY, token, NAME, NOW) is None


def test_a_pattern_in_the_place_of_a_name_opens_nothing() -> None:
    assert may_read(KEY, made(log=["*", NAME]), NAME, NOW) is False
    assert may_read(KEY, made(log="*"), NAME, NOW) is False


def test_without_a_secret_no_token_is_ever_made(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path, {"GALE__WEBSERVER__SECRET_KEY": ""})
    with pytest.raises(ConfigError, match="secret_key"):
        log_key(settings)


@pytest.mark.parametrize("host", ["evil.example/x", "a@b", "a b", "", "-x", "a?b", "a#b", "a:80/", "[::1]", "a\r\nb"])
def test_a_worker_whose_name_is_no_host_is_not_asked(host: str) -> None:
    with pytest.raises(LogUnreachable, match="no name of a host"):
        read_from_worker(host, 1, NAME, 0, token="x")


def test_a_log_with_a_strange_name_is_not_asked_for() -> None:
    with pytest.raises(LogUnreachable, match="none that Gale makes"):
        read_from_worker("127.0.0.1", 1, "../etc/passwd", 0, token="x")


def test_a_worker_that_is_gone_is_told_in_words() -> None:
    with pytest.raises(LogUnreachable, match="nobody answers there"):
        read_from_worker("127.0.0.1", 1, NAME, 0, token="x")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        (NAME, True),
        ("dag_id=a/run_id=manual__2026-01-01T00:00:00+00:00/task_id=b.c/map_index=3/attempt=12.log", True),
        ("dag_id=a/run_id=b/task_id=c/attempt=1.log\n", False),
        ("dag_id=../run_id=b/task_id=c/attempt=1.log", False),
        ("dag_id=a/run_id=b/attempt=1.log", False),
        ("dag_id=a/run_id=b/task_id=c/attempt=1.log.gz", False),
        ("/etc/passwd", False),
    ],
)
def test_only_names_that_we_make_count_as_logs(name: str, is_one: bool) -> None:
    assert is_log_name(name) is is_one


def test_every_path_of_a_log_has_a_name_that_counts_as_one(tmp_path: Path) -> None:
    for odd in ("a b", "../..", "ä", "a/b", "x" * 250, "manual__2026-03-01T12:00:00+00:00"):
        path = log_path(tmp_path, dag_id=odd, run_id=odd, task_id=odd, try_number=3, map_index=0)
        assert is_log_name(log_name(tmp_path, path)), odd


def test_a_part_of_a_log_never_splits_a_character() -> None:
    assert LogPart("中".encode()[:2], 7, 10).text() == ("", 7, False)
    assert LogPart("a中".encode(), 7, 11).text() == ("a中", 11, True)


# --- the store ---------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / NAME
    path.parent.mkdir(parents=True)
    path.write_text("first line\nsecond line\n", encoding="utf-8")
    return path


def test_a_log_that_was_put_can_be_read_after_the_worker_is_gone(tmp_path: Path, log: Path) -> None:
    store = LogStore(f"file://{tmp_path}/store", tmp_path / "logs").start()
    store.put(log)
    store.close(10)
    log.unlink()
    assert store.read(NAME, 0, 100).text() == ("first line\nsecond line\n", 23, True)
    assert store.read(NAME, 6, 4) == LogPart(b"line", 6, 23)
    assert store.read(NAME, 99, 4) == LogPart(b"", 23, 23)


def test_a_log_that_grew_replaces_its_first_copy(tmp_path: Path, log: Path) -> None:
    store = LogStore(f"file://{tmp_path}/store", tmp_path / "logs").start()
    store.put(log)
    with log.open("a") as file:
        file.write("third\n")
    store.put(log)
    store.close(10)
    assert store.read(NAME, 23, 100).data == b"third\n"


def test_a_store_in_memory_works_as_one_on_disk_does(tmp_path: Path, log: Path) -> None:
    store = LogStore("memory://logs", tmp_path / "logs")
    store.copy(log)
    assert store.read(NAME, 0, 5).data == b"first"


def test_a_store_that_fails_once_is_tried_again(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's own class is changed because no real store can be made to fail exactly once."""
    tries: list[str] = []
    put = MemoryFileSystem.put_file

    def flaky(self: MemoryFileSystem, source: str, target: str, **more: Any) -> None:
        tries.append(target)
        if len(tries) == 1:
            raise OSError("the store is away")
        put(self, source, target, **more)

    monkeypatch.setattr(MemoryFileSystem, "put_file", flaky)
    store = LogStore("memory://flaky", tmp_path / "logs", pauses=(0.0, 0.0)).start()
    store.put(log)
    store.close(10)
    assert len(tries) == 2
    assert store.read(NAME, 0, 5).data == b"first"


def test_a_log_that_cannot_be_stored_stays_and_the_next_one_is_stored(tmp_path: Path, log: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "dag_id=etl").write_text("in the way of the first")
    other = tmp_path / "logs" / NAME.replace("etl", "pay")
    other.parent.mkdir(parents=True)
    other.write_text("paid\n")
    store = LogStore(f"file://{tmp_path}/store", tmp_path / "logs", pauses=(0.0,)).start()
    store.put(log)
    store.put(tmp_path / "logs" / "nothing.log")
    store.put(other)
    store.close(10)
    assert log.exists()
    assert store.read(NAME.replace("etl", "pay"), 0, 100).data == b"paid\n"


def test_what_is_no_log_of_an_attempt_is_not_copied(tmp_path: Path) -> None:
    store = LogStore(f"file://{tmp_path}/store", tmp_path / "logs")
    with pytest.raises(ValueError, match="no log of an attempt"):
        store.copy(tmp_path / "logs" / "../secret.txt")
    with pytest.raises(ValueError, match="subpath"):
        store.copy(tmp_path / "secret.txt")


@pytest.mark.parametrize("name", ["../../etc/passwd", "dag_id=a/../../x", "", NAME + "/"])
def test_a_name_that_leads_elsewhere_is_not_read_from_the_store(name: str, tmp_path: Path) -> None:
    with pytest.raises(LogUnreachable):
        LogStore(f"file://{tmp_path}/store", tmp_path).read(name, 0, 10)


def test_a_log_that_the_store_does_not_have_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(LogUnreachable, match="no such log"):
        LogStore(f"file://{tmp_path}/store", tmp_path).read(NAME, 0, 10)


def test_remote_logging_without_a_folder_or_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    switched_on = {"GALE__LOGGING__REMOTE_LOGGING": "True"}
    with pytest.raises(ConfigError, match="remote_base_log_folder is empty"):
        open_store(Settings.load(tmp_path, switched_on))
    with pytest.raises(ConfigError, match="cannot be used"):
        open_store(
            Settings.load(tmp_path, switched_on | {"GALE__LOGGING__REMOTE_BASE_LOG_FOLDER": "nosuchstore://x/y"})
        )
    assert open_store(Settings.load(tmp_path, {})) is None


def test_a_password_in_the_address_of_the_store_is_never_shown() -> None:
    assert shown("sftp://joe:s3cret@host/logs?key=s3cret") == "sftp://host/logs"


def test_reading_a_part_of_a_file_keeps_to_its_end(log: Path) -> None:
    assert read_part(log, 1000, 10) == LogPart(b"", 23, 23)
