"""What the page asks for: list, DAG, grid, graph, why."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import web_seeds as seeds
from sqlalchemy import Engine, event, insert, update
from web_seeds import NOW, START, Browser

from gale.core.graph import TimetableSpec
from gale.db import tables as t
from gale.db.engine import reading, writing


@contextmanager
def statements_of(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements that are sent to the database meanwhile."""
    sent: list[tuple[str, Any]] = []

    def remember(conn: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", remember)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", remember)


def selects_of(sent: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(statement, values) for statement, values in sent if statement.lstrip().startswith("SELECT")]


@pytest.fixture
def big(engine: Engine) -> str:
    """25 runs of 100 tasks."""
    spec = seeds.chain("big", 100)
    with writing(engine) as conn:
        seeds.add_dag(conn, spec)
        for number in range(25):
            seeds.add_run(conn, spec, number, state="running" if number == 24 else "success")
    return "/ui/dags/big/grid?limit=25"


def test_the_list_shows_of_each_dag_what_the_start_page_needs(viewer: Browser, etl: dict[str, Any]) -> None:
    listed = viewer.get("/ui/dags").get_json()
    assert listed["total"] == 1
    (dag,) = listed["dags"]
    assert dag["dag_id"] == dag["display_name"] == "etl"
    assert (dag["schedule"], dag["schedule_description"]) == ("0 0 * * *", "At 00:00")
    assert dag["tags"] == ["nightly"]
    assert dag["owners"] == ["airflow"]
    assert dag["state_counts"] == {"running": 1, "success": 1}
    assert [run["state"] for run in dag["recent_runs"]] == ["success", "running"]
    assert dag["next_run"] is None
    assert dag["file"] == "etl.py"


def test_the_list_shows_the_last_fourteen_runs_oldest_first(viewer: Browser, engine: Engine) -> None:
    spec = seeds.chain("busy", 1)
    with writing(engine) as conn:
        seeds.add_dag(conn, spec, next_run_after=NOW, next_logical_date=START)
        for number in range(20):
            seeds.add_run(conn, spec, number)
    (dag,) = viewer.get("/ui/dags").get_json()["dags"]
    dates = [run["logical_date"] for run in dag["recent_runs"]]
    assert len(dates) == 14
    assert dates == sorted(dates)
    assert dates[-1] == "2026-01-20T00:00:00Z"
    assert dag["next_run"] == {"logical_date": "2026-01-01T00:00:00Z", "run_after": "2026-03-01T12:00:00Z"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("search=ETL", 1),
        ("search=night", 1),
        ("search=zzz", 0),
        ("tag=nightly", 1),
        ("tag=x", 0),
        ("paused=true", 0),
        ("owner=airflow", 1),
    ],
)
def test_the_list_is_searched_and_filtered(query: str, expected: int, viewer: Browser, etl: dict[str, Any]) -> None:
    assert viewer.get(f"/ui/dags?{query}&limit=100&offset=0").get_json()["total"] == expected


def test_the_page_of_a_dag_describes_it_and_says_when_it_runs_next(
    viewer: Browser, engine: Engine, etl: dict[str, Any]
) -> None:
    error = {"filename": "etl.py", "stacktrace": "line 3: NameError", "timestamp": NOW}
    warning = {"dag_id": "etl", "warning_type": "unknown_argument", "message": "retries_delay?", "timestamp": NOW}
    with writing(engine) as conn:
        conn.execute(insert(t.import_error), [error])
        conn.execute(insert(t.dag_warning), [warning])
    dag = viewer.get("/ui/dags/etl").get_json()
    assert (dag["version"], dag["era"], dag["catchup"]) == (1, "interval", True)
    assert dag["timetable"]["expression"] == "0 0 * * *"
    assert [task["task_id"] for task in dag["tasks"]] == ["t0", "t1", "t2"]
    assert dag["import_error"]["stack_trace"] == "line 3: NameError"
    assert dag["warnings"] == [{"kind": "unknown_argument", "message": "retries_delay?"}]
    assert [run["logical_date"][:10] for run in dag["next_runs"]] == [f"2026-01-0{day}" for day in range(3, 8)]
    assert dag["next_runs"][0]["run_after"] == "2026-01-04T00:00:00Z"


