"""Lists, administration, language and look."""

import re

import pytest
from browsing import trigger
from playwright.sync_api import Page, expect

PAGES = {
    "/runs": "Runs",
    "/task-instances": "Task instances",
    "/variables": "Variables",
    "/connections": "Connections",
    "/pools": "Pools",
    "/users": "Users",
    "/import-errors": "Import errors",
    "/system": "Health",
    "/audit": "Audit log",
}


@pytest.mark.parametrize(("address", "title"), PAGES.items())
def test_each_page_opens_without_a_complaint(page: Page, address: str, title: str):
    page.goto(address)
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    expect(page).to_have_title(f"{title} · Gale")
    expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_the_chosen_language_is_kept_and_nothing_stays_in_the_other(page: Page):
    page.goto("/dags")
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitemradio", name="简体中文").click()
    expect(page.get_by_role("button", name="语言")).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="运行", exact=True)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    for address in PAGES:
        page.goto(address)
        expect(page.get_by_role("heading").first).to_have_text(re.compile(r"[\u4e00-\u9fff]"))


def test_the_chosen_look_is_there_before_the_first_paint(page: Page):
    page.goto("/dags")
    page.get_by_role("button", name="Appearance").click()
    page.get_by_role("menuitemradio", name="Dark").click()
    page.reload(wait_until="commit")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.wait_for_load_state()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 21, 27)"


def test_runs_are_found_by_state(page: Page):
    run_id = trigger(page, "shop_orders")
    page.goto("/runs?state=failed")
    page.get_by_label("State").select_option("success")
    row = page.get_by_role("row").filter(has_text=run_id)
    expect(row).to_contain_text("success")
    row.get_by_role("link", name=run_id).click()
    expect(page.get_by_test_id("panel").get_by_role("heading", name=run_id)).to_be_visible()


def test_a_variable_is_made_changed_and_deleted(page: Page):
    page.goto("/variables")
    page.get_by_role("button", name="Add a variable").click()
    page.get_by_label("Key").fill("greeting")
    page.get_by_label("Value").fill("hello")
    page.get_by_role("button", name="Save").click()
    row = page.get_by_role("row").filter(has_text="greeting")
    expect(row).to_contain_text("hello")
    page.get_by_role("button", name="Edit greeting").click()
    page.get_by_label("Value").fill("good evening")
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("good evening")
    page.get_by_role("button", name="Delete greeting").click()
    page.locator("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_a_connection_keeps_its_password_when_something_else_is_changed(page: Page):
    page.goto("/connections")
    page.get_by_role("button", name="Add a connection").click()
    page.get_by_label("Connection ID").fill("shop_db")
    page.get_by_label("Type").fill("postgres")
    page.get_by_label("Host").fill("db.example")
    page.get_by_label("Port").fill("5432")
    page.get_by_label("Password").fill("top-secret-word")
    page.get_by_role("button", name="Save").click()
    row = page.get_by_role("row").filter(has_text="shop_db")
    expect(row).to_contain_text("db.example:5432")
    page.get_by_role("button", name="Edit shop_db").click()
    expect(page.get_by_label("Password")).to_have_value("")
    page.get_by_label("Host").fill("db2.example")
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("db2.example:5432")
    assert "top-secret-word" not in page.content()


def test_a_pool_shows_how_it_is_used_and_the_default_one_stays(page: Page):
    page.goto("/pools")
    page.get_by_role("button", name="Add a pool").click()
    page.get_by_label("Name").fill("small")
    page.get_by_role("textbox", name="Slots").fill("two")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("dialog").get_by_role("alert")).to_be_visible()
    page.get_by_role("textbox", name="Slots").fill("2")
    page.get_by_role("button", name="Save").click()
    row = page.get_by_role("row").filter(has_text="small")
    expect(row).to_contain_text("0 / 2")
    expect(page.get_by_role("button", name="Delete default_pool")).to_have_attribute("aria-disabled", "true")


def test_a_user_is_made_given_another_role_and_deleted(page: Page):
    page.goto("/users")
    expect(page.get_by_role("button", name="Delete admin")).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="Add a user").click()
    dialog = page.locator("dialog")
    dialog.get_by_label("User name").fill("olga")
    dialog.get_by_label("Password").fill("short")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("at least 8")
    dialog.get_by_label("Password").fill("long enough a password")
    dialog.get_by_role("button", name="Save").click()
    row = page.get_by_role("row").filter(has_text="olga")
    expect(row).to_contain_text("Viewer")
    page.get_by_role("button", name="Edit olga").click()
    dialog.get_by_label("Role").select_option("Op")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("Op")
    page.get_by_role("button", name="Delete olga").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_all_shortcuts_are_listed_and_lead_where_they_say(page: Page):
    page.goto("/dags")
    expect(page.get_by_role("heading", name="DAGs", exact=True)).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()


def test_the_page_on_health_shows_what_gale_doctor_finds(page: Page):
    page.goto("/system")
    checks = page.get_by_test_id("checks")
    expect(checks.get_by_role("row").filter(has_text="Database: Tables")).to_contain_text("as this Gale needs it")
    expect(checks.locator("[data-verdict=failed]")).to_have_count(0)
    with page.expect_response("**/ui/doctor") as again:
        checks.get_by_role("button", name="Check again").click()
    assert again.value.ok
