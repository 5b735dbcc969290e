"""Flower behind Gale's login, in a real browser: one login for both, every page, and who may act."""

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import browsing
import httpx
import pytest
import rabbitmq
from browsing import PASSWORD, Complaints, RunningGale, sign_in
from playwright.sync_api import Browser, BrowserContext, Page, expect

VIEWER_PASSWORD = "only-looks-at-flower"
#: Nobody listens there.
NO_BROKER = "amqp://airflow:secret@127.0.0.1:1/vairflow"
READY = re.compile(r"flower\.ready .*url=(\S+)")
#: What workers of the tests are: Celery with one small task. Flower only shows what Celery tells.
WORKER = """
import sys
from celery import Celery
app = Celery("gale", broker=sys.argv[1])
app.conf.update(task_default_queue="flower-test", accept_content=["json"], worker_hijack_root_logger=False)
@app.task(name="gale.run")
def run(**told): return None
if sys.argv[2] == "send":
    told = {"dag_id": "shop_orders", "task_id": "read", "run_id": "r1", "try_number": 1}
    run.apply_async(kwargs=told, shadow="shop_orders.read")
else:
    app.worker_main(["worker", "--pool=solo", "-E", "--hostname=celery@tester", "--loglevel=warning"])
"""


def wait_until_healthy(url: str) -> None:
    """Wait until Flower answers behind the proxy, which is ready a second before."""
    for _ in range(300):
        if httpx.get(f"{url.rstrip('/')}/healthcheck", trust_env=False).is_success:
            return
        select.select([], [], [], 0.1)
    pytest.fail("Flower did not answer within 30 seconds")


@contextmanager
def running_flower(home: Path, broker: str, prefix: str = "") -> Iterator[str]:
    """Start `gale flower`, wait until it is ready, and stop it at the end; give its address."""
    environment = browsing._environment(home) | {"GALE__CELERY__BROKER_URL": broker, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "gale", "flower", "--hostname", "127.0.0.1", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--url-prefix", prefix],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    lines: list[str] = []
    try:
        url = next((found[1] for line in process.stderr if lines.append(line) or (found := READY.search(line))), "")
        assert url, "".join(lines)
        wait_until_healthy(url)
        # Browsers keep cookies by the name of the host: both addresses must have the same one.
        yield url.replace("127.0.0.1", "localhost").rstrip("/")
    finally:
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=30)[0 if process.stderr is None else 1]
        assert process.returncode == 0, "".join(lines) + rest
        assert "Traceback" not in rest


@pytest.fixture(scope="module")
def flower(gale: RunningGale) -> Iterator[str]:
    """Flower beside the Gale of all tests, with a broker that is not there."""
    gale.run("users", "create", "-u", "fiona", "-r", "Viewer", "-p", VIEWER_PASSWORD)
    with running_flower(gale.home, NO_BROKER) as url:
        yield url


@pytest.fixture
def window(browser: Browser, flower: str, complaints: Complaints) -> Iterator[Page]:
    """A window in which nobody is signed in."""
    context = browsing.new_window(browser, base_url=flower)
    page = context.new_page()
    complaints.watch(page)
    yield page
    context.close()


def log_in(page: Page, username: str = "admin", password: str = PASSWORD) -> None:
    """Sign in on the proxy's own page."""
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def wait_for_flower(page: Page) -> None:
    """Wait until Flower's list of workers stands there; the proxy's page looks again by itself until then."""
    expect(page.locator("#workers-table")).to_be_visible()


def test_who_is_signed_in_on_the_web_page_need_not_sign_in_again(window: Page, gale: RunningGale, flower: str):
    window.goto(gale.url.replace("127.0.0.1", "localhost"))
    sign_in(window)
    window.goto(f"{flower}/")
    wait_for_flower(window)


def test_who_signs_in_at_flower_is_signed_in_on_the_web_page(window: Page, gale: RunningGale):
    window.goto("/tasks?state=FAILURE")
    log_in(window)
    expect(window).to_have_url(re.compile(r"/tasks\?state=FAILURE$"))
    window.goto(gale.url.replace("127.0.0.1", "localhost"))
    expect(window.get_by_role("heading", name="DAGs", exact=True)).to_be_visible()


