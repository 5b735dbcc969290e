"""The page of one DAG: a run from trigger to success, seen on grid, graph and log."""

import re

from browsing import RunningGale, cell, trigger
from playwright.sync_api import Page, expect

GREEN = "success"


def test_a_triggered_run_turns_green_on_the_grid_by_itself(page: Page):
    run_id = trigger(page, "shop_orders")
    extract = cell(page, "extract", run_id)
    expect(extract).to_have_attribute("data-cell-state", re.compile("scheduled|queued|running"))
    for task in ("extract", "clean.germany", "clean.france", "clean.japan", "load", "report"):
        expect(cell(page, task, run_id)).to_have_attribute("data-cell-state", GREEN)
    # A group shows what its members are.
    expect(cell(page, "clean", run_id)).to_have_attribute("data-cell-state", GREEN)
    # The new run was opened by itself.
    panel = page.get_by_test_id("panel")
    expect(panel.get_by_role("heading", name=run_id)).to_be_visible()
    expect(panel.get_by_test_id("state")).to_have_text("success")
    expect(panel).to_contain_text('"limit": 10')


def test_a_log_streams_while_its_task_runs(page: Page, gale: RunningGale):
    gate = gale.home / "gate-is-open"
    gate.unlink(missing_ok=True)
    run_id = trigger(page, "streaming")
    cell(page, "write", run_id).click()
    log = page.get_by_test_id("log")
    expect(log).to_contain_text("before the gate")
    expect(page.get_by_test_id("log-status")).to_contain_text("streaming")
    expect(log).not_to_contain_text("after the gate")
    gate.touch()
    expect(log).to_contain_text("after the gate")
    expect(page.get_by_test_id("log-status")).to_contain_text("complete")
    expect(page.get_by_test_id("panel").get_by_test_id("state")).to_have_text("success")


def test_a_log_can_be_searched_and_downloaded(page: Page):
    run_id = trigger(page, "shop_orders")
    cell(page, "extract", run_id).click()
    expect(page.get_by_test_id("log")).to_contain_text("part 8 of 8: 10000 orders of 2026-11-22")
    page.get_by_label("Search in the log").fill("PART 3")
    expect(page.locator(".log mark")).to_have_text("part 3")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert "part 8 of 8" in download.value.path().read_text(encoding="utf-8")


def test_what_a_task_was_given_and_what_it_left_are_shown(page: Page):
    run_id = trigger(page, "shop_orders")
    expect(cell(page, "load", run_id)).to_have_attribute("data-cell-state", GREEN)
    cell(page, "load", run_id).click()
    page.get_by_role("tab", name="Rendered").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("echo loading 10 rows")
    cell(page, "extract", run_id).click()
    page.get_by_role("tab", name="XCom").click()
    expect(page.get_by_role("tabpanel")).to_contain_text('"orders": 10000')
    page.get_by_role("tab", name="Details").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("PythonOperator")


def test_the_graph_shows_the_states_of_the_run_and_opens_its_tasks(page: Page):
    run_id = trigger(page, "shop_orders")
    page.get_by_role("link", name="Graph").click()
    node = page.get_by_test_id("node-report")
    expect(node).to_have_attribute("data-state", GREEN)
    expect(page.get_by_test_id("group-clean")).to_have_attribute("data-state", GREEN)
    node.click()
    expect(page.get_by_test_id("panel").get_by_role("heading", name="report")).to_be_visible()
    expect(page).to_have_url(re.compile(f"run={re.escape(run_id.replace(':', '%3A').replace('+', '%2B'))}"))
    page.get_by_role("button", name="Close group clean").click()
    expect(page.get_by_test_id("node-clean.france")).to_have_count(0)
    expect(page.get_by_test_id("group-clean")).to_contain_text("3 tasks")
    page.get_by_role("button", name="Open group clean").click()
    expect(page.get_by_test_id("node-clean.france")).to_be_visible()


