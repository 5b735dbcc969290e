"""The real Flower as a child, with a broker that is not there: what it is started with, and how it ends."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flower_world import until

from gale.clock import SystemClock
from gale.errors import ConfigError
from gale.runtime.processes import children
from gale.settings import Settings
from gale_flower_proxy import child as child_module
from gale_flower_proxy.broker import flower_settings
from gale_flower_proxy.child import USER, FlowerChild, FlowerSettings, Upstream
from gale_flower_proxy.headers import INLINE_SCRIPTS

pytestmark = pytest.mark.integration

SECRET = "pass%40word-of-the-broker"
BROKER = f"amqp://airflow:{SECRET}@127.0.0.1:1/vairflow"


def answers(upstream: Upstream | None, path: str = "/healthcheck") -> bool:
    if upstream is None:
        return False
    try:
        got = httpx.get(upstream.url + path, auth=(USER, upstream.password), trust_env=False, timeout=5)
    except httpx.TransportError:
        return False
    return got.status_code == 200


@pytest.fixture
def told(tmp_path: Path) -> FlowerSettings:
    return flower_settings(Settings.load(tmp_path, {"GALE__CELERY__BROKER_URL": BROKER}))


@pytest.fixture
def flower(told: FlowerSettings) -> Iterator[FlowerChild]:
    started = FlowerChild(told, SystemClock())
    started.start()
    until(lambda: answers(started.upstream()), "an answer of Flower")
    yield started
    started.stop()


def test_flower_serves_its_pages_although_there_is_no_broker(flower: FlowerChild) -> None:
    for path in ("/workers", "/tasks", "/broker", "/api/workers", "/metrics", "/static/js/flower.js"):
        assert answers(flower.upstream(), path), path


def test_every_script_inside_a_page_of_flower_is_one_that_browsers_are_told_of(flower: FlowerChild) -> None:
    upstream = flower.upstream()
    assert upstream is not None
    with httpx.Client(base_url=upstream.url, auth=(USER, upstream.password), trust_env=False) as client:
        pages = [
            client.get(path).text for path in ("/workers", "/tasks", "/broker", "/worker/x", "/task/x", "/nothing")
        ]
    inline = {
        found for page in pages for found in re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL)
    }
    assert inline
    assert inline <= set(INLINE_SCRIPTS)
    assert not re.search(r"\son[a-z]+=|javascript:", "".join(pages))


def test_flower_listens_on_the_loopback_device_only_and_asks_for_its_password(flower: FlowerChild) -> None:
    upstream = flower.upstream()
    assert upstream is not None
    port = f"{upstream.port:04X}"
    listening = [
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    ]
    assert [address for address in listening if address.endswith(f":{port}")] == [f"0100007F:{port}"]
    for auth in (None, (USER, ""), (USER, "guess"), ("admin", upstream.password)):
        for path in ("/workers", "/api/workers"):
            answer = httpx.get(upstream.url + path, auth=auth, trust_env=False, timeout=5)
            assert answer.status_code == 401
            assert "Access-Control-Allow-Origin" not in answer.headers


def test_nothing_secret_stands_in_flowers_arguments_or_beyond_its_need_in_its_environment(
    told: FlowerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = dict(os.environ) | {"GALE__DATABASE__SQL_ALCHEMY_CONN": "mysql://root:s3cret@db/x", "MY_TOKEN": "s3cret"}
    started = FlowerChild(FlowerSettings(celery=told.celery, hidden=told.hidden, environ=environ), SystemClock())
    started.start()
    try:
        until(lambda: answers(started.upstream()), "an answer of Flower")
        arguments = Path(f"/proc/{started.pid}/cmdline").read_text()
        environment = Path(f"/proc/{started.pid}/environ").read_text()
        upstream = started.upstream()
    finally:
        started.stop()
    assert upstream is not None
    assert SECRET not in arguments
    assert upstream.password not in arguments
    assert "amqp" not in arguments
    assert "s3cret" not in environment


def test_a_flower_that_dies_is_started_again_with_another_password(flower: FlowerChild) -> None:
    first, pid = flower.upstream(), flower.pid
    assert first is not None
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: flower.upstream() not in {None, first} and answers(flower.upstream()), "a new Flower")
    second = flower.upstream()
    assert second is not None
    assert second.password != first.password


def test_a_flower_that_cannot_start_is_tried_ever_less_often(
    told: FlowerSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Pauses are shortened: the true ones are seconds. They are looked at as they are asked for."""
    pauses: list[float] = []
    broken = FlowerSettings(celery={"broker_url": "nonsense://x"}, environ={})
    started = FlowerChild(broken, SystemClock())
    stopping = started._stopping
    monkeypatch.setattr(child_module, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(stopping, "wait", lambda seconds: pauses.append(seconds) or len(pauses) > 3)
    monkeypatch.setattr(child_module.sys, "executable", "/bin/false")
    started.start()
    until(lambda: len(pauses) >= 5, "five tries")
    stopping.set()
    started.stop()
    assert pauses[:4] == [0.01, 0.02, 0.04, 0.08]
    assert started.upstream() is None


def test_stopping_leaves_no_process_behind(flower: FlowerChild) -> None:
    pid = flower.pid
    flower.stop()
    assert flower.upstream() is None
    assert not Path(f"/proc/{pid}").exists()
    assert pid not in children(os.getpid())


def test_flower_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from gale.clock import SystemClock; from gale.settings import Settings;"
        "from gale_flower_proxy.broker import flower_settings; from gale_flower_proxy.child import FlowerChild;"
        "flower = FlowerChild(flower_settings(Settings.load()), SystemClock()); flower.start();"
        "import threading, time\n"
        "while flower.pid is None: threading.Event().wait(0.01)\n"
        "print(flower.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"], "GALE_HOME": str(tmp_path), "GALE__CELERY__BROKER_URL": BROKER},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert Path(f"/proc/{pid}/cmdline").read_text()
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    until(lambda: not _is_running(pid), "the end of Flower")


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def test_without_a_broker_there_is_nothing_to_watch(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[celery\] broker_url is empty"):
        flower_settings(Settings.load(tmp_path, {}))


def test_a_password_that_flower_writes_is_not_in_our_log(
    told: FlowerSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    child = FlowerChild(told, SystemClock())
    child._tell(f"[E 261122 19:21:04 events:190] Failed: {BROKER} and pass@word-of-the-broker\n".encode())
    child._tell(f"[E 261122 19:21:09 events:190] Failed: {BROKER} and pass@word-of-the-broker\n".encode())
    said = capsys.readouterr().out
    assert said.count("Failed: amqp://airflow:***@127.0.0.1:1/vairflow and ***") == 1
    assert "word-of-the-broker" not in said
