"""Attacks that are no matter of login or logs: rows 9, 12 and 32 to 36 of the list."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import web_seeds as seeds
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, insert
from web_seeds import NOW, Browser

from gale.clock import ManualClock
from gale.db import tables as t
from gale.db.engine import writing
from gale.settings import Settings
from gale_webserver import pages
from gale_webserver.app import create_app

# --- row 9: who may know of a DAG -----------------------------------------------------------------


@pytest.fixture
def owners(settings: Settings, engine: Engine, clock: ManualClock) -> Callable[[str], Browser]:
    """Two DAGs, `mine` of `op` and `theirs` of somebody else, and `filter_by_owner` on."""
    for dag_id, owner in (("mine", "op, user"), ("theirs", "opa,user2")):
        spec = seeds.chain(dag_id, tags=(f"tag-{dag_id}",))
        with writing(engine) as conn:
            seeds.add_dag(conn, spec, owners=owner)
            run = seeds.add_run(conn, spec, 0)
            xcom = {"dag_id": dag_id, "run_id": run["run_id"], "task_id": "t0", "map_index": -1, "key": "k"}
            conn.execute(insert(t.xcom), [xcom | {"value": '"theirs"', "timestamp": NOW}])
            conn.execute(insert(t.import_error), [{"filename": spec.fileloc, "stacktrace": "x", "timestamp": NOW}])
            warning = {"dag_id": dag_id, "warning_type": "w", "message": "m", "timestamp": NOW}
            conn.execute(insert(t.dag_warning), [warning])
            conn.execute(insert(t.log), [{"dttm": NOW, "dag_id": dag_id, "event": "e", "owner": "system"}])
    web = replace(settings.webserver, filter_by_owner=True)
    app = create_app(replace(settings, webserver=web), engine, clock, patience_seconds=0)

    def enter(username: str) -> Browser:
        client = app.test_client()
        answer = client.post("/ui/login", json={"username": username, "password": seeds.PASSWORD})
        return Browser(client, answer.get_json()["csrf_token"])

    return enter


RUN = f"scheduled__{seeds.START.isoformat()}"
TI = f"/api/v2/dags/theirs/dagRuns/{RUN}/taskInstances"
FOREIGN = [
    ("GET", "/api/v2/dags/theirs"),
    ("GET", "/api/v2/dags/theirs/details"),
    ("GET", "/api/v2/dags/theirs/dagVersions"),
    ("GET", "/api/v2/dagSources/theirs"),
    ("GET", "/api/v2/dags/theirs/tasks"),
    ("GET", "/api/v2/dags/theirs/dagRuns"),
    ("GET", f"/api/v2/dags/theirs/dagRuns/{RUN}"),
    ("GET", f"/api/v2/dags/theirs/dagRuns/{RUN}/wait?interval=1"),
    ("GET", TI),
    ("GET", f"{TI}/t0"),
    ("GET", f"{TI}/t0/tries"),
    ("GET", f"{TI}/t0/dependencies"),
    ("GET", f"{TI}/t0/logs/1"),
    ("GET", f"{TI}/t0/xcomEntries"),
    ("GET", f"{TI}/t0/xcomEntries/k"),
    ("GET", "/ui/dags/theirs"),
    ("GET", "/ui/dags/theirs/grid"),
    ("GET", "/ui/dags/theirs/structure"),
    ("GET", "/ui/why?dag_id=theirs"),
    ("GET", f"/ui/log?dag_id=theirs&run_id={RUN.replace('+', '%2B')}&task_id=t0"),
    ("PATCH", "/api/v2/dags/theirs"),
    ("DELETE", "/api/v2/dags/theirs"),
    ("POST", "/api/v2/dags/theirs/dagRuns"),
    ("PATCH", f"/api/v2/dags/theirs/dagRuns/{RUN}"),
    ("DELETE", f"/api/v2/dags/theirs/dagRuns/{RUN}"),
    ("POST", f"/api/v2/dags/theirs/dagRuns/{RUN}/clear"),
    ("POST", "/api/v2/dags/theirs/clearTaskInstances"),
    ("PATCH", f"{TI}/t0"),
    ("POST", f"{TI}/t0/xcomEntries"),
    ("PATCH", f"{TI}/t0/xcomEntries/k"),
    ("DELETE", f"{TI}/t0/xcomEntries/k"),
]


@pytest.mark.parametrize(("method", "path"), FOREIGN)
def test_a_dag_of_others_looks_as_if_it_did_not_exist(
    method: str, path: str, owners: Callable[[str], Browser], rows: Callable[..., list[Any]]
) -> None:
    op = owners("op")
    before = (rows(t.dag), rows(t.dag_run), rows(t.task_instance), rows(t.xcom), rows(t.request))
    answer = op._send(method, path, **({"json": {}} if method in {"POST", "PATCH"} else {}))
    assert answer.status_code == 404
    missing = op._send(
        method, path.replace("theirs", "absent"), **({"json": {}} if method in {"POST", "PATCH"} else {})
    )
    assert answer.text.replace("theirs", "absent") == missing.text
    assert (rows(t.dag), rows(t.dag_run), rows(t.task_instance), rows(t.xcom), rows(t.request)) == before


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/dags",
        "/api/v2/dagTags",
        "/api/v2/dagStats",
        "/api/v2/dagStats?dag_ids=theirs",
        "/api/v2/dagWarnings",
        "/api/v2/dagWarnings?dag_id=theirs",
        "/api/v2/importErrors",
        "/api/v2/eventLogs",
        "/api/v2/dags/~/dagRuns",
        "/api/v2/dags/~/dagRuns/~/taskInstances",
        "/api/v2/dags/~/dagRuns/~/taskInstances/~/xcomEntries",
        "/ui/dags",
        "/ui/dags?search=theirs",
        "/ui/import_errors",
    ],
)
def test_no_list_names_or_counts_the_dags_of_others(path: str, owners: Callable[[str], Browser]) -> None:
    op = owners("op")
    answer = op.get(path)
    assert answer.status_code == 200
    assert "theirs" not in answer.text
    total = answer.get_json().get("total_entries", answer.get_json().get("total"))
    assert total <= (3 if "taskInstances" in path and "xcom" not in path else 1)
    everything = owners("admin").get(path).get_json()
    assert everything.get("total_entries", everything.get("total")) >= total


def test_lists_by_body_hide_the_dags_of_others_too(owners: Callable[[str], Browser]) -> None:
    op = owners("op")
    for path in ("/api/v2/dags/~/dagRuns/list", "/api/v2/dags/~/dagRuns/~/taskInstances/list"):
        assert "theirs" not in op.post(path, json={"dag_ids": ["theirs", "mine"]}).text
    assert op.post("/api/v2/dags/~/dagRuns/list", json={"dag_ids": ["theirs"]}).get_json()["total_entries"] == 0


def test_many_dags_at_once_pauses_only_ones_own(
    owners: Callable[[str], Browser], rows: Callable[..., list[Any]]
) -> None:
    assert owners("op").patch("/api/v2/dags?dag_id_pattern=~", json={"is_paused": True}).status_code == 200
    assert {row.dag_id: row.is_paused for row in rows(t.dag)} == {"mine": True, "theirs": False}


def test_ones_own_dag_can_be_seen_and_started_and_an_admin_sees_all(owners: Callable[[str], Browser]) -> None:
    assert owners("user").post("/api/v2/dags/mine/dagRuns", json={}).status_code == 200
    assert owners("viewer").get("/api/v2/dags").get_json()["total_entries"] == 0
    assert owners("admin").get("/api/v2/dags").get_json()["total_entries"] == 2


def test_import_errors_of_others_cannot_be_reached_by_their_number(owners: Callable[[str], Browser], rows: Any) -> None:
    op = owners("op")
    ids = {row.filename: row.id for row in rows(t.import_error)}
    assert op.get(f"/api/v2/importErrors/{ids['theirs.py']}").status_code == 404
    assert op.get(f"/api/v2/importErrors/{ids['mine.py']}").status_code == 200


# --- row 12: text that would be code elsewhere ----------------------------------------------------

SCRIPT = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{7*7}}javascript:alert(1)'


def test_hostile_text_is_given_back_as_json_and_never_as_a_page(admin: Browser, engine: Engine) -> None:
    spec = seeds.chain("hostile", tags=(SCRIPT[:90],), description=SCRIPT, doc_md=SCRIPT)
    with writing(engine) as conn:
        seeds.add_dag(conn, spec, source=SCRIPT, owners=SCRIPT[:50], description=SCRIPT)
        conn.execute(insert(t.import_error), [{"filename": SCRIPT, "stacktrace": SCRIPT, "timestamp": NOW}])
    admin.post("/api/v2/variables", json={"key": SCRIPT, "value": SCRIPT})
    for path in (
        "/ui/dags",
        "/ui/dags/hostile",
        "/api/v2/dagSources/hostile",
        "/api/v2/importErrors",
        "/api/v2/variables",
    ):
        answer = admin.get(path, headers={"Accept": "text/html,*/*"})
        assert answer.content_type == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "49" not in json.dumps(answer.get_json().get("description", ""))


@pytest.mark.parametrize(
    "path", [f"/{SCRIPT}", "/api/v2/<script>", "/ui/<script>", "/static/<script>.js", "/api/v2/dags/<script>"]
)
def test_an_address_with_a_script_is_not_reflected_as_html(path: str, admin: Browser) -> None:
    answer = admin.get(path)
    assert "<script>alert" not in answer.text
    if "<script>" in answer.text:  # a name in an error's sentence: JSON, which no browser runs
        assert answer.content_type == "application/problem+json"
    answer.close()


# --- row 32: too much of everything ---------------------------------------------------------------


class Endless:
    """A body that never ends, read in pieces; knows how much of it was read."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        size = min(self.left, 65536 if size < 0 else size)
        self.left -= size
        self.read_bytes += size
        return b"x" * size