@pytest.mark.parametrize(
    ("timetable", "count"),
    [
        (TimetableSpec(), 0),
        (TimetableSpec(kind="once"), 1),
        (TimetableSpec(kind="continuous"), 1),
        (TimetableSpec(kind="delta", seconds=3600), 5),
        (TimetableSpec(kind="cron", expression="0 0 30 2 *"), 0),
    ],
    ids=lambda value: getattr(value, "kind", str(value)),
)
def test_the_preview_of_runs_ends_for_every_kind_of_timetable(
    timetable: TimetableSpec, count: int, viewer: Browser, engine: Engine
) -> None:
    with writing(engine) as conn:
        seeds.add_dag(conn, seeds.chain("x", timetable=timetable))
    answer = viewer.get("/ui/dags/x")
    assert answer.status_code == 200
    assert len(answer.get_json()["next_runs"]) == count


def test_the_grid_shows_each_task_of_each_run_oldest_run_first(viewer: Browser, etl: dict[str, Any]) -> None:
    grid = viewer.get("/ui/dags/etl/grid?limit=25").get_json()
    assert [task["task_id"] for task in grid["tasks"]] == ["t0", "t1", "t2"]
    assert [run["run_id"] for run in grid["runs"]] == [etl["done"], etl["going"]]
    done = grid["runs"][0]
    assert (done["state"], done["pk"], done["run_type"]) == ("success", etl["done_pk"], "scheduled")
    assert done["tis"]["t1"] == {
        "state": "success",
        "try_number": 1,
        "start_date": "2026-01-02T00:00:00Z",
        "end_date": "2026-01-02T00:00:09Z",
    }


def test_the_grid_is_walked_back_run_by_run(viewer: Browser, big: str) -> None:
    newest = viewer.get("/ui/dags/big/grid?limit=3").get_json()["runs"]
    older = viewer.get("/ui/dags/big/grid", query_string={"limit": 3, "before": newest[0]["run_id"]}).get_json()["runs"]
    by_key = viewer.get("/ui/dags/big/grid", query_string={"limit": 3, "before": newest[0]["pk"]}).get_json()["runs"]
    assert [run["logical_date"][:10] for run in older + newest] == [f"2026-01-{day}" for day in range(20, 26)]
    assert by_key == older
    assert viewer.get("/ui/dags/big/grid?before=nope").status_code == 404
    assert viewer.get("/ui/dags/big/grid?limit=0").status_code == 400
    assert viewer.get("/ui/dags/big/grid?limit=366").status_code == 400


def test_groups_stand_before_their_members_and_members_together(viewer: Browser, engine: Engine) -> None:
    spec = seeds.grouped("boxes")
    with writing(engine) as conn:
        seeds.add_dag(conn, spec)
        seeds.add_run(conn, spec, 0)
    tasks = viewer.get("/ui/dags/boxes/grid").get_json()["tasks"]
    assert [(task["task_id"], task["depth"], task["is_group"]) for task in tasks] == [
        ("begin", 0, False),
        ("outer", 0, True),
        ("outer.a", 1, False),
        ("outer.inner", 1, True),
        ("outer.inner.b", 2, False),
        ("between", 0, False),
        ("end", 0, False),
    ]


def test_a_task_that_the_dag_no_longer_has_stays_in_the_grid_of_old_runs(
    viewer: Browser, engine: Engine, etl: dict[str, Any]
) -> None:
    with writing(engine) as conn:
        mine = (t.task_instance.c.run == etl["done_pk"]) & (t.task_instance.c.task_id == "t2")
        conn.execute(update(t.task_instance).where(mine).values(task_id="old_name"))
    grid = viewer.get("/ui/dags/etl/grid").get_json()
    assert [task["task_id"] for task in grid["tasks"]] == ["t0", "t1", "t2", "old_name"]
    assert "old_name" in grid["runs"][0]["tis"]


