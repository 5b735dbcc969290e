"""DAGs over the REST API: paths and bodies as in Airflow 3."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import web_seeds as seeds
from sqlalchemy import Engine, insert
from web_seeds import NOW, Browser

from gale.core.graph import TimetableSpec
from gale.db import tables as t
from gale.db.engine import writing


@pytest.fixture
def many(engine: Engine, etl: dict[str, Any]) -> None:
    with writing(engine) as conn:
        seeds.add_dag(conn, seeds.chain("sales_daily", tags=("nightly", "money")), owners="ann, bob", is_paused=True)
        seeds.add_dag(conn, seeds.chain("sales_weekly", tags=("money",)), owners="bob", description="100% of it_all")
        seeds.add_dag(conn, seeds.chain("gone"), is_active=False)


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.get_json()
    return [dag["dag_id"] for dag in answer.get_json()["dags"]]


def test_a_dag_has_the_fields_of_airflow_3(viewer: Browser, etl: dict[str, Any]) -> None:
    dag = viewer.get("/api/v2/dags/etl").get_json()
    assert dag["dag_id"] == dag["dag_display_name"] == "etl"
    assert dag["is_paused"] is False
    assert dag["is_stale"] is False
    assert dag["timetable_summary"] == "0 0 * * *"
    assert dag["tags"] == [{"name": "nightly", "dag_id": "etl", "dag_display_name": "etl"}]
    assert dag["owners"] == ["airflow"]
    assert dag["last_parsed_time"] == "2026-01-01T00:00:00Z"
    assert {"fileloc", "file_token", "max_active_runs", "next_dagrun_run_after", "has_import_errors"} <= set(dag)


def test_details_add_what_the_newest_version_says(viewer: Browser, etl: dict[str, Any]) -> None:
    dag = viewer.get("/api/v2/dags/etl/details").get_json()
    assert dag["catchup"] is True
    assert dag["start_date"] == "2026-01-01T00:00:00Z"
    assert dag["timezone"] == "UTC"
    assert dag["era"] == "interval"
    assert dag["active_runs_count"] == 1
    assert dag["latest_dag_version"]["version_number"] == 1


def test_stale_dags_are_listed_only_on_demand(viewer: Browser, many: None) -> None:
    assert ids(viewer.get("/api/v2/dags")) == ["etl", "sales_daily", "sales_weekly"]
    assert "gone" in ids(viewer.get("/api/v2/dags?exclude_stale=false"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("paused=true", ["sales_daily"]),
        ("paused=false", ["etl", "sales_weekly"]),
        ("tags=money", ["sales_daily", "sales_weekly"]),
        ("tags=money&tags=nightly", ["etl", "sales_daily", "sales_weekly"]),
        ("tags=money&tags=nightly&tags_match_mode=all", ["sales_daily"]),
        ("owners=ann", ["sales_daily"]),
        ("owners=bob", ["sales_daily", "sales_weekly"]),
        ("owners=bo", []),
        ("dag_id_pattern=SALES", ["sales_daily", "sales_weekly"]),
        ("dag_id_pattern=s%25weekly", ["sales_weekly"]),
        ("last_dag_run_state=running", ["etl"]),
        ("last_dag_run_state=success", []),
        ("has_import_errors=true", []),
        ("order_by=-dag_id", ["sales_weekly", "sales_daily", "etl"]),
        ("order_by=is_paused&order_by=-dag_id", ["sales_weekly", "etl", "sales_daily"]),
        ("limit=1&offset=1", ["sales_daily"]),
        ("limit=0", []),
    ],
)
def test_each_filter_lets_exactly_its_dags_through(
    query: str, expected: list[str], viewer: Browser, many: None
) -> None:
    assert ids(viewer.get(f"/api/v2/dags?{query}")) == expected


def test_the_total_does_not_depend_on_the_page(viewer: Browser, many: None) -> None:
    assert viewer.get("/api/v2/dags?limit=1&offset=2").get_json()["total_entries"] == 3
    assert viewer.get("/api/v2/dags?limit=0").get_json()["total_entries"] == 3


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=-1", "limit is -1"),
        ("limit=1000000000", "0 to 1000"),
        ("offset=1000000000000", "whole number"),
        ("offset=20000000", "offset is 20000000"),
        ("limit=x", "limit is 'x'"),
        ("limit=1&limit=2", "given 2 times"),
        ("paused=maybe", "true or false"),
        ("order_by=dag_idd", "Did you mean 'dag_id'"),
        ("order_by=password", "cannot be sorted by 'password'"),
        ("tags_match_mode=some", "one of: any, all"),
        ("pausd=true", "Did you mean 'paused'"),
        ("tags=" + "x" * 1001, "1001 characters"),
        ("dag_id_pattern=%00", "NUL"),
        ("order_by=" + ",".join(["dag_id"] * 11), "10 sort keys"),
        ("&".join(["tags=x"] * 201), "201 times"),
    ],
)
def test_a_query_that_does_not_fit_is_refused_with_a_reason(query: str, says: str, viewer: Browser, many: None) -> None:
    answer = viewer.get(f"/api/v2/dags?{query}")
    assert answer.status_code == 400
    assert says in answer.get_json()["detail"]
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("text", ["' OR 1=1 --", "%", "_", "\\", "`", "\\%", "%%", "100% of it_all"])
def test_what_a_person_types_into_the_search_box_is_matched_literally(text: str, viewer: Browser, many: None) -> None:
    answer = viewer.get("/ui/dags", query_string={"search": text})
    expected = ["sales_weekly"] if text in "100% of it_all" else []
    if text == "_":
        expected = ["sales_daily", "sales_weekly"]
    assert ids(answer) == expected


@pytest.mark.parametrize("text", ["' OR 1=1 --", "\\", "`", "a\\"])
def test_a_pattern_is_a_bound_parameter_and_never_statement_text(text: str, viewer: Browser, many: None) -> None:
    assert ids(viewer.get("/api/v2/dags", query_string={"dag_id_pattern": text})) == []


def test_pausing_is_seen_at_once_and_written_into_the_audit_log(
    sign_in: Callable[[str], Browser], etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    user = sign_in("user")
    answer = user.patch("/api/v2/dags/etl?update_mask=is_paused", json={"is_paused": True})
    assert answer.get_json()["is_paused"] is True
    assert rows(t.dag, dag_id="etl")[0].is_paused is True
    assert [(row.event, row.dag_id) for row in rows(t.log, owner="user") if row.dag_id] == [("pause", "etl")]
    assert user.patch("/api/v2/dags/etl", json={"is_paused": False}).get_json()["is_paused"] is False


def test_many_dags_are_paused_by_a_pattern_but_never_without_one(admin: Browser, many: None) -> None:
    assert admin.patch("/api/v2/dags", json={"is_paused": True}).status_code == 400
    assert ids(admin.patch("/api/v2/dags?dag_id_pattern=sales", json={"is_paused": True})) == [
        "sales_daily",
        "sales_weekly",
    ]
    assert ids(admin.get("/api/v2/dags?paused=true")) == ["sales_daily", "sales_weekly"]
    assert len(ids(admin.patch("/api/v2/dags?dag_id_pattern=~", json={"is_paused": False}))) == 3
    assert ids(admin.get("/api/v2/dags?paused=true")) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"is_paused": "yes"},
        {"is_paused": True, "dag_id": "x"},
        {"is_paused": True, "is_active": False},
        [],
        None,
        1,
    ],
)
def test_a_patch_with_other_fields_changes_nothing(
    body: Any, admin: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    before = rows(t.dag)
    answer = admin.patch("/api/v2/dags/etl", data=json.dumps(body), content_type="application/json")
    assert answer.status_code == 400
    assert rows(t.dag) == before


def test_a_patch_of_an_unknown_mask_names_what_can_be_changed(admin: Browser, etl: dict[str, Any]) -> None:
    answer = admin.patch("/api/v2/dags/etl?update_mask=owners", json={"is_paused": True})
    assert answer.status_code == 400
    assert "is_paused" in answer.get_json()["detail"]


def test_deleting_a_dag_is_a_request_that_the_scheduler_carries_out(
    admin: Browser, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    assert admin.delete("/api/v2/dags/etl").status_code == 204
    (request,) = rows(t.request)
    assert (request.kind, request.dag_id, request.requested_by) == ("delete_dag", "etl", "admin")
    assert rows(t.dag, dag_id="etl")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v2/dags/nope"),
        ("GET", "/api/v2/dags/nope/details"),
        ("GET", "/api/v2/dags/nope/dagVersions"),
        ("GET", "/api/v2/dags/nope/dagRuns"),
        ("GET", "/api/v2/dags/nope/tasks"),
        ("GET", "/api/v2/dagSources/nope"),
        ("GET", "/ui/dags/nope"),
        ("GET", "/ui/dags/nope/grid"),
        ("GET", "/ui/dags/nope/structure"),
        ("PATCH", "/api/v2/dags/nope"),
        ("DELETE", "/api/v2/dags/nope"),
    ],
)
def test_a_dag_that_does_not_exist_is_a_404_that_says_so(method: str, path: str, admin: Browser) -> None:
    answer = admin._send(method, path, **({"json": {"is_paused": True}} if method == "PATCH" else {}))
    assert answer.status_code == 404
    assert "nope" in answer.get_json()["detail"]


def test_versions_and_their_source_can_be_read(viewer: Browser, etl: dict[str, Any]) -> None:
    (version,) = viewer.get("/api/v2/dags/etl/dagVersions").get_json()["dag_versions"]
    assert viewer.get("/api/v2/dags/etl/dagVersions/1").get_json() == version
    assert viewer.get("/api/v2/dags/etl/dagVersions/2").status_code == 404
    source = viewer.get("/api/v2/dagSources/etl").get_json()
    assert source["content"] == "# the text of etl.py\n"
    assert source["version_number"] == 1
    plain = viewer.get("/api/v2/dagSources/etl?version_number=1", headers={"Accept": "text/plain"})
    assert plain.text == "# the text of etl.py\n"
    assert plain.content_type.startswith("text/plain")


def test_stats_count_the_runs_of_each_dag_by_state(viewer: Browser, many: None) -> None:
    stats = viewer.get("/api/v2/dagStats?dag_ids=etl").get_json()
    assert stats["total_entries"] == 1
    counts = {one["state"]: one["count"] for one in stats["dags"][0]["stats"]}
    assert counts == {"queued": 0, "running": 1, "success": 1, "failed": 0}


def test_tags_are_listed_once_each_in_order(viewer: Browser, many: None) -> None:
    assert viewer.get("/api/v2/dagTags").get_json() == {"tags": ["money", "nightly"], "total_entries": 2}
    assert viewer.get("/api/v2/dagTags?tag_name_pattern=mon").get_json()["tags"] == ["money"]


def test_warnings_and_import_errors_are_listed(viewer: Browser, engine: Engine, etl: dict[str, Any]) -> None:
    warning = {"dag_id": "etl", "warning_type": "unknown_argument", "message": "retries_delay?", "timestamp": NOW}
    error = {"filename": "broken.py", "stacktrace": "line 1: SyntaxError", "timestamp": NOW}
    with writing(engine) as conn:
        conn.execute(insert(t.dag_warning), [warning])
        conn.execute(insert(t.import_error), [error])
    (found,) = viewer.get("/api/v2/dagWarnings?dag_id=etl").get_json()["dag_warnings"]
    assert found["message"] == "retries_delay?"
    assert viewer.get("/api/v2/dagWarnings?warning_type=other").get_json()["total_entries"] == 0
    (broken,) = viewer.get("/api/v2/importErrors").get_json()["import_errors"]
    assert broken["stack_trace"] == "line 1: SyntaxError"
    assert viewer.get(f"/api/v2/importErrors/{broken['import_error_id']}").get_json() == broken
    assert viewer.get("/api/v2/importErrors/999").status_code == 404
    assert viewer.get("/ui/import_errors").get_json()["import_errors"][0]["filename"] == "broken.py"


def test_tasks_are_listed_with_their_relatives(viewer: Browser, etl: dict[str, Any]) -> None:
    tasks = viewer.get("/api/v2/dags/etl/tasks").get_json()["tasks"]
    assert [task["task_id"] for task in tasks] == ["t0", "t1", "t2"]
    assert tasks[1]["downstream_task_ids"] == ["t2"]
    assert tasks[1]["upstream_task_ids"] == ["t0"]
    assert tasks[0]["retry_delay"] == {"__type": "TimeDelta", "days": 0, "seconds": 300, "microseconds": 0}
    assert tasks[0]["class_ref"]["class_name"] == "BashOperator"
    assert viewer.get("/api/v2/dags/etl/tasks/t1").get_json() == tasks[1]
    assert viewer.get("/api/v2/dags/etl/tasks/zz").status_code == 404
    assert viewer.get("/api/v2/dags/etl/tasks?order_by=-task_id").get_json()["tasks"][0]["task_id"] == "t2"
    assert viewer.get("/api/v2/dags/etl/tasks?order_by=ui_color").status_code == 400


def test_a_dag_without_a_schedule_has_none_in_the_api(viewer: Browser, engine: Engine) -> None:
    with writing(engine) as conn:
        spec = seeds.chain("manual", timetable=TimetableSpec())
        seeds.add_dag(conn, spec, timetable_summary="None", timetable_description="Never")
    assert viewer.get("/api/v2/dags/manual").get_json()["timetable_summary"] is None
    assert viewer.get("/ui/dags/manual").get_json()["schedule"] is None
    assert viewer.get("/ui/dags/manual").get_json()["next_runs"] == []