def test_every_page_of_flower_works_and_breaks_no_rule_of_the_browser(window: Page):
    window.goto("/")
    log_in(window)
    wait_for_flower(window)
    # The inline script ran, so the page asks again and again.
    expect(window.locator("#workers-refresh-status")).not_to_have_text("Connecting…")
    window.get_by_role("link", name="Tasks", exact=True).click()
    expect(window.get_by_text("No tasks have been received.")).to_be_visible()
    window.get_by_role("link", name="Broker", exact=True).click()
    expect(window.get_by_text("127.0.0.1:1")).to_be_visible()
    expect(window.get_by_text("secret")).to_have_count(0)
    window.locator("#theme-toggle").click()
    window.get_by_role("button", name="Dark").click()
    expect(window.locator("html")).to_have_attribute("data-bs-theme", "dark")
    window.screenshot(path=os.environ.get("GALE_TEST_SCREENSHOTS", "/tmp") + "/flower-broker.png")


def test_a_wrong_password_is_refused_in_words_and_in_chinese(browser: Browser, flower: str):
    context = browsing.new_window(browser, base_url=flower, locale="zh-CN")
    page = context.new_page()
    page.goto("/workers")
    expect(page.get_by_role("heading", name="登录")).to_be_visible()
    page.get_by_label("用户名").fill("admin")
    page.get_by_label("密码").fill("wrong")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).to_have_text("用户名或密码不正确。")
    page.get_by_role("link", name="English").click()
    log_in(page)
    expect(page).to_have_url(re.compile(r"/workers$"))
    context.close()


def test_signing_out_at_flower_closes_the_door(window: Page):
    window.goto("/")
    log_in(window)
    wait_for_flower(window)
    window.goto("/logout")
    window.get_by_role("button", name="Sign out").click()
    expect(window.get_by_label("Password")).to_be_visible()
    window.goto("/tasks")
    expect(window.get_by_label("Password")).to_be_visible()


def test_under_a_prefix_flower_works_just_as_well(browser: Browser, gale: RunningGale, complaints: Complaints):
    with running_flower(gale.home, NO_BROKER, "ops/flower") as url:
        context = browsing.new_window(browser, base_url=url)
        page = context.new_page()
        complaints.watch(page)
        page.goto(f"{url}/")
        log_in(page)
        wait_for_flower(page)
        page.get_by_role("link", name="Tasks", exact=True).click()
        expect(page).to_have_url(f"{url}/tasks")
        expect(page.get_by_text("No tasks have been received.")).to_be_visible()
        context.close()


# --- with a broker and a worker -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """A broker of this module's own."""
    if url := os.environ.get("GALE_TEST_AMQP_URL"):
        yield url
        return
    if not rabbitmq.is_installed():
        pytest.skip("no broker: install rabbitmq-server, or name an empty virtual host in GALE_TEST_AMQP_URL")
    with rabbitmq.running() as url:
        yield url


@pytest.fixture(scope="module")
def cluster(gale: RunningGale, flower: str, broker: str) -> Iterator[str]:
    """Flower with a broker."""
    with running_flower(gale.home, broker) as url:
        yield url


@pytest.fixture
def worker(broker: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker that sends events."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, broker, "work"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    yield process
    process.kill()
    process.wait()


def entered(browser: Browser, url: str, username: str, password: str, complaints: Complaints) -> BrowserContext:
    context = browsing.new_window(browser, base_url=url)
    page = context.new_page()
    complaints.watch(page)
    page.goto("/")
    log_in(page, username, password)
    wait_for_flower(page)
    return context


def test_a_viewer_sees_workers_and_tasks_and_is_told_that_acting_is_for_others(
    browser: Browser, cluster: str, broker: str, worker: subprocess.Popen[bytes], complaints: Complaints
):
    context = entered(browser, cluster, "fiona", VIEWER_PASSWORD, complaints)
    page = context.pages[0]
    page.get_by_role("link", name="celery@tester").wait_for()
    subprocess.run([sys.executable, "-c", WORKER, broker, "send"], check=True)
    page.goto("/tasks")
    expect(page.locator("#tasks-table")).to_contain_text("shop_orders.read")
    page.goto("/worker/celery@tester")
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("button", name="Shut Down").click()
    expect(page.locator("#toast-container")).to_contain_text("Your role (Viewer) may not do this in Flower.")
    assert worker.poll() is None
    context.close()


def test_an_op_stops_a_worker_with_flowers_own_button(
    browser: Browser, cluster: str, gale: RunningGale, worker: subprocess.Popen[bytes], complaints: Complaints
):
    gale.run("users", "create", "-u", "otto", "-r", "Op", "-p", VIEWER_PASSWORD)
    context = entered(browser, cluster, "otto", VIEWER_PASSWORD, complaints)
    page = context.pages[0]
    page.get_by_role("link", name="celery@tester").wait_for()
    page.goto("/worker/celery@tester")
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("button", name="Shut Down").click()
    expect(page.locator("#toast-container")).to_contain_text("Shutting down!")
    worker.wait(30)
    context.close()