def test_a_task_that_waits_says_why_in_both_languages(page: Page):
    page.goto("/dags/supplier")
    page.get_by_role("button", name="Trigger", exact=True).click()
    dialog = page.locator("dialog")
    expect(dialog.get_by_label("Switch the DAG on as well")).to_be_checked()
    dialog.get_by_role("button", name="Trigger", exact=True).click()
    failed = page.locator("[data-testid^='cell-check-manual']").last
    expect(failed).to_have_attribute("data-cell-state", "up_for_retry")
    failed.click()
    why = page.get_by_test_id("why")
    expect(why).to_contain_text("Why is it not running?")
    expect(why).to_contain_text(re.compile("retr(y|ies)|tried again", re.IGNORECASE))
    expect(page.get_by_test_id("log")).to_contain_text("ValueError: no rows for 2026-11-22")
    page.locator("[data-testid^='cell-store-manual']").last.click()
    expect(why).to_contain_text("check")
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitemradio", name="简体中文").click()
    expect(why).to_contain_text("为什么没有运行？")
    expect(why).to_contain_text(re.compile(r"[\u4e00-\u9fff]{4}.*check|check.*[\u4e00-\u9fff]{4}"))


def test_clearing_lists_what_will_run_again_and_runs_it(page: Page):
    run_id = trigger(page, "shop_orders")
    expect(cell(page, "report", run_id)).to_have_attribute("data-cell-state", GREEN)
    cell(page, "load", run_id).click()
    panel = page.get_by_test_id("panel")
    panel.get_by_role("button", name="Clear…").click()
    preview = page.get_by_test_id("clear-preview")
    expect(preview).to_contain_text("2 task instances will be cleared")
    page.get_by_label("Downstream tasks").uncheck()
    expect(preview).to_contain_text("1 task instance will be cleared")
    page.locator("dialog").get_by_role("button", name="Clear", exact=True).click()
    expect(panel).to_contain_text("Try 2")
    expect(cell(page, "load", run_id)).to_have_attribute("data-cell-state", GREEN)
    # Each try keeps its own log.
    page.get_by_label("Tries").select_option("1")
    expect(page.get_by_test_id("log")).to_contain_text("attempt 1")


def test_a_failed_task_can_be_marked_so_that_the_run_goes_on(page: Page):
    run_id = trigger(page, "supplier")
    cell(page, "check", run_id).click()
    expect(cell(page, "check", run_id)).to_have_attribute("data-cell-state", "up_for_retry")
    page.get_by_test_id("panel").get_by_role("button", name="Mark success").click()
    page.locator("dialog").get_by_role("button", name="Mark success").click()
    expect(cell(page, "check", run_id)).to_have_attribute("data-cell-state", GREEN)
    expect(cell(page, "store", run_id)).to_have_attribute("data-cell-state", GREEN)


def test_the_grid_is_walked_with_the_keyboard(page: Page):
    run_id = trigger(page, "shop_orders")
    cell(page, "extract", run_id).focus()
    cell(page, "extract", run_id).click()
    page.keyboard.press("ArrowDown")
    expect(cell(page, "clean", run_id)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(cell(page, "clean.germany", run_id)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("panel").get_by_role("heading", name="clean.germany")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("panel")).to_have_count(0)


def test_a_note_on_a_run_is_kept(page: Page):
    run_id = trigger(page, "shop_orders")
    page.goto(f"/dags/shop_orders?run={run_id.replace('+', '%2B')}")
    page.get_by_role("button", name="Add a note").click()
    page.get_by_label("Note").fill("The supplier was late. 供应商晚了。")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Edit")).to_be_visible()
    page.reload()
    expect(page.get_by_text("The supplier was late. 供应商晚了。")).to_be_visible()


def test_params_are_asked_for_in_a_form_and_refused_where_they_do_not_fit(page: Page):
    page.goto("/dags/shop_orders")
    page.get_by_role("button", name="Trigger", exact=True).click()
    dialog = page.locator("dialog")
    dialog.get_by_label("limit").fill("many")
    dialog.get_by_role("button", name="Trigger", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("Enter a number.")
    dialog.get_by_label("limit").fill("77")
    dialog.get_by_role("button", name="JSON").click()
    expect(dialog.get_by_label("Configuration (JSON)")).to_have_value(re.compile('"limit": 77'))
    dialog.get_by_label("Configuration (JSON)").fill("[1, 2]")
    dialog.get_by_role("button", name="Trigger", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("must be a JSON object")