def test_a_mapped_task_shows_the_state_that_needs_most_attention(
    viewer: Browser, engine: Engine, etl: dict[str, Any], rows: Callable[..., list[Any]]
) -> None:
    (one,) = rows(t.task_instance, run=etl["done_pk"], task_id="t1")
    with writing(engine) as conn:
        conn.execute(t.task_instance.delete().where(t.task_instance.c.id == one.id))
        shared = dict(one._mapping)
        for index, state in enumerate(["success", "failed", "success"]):
            row = shared | {"id": seeds.key(800 + index), "map_index": index, "state": state}
            conn.execute(insert(t.task_instance), [row])
    cell = viewer.get("/ui/dags/etl/grid").get_json()["runs"][0]["tis"]["t1"]
    assert cell["state"] == "failed"
    assert cell["mapped"] == {"success": 2, "failed": 1}
    assert cell["end_date"] == "2026-01-02T00:00:09Z"


def test_an_unchanged_grid_is_a_304_without_a_body(viewer: Browser, etl: dict[str, Any]) -> None:
    first = viewer.get("/ui/dags/etl/grid")
    tag = first.headers["ETag"]
    assert tag == f'"{first.get_json()["tag"]}"'
    again = viewer.get("/ui/dags/etl/grid", headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert again.data == b""
    assert again.headers["ETag"] == tag
    assert viewer.get("/ui/dags/etl/grid", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda conn, etl: conn.execute(
            update(t.task_instance).where(t.task_instance.c.run == etl["going_pk"]).values(state="success")
        ),
        lambda conn, etl: conn.execute(
            update(t.task_instance).where(t.task_instance.c.run == etl["going_pk"]).values(try_number=2)
        ),
        lambda conn, etl: conn.execute(
            update(t.task_instance).where(t.task_instance.c.run == etl["going_pk"]).values(updated_at=NOW)
        ),
        lambda conn, etl: conn.execute(
            update(t.dag_run).where(t.dag_run.c.id == etl["going_pk"]).values(state="failed")
        ),
        lambda conn, etl: seeds.add_run(conn, etl["spec"], 7),
        lambda conn, etl: conn.execute(t.dag_run.delete().where(t.dag_run.c.id == etl["done_pk"])),
        lambda conn, etl: conn.execute(update(t.dag).values(version_id=None)),
    ],
    ids=["state", "try", "time", "run state", "new run", "deleted run", "new version"],
)
def test_whatever_the_grid_shows_changes_its_tag(
    change: Callable[[Any, dict[str, Any]], Any], viewer: Browser, engine: Engine, etl: dict[str, Any]
) -> None:
    """The instants of the writes are older than what is there on purpose: a late commit must be seen too."""
    before = viewer.get("/ui/dags/etl/grid").headers["ETag"]
    with writing(engine) as conn:
        change(conn, etl)
    assert viewer.get("/ui/dags/etl/grid", headers={"If-None-Match": before}).status_code == 200


