"""A broker that comes late, goes and comes back: Flower sees workers within half a minute, whatever happened."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import rabbitmq
from flower_world import until

from gale.clock import SystemClock
from gale.settings import Settings
from gale_flower_proxy.broker import flower_settings
from gale_flower_proxy.child import USER, FlowerChild

pytestmark = [pytest.mark.integration, pytest.mark.rabbitmq]

WORKER = """
import sys
from celery import Celery
app = Celery("gale", broker=sys.argv[1])
app.worker_main(["worker", "--pool=solo", "-E", f"--hostname=celery@{sys.argv[2]}", "--loglevel=critical"])
"""


@pytest.fixture
def broker() -> Iterator[rabbitmq.Server]:
    if not rabbitmq.is_installed():
        pytest.skip("no broker of our own can be started: install rabbitmq-server")
    with rabbitmq.server() as server:
        yield server


@pytest.fixture
def flower(tmp_path: Path, broker: rabbitmq.Server) -> Iterator[FlowerChild]:
    """Flower, started while its broker is down."""
    broker.kill()
    settings = Settings.load(tmp_path, {"GALE__CELERY__BROKER_URL": broker.url})
    started = FlowerChild(flower_settings(settings), SystemClock())
    started.start()
    until(lambda: "data" in ask(started, "/workers?json=1"), "an answer of Flower")
    yield started
    started.stop()


def ask(flower: FlowerChild, path: str) -> dict[str, object]:
    upstream = flower.upstream()
    if upstream is None:
        return {}
    try:
        answer = httpx.get(upstream.url + path, auth=(USER, upstream.password), trust_env=False, timeout=30)
    except httpx.TransportError:
        return {}
    return dict(answer.json()) if answer.is_success else {}


def see_worker(flower: FlowerChild, broker: rabbitmq.Server, name: str) -> None:
    """Start a worker, and wait until Flower shows it."""
    worker = subprocess.Popen([sys.executable, "-c", WORKER, broker.url, name], stdout=subprocess.DEVNULL)
    try:
        until(lambda: name in str(ask(flower, "/workers?json=1")), f"{name} in Flower's list")
    finally:
        worker.kill()
        worker.wait()


def test_flower_sees_workers_soon_after_its_broker_has_come_and_come_back(
    flower: FlowerChild, broker: rabbitmq.Server
) -> None:
    assert ask(flower, "/workers?json=1") == {"data": []}
    broker.start()
    see_worker(flower, broker, "first")
    broker.kill()
    begin = SystemClock().monotonic()
    ask(flower, "/worker/celery@first")
    assert SystemClock().monotonic() - begin < 20
    broker.start()
    see_worker(flower, broker, "second")
