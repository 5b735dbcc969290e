"""Runs over the REST API: trigger, look, mark, clear, delete, wait (rows 11, 14, 17 of the attack list)."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import web_seeds as seeds
from flask import Flask
from sqlalchemy import Engine, insert, update
from web_seeds import NOW, Browser

from gale.core.graph import DagSpec
from gale.db import tables as t
from gale.db.engine import writing

RUNS = "/api/v2/dags/etl/dagRuns"


@pytest.fixture
def user(sign_in: Callable[[str], Browser]) -> Browser:
    return sign_in("user")


def test_a_trigger_makes_a_queued_run_that_can_be_read_back(
    user: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    answer = user.post(RUNS, json={"conf": {"day": 1}, "note": "please"})
    assert answer.status_code == 200
    run = answer.get_json()
    assert run["state"] == "queued"
    assert run["run_type"] == "manual"
    assert run["dag_run_id"].startswith("manual__2026-03-01T12:00:00")
    assert run["conf"] == {"day": 1}
    assert run["note"] == "please"
    assert run["triggered_by"] == "ui"
    assert run["triggering_user_name"] == "user"
    assert run["data_interval_start"] == "2026-02-28T00:00:00Z"
    assert user.get(f"{RUNS}/{run['dag_run_id']}").get_json() == run
    assert [row.event for row in rows(t.log, dag_id="etl")] == ["trigger"]


def test_a_trigger_by_token_says_that_it_came_over_the_rest_api(app: Flask, etl: dict[str, Any]) -> None:
    client = app.test_client()
    token = client.post("/auth/token", json={"username": "user", "password": seeds.PASSWORD}).get_json()["access_token"]
    answer = client.post(RUNS, json={"logical_date": None}, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.get_json()["triggered_by"] == "rest_api"


def test_a_trigger_takes_its_own_id_date_and_interval(user: Browser, etl: dict[str, Any]) -> None:
    run = user.post(
        RUNS,
        json={
            "dag_run_id": "mine",
            "logical_date": "2026-02-01T00:00:00+01:00",
            "data_interval_start": "2026-01-30T00:00:00Z",
            "data_interval_end": "2026-01-31T00:00:00Z",
        },
    ).get_json()
    assert run["dag_run_id"] == "mine"
    assert run["logical_date"] == "2026-01-31T23:00:00Z"
    assert run["data_interval_end"] == "2026-01-31T00:00:00Z"


def test_a_run_id_or_date_that_is_taken_is_a_conflict(user: Browser, etl: dict[str, Any]) -> None:
    assert user.post(RUNS, json={"dag_run_id": "mine"}).status_code == 200
    again = user.post(RUNS, json={"dag_run_id": "mine", "logical_date": "2026-02-01T00:00:00Z"})
    assert again.status_code == 409
    assert "mine" in again.get_json()["detail"]
    same_date = user.post(RUNS, json={"dag_run_id": "other", "logical_date": "2026-01-01T00:00:00Z"})
    assert same_date.status_code == 409


@pytest.mark.parametrize(
    "run_id",
    [
        "../../etc/passwd",
        "a/b",
        "a\0b",
        "a\nb",
        "x" * 4096,
        "\u202eevil",
        "",
        " ",
        "..",
        "scheduled__2026-01-01",
        "backfill__x",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "name; touch pwned",
        "$(id)",
    ],
)
def test_a_run_id_that_paths_and_pages_cannot_carry_is_refused_with_the_rule(
    run_id: str, user: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    before = rows(t.dag_run)
    answer = user.post(RUNS, json={"dag_run_id": run_id})
    assert answer.status_code == 400
    assert len(answer.get_json()["detail"]) < 500
    assert rows(t.dag_run) == before


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"state": "success"}, "state"),
        ({"run_type": "scheduled"}, "run_type"),
        ({"start_date": "2026-01-01T00:00:00Z"}, "start_date"),
        ({"dag_id": "other"}, "dag_id"),
        ({"conf": []}, "conf"),
        ({"conf": "x"}, "conf"),
        ({"logical_date": "yesterday"}, "logical_date"),
        ({"logical_date": "2026-01-01T00:00:00"}, "time zone"),
        ({"data_interval_start": "2026-01-01T00:00:00Z"}, "both"),
        ({"data_interval_start": "2026-01-02T00:00:00Z", "data_interval_end": "2026-01-01T00:00:00Z"}, "after"),
        ({"note": "x" * 1001}, "1001"),
        ([], "object"),
    ],
)
def test_a_trigger_body_that_does_not_fit_makes_no_run(
    body: Any, says: str, user: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    before = rows(t.dag_run)
    answer = user.post(RUNS, json=body)
    assert answer.status_code == 400
    assert says in answer.get_json()["detail"]
    assert rows(t.dag_run) == before


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b'{"conf": NaN}', b"[" * 100_000, b'{"conf":' * 50_000])
def test_a_body_that_is_no_json_is_told_so(data: bytes, user: Browser, etl: dict[str, Any]) -> None:
    answer = user.post(RUNS, data=data, content_type="application/json")
    assert answer.status_code == 400
    assert "JSON" in answer.get_json()["detail"] or "body" in answer.get_json()["detail"]


CONFS = [
    {"name": "x; touch pwned"},
    {"a": "$(id)"},
    {"a": "`id`"},
    {"a": "l1\nl2"},
    {"a": "{{ {{7*7}} }}"},
    {"a": "<script>"},
]


@pytest.mark.parametrize("conf", CONFS)
def test_a_conf_is_kept_as_data_whatever_it_holds(conf: dict[str, Any], user: Browser, etl: dict[str, Any]) -> None:
    answer = user.post(RUNS, json={"conf": conf})
    assert answer.get_json()["conf"] == conf
    assert answer.content_type == "application/json"


def test_a_conf_of_a_megabyte_is_refused(user: Browser, etl: dict[str, Any]) -> None:
    assert user.post(RUNS, json={"conf": {"a": "x" * 1_100_000}}).status_code == 400


def test_a_conf_is_checked_against_the_params_of_the_dag(user: Browser, engine: Engine) -> None:
    spec = DagSpec(dag_id="p", fileloc="p.py", params={"n": {"value": 1, "schema": {"type": "integer", "minimum": 1}}})
    with writing(engine) as conn:
        seeds.add_dag(conn, spec)
    refused = user.post("/api/v2/dags/p/dagRuns", json={"conf": {"n": 0}})
    assert refused.status_code == 400
    assert "'n'" in refused.get_json()["detail"]
    assert user.post("/api/v2/dags/p/dagRuns", json={"conf": {"n": 5}}).status_code == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["done", "going"]),
        ("state=running", ["going"]),
        ("state=failed", []),
        ("state=running&state=success", ["done", "going"]),
        ("run_type=manual", []),
        ("logical_date_gte=2026-01-02T00:00:00Z", ["going"]),
        ("logical_date_gt=2026-01-01T00:00:00Z", ["going"]),
        ("logical_date_lt=2026-01-02T00:00:00Z", ["done"]),
        ("logical_date_lte=2026-01-01T00:00:00%2B00:00", ["done"]),
        ("end_date_gte=2026-01-02", ["done"]),
        ("run_id_pattern=2026-01-02T", ["going"]),
        ("order_by=-logical_date", ["going", "done"]),
        ("limit=1", ["done"]),
    ],
)
def test_each_filter_of_runs_lets_exactly_its_runs_through(
    query: str, expected: list[str], viewer: Browser, etl: dict[str, Any]
) -> None:
    answer = viewer.get(f"{RUNS}?{query}")
    assert [run["dag_run_id"] for run in answer.get_json()["dag_runs"]] == [etl[name] for name in expected]


def test_a_tilde_lists_the_runs_of_all_dags_in_address_and_body(
    viewer: Browser, engine: Engine, etl: dict[str, Any]
) -> None:
    with writing(engine) as conn:
        other = seeds.chain("other")
        seeds.add_dag(conn, other)
        seeds.add_run(conn, other, 0, state="failed")
    assert viewer.get("/api/v2/dags/~/dagRuns").get_json()["total_entries"] == 3
    batch = "/api/v2/dags/~/dagRuns/list"
    found = viewer.post(batch, json={"states": ["failed"], "dag_ids": ["other", "etl"]}).get_json()
    assert [run["dag_id"] for run in found["dag_runs"]] == ["other"]
    assert viewer.post(batch, json={"page_limit": 1, "order_by": "-logical_date"}).get_json()["total_entries"] == 3
    assert viewer.post(batch, json={"states": ["lost"]}).status_code == 400
    assert viewer.post(batch, json={"page_limit": 10**9}).status_code == 400
    assert viewer.post("/api/v2/dags/etl/dagRuns/list", json={}).status_code == 400


@pytest.mark.parametrize("state", ["success", "failed"])
def test_marking_a_run_is_a_request_to_the_scheduler(
    state: str, user: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    answer = user.patch(f"{RUNS}/{etl['going']}", json={"state": state})
    assert answer.status_code == 200
    (request,) = rows(t.request)
    assert (request.kind, request.run) == ("mark_run", etl["going_pk"])
    assert json.loads(request.payload) == {"state": state}
    assert rows(t.dag_run, id=etl["going_pk"])[0].state == "running"


def test_queueing_a_run_anew_clears_all_of_its_tasks(
    user: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    assert user.patch(f"{RUNS}/{etl['done']}", json={"state": "queued"}).status_code == 200
    (request,) = rows(t.request)
    assert request.kind == "clear"
    assert len(json.loads(request.payload)["tis"]) == 3


@pytest.mark.parametrize(
    "body", [{"state": "running"}, {"state": "x"}, {"state": None}, {}, {"conf": {}}, {"state": 1}]
)
def test_other_changes_of_a_run_are_refused(
    body: dict[str, Any], user: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    before = rows(t.dag_run)
    assert user.patch(f"{RUNS}/{etl['done']}", json=body).status_code == 400
    assert rows(t.dag_run) == before
    assert rows(t.request) == []


def test_a_note_is_written_at_once_and_changes_nothing_else(
    user: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    (before,) = rows(t.dag_run, id=etl["done_pk"])
    answer = user.patch(f"{RUNS}/{etl['done']}?update_mask=note", json={"note": "<b>seen</b>", "state": "failed"})
    assert answer.get_json()["note"] == "<b>seen</b>"
    (after,) = rows(t.dag_run, id=etl["done_pk"])
    assert {c: v for c, v in after._mapping.items() if c != "note"} == {
        c: v for c, v in before._mapping.items() if c != "note"
    }
    assert rows(t.request) == []
    assert user.patch(f"{RUNS}/{etl['done']}", json={"note": None}).get_json()["note"] is None


def test_deleting_a_run_is_a_request_to_the_scheduler(
    user: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    assert user.delete(f"{RUNS}/{etl['done']}").status_code == 204
    assert rows(t.request)[0].kind == "delete_run"
    assert user.delete(f"{RUNS}/nope").status_code == 404


def test_clearing_a_run_tells_first_what_it_would_do(
    user: Browser, engine: Engine, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    with writing(engine) as conn:
        one = (t.task_instance.c.run == etl["done_pk"]) & (t.task_instance.c.task_id == "t1")
        conn.execute(update(t.task_instance).where(one).values(state="failed"))
    path = f"{RUNS}/{etl['done']}/clear"
    assert user.post(path, json={}).get_json()["total_entries"] == 3
    assert user.post(path, json={"only_failed": True}).get_json()["task_instances"][0]["task_id"] == "t1"
    assert rows(t.request) == []
    done = user.post(path, json={"dry_run": False, "only_failed": True})
    assert done.get_json()["dag_run_id"] == etl["done"]
    (request,) = rows(t.request)
    assert len(json.loads(request.payload)["tis"]) == 1


def test_waiting_for_a_run_that_has_ended_gives_its_state_and_results_at_once(
    viewer: Browser, engine: Engine, etl: dict[str, Any]
) -> None:
    xcom = {"dag_id": "etl", "run_id": etl["done"], "task_id": "t0", "map_index": -1, "key": "return_value"}
    with writing(engine) as conn:
        conn.execute(insert(t.xcom), [xcom | {"value": '{"rows": 7}', "timestamp": NOW}])
    answer = viewer.get(f"{RUNS}/{etl['done']}/wait?interval=1&result=t0&result=t1")
    assert answer.content_type == "application/x-ndjson"
    (line,) = answer.text.splitlines()
    assert json.loads(line) == {"state": "success", "results": {"t0": {"rows": 7}, "t1": None}}


def test_waiting_gives_a_line_for_each_look_until_the_run_ends(
    viewer: Browser, engine: Engine, etl: dict[str, Any]
) -> None:
    answer = viewer.client.get(f"{RUNS}/{etl['going']}/wait?interval=0.1", buffered=False)
    lines = answer.iter_encoded()
    assert json.loads(next(lines)) == {"state": "running"}
    with writing(engine) as conn:
        conn.execute(update(t.dag_run).where(t.dag_run.c.id == etl["going_pk"]).values(state="failed"))
    assert json.loads(list(lines)[-1]) == {"state": "failed"}
    answer.close()


def test_only_a_few_clients_may_wait_at_the_same_time(viewer: Browser, etl: dict[str, Any]) -> None:
    path = f"{RUNS}/{etl['going']}/wait?interval=1"
    waiting = [viewer.client.get(path, buffered=False) for _ in range(4)]
    assert viewer.get(path).status_code == 503
    for answer in waiting:
        answer.close()
    ended = viewer.get(f"{RUNS}/{etl['done']}/wait?interval=1")
    assert ended.status_code == 200


@pytest.mark.parametrize("interval", ["", "0", "61", "nan", "inf", "x"])
def test_an_interval_that_makes_no_sense_is_refused(interval: str, viewer: Browser, etl: dict[str, Any]) -> None:
    assert viewer.get(f"{RUNS}/{etl['done']}/wait?interval={interval}").status_code == 400


def test_instants_in_answers_are_utc_with_their_zone(viewer: Browser, etl: dict[str, Any]) -> None:
    run = viewer.get(f"{RUNS}/{etl['done']}").get_json()
    assert run["start_date"] == "2026-01-02T00:00:00Z"
    assert run["duration"] == timedelta(minutes=5).total_seconds()
