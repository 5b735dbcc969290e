"""The pictures of the README: made from a running Gale, never by hand.

They are written to a temporary folder; with GALE_SCREENSHOTS=1 to docs/images, where they are kept.
"""

import os
from pathlib import Path

import pytest
from browsing import cell, new_window, trigger
from playwright.sync_api import Browser, Page, expect

IMAGES = Path(__file__).parents[2] / "docs" / "images"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Where the pictures go."""
    if os.environ.get("GALE_SCREENSHOTS") != "1":
        return tmp_path
    IMAGES.mkdir(parents=True, exist_ok=True)
    return IMAGES


def settle(page: Page) -> None:
    """Wait until nothing moves any more: messages gone, fonts there."""
    expect(page.locator(".toast")).to_have_count(0)
    page.evaluate("document.fonts.ready")


def test_pictures_of_list_grid_graph_and_log_can_be_taken(page: Page, images: Path):
    page.set_viewport_size({"width": 1280, "height": 760})
    for _ in range(3):
        run_id = trigger(page, "shop_orders")
        expect(cell(page, "report", run_id)).to_have_attribute("data-cell-state", "success")
    supplier = trigger(page, "supplier")
    expect(cell(page, "check", supplier)).to_have_attribute("data-cell-state", "up_for_retry")
    cell(page, "store", supplier).click()
    expect(page.get_by_test_id("why")).to_be_visible()
    settle(page)
    page.screenshot(path=images / "why.png")

    page.goto("/dags/library_report")
    newest = page.locator("[data-testid^='cell-announce-']").last
    expect(newest).to_have_attribute("data-cell-state", "success", timeout=90_000)
    page.goto("/dags")
    expect(page.get_by_test_id("dag-library_report")).to_contain_text("success")
    settle(page)
    page.screenshot(path=images / "dags.png")

    run_id = trigger(page, "shop_orders")
    cell(page, "extract", run_id).click()
    expect(page.get_by_test_id("log")).to_contain_text("part 8 of 8")
    settle(page)
    page.screenshot(path=images / "grid.png")

    page.goto("/dags/library_report/graph")
    expect(page.get_by_test_id("graph")).to_have_attribute("data-arranged", "well")
    expect(page.get_by_test_id("node-announce")).to_be_visible()
    settle(page)
    page.screenshot(path=images / "graph.png")


def test_a_picture_of_the_dark_chinese_page_can_be_taken(browser: Browser, gale, admin_session: Path, images: Path):
    context = new_window(
        browser,
        base_url=gale.url,
        storage_state=admin_session,
        locale="zh-CN",
        color_scheme="dark",
        viewport={"width": 1280, "height": 760},
    )
    page = context.new_page()
    page.goto("/dags/library_report")
    newest = page.locator("[data-testid^='cell-announce-']").last
    expect(newest).to_have_attribute("data-cell-state", "success", timeout=90_000)
    newest.click()
    expect(page.get_by_test_id("log")).to_contain_text("Attempt 1")
    settle(page)
    page.screenshot(path=images / "grid-dark-zh.png")
    context.close()
    assert (images / "grid-dark-zh.png").stat().st_size > 10_000