def test_a_body_of_a_hundred_megabytes_is_refused_before_it_is_read(admin: Browser) -> None:
    body = Endless(100 * 1024 * 1024)
    begin = time.monotonic()
    answer = admin.client.post(
        "/api/v2/variables",
        content_type="application/json",
        headers={"X-CSRF-Token": admin.csrf_token},
        environ_overrides={"wsgi.input": body, "CONTENT_LENGTH": str(body.left)},
    )
    assert answer.status_code == 413
    assert "Large" in answer.get_json()["title"]
    assert body.read_bytes == 0
    assert time.monotonic() - begin < 1


def test_ten_thousand_parts_of_a_form_are_not_even_parsed(admin: Browser) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    answer = admin.post(
        "/api/v2/variables", data=part * 10_000 + b"--x--", content_type="multipart/form-data; boundary=x"
    )
    assert answer.status_code == 415


@pytest.mark.parametrize("pattern", ["(a+)+$", "(" * 500, "a" * 1000, "%" * 500 + "b"])
def test_a_pattern_that_would_hang_a_regular_expression_is_answered_at_once(
    pattern: str, admin: Browser, engine: Engine
) -> None:
    with writing(engine) as conn:
        seeds.add_dag(conn, seeds.chain("a" * 240))
    begin = time.monotonic()
    answer = admin.get("/api/v2/dags", query_string={"dag_id_pattern": pattern})
    assert answer.status_code in {200, 400}
    assert time.monotonic() - begin < 1


