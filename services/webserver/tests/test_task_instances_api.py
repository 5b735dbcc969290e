"""Task instances over the REST API: look, tries, mark, clear."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import web_seeds as seeds
from sqlalchemy import Engine, insert, update
from web_seeds import NOW, Browser

from gale.db import tables as t
from gale.db.engine import writing
from gale_webserver.app import create_app


@pytest.fixture
def user(sign_in: Callable[[str], Browser]) -> Browser:
    return sign_in("user")


@pytest.fixture
def done(etl: dict[str, Any]) -> str:
    return f"/api/v2/dags/etl/dagRuns/{etl['done']}/taskInstances"


@pytest.fixture
def going(etl: dict[str, Any]) -> str:
    return f"/api/v2/dags/etl/dagRuns/{etl['going']}/taskInstances"


def put(engine: Engine, run: str, task_id: str, **values: Any) -> None:
    mine = (t.task_instance.c.run == run) & (t.task_instance.c.task_id == task_id)
    with writing(engine) as conn:
        conn.execute(update(t.task_instance).where(mine).values(**values))


def add_mapped(engine: Engine, etl: dict[str, Any], states: list[str]) -> None:
    with writing(engine) as conn:
        (one,) = conn.execute(
            t.task_instance.select().where(t.task_instance.c.run == etl["done_pk"], t.task_instance.c.task_id == "t1")
        )
        conn.execute(t.task_instance.delete().where(t.task_instance.c.id == one.id))
        shared = dict(one._mapping)
        conn.execute(
            insert(t.task_instance),
            [
                shared | {"id": seeds.key(900 + index), "map_index": index, "state": state}
                for index, state in enumerate(states)
            ],
        )


def task_ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.get_json()
    return [ti["task_id"] for ti in answer.get_json()["task_instances"]]


def test_a_task_instance_has_the_fields_of_airflow_3(
    viewer: Browser, engine: Engine, done: str, etl: dict[str, Any]
) -> None:
    with writing(engine) as conn:
        (row,) = conn.execute(
            t.task_instance.select().where(t.task_instance.c.run == etl["done_pk"], t.task_instance.c.task_id == "t0")
        )
        conn.execute(insert(t.rendered_fields), [{"ti": row.id, "fields": '{"bash_command": "echo 1"}'}])
    ti = viewer.get(f"{done}/t0").get_json()
    assert ti["id"] == row.id
    assert (ti["dag_id"], ti["dag_run_id"], ti["task_id"], ti["map_index"]) == ("etl", etl["done"], "t0", -1)
    assert ti["state"] == "success"
    assert ti["duration"] == 9
    assert ti["logical_date"] == "2026-01-01T00:00:00Z"
    assert ti["rendered_fields"] == {"bash_command": "echo 1"}
    assert ti["dag_version"]["version_number"] == 1
    assert {"queued_when", "scheduled_when", "triggerer_job", "executor_config", "hostname", "pool_slots"} <= set(ti)


def test_a_task_that_waits_for_its_upstream_has_a_null_state(
    viewer: Browser, engine: Engine, going: str, etl: dict[str, Any]
) -> None:
    put(engine, etl["going_pk"], "t2", state="none")
    assert viewer.get(f"{going}/t2").get_json()["state"] is None
    assert task_ids(viewer.get(f"{going}?state=none")) == ["t2"]
    assert task_ids(viewer.get(f"{going}?state=null")) == ["t2"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["t0", "t1", "t2"]),
        ("order_by=-task_id", ["t2", "t1", "t0"]),
        ("state=success&limit=1&offset=1", ["t1"]),
        ("state=failed", []),
        ("task_id=t1", ["t1"]),
        ("task_id_pattern=2", ["t2"]),
        ("pool=default_pool&operator=BashOperator&try_number=1", ["t0", "t1", "t2"]),
        ("pool=other", []),
        ("map_index=0", []),
        ("start_date_gt=2026-01-02T00:00:00Z", []),
        ("end_date_gte=2026-01-02T00:00:09Z", ["t0", "t1", "t2"]),
    ],
)
def test_each_filter_of_task_instances_lets_exactly_its_own_through(
    query: str, expected: list[str], viewer: Browser, done: str
) -> None:
    assert task_ids(viewer.get(f"{done}?{query}")) == expected


def test_a_state_that_does_not_exist_is_refused_with_those_that_do(viewer: Browser, done: str) -> None:
    answer = viewer.get(f"{done}?state=sucess")
    assert answer.status_code == 400
    assert "upstream_failed" in answer.get_json()["detail"]


def test_tildes_list_the_task_instances_of_everything(viewer: Browser, etl: dict[str, Any]) -> None:
    assert viewer.get("/api/v2/dags/~/dagRuns/~/taskInstances").get_json()["total_entries"] == 6
    assert viewer.get("/api/v2/dags/etl/dagRuns/~/taskInstances?state=running").get_json()["total_entries"] == 3
    path = "/api/v2/dags/~/dagRuns/~/taskInstances/list"
    assert viewer.post(path, json={"dag_run_ids": [etl["done"]], "task_ids": ["t1"]}).get_json()["total_entries"] == 1
    assert viewer.post(path, json={"state": [None]}).get_json()["total_entries"] == 0
    assert viewer.post("/api/v2/dags/etl/dagRuns/~/taskInstances/list", json={}).status_code == 400
    assert viewer.post(path, json={"executor": ["x"]}).status_code == 400


def test_instances_of_a_mapped_task_are_listed_and_found_by_index(
    viewer: Browser, engine: Engine, done: str, etl: dict[str, Any]
) -> None:
    add_mapped(engine, etl, ["success", "failed"])
    found = viewer.get(f"{done}/t1/listMapped").get_json()
    assert [ti["map_index"] for ti in found["task_instances"]] == [0, 1]
    assert viewer.get(f"{done}/t1/1").get_json()["state"] == "failed"
    assert viewer.get(f"{done}/t1/2").status_code == 404
    assert viewer.get(f"{done}/t1").status_code == 404
    assert viewer.get(f"{done}/nope/listMapped").status_code == 404


def test_tries_are_told_from_the_history_and_the_last_from_the_row(
    viewer: Browser, engine: Engine, done: str, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    (ti,) = rows(t.task_instance, run=etl["done_pk"], task_id="t1")
    begin = NOW
    moves = [
        ("none", "scheduled", 0, 0),
        ("scheduled", "queued", 0, 1),
        ("queued", "running", 1, 2),
        ("running", "up_for_retry", 1, 7),
        ("up_for_retry", "scheduled", 1, 60),
        ("scheduled", "queued", 1, 61),
        ("queued", "running", 2, 62),
        ("running", "success", 2, 72),
    ]
    shared = {
        "ti": ti.id,
        "dag_id": "etl",
        "run_id": ti.run_id,
        "task_id": "t1",
        "map_index": -1,
        "actor": "a",
        "hostname": "h",
    }
    with writing(engine) as conn:
        for old, new, number, seconds in moves:
            event = {"event": "Moved", "from_state": old, "to_state": new, "try_number": number}
            detail = "exit code 1" if new == "up_for_retry" else None
            at = begin + timedelta(seconds=seconds)
            conn.execute(insert(t.task_event), [shared | event | {"detail": detail, "at": at}])
    put(
        engine,
        etl["done_pk"],
        "t1",
        try_number=2,
        start_date=begin + timedelta(seconds=62),
        end_date=begin + timedelta(seconds=72),
    )
    first, second = viewer.get(f"{done}/t1/tries").get_json()["task_instances"]
    assert (first["try_number"], first["state"], first["duration"]) == (1, "up_for_retry", 5)
    assert first["reason"] == "exit code 1"
    assert first["queued_when"] == "2026-03-01T12:00:01Z"
    assert (second["try_number"], second["state"], second["duration"]) == (2, "success", 10)
    assert viewer.get(f"{done}/t1/tries/1").get_json() == first
    assert viewer.get(f"{done}/t1/tries/3").status_code == 404
    assert viewer.get(f"{done}/t1/-1/tries/2").get_json() == second


def test_dependencies_say_what_holds_a_task_back(
    viewer: Browser, engine: Engine, done: str, going: str, etl: dict[str, Any]
) -> None:
    assert viewer.get(f"{done}/t1/dependencies").get_json() == {"dependencies": []}
    put(engine, etl["going_pk"], "t2", state="none", try_number=0)
    (why,) = viewer.get(f"{going}/t2/dependencies").get_json()["dependencies"]
    assert why["name"]
    assert why["reason"].endswith((".", ")"))
    assert viewer.get(f"{going}/zz/dependencies").status_code == 404
    assert viewer.get(f"{going}/t2/links").get_json() == {"extra_links": {}, "total_entries": 0}


# --- mark -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["success", "failed", "skipped"])
def test_marking_a_task_instance_is_a_request_to_the_scheduler(
    state: str, user: Browser, going: str, rows: Callable[..., list[Any]]
) -> None:
    answer = user.patch(f"{going}/t1", json={"new_state": state})
    assert task_ids(answer) == ["t1"]
    (request,) = rows(t.request)
    assert request.kind == "mark_tasks"
    payload = json.loads(request.payload)
    assert payload["state"] == state
    assert len(payload["tis"]) == 1
    assert rows(t.task_instance, task_id="t1", state="running")


def test_marking_reaches_relatives_and_other_runs_only_when_asked(
    user: Browser, done: str, rows: Callable[..., list[Any]], etl: dict[str, Any]
) -> None:
    body = {"new_state": "failed", "include_downstream": True, "include_future": True}
    answer = user.patch(f"{done}/t1/dry_run", json=body).get_json()
    assert answer["total_entries"] == 4
    assert rows(t.request) == []
    user.patch(f"{done}/t1", json=body)
    requests = rows(t.request)
    assert {request.run for request in requests} == {etl["done_pk"], etl["going_pk"]}
    assert [len(json.loads(request.payload)["tis"]) for request in requests] == [2, 2]


def test_one_instance_of_a_mapped_task_is_marked_alone(
    user: Browser, engine: Engine, done: str, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    add_mapped(engine, etl, ["failed", "failed"])
    user.patch(f"{done}/t1/1?update_mask=new_state", json={"new_state": "success"})
    assert json.loads(rows(t.request)[0].payload)["tis"] == [seeds.key(901)]
    assert user.patch(f"{done}/t1/7", json={"new_state": "success"}).status_code == 404
    assert user.patch(f"{done}/t1?map_index=0", json={"new_state": "success"}).get_json()["total_entries"] == 1
    assert user.patch(f"{done}/t1/0/dry_run", json={"new_state": "success"}).get_json()["total_entries"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"new_state": None},
        {"new_state": "running"},
        {"new_state": "none"},
        {"new_state": 1},
        {"state": "success"},
        {"new_state": "success", "try_number": 9},
        {"note": "x" * 1001},
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(
    body: dict[str, Any], user: Browser, done: str, rows: Callable[..., list[Any]]
) -> None:
    before = rows(t.task_instance)
    assert user.patch(f"{done}/t1", json=body).status_code == 400
    assert rows(t.task_instance) == before
    assert rows(t.request) == []


def test_a_note_at_a_task_instance_is_written_at_once(user: Browser, done: str, rows: Callable[..., list[Any]]) -> None:
    answer = user.patch(f"{done}/t1", json={"note": "<i>x</i>"}).get_json()
    assert answer["task_instances"][0]["note"] == "<i>x</i>"
    assert rows(t.request) == []
    assert [row.task_id for row in rows(t.log, event="set_task_note")] == ["t1"]


# --- clear ----------------------------------------------------------------------------------------

CLEAR = "/api/v2/dags/etl/clearTaskInstances"


def test_clearing_only_tells_what_it_would_do_unless_told_otherwise(
    user: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    body = {"dag_run_id": etl["done"], "only_failed": False}
    assert task_ids(user.post(CLEAR, json=body)) == ["t0", "t1", "t2"]
    assert rows(t.request) == []
    assert task_ids(user.post(CLEAR, json=body | {"dry_run": False})) == ["t0", "t1", "t2"]
    (request,) = rows(t.request)
    assert (request.kind, request.run) == ("clear", etl["done_pk"])


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"task_ids": ["t1"]}, ["t1"]),
        ({"task_ids": ["t1"], "include_downstream": True}, ["t1", "t2"]),
        ({"task_ids": ["t1"], "include_upstream": True}, ["t0", "t1"]),
        ({"task_ids": ["t1"], "include_future": True}, ["t1", "t1"]),
        ({"task_ids": ["t1"], "include_past": True}, ["t1"]),
        ({"task_ids": [["t1", -1]]}, ["t1"]),
        ({"task_ids": [["t1", 3]]}, []),
        ({"task_ids": ["t0", "t2"]}, ["t0", "t2"]),
        ({"only_running": True}, []),
        ({"only_failed": True}, []),
    ],
)
def test_each_option_of_clearing_chooses_its_task_instances(
    more: dict[str, Any], expected: list[str], user: Browser, etl: dict[str, Any]
) -> None:
    body = {"dag_run_id": etl["done"], "only_failed": False} | more
    assert task_ids(user.post(CLEAR, json=body)) == expected


def test_only_failed_means_failed_and_upstream_failed(user: Browser, engine: Engine, etl: dict[str, Any]) -> None:
    put(engine, etl["done_pk"], "t1", state="failed")
    put(engine, etl["done_pk"], "t2", state="upstream_failed")
    assert task_ids(user.post(CLEAR, json={"dag_run_id": etl["done"]})) == ["t1", "t2"]


def test_runs_can_be_chosen_by_their_dates_instead_of_an_id(user: Browser, etl: dict[str, Any]) -> None:
    body = {"only_failed": False, "task_ids": ["t0"], "start_date": "2026-01-02T00:00:00Z"}
    found = user.post(CLEAR, json=body).get_json()["task_instances"]
    assert [ti["dag_run_id"] for ti in found] == [etl["going"]]
    assert user.post(CLEAR, json=body | {"start_date": "2027-01-01T00:00:00Z"}).get_json()["total_entries"] == 0


def test_a_running_task_can_be_protected_from_being_cleared(
    user: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    body = {"dag_run_id": etl["going"], "only_failed": False, "dry_run": False, "prevent_running_task": True}
    assert user.post(CLEAR, json=body).status_code == 409
    assert rows(t.request) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"only_failed": True, "only_running": True}, "exclude each other"),
        ({"dag_run_id": "x", "start_date": "2026-01-01T00:00:00Z"}, "either"),
        ({"include_future": True}, "dag_run_id"),
        ({"task_ids": []}, "task_ids is empty"),
        ({"task_ids": ["nope"], "only_failed": False}, "no task 'nope'"),
        ({"task_ids": [["t1", "x"]]}, "task_ids holds"),
        ({"task_ids": [["t1", True]]}, "task_ids holds"),
        ({"reset_dag_runs": False}, "reset_dag_runs"),
        ({"start_date": "2026-01-02T00:00:00Z", "end_date": "2026-01-01T00:00:00Z"}, "after"),
        ({"start_date": "2026-01-02T00:00:00"}, "time zone"),
        ({"dry_run": "no"}, "dry_run"),
        ({"whatever": 1}, "whatever"),
    ],
)
def test_a_clear_that_makes_no_sense_is_refused_with_the_reason(
    body: dict[str, Any], says: str, user: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    answer = user.post(CLEAR, json={"dry_run": False} | body)
    assert answer.status_code == 400
    assert says in answer.get_json()["detail"]
    assert rows(t.request) == []


def test_an_answer_waits_a_moment_for_the_scheduler(
    settings: Any, engine: Engine, clock: Any, etl: dict[str, Any]
) -> None:
    """The clock stands still, so only the scheduler's work can end the waiting: it is done by another thread."""
    app = create_app(settings, engine, clock, patience_seconds=30)
    client = app.test_client()
    csrf = client.post("/ui/login", json={"username": "user", "password": seeds.PASSWORD}).get_json()["csrf_token"]

    def schedule() -> None:
        for _ in range(1000):
            with writing(engine) as conn:
                if conn.execute(update(t.request).values(handled_at=NOW)).rowcount:
                    conn.execute(update(t.task_instance).values(state="success"))
                    return

    thread = threading.Thread(target=schedule)
    thread.start()
    path = f"/api/v2/dags/etl/dagRuns/{etl['going']}/taskInstances/t1"
    answer = client.patch(path, json={"new_state": "success"}, headers={"X-CSRF-Token": csrf})
    thread.join()
    assert answer.get_json()["task_instances"][0]["state"] == "success"
