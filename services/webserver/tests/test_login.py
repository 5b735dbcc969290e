"""Signing in: sessions, tokens, CSRF, and what ends them (rows 1-7, 13, 31 of the attack list)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from web_seeds import PASSWORD, Browser

from gale.access.redirects import local_path
from gale.access.tokens import check_settings
from gale.clock import ManualClock
from gale.db import tables as t
from gale.db import users
from gale.db.engine import writing
from gale.errors import ConfigError
from gale.settings import Settings
from gale_webserver.app import create_app


def bearer(client: FlaskClient, username: str = "admin") -> dict[str, str]:
    answer = client.post("/auth/token", json={"username": username, "password": PASSWORD})
    assert answer.status_code == 201
    return {"Authorization": f"Bearer {answer.get_json()['access_token']}"}


def test_the_right_password_opens_a_session_that_me_describes(sign_in: Callable[..., Browser]) -> None:
    viewer = sign_in("viewer")
    me = viewer.get("/ui/me").get_json()
    assert me["username"] == "viewer"
    assert me["role"] == "Viewer"
    assert me["csrf_token"] == viewer.csrf_token
    assert "dags.read" in me["permissions"]
    assert "runs.trigger" not in me["permissions"]
    assert me["instance_name"] == "Gale"
    assert me["version"]


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(anonymous: FlaskClient) -> None:
    wrong = anonymous.post("/ui/login", json={"username": "admin", "password": "guess"})
    unknown = anonymous.post("/ui/login", json={"username": "nobody", "password": "guess"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.get_json() == unknown.get_json()
    assert "Set-Cookie" not in wrong.headers


def test_an_unknown_user_costs_the_same_argon2_check(anonymous: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time itself is too noisy to compare here; that the slow work is done is what makes it equal."""
    checked: list[str | None] = []

    def remember(stored: str | None, password: str) -> bool:
        checked.append(stored)
        return users.password_matches(stored, password)

    monkeypatch.setattr("gale.access.people.password_matches", remember)
    anonymous.post("/ui/login", json={"username": "nobody", "password": "guess"})
    anonymous.post("/ui/login", json={"username": "admin", "password": "guess"})
    assert checked[0] is None
    assert checked[1] is not None


def test_the_session_id_is_new_after_login_and_the_old_one_is_dead(sign_in: Callable[..., Browser], app: Flask) -> None:
    first = sign_in("viewer")
    before = first.client.get_cookie("gale_session").value
    first.client.post("/ui/login", json={"username": "viewer", "password": PASSWORD})
    after = first.client.get_cookie("gale_session").value
    assert before != after
    old = app.test_client()
    old.set_cookie("gale_session", before)
    assert old.get("/ui/me").status_code == 401


def test_a_session_id_chosen_before_login_is_not_taken_over(app: Flask) -> None:
    client = app.test_client()
    client.set_cookie("gale_session", "chosen-by-the-attacker")
    client.post("/ui/login", json={"username": "viewer", "password": PASSWORD})
    assert client.get_cookie("gale_session").value != "chosen-by-the-attacker"
    attacker = app.test_client()
    attacker.set_cookie("gale_session", "chosen-by-the-attacker")
    assert attacker.get("/ui/me").status_code == 401


def test_the_database_holds_no_cookie_that_would_open_a_session(
    viewer: Browser, rows: Callable[..., list[Any]]
) -> None:
    cookie = viewer.client.get_cookie("gale_session").value
    (session,) = rows(t.web_session)
    assert cookie not in str(session)
    assert session.id != cookie


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(app: Flask) -> None:
    answer = app.test_client().post("/ui/login", json={"username": "viewer", "password": PASSWORD})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie


def test_under_tls_the_cookie_is_secure_and_bound_to_the_host(
    settings: Settings, engine: Engine, clock: ManualClock
) -> None:
    web = replace(settings.webserver, base_url="https://gale.example.com")
    app = create_app(replace(settings, webserver=web), engine, clock, patience_seconds=0)
    client = app.test_client()
    answer = client.post(
        "/ui/login", json={"username": "viewer", "password": PASSWORD}, base_url="https://gale.example.com"
    )
    assert answer.headers["Set-Cookie"].startswith("__Host-gale_session=")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "max-age" in answer.headers["Strict-Transport-Security"]
    assert client.get("/ui/me", base_url="https://gale.example.com").status_code == 200