# --- row 34: spoofed hosts, caches in between -----------------------------------------------------


def test_no_answer_carries_the_host_that_a_client_made_up(admin: Browser, anonymous: FlaskClient) -> None:
    spoofed = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    for path in ("/api/v2/dags", "/ui/me", "/", "/api/v2/auth/login?next=/x", "/health"):
        answer = admin.client.get(path, headers=spoofed)
        assert "evil.example" not in answer.text
        assert "evil.example" not in str(answer.headers)
        assert "Strict-Transport-Security" not in answer.headers
        answer.close()


def test_what_belongs_to_a_person_is_kept_by_no_cache(admin: Browser, etl: dict[str, Any]) -> None:
    for path in (
        "/ui/me",
        "/ui/dags",
        "/ui/dags/etl/grid",
        "/api/v2/dags",
        "/api/v2/dags/nope",
        "/auth/token",
        "/health",
    ):
        answer = admin.get(path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert {"Cookie", "Authorization"} <= {name.strip() for name in answer.headers["Vary"].split(",")}


# --- row 35: frames, sniffing, other origins ------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/login", "/dags/etl", "/ui/me", "/api/v2/dags", "/nope.js", "/health", "/api/v2/zzz"]
)
def test_every_answer_forbids_frames_sniffing_and_foreign_code(path: str, anonymous: FlaskClient) -> None:
    answer = anonymous.get(path, headers={"Origin": "https://evil.example"})
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer.headers
    answer.close()


