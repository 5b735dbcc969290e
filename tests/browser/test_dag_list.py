"""The list of DAGs: what is there, what comes in, what is broken."""

import re
import time

from browsing import RunningGale
from playwright.sync_api import Page, expect

ON_SCREEN_SECONDS = 5


def test_the_list_says_schedules_in_words(page: Page):
    page.goto("/dags")
    row = page.get_by_test_id("dag-dag")
    expect(row).to_contain_text("every day at 00:00")
    expect(page.get_by_test_id("dag-shop_orders")).to_contain_text("only by hand")
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitemradio", name="简体中文").click()
    expect(row).to_contain_text("每天 00:00")


def test_a_dag_file_dropped_into_the_folder_is_on_screen_within_five_seconds(page: Page, gale: RunningGale):
    page.goto("/dags")
    expect(page.get_by_test_id("dag-shop_orders")).to_be_visible()
    began = time.monotonic()
    text = (gale.dags / "shop_orders.py").read_text(encoding="utf-8").replace('"shop_orders"', '"dropped_in"')
    (gale.dags / "dropped_in.py").write_text(text, encoding="utf-8")
    expect(page.get_by_test_id("dag-dropped_in")).to_be_visible(timeout=ON_SCREEN_SECONDS * 1000)
    assert time.monotonic() - began < ON_SCREEN_SECONDS


def test_a_broken_file_is_told_with_its_line_until_it_is_mended(page: Page, gale: RunningGale):
    page.goto("/dags")
    file = gale.dags / "broken.py"
    file.write_text("from gale import DAG\n\nimport no_such_module\n", encoding="utf-8")
    banner = page.get_by_role("alert").filter(has_text="1 DAG file cannot be imported")
    expect(banner).to_contain_text("broken.py:3")
    expect(banner).to_contain_text("no_such_module")
    banner.get_by_role("link", name="Show details").click()
    expect(page.get_by_role("heading", name=re.compile("broken.py"))).to_contain_text("line 3")
    file.unlink()
    expect(page.get_by_text("Every DAG file can be imported.")).to_be_visible()


def test_search_and_filters_are_kept_in_the_address(page: Page):
    page.goto("/dags")
    expect(page.get_by_test_id("dag-shop_orders")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("supp")
    expect(page.get_by_test_id("dag-supplier")).to_be_visible()
    expect(page.get_by_test_id("dag-shop_orders")).to_have_count(0)
    page.get_by_role("button", name="Paused", exact=True).click()
    expect(page).to_have_url(re.compile(r"search=supp.*show=paused"))
    page.reload()
    expect(page.get_by_label("Search DAGs")).to_have_value("supp")
    expect(page.get_by_test_id("dag-supplier")).to_be_visible()
    page.get_by_label("Search DAGs").fill("no such dag")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_test_id("dag-shop_orders")).to_be_visible()


def test_the_pause_switch_moves_at_once_and_comes_back_when_refused(page: Page):
    page.goto("/dags")
    switch = page.get_by_test_id("dag-ct1").get_by_role("switch")
    expect(switch).to_have_attribute("aria-checked", "true")
    page.route("**/api/v2/dags/ct1*", lambda route: route.fulfill(status=409, json={"detail": "Not today."}))
    switch.click()
    expect(page.get_by_role("alert").filter(has_text="Not today.")).to_be_visible()
    expect(switch).to_have_attribute("aria-checked", "true")
    page.unroute("**/api/v2/dags/ct1*")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    page.reload()
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")


def test_a_lost_connection_is_told_and_heals_by_itself(page: Page):
    page.goto("/dags")
    expect(page.get_by_test_id("dag-shop_orders")).to_be_visible()
    page.route("**/ui/**", lambda route: route.abort("connectionrefused"))
    expect(page.get_by_text("Gale does not answer. What you see may be out of date")).to_be_visible()
    expect(page.get_by_test_id("dag-shop_orders")).to_be_visible()
    page.unroute("**/ui/**")
    expect(page.get_by_text("Connected again.")).to_be_visible()


def test_an_address_of_nothing_is_told_as_such(page: Page):
    page.goto("/nowhere/at/all")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
    page.goto("/dags/no_such_dag")
    expect(page.get_by_role("heading", name="There is no DAG named “no_such_dag”.")).to_be_visible()