def test_logout_ends_the_session_at_once(viewer: Browser, app: Flask) -> None:
    cookie = viewer.client.get_cookie("gale_session").value
    assert viewer.post("/ui/logout").status_code == 204
    again = app.test_client()
    again.set_cookie("gale_session", cookie)
    assert again.get("/ui/me").status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        lambda conn: users.set_password(conn, "op", "another password"),
        lambda conn: users.set_role(conn, "op", "Viewer"),
        lambda conn: users.delete_user(conn, "op"),
        lambda conn: conn.execute(t.user.update().where(t.user.c.username == "op").values(is_active=False)),
    ],
    ids=["password", "role", "deletion", "deactivation"],
)
def test_a_change_of_the_account_ends_its_sessions_and_tokens(
    change: Callable[[Any], Any], sign_in: Callable[..., Browser], app: Flask, engine: Engine
) -> None:
    session = sign_in("op")
    header = bearer(app.test_client(), "op")
    assert session.get("/ui/me").status_code == 200
    assert app.test_client().get("/ui/me", headers=header).status_code == 200
    with writing(engine) as conn:
        change(conn)
    assert session.get("/ui/me").status_code == 401
    assert app.test_client().get("/ui/me", headers=header).status_code == 401


def test_a_session_of_an_older_epoch_is_void_even_if_its_row_is_left(viewer: Browser, engine: Engine) -> None:
    with writing(engine) as conn:
        conn.execute(t.user.update().where(t.user.c.username == "viewer").values(session_epoch=7))
    assert viewer.get("/ui/me").status_code == 401


def test_a_session_ends_when_nobody_uses_it_and_lives_on_when_somebody_does(
    settings: Settings, engine: Engine, clock: ManualClock
) -> None:
    web = replace(settings.webserver, session_lifetime_minutes=60)
    client = create_app(replace(settings, webserver=web), engine, clock).test_client()
    client.post("/ui/login", json={"username": "viewer", "password": PASSWORD})
    for _ in range(4):
        clock.advance(45 * 60)
        assert client.get("/ui/me").status_code == 200
    clock.advance(61 * 60)
    assert client.get("/ui/me").status_code == 401


def test_a_token_opens_the_api_until_it_expires(anonymous: FlaskClient, clock: ManualClock) -> None:
    header = bearer(anonymous)
    assert anonymous.get("/api/v2/dags", headers=header).status_code == 200
    clock.advance(86_399)
    assert anonymous.get("/api/v2/dags", headers=header).status_code == 200
    clock.advance(1)
    assert anonymous.get("/api/v2/dags", headers=header).status_code == 401


def test_a_token_for_the_command_line_lives_for_an_hour(anonymous: FlaskClient, clock: ManualClock) -> None:
    made = anonymous.post("/auth/token/cli", json={"username": "op", "password": PASSWORD}).get_json()
    header = {"Authorization": f"Bearer {made['access_token']}"}
    clock.advance(3599)
    assert anonymous.get("/ui/me", headers=header).status_code == 200
    clock.advance(1)
    assert anonymous.get("/ui/me", headers=header).status_code == 401


def test_a_revoked_token_is_void_and_others_of_the_user_are_not(anonymous: FlaskClient) -> None:
    first, second = bearer(anonymous), bearer(anonymous)
    assert anonymous.delete("/auth/token", headers=first).status_code == 204
    assert anonymous.get("/ui/me", headers=first).status_code == 401
    assert anonymous.get("/ui/me", headers=second).status_code == 200


def test_a_session_cannot_be_revoked_as_if_it_were_a_token(viewer: Browser) -> None:
    assert viewer.delete("/auth/token").status_code == 400


