"""Variables, connections, pools, XComs, users: written by those who may, secrets never given back."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import web_seeds as seeds
from sqlalchemy import Engine, insert, update
from web_seeds import NOW, Browser

from gale.clock import ManualClock
from gale.db import registry
from gale.db import tables as t
from gale.db.engine import open_engine, reading, writing
from gale.secrets import FernetBox
from gale.settings import Settings
from gale_webserver.app import create_app

CANARY = "c4n4ry-s3cret"


@pytest.fixture
def op(sign_in: Callable[[str], Browser]) -> Browser:
    return sign_in("op")


# --- variables ------------------------------------------------------------------------------------


def test_a_variable_is_made_read_changed_and_deleted(op: Browser, rows: Callable[..., list[Any]]) -> None:
    made = op.post("/api/v2/variables", json={"key": "city", "value": "Kyiv", "description": "where"})
    assert made.status_code == 201
    assert made.get_json() == {"key": "city", "value": "Kyiv", "description": "where", "is_encrypted": True}
    assert "Kyiv" not in str(rows(t.variable))
    assert op.get("/api/v2/variables/city").get_json() == made.get_json()
    assert op.get("/api/v2/variables").get_json()["total_entries"] == 1
    changed = op.patch("/api/v2/variables/city", json={"value": "Lviv"}).get_json()
    assert (changed["value"], changed["description"]) == ("Lviv", "where")
    masked = op.patch("/api/v2/variables/city?update_mask=description", json={"value": "x", "description": "city"})
    assert (masked.get_json()["value"], masked.get_json()["description"]) == ("Lviv", "city")
    assert op.delete("/api/v2/variables/city").status_code == 204
    assert op.get("/api/v2/variables/city").status_code == 404
    assert op.delete("/api/v2/variables/city").status_code == 404
    assert "Kyiv" not in str(rows(t.log))


def test_a_value_that_is_no_text_is_stored_as_json(op: Browser) -> None:
    made = op.post(
        "/api/v2/variables", json={"key": "limits", "value": {"a": [1, None], "password": CANARY}}
    ).get_json()
    assert json.loads(made["value"]) == {"a": [1, None], "password": "***"}


@pytest.mark.parametrize("key", ["db_password", "API-KEY", "my_secret_thing"])
def test_a_variable_named_like_a_secret_is_never_shown_and_stars_keep_it(
    key: str, op: Browser, engine: Engine, settings: Settings
) -> None:
    assert op.post("/api/v2/variables", json={"key": key, "value": CANARY}).get_json()["value"] == "***"
    assert CANARY not in op.get("/api/v2/variables").text
    op.patch(f"/api/v2/variables/{key}", json={"value": "***", "description": "new words"})
    with reading(engine) as conn:
        assert registry.get_variable(conn, FernetBox(settings.core.fernet_key), key) == CANARY


def test_the_password_in_an_address_is_not_shown(op: Browser) -> None:
    op.post("/api/v2/variables", json={"key": "dsn", "value": f"mysql://root:{CANARY}@db/x"})
    assert op.get("/api/v2/variables/dsn").get_json()["value"] == "mysql://root:***@db/x"


def test_a_variable_that_is_there_is_a_conflict_and_cannot_be_renamed(op: Browser) -> None:
    op.post("/api/v2/variables", json={"key": "a", "value": "1"})
    assert op.post("/api/v2/variables", json={"key": "a", "value": "2"}).status_code == 409
    assert op.patch("/api/v2/variables/a", json={"key": "b", "value": "2"}).status_code == 400
    assert op.post("/api/v2/variables", json={"key": "", "value": "2"}).status_code == 400
    assert op.post("/api/v2/variables", json={"key": "x" * 251, "value": "2"}).status_code == 400


def test_a_variable_with_slashes_in_its_key_can_be_reached(op: Browser) -> None:
    op.post("/api/v2/variables", json={"key": "team/a b", "value": "1"})
    assert op.get("/api/v2/variables/team/a%20b").get_json()["value"] == "1"


def test_a_variable_of_a_lost_key_is_listed_without_its_value_and_can_be_replaced(op: Browser, engine: Engine) -> None:
    other = FernetBox("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    with writing(engine) as conn:
        registry.set_variable(conn, other, "old", "x")
    assert op.get("/api/v2/variables").get_json()["variables"][0]["value"] is None
    assert op.patch("/api/v2/variables/old", json={"description": "d"}).status_code == 409
    assert op.patch("/api/v2/variables/old", json={"value": "new"}).get_json()["value"] == "new"


# --- connections ----------------------------------------------------------------------------------

CONNECTION = {
    "connection_id": "dwh",
    "conn_type": "mysql",
    "host": "db.example",
    "login": "etl",
    "password": CANARY,
    "schema": "dwh",
    "port": 3306,
    "extra": json.dumps({"charset": "utf8", "token": CANARY}),
}


def stored(engine: Engine, settings: Settings) -> Any:
    with reading(engine) as conn:
        return registry.get_connection(conn, FernetBox(settings.core.fernet_key), "dwh")


def test_a_connection_takes_secrets_and_never_gives_them_back(
    op: Browser, admin: Browser, engine: Engine, settings: Settings, rows: Callable[..., list[Any]]
) -> None:
    made = op.post("/api/v2/connections", json=CONNECTION)
    assert made.status_code == 201
    assert made.get_json()["password"] == "***"
    assert json.loads(made.get_json()["extra"]) == {"charset": "utf8", "token": "***"}
    for browser in (op, admin):
        assert CANARY not in browser.get("/api/v2/connections").text
        assert CANARY not in browser.get("/api/v2/connections/dwh").text
    assert CANARY not in str(rows(t.connection)) + str(rows(t.log))
    assert stored(engine, settings).password == CANARY


def test_what_is_sent_back_masked_stays_as_it_was(op: Browser, engine: Engine, settings: Settings) -> None:
    op.post("/api/v2/connections", json=CONNECTION)
    shown = op.get("/api/v2/connections/dwh").get_json()
    shown["host"] = "db2.example"
    answer = op.patch("/api/v2/connections/dwh", json=shown)
    assert answer.status_code == 200
    assert CANARY not in answer.text
    now = stored(engine, settings)
    assert (now.host, now.password) == ("db2.example", CANARY)
    assert json.loads(now.extra) == {"charset": "utf8", "token": CANARY}


def test_a_connection_is_changed_in_parts_and_deleted(op: Browser, engine: Engine, settings: Settings) -> None:
    op.post("/api/v2/connections", json=CONNECTION)
    op.patch("/api/v2/connections/dwh?update_mask=port", json={"port": 3307, "host": "other"})
    assert (stored(engine, settings).port, stored(engine, settings).host) == (3307, "db.example")
    op.patch("/api/v2/connections/dwh", json={"password": None, "extra": "{}"})
    assert (stored(engine, settings).password, stored(engine, settings).extra) == (None, "{}")
    assert op.delete("/api/v2/connections/dwh").status_code == 204
    assert op.delete("/api/v2/connections/dwh").status_code == 404


@pytest.mark.parametrize(
    "more",
    [
        {"port": -1},
        {"port": 65536},
        {"port": "x"},
        {"extra": "no json"},
        {"extra": "[1]"},
        {"conn_type": ""},
        {"connection_id": ""},
        {"host": "x" * 501},
        {"is_encrypted": False},
    ],
)
def test_a_connection_that_does_not_fit_is_refused(
    more: dict[str, Any], op: Browser, rows: Callable[..., list[Any]]
) -> None:
    assert op.post("/api/v2/connections", json=CONNECTION | more).status_code == 400
    assert rows(t.connection) == []


def test_extra_that_is_no_object_is_hidden_as_a_whole(op: Browser, engine: Engine, settings: Settings) -> None:
    op.post("/api/v2/connections", json=CONNECTION)
    with writing(engine) as conn:
        conn.execute(update(t.connection).values(extra=CANARY, is_encrypted=False, password=None))
    assert op.get("/api/v2/connections/dwh").get_json()["extra"] == "***"


# --- pools ----------------------------------------------------------------------------------------


def test_a_pool_is_made_changed_and_deleted(op: Browser) -> None:
    made = op.post("/api/v2/pools", json={"name": "few", "slots": 2}).get_json()
    assert (made["name"], made["open_slots"], made["occupied_slots"]) == ("few", 2, 0)
    assert op.patch("/api/v2/pools/few", json={"slots": -1}).get_json()["open_slots"] == -1
    assert op.patch("/api/v2/pools/few", json={"name": "other", "slots": 1}).status_code == 400
    assert op.post("/api/v2/pools", json={"name": "few", "slots": 2}).status_code == 409
    assert op.post("/api/v2/pools", json={"name": "a b", "slots": 2}).status_code == 400
    assert op.post("/api/v2/pools", json={"name": "a", "slots": -2}).status_code == 400
    assert op.post("/api/v2/pools", json={"name": "a", "slots": 2**40}).status_code == 400
    assert op.delete("/api/v2/pools/few").status_code == 204
    assert op.delete("/api/v2/pools/default_pool").status_code == 400
    assert [pool["name"] for pool in op.get("/api/v2/pools").get_json()["pools"]] == ["default_pool"]


def test_a_pool_shows_who_holds_its_slots(viewer: Browser, engine: Engine, etl: dict[str, Any]) -> None:
    with writing(engine) as conn:
        mine = (t.task_instance.c.run == etl["going_pk"]) & (t.task_instance.c.task_id == "t0")
        conn.execute(update(t.task_instance).where(mine).values(state="queued", pool_slots=3))
    pool = viewer.get("/api/v2/pools/default_pool").get_json()
    assert (pool["running_slots"], pool["queued_slots"], pool["occupied_slots"]) == (2, 3, 5)
    assert pool["open_slots"] == 128 - 5


# --- XComs ----------------------------------------------------------------------------------------


@pytest.fixture
def xcoms(etl: dict[str, Any]) -> str:
    return f"/api/v2/dags/etl/dagRuns/{etl['done']}/taskInstances/t0/xcomEntries"


@pytest.mark.parametrize("value", [None, 1, "x", [1, {"a": None}], {"__class__": "os.system", "__data__": "id"}])
def test_an_xcom_is_json_in_and_json_out(value: Any, op: Browser, xcoms: str) -> None:
    made = op.post(xcoms, json={"key": "k", "value": value})
    assert made.status_code == 201
    assert op.get(f"{xcoms}/k").get_json()["value"] == value
    assert json.loads(op.get(f"{xcoms}/k?stringify=true").get_json()["value"]) == value
    assert "value" not in op.get(xcoms).get_json()["xcom_entries"][0]


def test_an_xcom_is_changed_and_deleted(op: Browser, xcoms: str, rows: Callable[..., list[Any]]) -> None:
    op.post(xcoms, json={"key": "a/b c", "value": 1})
    assert op.post(xcoms, json={"key": "a/b c", "value": 1}).status_code == 409
    assert op.patch(f"{xcoms}/a/b%20c", json={"value": 2}).get_json()["value"] == 2
    assert op.delete(f"{xcoms}/a/b%20c").status_code == 204
    assert op.get(f"{xcoms}/a/b%20c").status_code == 404
    assert [row.event for row in rows(t.log) if "xcom" in row.event] == ["create_xcom", "patch_xcom", "delete_xcom"]


@pytest.mark.parametrize(
    "body",
    [{"key": "", "value": 1}, {"key": "x" * 251, "value": 1}, {"key": "ü", "value": 1}, {"key": "k"}, {"value": 1}],
)
def test_an_xcom_that_does_not_fit_is_refused(body: dict[str, Any], op: Browser, xcoms: str) -> None:
    assert op.post(xcoms, json=body).status_code == 400


def test_an_xcom_beyond_the_limit_is_refused_and_one_below_it_is_not(op: Browser, xcoms: str) -> None:
    assert op.post(xcoms, json={"key": "k", "value": "x" * (1024 * 1024 - 2)}).status_code == 201
    assert op.post(xcoms, json={"key": "l", "value": "x" * (1024 * 1024 - 1)}).status_code == 400


def test_nan_and_a_hundred_levels_do_no_harm(op: Browser, xcoms: str) -> None:
    nan = op.post(xcoms, data=b'{"key": "k", "value": NaN}', content_type="application/json")
    assert nan.status_code == 400
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    assert op.post(xcoms, json={"key": "deep", "value": deep}).status_code == 201
    assert op.get(f"{xcoms}/deep").get_json()["value"] == deep


def test_the_webserver_makes_no_objects_out_of_values(op: Browser, xcoms: str) -> None:
    op.post(xcoms, json={"key": "k", "value": 1})
    assert op.get(f"{xcoms}/k?deserialize=true").status_code == 400


def test_xcoms_are_listed_over_tildes_and_filters(op: Browser, xcoms: str, engine: Engine) -> None:
    op.post(xcoms, json={"key": "one", "value": 1})
    op.post(xcoms.replace("/t0/", "/t1/"), json={"key": "two", "value": 1})
    everything = "/api/v2/dags/~/dagRuns/~/taskInstances/~/xcomEntries"
    assert op.get(everything).get_json()["total_entries"] == 2
    assert op.get(f"{everything}?xcom_key=two").get_json()["xcom_entries"][0]["task_id"] == "t1"
    assert op.get(f"{everything}?xcom_key_pattern=w").get_json()["total_entries"] == 1
    assert op.get(f"{xcoms}?map_index=-1&limit=10").get_json()["total_entries"] == 1


# --- users ----------------------------------------------------------------------------------------


def test_an_admin_makes_changes_and_deletes_users(admin: Browser, sign_in: Callable[..., Browser], rows: Any) -> None:
    made = admin.post("/api/v2/users", json={"username": "eve", "password": "long enough", "role": "user"})
    assert made.status_code == 201
    assert made.get_json()["role"] == "User"
    assert "password" not in made.text
    eve = sign_in("eve", "long enough")
    assert admin.patch("/api/v2/users/eve", json={"role": "Viewer"}).get_json()["role"] == "Viewer"
    assert eve.get("/ui/me").status_code == 401
    eve = sign_in("eve", "long enough")
    assert admin.patch("/api/v2/users/eve", json={"password": "another one"}).status_code == 200
    assert eve.get("/ui/me").status_code == 401
    assert admin.delete("/api/v2/users/eve").status_code == 204
    assert admin.get("/api/v2/users/eve").status_code == 404
    assert [user["username"] for user in admin.get("/api/v2/users").get_json()["users"]] == [
        "admin",
        "op",
        "user",
        "viewer",
    ]
    assert "argon2" not in admin.get("/api/v2/users").text
    assert "long enough" not in str(rows(t.log))


@pytest.mark.parametrize(
    "body",
    [
        {"username": "eve", "password": "short"},
        {"username": "admin", "password": "long enough"},
        {"username": "eve", "password": "long enough", "role": "Root"},
        {"username": "", "password": "long enough"},
        {"username": "eve", "password": "long enough", "is_active": True},
    ],
)
def test_a_user_that_does_not_fit_is_refused(body: dict[str, Any], admin: Browser) -> None:
    assert admin.post("/api/v2/users", json=body).status_code == 400


def test_the_last_admin_can_neither_be_deleted_nor_made_less(admin: Browser) -> None:
    assert admin.delete("/api/v2/users/admin").status_code == 400
    assert admin.patch("/api/v2/users/admin", json={"role": "Viewer"}).status_code == 400
    assert admin.patch("/api/v2/users/admin", json={}).status_code == 400


# --- the system -----------------------------------------------------------------------------------


def test_health_is_told_to_everybody_and_says_only_what_works(app: Any, engine: Engine) -> None:
    client = app.test_client()
    down = client.get("/health").get_json()
    assert down["metadatabase"] == {"status": "healthy"}
    assert down["scheduler"] == {"status": "unhealthy", "latest_scheduler_heartbeat": None}
    job = {
        "id": seeds.key(1),
        "job_type": "scheduler",
        "state": "running",
        "hostname": "secret-host",
        "pid": 4711,
        "start_date": NOW,
        "latest_heartbeat": NOW,
        "lease_until": NOW.replace(hour=13),
    }
    with writing(engine) as conn:
        conn.execute(insert(t.job), [job])
    up = client.get("/api/v2/monitor/health")
    assert up.get_json()["scheduler"] == {"status": "healthy", "latest_scheduler_heartbeat": "2026-03-01T12:00:00Z"}
    assert up.get_json()["dag_processor"]["status"] == "healthy"
    assert "secret-host" not in up.text
    assert "4711" not in up.text


def test_health_names_the_workers_of_a_cluster_and_how_busy_they_are(
    viewer: Browser, engine: Engine, clock: ManualClock
) -> None:
    assert "worker" not in viewer.get("/ui/health").get_json(), "one machine alone has none"
    job = {
        "id": seeds.key(1),
        "job_type": "worker",
        "state": "running",
        "hostname": "w1",
        "pid": 1,
        "queues": "fast,default",
        "slots": 4,
        "start_date": NOW,
        "latest_heartbeat": NOW,
        "lease_until": NOW.replace(minute=1),
    }
    with writing(engine) as conn:
        conn.execute(insert(t.job), [job])
    told = viewer.get("/ui/health").get_json()
    assert told["worker"] == {"status": "healthy", "workers": 1, "slots": 4, "running": 0}
    assert told["workers"] == [{"hostname": "w1", "queues": ["default", "fast"], "slots": 4, "running": 0}]
    clock.advance(61)
    assert "workers" not in viewer.get("/ui/health").get_json()


def test_health_with_details_is_for_people_who_are_signed_in(
    viewer: Browser, engine: Engine, clock: ManualClock
) -> None:
    job = {
        "id": seeds.key(1),
        "job_type": "scheduler",
        "state": "running",
        "hostname": "h1",
        "pid": 1,
        "start_date": NOW,
        "latest_heartbeat": NOW,
        "lease_until": NOW.replace(minute=1),
    }
    with writing(engine) as conn:
        conn.execute(insert(t.job), [job])
    assert viewer.get("/ui/health").get_json()["schedulers"]["instances"][0]["status"] == "healthy"
    assert viewer.get("/api/v2/jobs?is_alive=true").get_json()["total_entries"] == 1
    clock.advance(61)
    assert viewer.get("/ui/health").get_json()["scheduler"]["status"] == "unhealthy"
    assert viewer.get("/api/v2/jobs?is_alive=true").get_json()["total_entries"] == 0
    assert viewer.get("/api/v2/jobs?job_type=scheduler").get_json()["jobs"][0]["hostname"] == "h1"


def test_a_database_that_is_gone_is_unhealthy_and_not_a_crash(
    settings: Settings, clock: ManualClock, tmp_path: Any
) -> None:
    broken = open_engine(f"sqlite:///{tmp_path}/no/such/folder/gale.db")
    client = create_app(settings, broken, clock).test_client()
    assert client.get("/health").get_json()["metadatabase"] == {"status": "unhealthy"}
    answer = client.post("/ui/login", json={"username": "admin", "password": seeds.PASSWORD})
    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text


def test_the_version_is_the_installed_one(viewer: Browser) -> None:
    assert viewer.get("/api/v2/version").get_json() == {"version": "0.1.0", "git_version": None}


def test_the_audit_log_is_filtered_by_who_what_and_when(admin: Browser, op: Browser) -> None:
    op.post("/api/v2/variables", json={"key": "a", "value": "1"})
    found = admin.get("/api/v2/eventLogs?owner=op&included_events=create_variable").get_json()["event_logs"]
    assert [json.loads(entry["extra"]) for entry in found] == [{"key": "a"}]
    entry = admin.get(f"/api/v2/eventLogs/{found[0]['event_log_id']}").get_json()
    assert entry == found[0]
    assert (
        admin.get("/api/v2/eventLogs?excluded_events=login&excluded_events=create_variable").get_json()["total_entries"]
        == 0
    )
    assert admin.get("/api/v2/eventLogs?after=2026-03-01T12:00:00Z").get_json()["total_entries"] == 0
    assert (
        admin.get("/api/v2/eventLogs?order_by=-when&limit=1").get_json()["event_logs"][0]["event"] == "create_variable"
    )
    assert admin.get("/api/v2/eventLogs/999999").status_code == 404


def test_the_configuration_is_shown_only_if_that_is_allowed_and_never_its_secrets(
    admin: Browser, settings: Settings, engine: Engine, clock: ManualClock
) -> None:
    shown = admin.get("/api/v2/config")
    assert settings.webserver.secret_key not in shown.text
    assert settings.core.fernet_key not in shown.text
    one = admin.get("/api/v2/config/section/webserver/option/secret_key").get_json()
    assert one["sections"][0]["options"] == [{"key": "secret_key", "value": "***"}]
    assert admin.get("/api/v2/config?section=core").get_json()["sections"][0]["name"] == "core"
    assert "[core]\n" in admin.get("/api/v2/config", headers={"Accept": "text/plain"}).text
    assert admin.get("/api/v2/config?section=nope").status_code == 404
    assert admin.get("/api/v2/config/section/core/option/nope").status_code == 404
    closed = replace(settings, webserver=replace(settings.webserver, expose_config=False))
    client = create_app(closed, engine, clock).test_client()
    client.post("/ui/login", json={"username": "admin", "password": seeds.PASSWORD})
    assert client.get("/api/v2/config").status_code == 403


def test_the_password_in_the_database_address_is_masked(settings: Settings, engine: Engine, clock: ManualClock) -> None:
    database = replace(settings.database, sql_alchemy_conn=f"mysql://gale:{CANARY}@db:3306/gale")
    client = create_app(replace(settings, database=database), engine, clock).test_client()
    client.post("/ui/login", json={"username": "admin", "password": seeds.PASSWORD})
    assert CANARY not in client.get("/api/v2/config").text


def test_lists_of_what_gale_does_not_have_are_empty(viewer: Browser) -> None:
    assert viewer.get("/api/v2/plugins").get_json() == {"plugins": [], "total_entries": 0}
    assert viewer.get("/api/v2/providers").get_json() == {"providers": [], "total_entries": 0}


def test_the_checks_of_gale_doctor_are_for_those_who_may_see_the_configuration(
    admin: Browser, viewer: Browser, settings: Settings
) -> None:
    told = admin.get("/ui/doctor").get_json()
    found = {(one["part"], one["check"]): one["verdict"] for one in told["findings"]}
    assert found["settings", "secret_key"] == "ok"
    # The home of this test has a database that nobody has made: the tests' own is elsewhere.
    assert found["database", "login"] == "failed"
    assert told["is_well"] is False
    assert viewer.get("/ui/doctor").status_code == 403
