"""What people and programs try at the door of Flower (row 29 of the attack list); something plays Flower."""

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flower_world import HERE, PASSWORD, FakeFlower
from sqlalchemy import Engine, update

from gale.access.people import COOKIE
from gale.clock import ManualClock
from gale.db import tables as t
from gale.db.engine import writing
from gale.settings import Settings

REVOKE = "/api/task/revoke/some-task"
HTML = {"Accept": "text/html,application/xhtml+xml"}
SignIn = Callable[[str], FlaskClient]


def basic(username: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


# --- nobody -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/workers", "/tasks", "/broker", "/metrics", "/api/workers", "/static/js/flower.js"]
)
def test_nobody_sees_anything_without_a_login(path: str, anonymous: FlaskClient, flower: FakeFlower) -> None:
    answer = anonymous.get(path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert flower.heard == []


@pytest.mark.parametrize("path", [REVOKE, "/api/worker/shutdown/w", "/api/task/apply/x", "/logout", "/nothing"])
def test_nobody_changes_anything_without_a_login(path: str, anonymous: FlaskClient, flower: FakeFlower) -> None:
    assert anonymous.post(path, headers=HERE).status_code == 401
    assert flower.heard == []


def test_a_browser_gets_a_page_to_sign_in_and_no_password_dialog(anonymous: FlaskClient) -> None:
    answer = anonymous.get("/tasks?state=FAILURE", headers=HTML)
    assert answer.status_code == 401
    assert "WWW-Authenticate" not in answer.headers
    assert 'value="/tasks?state=FAILURE"' in answer.text
    assert "script" not in answer.text


def test_a_script_of_an_open_page_gets_no_password_dialog_either(anonymous: FlaskClient) -> None:
    for mark in ({"X-Requested-With": "XMLHttpRequest"}, {"Sec-Fetch-Mode": "cors"}):
        answer = anonymous.get("/workers?json=1", headers=mark | {"Accept": "text/html"})
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="gale"'


def test_the_health_check_is_public_and_says_nothing_else(anonymous: FlaskClient, flower: FakeFlower) -> None:
    answer = anonymous.get("/healthcheck")
    assert (answer.status_code, answer.text) == (200, "OK\n")
    flower.is_running = False
    answer = anonymous.get("/healthcheck")
    assert (answer.status_code, answer.text) == (503, "Flower does not answer.\n")


# --- roles ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["viewer", "user", "op", "admin"])
def test_every_role_looks_at_flower_with_the_web_pages_session(who: str, sign_in: SignIn, flower: FakeFlower) -> None:
    answer = sign_in(who).get("/workers?json=1")
    assert answer.get_json() == {"path": "/workers?json=1"}
    assert [heard.path for heard in flower.heard] == ["/workers?json=1"]


@pytest.mark.parametrize(("who", "status"), [("viewer", 403), ("user", 403), ("op", 200), ("admin", 200)])
def test_only_op_and_admin_act(who: str, status: int, sign_in: SignIn, flower: FakeFlower) -> None:
    answer = sign_in(who).post(REVOKE, data={"terminate": "true"}, headers=HERE)
    assert answer.status_code == status
    assert [heard.body for heard in flower.heard] == ([b"terminate=true"] if status == 200 else [])


@pytest.mark.parametrize("kind", ["apply", "async-apply", "send-task"])
def test_nobody_starts_tasks_past_the_scheduler(kind: str, sign_in: SignIn, flower: FakeFlower) -> None:
    answer = sign_in("admin").post(f"/api/task/{kind}/gale.run", json={"args": []}, headers=HERE)
    assert answer.status_code == 403
    assert "only the scheduler" in answer.text
    assert flower.heard == []


def test_what_somebody_did_stands_in_the_audit_log(
    sign_in: SignIn, audit: Callable[[], list[tuple[str, str, str]]]
) -> None:
    sign_in("op").post(REVOKE, headers=HERE)
    sign_in("viewer").get("/tasks")
    assert ("flower", "op", f'{{"path": "{REVOKE}"}}') in audit()
    assert [owner for event, owner, _ in audit() if event == "flower"] == ["op"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods_that_flower_does_not_need_are_refused(method: str, sign_in: SignIn, flower: FakeFlower) -> None:
    assert sign_in("admin").open("/api/tasks", method=method, headers=HERE).status_code == 403
    assert flower.heard == []


def test_a_method_in_a_header_does_not_count(sign_in: SignIn, flower: FakeFlower) -> None:
    sign_in("viewer").get(REVOKE, headers={"X-HTTP-Method-Override": "POST"})
    assert flower.heard == []


# --- other ways in ----------------------------------------------------------------------------------


def test_a_name_and_password_open_flower_for_programs(anonymous: FlaskClient, flower: FakeFlower) -> None:
    assert anonymous.get("/metrics", headers=basic("viewer")).status_code == 200
    assert anonymous.post(REVOKE, headers=basic("op")).status_code == 200
    assert anonymous.post(REVOKE, headers=basic("viewer")).status_code == 403


@pytest.mark.parametrize(
    "header",
    [
        basic("viewer", "wrong"),
        basic("nobody"),
        basic("", ""),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic"},
        {"Authorization": "Bearer x.y.z"},
        {"Authorization": "Digest username=admin"},
        {"Authorization": "\x00"},
    ],
)
def test_wrong_credentials_open_nothing_to_anybody(
    header: dict[str, str], anonymous: FlaskClient, flower: FakeFlower
) -> None:
    assert anonymous.get("/tasks", headers=header).status_code == 401
    assert flower.heard == []


def test_a_password_is_checked_once_and_a_new_one_ends_that(
    anonymous: FlaskClient, engine: Engine, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That argon2 is not asked again is seen by taking it away: nothing else tells."""
    assert anonymous.get("/tasks", headers=basic("viewer")).status_code == 200
    monkeypatch.setattr("gale.access.people.password_matches", lambda *_: False)
    assert anonymous.get("/tasks", headers=basic("viewer")).status_code == 200
    assert anonymous.get("/tasks", headers=basic("viewer", "wrong")).status_code == 401
    clock.advance(601)
    assert anonymous.get("/tasks", headers=basic("viewer")).status_code == 401


def test_a_changed_or_switched_off_account_is_locked_out_at_once(anonymous: FlaskClient, engine: Engine) -> None:
    for who, change in (("viewer", {"password_hash": "x"}), ("op", {"is_active": False})):
        assert anonymous.get("/tasks", headers=basic(who)).status_code == 200
        with writing(engine) as conn:
            conn.execute(update(t.user).where(t.user.c.username == who).values(**change))
        assert anonymous.get("/tasks", headers=basic(who)).status_code == 401


def test_guessing_passwords_is_slowed_down(anonymous: FlaskClient) -> None:
    codes = [anonymous.get("/tasks", headers=basic("admin", f"guess {n}")).status_code for n in range(7)]
    assert codes == [401] * 5 + [429] * 2
    assert anonymous.get("/tasks", headers=basic("admin")).status_code == 429


def test_a_token_of_the_rest_api_opens_flower(
    anonymous: FlaskClient, bearer: Callable[..., dict[str, str]], settings: Settings
) -> None:
    assert anonymous.get("/api/tasks", headers=bearer("viewer")).status_code == 200
    assert anonymous.post(REVOKE, headers=bearer("op")).status_code == 200
    assert anonymous.post(REVOKE, headers=bearer("viewer")).status_code == 403
    other = replace(settings.api_auth, jwt_secret="the secret of another installation")
    assert anonymous.get("/api/tasks", headers=bearer("admin", api_auth=other)).status_code == 401


@pytest.mark.parametrize("cookie", ["x", "0" * 64, "'; --", "a" * 3_000])
def test_a_made_up_session_opens_nothing(cookie: str, anonymous: FlaskClient, flower: FakeFlower) -> None:
    anonymous.set_cookie(COOKIE, cookie)
    assert anonymous.get("/tasks").status_code == 401
    assert flower.heard == []


@pytest.mark.parametrize(
    "name", ["X-Remote-User", "Remote-User", "X-Forwarded-User", "X-Auth-Request-User", "X-Real-IP"]
)
def test_a_header_that_names_somebody_is_not_believed(name: str, anonymous: FlaskClient, flower: FakeFlower) -> None:
    assert anonymous.get("/tasks", headers={name: "admin"}).status_code == 401
    assert flower.heard == []


# --- requests that somebody else thought of ------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "null"},
        {"Referer": "http://evil.example/localhost"},
    ],
)
def test_another_site_cannot_use_somebodys_session(
    headers: dict[str, str], sign_in: SignIn, flower: FakeFlower
) -> None:
    admin = sign_in("admin")
    assert admin.post(REVOKE, headers=headers).status_code == 403
    assert admin.post("/logout", headers=headers).status_code == 403
    assert flower.heard == []


@pytest.mark.parametrize("headers", [HERE, {"Origin": "http://localhost"}, {"Referer": "http://localhost/task/x"}])
def test_flowers_own_pages_may_change_things(headers: dict[str, str], sign_in: SignIn, flower: FakeFlower) -> None:
    assert sign_in("op").post(REVOKE, headers=headers).status_code == 200
    assert len(flower.heard) == 1


def test_another_site_cannot_use_a_password_that_the_browser_remembers(
    anonymous: FlaskClient, flower: FakeFlower
) -> None:
    headers = basic("admin") | {"Sec-Fetch-Site": "cross-site"}
    assert anonymous.post(REVOKE, headers=headers).status_code == 403
    assert flower.heard == []


def test_another_site_cannot_sign_somebody_in(anonymous: FlaskClient) -> None:
    form = {"username": "viewer", "password": PASSWORD}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {}):
        answer = anonymous.post("/login", data=form, headers=headers)
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers


# --- what passes and what does not -------------------------------------------------------------------


def test_nothing_of_ours_and_nothing_made_up_reaches_flower(sign_in: SignIn, flower: FakeFlower) -> None:
    sent = {
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Remote-User": "admin",
        "X-Real-IP": "1.2.3.4",
        "X-Scheme": "https",
        "Forwarded": "for=1.2.3.4",
        "Origin": "http://localhost",
        "Referer": "http://localhost/tasks",
        "Host": "localhost",
        "Accept": "application/json",
        "X-XSRFToken": "x",
        "Connection": "X-Gone",
        "X-Gone": "1",
    }
    assert sign_in("op").post(REVOKE, data={"a": "b"}, headers=sent).status_code == 200
    got = flower.heard[0].headers
    password = base64.b64encode(f"gale:{flower.password}".encode()).decode()
    assert got.pop("Authorization") == f"Basic {password}"
    assert got.pop("Host").startswith("127.0.0.1:")
    allowed = {"Accept", "Accept-Encoding", "Content-Type", "Content-Length", "Connection", "User-Agent"}
    assert {name.title() for name in got} <= allowed
    assert "X-Gone" not in got.get("Connection", "")


def test_a_callers_credentials_never_reach_flower(
    anonymous: FlaskClient, bearer: Callable[..., dict[str, str]], sign_in: SignIn, flower: FakeFlower
) -> None:
    anonymous.get("/tasks", headers=basic("viewer"))
    anonymous.get("/tasks", headers=bearer("viewer"))
    sign_in("viewer").get("/tasks")
    told = str([heard.headers for heard in flower.heard])
    assert "Bearer" not in told
    assert "gale_session" not in told
    assert basic("viewer")["Authorization"] not in told


def test_nothing_of_flowers_own_login_reaches_a_browser(sign_in: SignIn) -> None:
    answer = sign_in("viewer").get("/tasks")
    for name in ("Set-Cookie", "Access-Control-Allow-Origin", "WWW-Authenticate", "Server"):
        assert name not in answer.headers
    assert answer.headers["ETag"] == '"abc"'
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_answer_carries_the_headers_that_guard_browsers(sign_in: SignIn, anonymous: FlaskClient) -> None:
    viewer = sign_in("viewer")
    for answer in (viewer.get("/tasks"), viewer.get("/nothing"), anonymous.get("/"), anonymous.get("/login")):
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "'unsafe-eval'" not in policy
        assert "'unsafe-inline'" not in policy.partition("style-src")[0]


def test_a_redirect_of_flower_leads_nobody_away(sign_in: SignIn, flower: FakeFlower) -> None:
    flower.answer = {"status": 302, "headers": {"Location": "http://evil.example/"}}
    assert "Location" not in sign_in("viewer").get("/tasks").headers


def test_a_flower_that_refuses_our_password_is_not_flower(sign_in: SignIn, flower: FakeFlower) -> None:
    flower.answer = {"status": 401}
    assert sign_in("viewer").get("/tasks").status_code == 502


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fapi/tasks",
        "/static/%2e%2e/api/tasks",
        "/static/%252e%252e/api/tasks",
        "/static/..%5capi",
        "/tasks%00",
        "//evil.example/tasks",
    ],
)
def test_disguised_paths_never_reach_flower(path: str, sign_in: SignIn, flower: FakeFlower) -> None:
    answer = sign_in("admin").get("/", environ_overrides={"RAW_URI": path, "REQUEST_URI": path})
    assert answer.status_code == 400
    assert flower.heard == []


@pytest.mark.parametrize("address", ["http://evil.example/tasks", "http://127.0.0.1:1/api/tasks", "evil.example:443"])
def test_an_absolute_address_is_not_fetched(address: str, sign_in: SignIn, flower: FakeFlower) -> None:
    answer = sign_in("admin").get("/tasks", environ_overrides={"RAW_URI": address})
    assert answer.status_code == 400
    assert flower.heard == []


def test_a_websocket_is_opened_for_nobody(anonymous: FlaskClient, sign_in: SignIn, flower: FakeFlower) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"}
    assert anonymous.get("/tasks", headers=headers).status_code == 401
    assert sign_in("admin").get("/tasks", headers=headers).status_code == 400
    assert flower.heard == []


def test_a_big_body_is_refused_before_flower_sees_it(sign_in: SignIn, flower: FakeFlower) -> None:
    assert sign_in("op").post(REVOKE, data=b"x" * 2_000_000, headers=HERE).status_code == 413
    assert flower.heard == []


def test_a_query_reaches_flower_as_it_came(sign_in: SignIn, flower: FakeFlower) -> None:
    sign_in("viewer").get("/tasks?search=state%3AFAILURE+a%26b&x=%2F..%2F")
    assert flower.heard[0].path == "/tasks?search=state%3AFAILURE+a%26b&x=%2F..%2F"


def test_a_name_in_a_path_reaches_flower_encoded_once(sign_in: SignIn, flower: FakeFlower) -> None:
    sign_in("viewer").get("/worker/celery%40host")
    sign_in("viewer").get("/task/a%20b%3Fc")
    assert [heard.path for heard in flower.heard] == ["/worker/celery@host", "/task/a%20b%3Fc"]


# --- faults -----------------------------------------------------------------------------------------


def test_a_flower_that_does_not_run_is_told_in_a_sentence(sign_in: SignIn, flower: FakeFlower) -> None:
    flower.is_running = False
    viewer = sign_in("viewer")
    page = viewer.get("/", headers=HTML | {"Accept-Language": "zh-CN"})
    assert page.status_code == 502
    assert "Flower 没有运行" in page.text
    told = viewer.get("/api/workers")
    assert told.status_code == 502
    assert told.text.startswith("Flower is starting, or has ended")
    assert told.headers["Retry-After"] == "3"


def test_nobody_learns_whether_flower_runs_before_a_login(anonymous: FlaskClient, flower: FakeFlower) -> None:
    flower.is_running = False
    assert anonymous.get("/tasks").status_code == 401


def test_a_database_that_is_away_lets_nobody_in_and_says_so(app: Flask, engine: Engine, flower: FakeFlower) -> None:
    t.metadata.drop_all(engine)
    client = app.test_client()
    client.set_cookie(COOKIE, "x")
    answer = client.get("/tasks")
    assert answer.status_code == 503
    assert "database" in answer.text
    assert flower.heard == []