CLAIMS = {"sub": "1", "epoch": 0, "jti": "x", "iss": "gale", "aud": "gale-api", "iat": 0, "exp": 9_999_999_999}
UNSIGNED = jwt.encode(CLAIMS, None, algorithm="none")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        UNSIGNED,
        jwt.encode(CLAIMS, "another instance's key, long enough to be one", algorithm="HS256"),
        jwt.encode(CLAIMS, "temporary_key" * 4, algorithm="HS256"),
    ],
    ids=["empty", "one letter", "three parts", "alg none", "foreign key", "known key"],
)
def test_a_token_that_we_did_not_sign_opens_nothing(token: str, anonymous: FlaskClient) -> None:
    assert anonymous.get("/api/v2/dags", headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "somebody-else"},
        {"iss": "mallory"},
        {"exp": 1},
        {"epoch": "0"},
        {"sub": "x"},
        {"sub": "99"},
        {"nbf": 9_999_999_998},
    ],
)
def test_a_token_with_our_signature_but_wrong_claims_opens_nothing(
    wrong: dict[str, Any], anonymous: FlaskClient, settings: Settings
) -> None:
    right = jwt.encode(CLAIMS, settings.webserver.secret_key, algorithm="HS256")
    assert anonymous.get("/api/v2/dags", headers={"Authorization": f"Bearer {right}"}).status_code == 200
    token = jwt.encode(CLAIMS | wrong, settings.webserver.secret_key, algorithm="HS256")
    assert anonymous.get("/api/v2/dags", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_a_cookie_made_with_a_known_key_opens_nothing_and_is_logged(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    client = app.test_client()
    client.set_cookie("gale_session", jwt.encode(CLAIMS, "temporary_key" * 4, algorithm="HS256"))
    assert client.get("/ui/me").status_code == 401
    assert "access.bad_session" in caplog.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v2/dags/etl/dagRuns"),
        ("PATCH", "/api/v2/dags/etl"),
        ("DELETE", "/api/v2/dags/etl"),
        ("POST", "/api/v2/dags/etl/clearTaskInstances"),
        ("POST", "/ui/logout"),
    ],
)
@pytest.mark.parametrize("token", ["", "wrong", "ü", "x" * 10_000])
@pytest.mark.usefixtures("etl")
def test_a_change_by_cookie_without_this_sessions_csrf_token_is_refused(
    method: str, path: str, token: str, admin: Browser, rows: Callable[..., list[Any]]
) -> None:
    before = (rows(t.dag_run), rows(t.dag), rows(t.request))
    headers = {"X-CSRF-Token": token} if token.isascii() else {"X-CSRF-Token": token.encode().decode("latin-1")}
    answer = admin.client.open(path, method=method, json={"is_paused": True, "dry_run": False}, headers=headers)
    assert answer.status_code == 403
    assert "X-CSRF-Token" in answer.get_json()["detail"]
    assert (rows(t.dag_run), rows(t.dag), rows(t.request)) == before
    assert admin.get("/ui/me").status_code == 200


