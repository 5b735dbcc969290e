"""Who may in, and what they may do."""

from browsing import PASSWORD, RunningGale, sign_in
from playwright.sync_api import Page, expect

VIEWER_PASSWORD = "only-looks-at-things"


def test_a_wrong_password_is_refused_in_words(stranger: Page):
    stranger.goto("/")
    stranger.get_by_label("User name").fill("admin")
    stranger.get_by_label("Password").fill("not the password")
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("alert")).to_contain_text("The user name or the password is wrong.")
    expect(stranger.get_by_label("Password")).to_have_value("")


def test_the_page_that_was_asked_for_opens_after_signing_in(stranger: Page):
    stranger.goto("/dags/shop_orders/code")
    stranger.get_by_label("User name").fill("admin")
    stranger.get_by_label("Password").fill(PASSWORD)
    stranger.keyboard.press("Enter")
    expect(stranger.get_by_test_id("code")).to_contain_text("def read_orders")


def test_signing_out_closes_the_door(stranger: Page):
    stranger.goto("/")
    sign_in(stranger)
    stranger.get_by_role("button", name="Signed in as admin").click()
    stranger.get_by_role("menuitem", name="Sign out").click()
    expect(stranger.get_by_label("Password")).to_be_visible()
    stranger.goto("/dags")
    expect(stranger.get_by_label("Password")).to_be_visible()


def test_a_viewer_is_told_why_a_button_does_nothing(stranger: Page, gale: RunningGale):
    gale.run("users", "create", "-u", "vera", "-r", "Viewer", "-p", VIEWER_PASSWORD)
    stranger.goto("/")
    sign_in(stranger, "vera", VIEWER_PASSWORD)
    stranger.goto("/dags/shop_orders")
    button = stranger.get_by_role("button", name="Trigger", exact=True)
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_attribute("title", "Your role (Viewer) may not do this.")
    button.click(force=True)
    expect(stranger.locator("dialog")).to_have_count(0)
    stranger.get_by_role("button", name="Admin", exact=True).click()
    expect(stranger.get_by_role("menuitem", name="Health")).to_be_visible()
    expect(stranger.get_by_role("menuitem", name="Connections")).to_have_count(0)
