"""Both pages in a real browser, through the published ports."""

import json
import urllib.request

import browsing
from playwright.sync_api import Browser, expect
from stack import Stack


def test_the_password_in_the_log_of_migrate_opens_the_page_and_flower(stack: Stack, browser: Browser, tmp_path) -> None:
    heard = browsing.Complaints()
    context = browsing.new_window(browser)
    page = context.new_page()
    heard.watch(page)
    page.goto(stack.page)
    browsing.sign_in(page, password=stack.admin_password())
    for dag_id in ("dag", "library_report", "burst"):
        expect(page.get_by_test_id(f"dag-{dag_id}")).to_be_visible()
    page.screenshot(path=tmp_path / "page.png")

    page.goto(stack.flower)
    rows = page.locator("#workers-table tbody tr")
    expect(rows).to_have_count(3)
    for row in rows.all():
        expect(row).to_contain_text("Online")
    page.screenshot(path=tmp_path / "flower.png")
    context.close()
    assert heard.found == []


def test_a_stranger_is_asked_for_a_login_by_both_pages(stack: Stack, browser: Browser) -> None:
    context = browsing.new_window(browser)
    page = context.new_page()
    for address in (stack.page, stack.flower):
        page.goto(address)
        expect(page.get_by_label("Password")).to_be_visible()
    context.close()


def test_the_health_address_names_the_database_and_the_scheduler(stack: Stack) -> None:
    with urllib.request.urlopen(f"{stack.page}/api/v2/monitor/health", timeout=10) as answer:
        told = json.load(answer)
    assert {part: told[part]["status"] for part in ("metadatabase", "scheduler")} == {
        "metadatabase": "healthy",
        "scheduler": "healthy",
    }
