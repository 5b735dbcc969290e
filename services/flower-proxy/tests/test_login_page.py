"""The proxy's own pages: signing in and out, in two languages, under a prefix."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flower_world import HERE, PASSWORD, FakeFlower

from gale.access.people import COOKIE
from gale.errors import ConfigError
from gale.settings import Settings
from gale_flower_proxy.texts import TEXTS

FORM = {"username": "viewer", "password": PASSWORD, "next": "/tasks?state=FAILURE"}


def prefixed(settings: Settings, prefix: str) -> Settings:
    return replace(settings, celery=replace(settings.celery, flower_url_prefix=prefix))


def test_signing_in_leads_back_to_where_one_wanted_to_go(anonymous: FlaskClient) -> None:
    answer = anonymous.post("/login", data=FORM, headers=HERE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/tasks?state=FAILURE")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert anonymous.get("/tasks").status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil", "", "/\tevil", "tasks"])
def test_signing_in_leads_to_no_other_site(target: str, anonymous: FlaskClient) -> None:
    answer = anonymous.post("/login", data=FORM | {"next": target}, headers=HERE)
    assert answer.headers["Location"] == "/"


def test_a_wrong_password_is_told_and_the_way_is_kept(anonymous: FlaskClient) -> None:
    answer = anonymous.post("/login", data=FORM | {"password": "wrong"}, headers=HERE)
    assert answer.status_code == 401
    assert TEXTS["en"]["bad_login"] in answer.text
    assert 'value="/tasks?state=FAILURE"' in answer.text
    assert "wrong&#34;" not in answer.text
    assert "Set-Cookie" not in answer.headers


def test_guessing_on_the_page_is_slowed_down(anonymous: FlaskClient) -> None:
    codes = [
        anonymous.post("/login", data=FORM | {"password": f"guess {n}"}, headers=HERE).status_code for n in range(6)
    ]
    assert codes == [401] * 5 + [429]


def test_the_page_speaks_the_language_that_the_browser_prefers(anonymous: FlaskClient) -> None:
    for asked, lang, word in (("zh-CN,zh;q=0.9", "zh-CN", "登录"), ("de", "en", "Sign in"), ("en-GB", "en", "Sign in")):
        answer = anonymous.get("/login", headers={"Accept-Language": asked})
        assert answer.status_code == 200
        assert f'<html lang="{lang}">' in answer.text
        assert word in answer.text


def test_the_language_can_be_changed_and_stays_after_a_mistake(anonymous: FlaskClient) -> None:
    assert "?lang=zh" in anonymous.get("/login").text
    answer = anonymous.post("/login", data=FORM | {"password": "x", "lang": "zh"}, headers=HERE)
    assert TEXTS["zh"]["bad_login"] in answer.text


def test_both_languages_say_the_same_things() -> None:
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()


def test_what_somebody_typed_is_shown_as_text_and_never_as_a_page(anonymous: FlaskClient) -> None:
    evil = '/"><script>alert(1)</script>'
    answer = anonymous.get("/login", query_string={"next": evil, "lang": "<b>"})
    assert "<script>" not in answer.text


def test_signing_out_takes_a_click_and_ends_the_session(sign_in: Callable[[str], FlaskClient]) -> None:
    viewer = sign_in("viewer")
    assert "viewer (Viewer)" in viewer.get("/logout", headers={"Accept": "text/html"}).text
    assert viewer.get("/tasks").status_code == 200
    cookie = viewer.get_cookie(COOKIE).value
    assert viewer.post("/logout", headers=HERE).headers["Location"] == "/login"
    viewer.set_cookie(COOKIE, cookie)
    assert viewer.get("/tasks").status_code == 401


def test_under_tls_the_cookie_is_bound_to_the_host_as_the_web_pages_is(
    make_app: Callable[[Settings], Flask], settings: Settings
) -> None:
    secure = replace(settings, webserver=replace(settings.webserver, base_url="https://gale.example"))
    client = make_app(secure).test_client()
    answer = client.post("/login", data=FORM, headers=HERE, base_url="https://gale.example:5555")
    assert answer.headers["Set-Cookie"].startswith(f"__Host-{COOKIE}=")
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("prefix", ["flower", "/flower", "flower/"])
def test_under_a_prefix_everything_stands_below_it(
    prefix: str, make_app: Callable[[Settings], Flask], settings: Settings, flower: FakeFlower
) -> None:
    client = make_app(prefixed(settings, prefix)).test_client()
    assert client.get("/").headers["Location"] == "/flower/"
    assert client.get("/flower").headers["Location"] == "/flower/"
    assert client.get("/tasks").status_code == 404
    assert client.get("/flowers/tasks").status_code == 404
    assert client.get("/flower/tasks").status_code == 401
    assert client.get("/healthcheck").status_code == client.get("/flower/healthcheck").status_code == 200
    assert 'action="/flower/login"' in client.get("/flower/login").text
    answer = client.post("/flower/login", data=FORM | {"next": ""}, headers=HERE)
    assert answer.headers["Location"] == "/flower/"
    flower.heard.clear()
    assert client.get("/flower/tasks").status_code == 200
    assert client.get("/flower/static/css/flower.css").headers["Cache-Control"] == "private, max-age=3600"
    assert client.post("/flower/api/task/apply/x", headers=HERE).status_code == 403
    assert [heard.path for heard in flower.heard] == ["/flower/tasks", "/flower/static/css/flower.css"]


@pytest.mark.parametrize("prefix", ["a b", "../x", "a?b", "ä", "%2e"])
def test_a_prefix_that_is_no_path_is_refused(
    prefix: str, make_app: Callable[[Settings], Flask], settings: Settings
) -> None:
    with pytest.raises(ConfigError, match="flower_url_prefix"):
        make_app(prefixed(settings, prefix))


def test_a_secret_that_anybody_can_guess_keeps_the_proxy_from_starting(
    make_app: Callable[[Settings], Flask], settings: Settings
) -> None:
    with pytest.raises(ConfigError, match="secret_key"):
        make_app(replace(settings, webserver=replace(settings.webserver, secret_key="temporary_key")))