def test_a_large_grid_takes_few_statements_and_an_unchanged_one_fewer(
    viewer: Browser, engine: Engine, big: str
) -> None:
    viewer.get(big)
    with statements_of(engine) as sent:
        first = viewer.get(big)
    assert len(selects_of(sent)) <= 5, sent
    with statements_of(engine) as sent:
        assert viewer.get(big, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert len(selects_of(sent)) <= 4, sent
    assert len(first.get_json()["runs"]) == 25
    assert sum(len(run["tis"]) for run in first.get_json()["runs"]) == 2500


def test_what_is_polled_reads_no_table_from_end_to_end(viewer: Browser, engine: Engine, big: str) -> None:
    """A plan with SCAN of a large table would grow with the history; the page asks every second."""
    run = seeds.START.isoformat()
    with statements_of(engine) as sent:
        viewer.get(big)
        viewer.get("/ui/dags")
        viewer.get("/ui/log", query_string={"dag_id": "big", "run_id": f"scheduled__{run}", "task_id": "t5"})
    selects = selects_of(sent)
    assert len(selects) > 8
    with reading(engine) as conn:
        for statement, values in selects:
            plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            steps = " | ".join(row[3] for row in plan)
            for table in ("dag_run", "task_instance", "task_event", "xcom", "log"):
                assert f"SCAN {table}" not in steps.replace(f"SCAN {table} USING COVERING INDEX", ""), (
                    statement,
                    steps,
                )


def test_the_list_takes_few_statements_however_long_it_is(viewer: Browser, engine: Engine) -> None:
    with writing(engine) as conn:
        for number in range(40):
            seeds.add_dag(conn, seeds.chain(f"dag_{number}", 2))
    with statements_of(engine) as sent:
        assert len(viewer.get("/ui/dags?limit=100").get_json()["dags"]) == 40
    assert len(selects_of(sent)) <= 5 + 40


def test_the_graph_has_every_task_group_and_edge(viewer: Browser, engine: Engine) -> None:
    with writing(engine) as conn:
        seeds.add_dag(conn, seeds.grouped("boxes"))
    graph = viewer.get("/ui/dags/boxes/structure").get_json()
    assert {node["id"]: node["group"] for node in graph["nodes"]}["outer.inner.b"] == "outer.inner"
    assert graph["groups"][1] == {"id": "outer.inner", "label": "inner", "parent": "outer", "tooltip": ""}
    assert {"source": "begin", "target": "between", "label": "short cut"} in graph["edges"]
    assert len(graph["edges"]) == 5


def test_why_answers_for_a_dag_a_run_and_a_task_in_two_languages(
    viewer: Browser, engine: Engine, etl: dict[str, Any]
) -> None:
    with writing(engine) as conn:
        mine = (t.task_instance.c.run == etl["going_pk"]) & (t.task_instance.c.task_id == "t2")
        conn.execute(update(t.task_instance).where(mine).values(state="none", try_number=0))
    for query in (
        {"dag_id": "etl"},
        {"dag_id": "etl", "run_id": etl["going"]},
        {"dag_id": "etl", "run_id": etl["going"], "task_id": "t2"},
    ):
        why = viewer.get("/ui/why", query_string=query).get_json()
        assert why["cause"] == "no_scheduler"
        assert why["sentence"]
        assert why["sentence_zh"]
    assert viewer.get("/ui/why").status_code == 400
    assert viewer.get("/ui/why?dag_id=etl&task_id=t2").status_code == 400
    assert viewer.get("/ui/why?dag_id=nope").status_code == 404
    assert (
        viewer.get("/ui/why", query_string={"dag_id": "etl", "run_id": etl["going"], "task_id": "zz"}).status_code
        == 404
    )


def test_a_dag_whose_first_version_has_not_been_read_yet_can_be_looked_at(viewer: Browser, engine: Engine) -> None:
    with writing(engine) as conn:
        seeds.add_dag(conn, seeds.chain("new"))
        conn.execute(update(t.dag).values(version_id=None))
    assert viewer.get("/ui/dags/new").get_json()["version"] is None
    assert viewer.get("/ui/dags/new/grid").get_json()["tasks"] == []
    assert viewer.get("/ui/dags/new/structure").status_code == 404
    assert viewer.get("/api/v2/dags/new/details").status_code == 404


def test_every_answer_of_the_page_is_plain_json(viewer: Browser, etl: dict[str, Any]) -> None:
    for path in ("/ui/me", "/ui/dags", "/ui/dags/etl", "/ui/dags/etl/grid", "/ui/dags/etl/structure", "/ui/health"):
        answer = viewer.get(path)
        assert answer.content_type == "application/json"
        msgspec.json.decode(answer.data)


def test_the_database_is_only_read_by_what_only_shows(viewer: Browser, engine: Engine, etl: dict[str, Any]) -> None:
    viewer.get("/ui/me")
    with statements_of(engine) as sent:
        for path in ("/ui/dags", "/ui/dags/etl", "/ui/dags/etl/grid", "/api/v2/dags", "/api/v2/dags/etl/dagRuns"):
            viewer.get(path)
    assert {statement.split()[0] for statement, _ in sent} <= {"SELECT", "BEGIN"}