API = "/api/v2/dags"
ALLOWED = "https://tools.example"


@pytest.fixture
def shared(settings: Settings, engine: Engine, clock: ManualClock) -> FlaskClient:
    """An application that lets the scripts of one other site call the API."""
    api = replace(settings.api, access_control_allow_origins=(ALLOWED,))
    return create_app(replace(settings, api=api), engine, clock, patience_seconds=0).test_client()


def ask_first(client: FlaskClient, origin: str, path: str = API) -> Any:
    return client.options(path, headers={"Origin": origin, "Access-Control-Request-Method": "PATCH"})


def test_a_site_that_is_named_in_the_settings_may_call_the_api_with_a_token(shared: FlaskClient) -> None:
    answer = ask_first(shared, ALLOWED)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == ALLOWED
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    token = shared.post("/auth/token", json={"username": "viewer", "password": seeds.PASSWORD}).get_json()
    header = {"Origin": ALLOWED, "Authorization": f"Bearer {token['access_token']}"}
    answer = shared.get(API, headers=header)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ALLOWED
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", f"{ALLOWED}.evil.example", "https://TOOLS.example"]
)
def test_no_other_site_may_read_an_answer(origin: str, shared: FlaskClient) -> None:
    assert ask_first(shared, origin).status_code == 405
    assert "Access-Control-Allow-Origin" not in shared.get(API, headers={"Origin": origin}).headers


@pytest.mark.parametrize("path", ["/ui/me", "/ui/login", "/"])
def test_the_page_itself_is_shared_with_no_other_site(path: str, shared: FlaskClient) -> None:
    answer = ask_first(shared, ALLOWED, path)
    assert answer.status_code == 405
    assert "Access-Control-Allow-Origin" not in answer.headers


# --- row 36: mistakes of ours ---------------------------------------------------------------------


@pytest.fixture
def broken(app: Flask) -> Flask:
    def fail(dag_id: str) -> None:
        raise RuntimeError(f"SELECT password FROM user -- /etc/gale/secret {dag_id}")

    app.view_functions["dags.get_dag"] = fail
    return app