def test_the_csrf_token_of_another_session_is_refused(sign_in: Callable[..., Browser], etl: dict[str, Any]) -> None:
    mine, foreign = sign_in("admin"), sign_in("admin")
    answer = mine.client.patch(
        "/api/v2/dags/etl", json={"is_paused": True}, headers={"X-CSRF-Token": foreign.csrf_token}
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/api/v2/dags/etl/clearTaskInstances", "/ui/logout", "/ui/login", "/auth/token"])
def test_nothing_changes_by_a_get_request(path: str, admin: Browser) -> None:
    answer = admin.get(path)
    assert answer.status_code in {404, 405}
    assert admin.get("/ui/me").status_code == 200


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_a_form_of_another_site_is_no_json_body(
    kind: str, admin: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    before = rows(t.dag_run)
    answer = admin.post("/api/v2/dags/etl/dagRuns", data=b'{"conf": {}}', content_type=kind)
    assert answer.status_code == 415
    assert rows(t.dag_run) == before


def test_another_site_cannot_sign_somebody_in(anonymous: FlaskClient) -> None:
    answer = anonymous.post(
        "/ui/login", json={"username": "viewer", "password": PASSWORD}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_many_failed_logins_are_slowed_down_more_and_more(anonymous: FlaskClient, clock: ManualClock) -> None:
    waits = []
    for _ in range(50):
        answer = anonymous.post("/ui/login", json={"username": "admin", "password": "guess"})
        if answer.status_code == 429:
            waits.append(int(answer.headers["Retry-After"]))
            clock.advance(waits[-1])
    assert waits[:5] == sorted(waits[:5])
    assert waits[4] > waits[0]
    assert max(waits) <= 300
    assert len(waits) >= 20


def test_a_slowed_down_address_may_not_even_use_the_right_password_but_others_may(
    anonymous: FlaskClient, sign_in: Callable[..., Browser]
) -> None:
    for _ in range(5):
        anonymous.post("/ui/login", json={"username": "admin", "password": "guess"})
    right = {"username": "admin", "password": PASSWORD}
    assert anonymous.post("/ui/login", json=right).status_code == 429
    elsewhere = anonymous.post("/ui/login", json=right, environ_base={"REMOTE_ADDR": "192.0.2.9"})
    assert elsewhere.status_code == 200


def test_known_and_unknown_names_are_slowed_down_alike(anonymous: FlaskClient) -> None:
    def codes(name: str) -> list[int]:
        address = {"REMOTE_ADDR": f"192.0.2.{len(name)}"}
        login = {"username": name, "password": "guess"}
        return [anonymous.post("/ui/login", json=login, environ_base=address).status_code for _ in range(8)]

    assert codes("admin") == codes("nobody!")


def test_a_forwarded_address_is_not_believed_without_a_proxy(anonymous: FlaskClient) -> None:
    for number in range(6):
        answer = anonymous.post(
            "/ui/login",
            json={"username": "admin", "password": "guess"},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        )
    assert answer.status_code == 429


def test_failed_and_good_logins_stand_in_the_audit_log(
    anonymous: FlaskClient, viewer: Browser, rows: Callable[..., list[Any]]
) -> None:
    anonymous.post("/ui/login", json={"username": "viewer", "password": "s3cret-guess"})
    assert [row.event for row in rows(t.log, owner="viewer")] == ["login", "login_failed"]
    assert "s3cret-guess" not in str(rows(t.log))


@pytest.mark.parametrize("secret", ["", "short", "temporary_key", "a" * 40])
def test_a_secret_that_anybody_can_guess_keeps_the_server_from_starting(secret: str, settings: Settings) -> None:
    web = replace(settings.webserver, secret_key=secret)
    with pytest.raises(ConfigError, match=r"\[webserver\] secret_key"):
        check_settings(replace(settings, webserver=web))


def test_another_way_to_log_in_than_passwords_is_refused_and_not_just_ignored(settings: Settings) -> None:
    web = replace(settings.webserver, auth_backend="airflow.contrib.auth.backends.ldap_auth")
    with pytest.raises(ConfigError, match="ldap_auth"):
        check_settings(replace(settings, webserver=web))


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "https://evil",
        "//evil",
        "/\\evil",
        "\\\\evil",
        "javascript:alert(1)",
        "/\tevil",
        "/\r\nSet-Cookie: x=1",
        "/ /evil",
        "evil",
        "http:evil",
    ],
)
def test_next_leads_home_unless_it_is_a_local_path(target: str | None) -> None:
    assert local_path(target) == "/"


@pytest.mark.parametrize("target", ["/", "/dags/etl", "/dags/etl?run=a%2Fb&x=https://ok", "/a:b"])
def test_next_may_be_any_local_path(target: str) -> None:
    assert local_path(target) == target


@pytest.mark.parametrize("target", ["https://evil", "//evil", "/%5Cevil", "%0d%0aX: y", "/%0d%0aX:%20y"])
def test_the_login_redirect_stays_on_this_server_and_splits_no_header(target: str, anonymous: FlaskClient) -> None:
    answer = anonymous.get(f"/api/v2/auth/login?next={target}")
    assert answer.status_code == 307
    assert answer.headers["Location"] == "/login?next=%2F"
    assert "X" not in answer.headers


def test_the_logout_redirect_ends_nothing_by_itself(viewer: Browser) -> None:
    assert viewer.get("/api/v2/auth/logout").headers["Location"] == "/logout"
    assert viewer.get("/ui/me").status_code == 200


@pytest.mark.parametrize("body", [{}, {"username": "admin"}, {"username": 1, "password": 2}, [], "x"])
def test_a_login_body_of_the_wrong_form_is_told_so(body: Any, anonymous: FlaskClient) -> None:
    answer = anonymous.post("/ui/login", json=body)
    assert answer.status_code == 400
    assert answer.get_json()["title"] == "Bad Request"


def test_a_password_of_a_megabyte_is_refused_without_hashing_it(anonymous: FlaskClient) -> None:
    answer = anonymous.post("/ui/login", json={"username": "admin", "password": "x" * 1_000_000})
    assert answer.status_code == 401