def test_a_mistake_of_ours_tells_an_id_and_nothing_else(
    broken: Flask, admin: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    answer = admin.get("/api/v2/dags/etl", headers={"Accept": "text/html"})
    assert answer.status_code == 500
    problem = answer.get_json()
    assert set(problem) == {"title", "status", "detail", "type", "error_id"}
    for leak in ("SELECT", "password", "/etc/gale", "RuntimeError", "Traceback", "gale_webserver"):
        assert leak not in answer.text
    assert problem["error_id"] in caplog.text
    assert "RuntimeError" in caplog.text


def test_no_setting_brings_flasks_debugger(
    settings: Settings, engine: Engine, clock: ManualClock, monkeypatch: Any
) -> None:
    """The variables are Flask's own: they must mean nothing here."""
    monkeypatch.setenv("FLASK_DEBUG", "1")
    monkeypatch.setenv("FLASK_ENV", "development")
    web = replace(settings.webserver, expose_stacktrace=True)
    app = create_app(replace(settings, webserver=web), engine, clock)
    assert app.debug is False
    assert app.config["PROPAGATE_EXCEPTIONS"] is False


def test_a_stack_trace_is_shown_only_if_the_settings_say_so_and_never_to_strangers(
    settings: Settings, engine: Engine, clock: ManualClock
) -> None:
    web = replace(settings.webserver, expose_stacktrace=True)
    app = create_app(replace(settings, webserver=web), engine, clock)

    def fail(**_: str) -> None:
        raise RuntimeError("a mistake")

    app.view_functions["dags.get_dag"] = fail
    app.view_functions["monitor.health"] = fail
    client = app.test_client()
    assert "RuntimeError" not in client.get("/api/v2/monitor/health").text
    client.post("/ui/login", json={"username": "viewer", "password": seeds.PASSWORD})
    assert "RuntimeError: a mistake" in client.get("/api/v2/dags/etl").get_json()["stack_trace"]


def test_every_refusal_has_the_same_four_fields(admin: Browser, anonymous: FlaskClient) -> None:
    answers = [
        anonymous.get("/ui/me"),
        admin.get("/api/v2/dags/nope"),
        admin.get("/api/v2/dags?limit=x"),
        admin.get("/api/v2/nope"),
        admin.client.put("/api/v2/dags", headers={"X-CSRF-Token": admin.csrf_token}),
        admin.post("/api/v2/variables", data="x", content_type="text/plain"),
        admin.client.post("/api/v2/variables", json={}),
    ]
    assert [answer.status_code for answer in answers] == [401, 404, 400, 404, 405, 415, 403]
    for answer in answers:
        assert answer.content_type == "application/problem+json"
        problem = answer.get_json()
        assert set(problem) == {"title", "status", "detail", "type"}
        assert problem["status"] == answer.status_code
        assert problem["detail"].endswith((".", "?"))


# --- the page's files -----------------------------------------------------------------------------


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The build of the front end belongs to another part: a folder with the same shape stands in for it."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>the page</title>")
    (folder / "assets" / "index-abc123.js").write_text("1")
    (folder / "favicon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("the secret")
    monkeypatch.setattr(pages, "STATIC", folder)
    return folder


@pytest.mark.parametrize("path", ["/", "/login", "/dags/etl", "/dags/a.b.c/runs/manual__2026-01-01T00:00:00+00:00"])
def test_every_address_of_the_page_is_the_page(path: str, anonymous: FlaskClient, static: Path) -> None:
    answer = anonymous.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert "the page" in answer.text
    assert answer.headers["Cache-Control"] in {"no-store", "no-cache"}
    answer.close()


def test_files_with_a_digest_in_their_name_are_kept_for_ever(anonymous: FlaskClient, static: Path) -> None:
    answer = anonymous.get("/static/assets/index-abc123.js")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.content_type.startswith("text/javascript")
    answer.close()
    answer = anonymous.get("/static/favicon.svg")
    assert "immutable" not in answer.headers["Cache-Control"]
    answer.close()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret.txt",
        "/static/..%2fsecret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/assets/../../secret.txt",
        "/static/..\\secret.txt",
        "/static//etc/passwd",
        "/static/index.html%00.js",
        "/../secret.txt",
        "/nope.js",
        "/api/nope",
        "/ui/nope",
        "/auth/nope",
        "/static/nope",
    ],
)
def test_no_other_file_is_served_and_unknown_addresses_are_no_page(
    path: str, anonymous: FlaskClient, static: Path
) -> None:
    answer = anonymous.get(path)
    assert answer.status_code == 404, path
    assert "the secret" not in answer.text
    assert answer.content_type == "application/problem+json"
    answer.close()


def test_a_page_that_has_not_been_built_says_how_to_build_it(anonymous: FlaskClient, static: Path) -> None:
    (static / "index.html").unlink()
    answer = anonymous.get("/")
    assert answer.status_code == 503
    assert "has not been built" in answer.text
    assert "<script" not in answer.text
