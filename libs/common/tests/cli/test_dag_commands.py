"""dags, runs, tasks, backfill: what is asked for is stored as a wish; the scheduler is not needed for that."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from gale.cli.flat import of_cluster
from gale.db import tables
from gale.db.engine import reading
from gale.errors import BadRequest

pytestmark = pytest.mark.usefixtures("with_dag")


def rows_of(gale, *command: str) -> list[dict]:
    said = gale(*command, "-o", "json")
    assert said.code == 0, said
    return json.loads(said.out)


def requests(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(select(tables.request.c.kind)).scalars())


def test_the_list_of_dags_shows_what_the_database_knows(gale) -> None:
    (row,) = rows_of(gale, "dags", "list")
    assert (row["dag_id"], row["schedule"], row["tags"], row["is_paused"]) == ("etl", "0 0 * * *", ["daily"], False)
    assert rows_of(gale, "dags", "list", "--columns", "dag_id,owners") == [{"dag_id": "etl", "owners": "airflow"}]
    assert rows_of(gale, "dags", "list", "--tag", "other") == []
    assert gale("dags", "list", "--columns", "nonsense").code == 1


def test_details_show_the_tasks_and_the_schedule(gale) -> None:
    found = json.loads(gale("dags", "details", "etl", "-o", "json").out)
    assert found["tasks"] == ["extract", "load"]
    assert found["schedule"] == "0 0 * * *"


@pytest.mark.parametrize(
    "command", [("dags", "details"), ("dags", "trigger"), ("dags", "show"), ("tasks", "list"), ("why",)]
)
def test_a_dag_that_is_not_there_is_told(gale, command: tuple[str, ...]) -> None:
    said = gale(*command, "nope")
    assert said.code == 1
    assert "There is no DAG 'nope'" in said.err


def test_pausing_and_switching_on_show_in_the_list(gale) -> None:
    assert gale("dags", "pause", "etl").code == 0
    assert rows_of(gale, "dags", "list", "--paused")[0]["dag_id"] == "etl"
    assert gale("unpause", "etl").code == 0
    assert rows_of(gale, "dags", "list", "--paused") == []


def test_a_pattern_switches_all_dags_that_it_finds(gale) -> None:
    assert gale("dags", "pause", "--treat-dag-id-as-regex", "^e.l$", "--yes").code == 0
    assert rows_of(gale, "dags", "list")[0]["is_paused"]
    assert gale("dags", "pause", "--treat-dag-id-as-regex", "(", "--yes").code == 1
    assert gale("dags", "pause", "nope").code == 1


def test_a_triggered_run_is_queued_with_its_conf_and_can_be_looked_at(gale) -> None:
    (run,) = rows_of(gale, "dags", "trigger", "etl", "--run-id", "mine", "--conf", '{"a": 1}', "-e", "2026-01-01")
    assert (run["run_id"], run["state"], run["logical_date"]) == ("mine", "queued", "2026-01-01T00:00:00+00:00")
    assert gale("dags", "state", "etl", "mine").out == "queued\n"
    assert gale("dag_state", "etl", "2026-01-01").out == "queued\n"
    assert [row["run_id"] for row in rows_of(gale, "runs", "list", "etl")] == ["mine"]
    shown = json.loads(gale("runs", "show", "etl", "-o", "json").out)
    assert (shown["conf"], shown["triggered_by"]) == ({"a": 1}, "cli")
    assert "scheduler" in shown["why"]


def test_without_a_scheduler_a_trigger_says_that_it_waits(gale) -> None:
    assert "No scheduler is alive" in gale("trigger_dag", "etl").err


def test_a_trigger_of_a_paused_dag_says_that_it_waits(gale) -> None:
    gale("pause", "etl")
    assert "paused" in gale("dags", "trigger", "etl").err


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--conf", "{no"), "is no JSON"),
        (("--conf", "[1]"), "is no JSON object"),
        (("-e", "yesterday"), "is no date"),
        (("--run-id", "a/b"), "not allowed"),
        (("--run-id", "scheduled__x"), "prefix"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused(gale, options: tuple[str, ...], word: str) -> None:
    said = gale("dags", "trigger", "etl", *options)
    assert said.code != 0
    assert word in said.err
    assert rows_of(gale, "runs", "list", "etl") == []


def test_a_run_id_that_is_taken_is_refused(gale) -> None:
    gale("dags", "trigger", "etl", "--run-id", "mine")
    said = gale("dags", "trigger", "etl", "--run-id", "mine")
    assert said.code == 1
    assert "already has a run 'mine'" in said.err


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (("runs", "mark", "etl", "mine", "success"), "mark_run"),
        (("runs", "delete", "etl", "mine", "-y"), "delete_run"),
        (("dags", "delete", "etl", "-y"), "delete_dag"),
    ],
)
def test_changes_of_runs_become_requests_to_the_scheduler(gale, with_dag: Engine, command, kind: str) -> None:
    gale("dags", "trigger", "etl", "--run-id", "mine")
    assert gale(*command).code == 0
    assert requests(with_dag) == [kind]


def test_a_run_that_is_not_there_is_told(gale) -> None:
    for command in (("runs", "show", "etl", "x"), ("runs", "delete", "etl", "x", "-y"), ("dags", "state", "etl", "x")):
        said = gale(*command)
        assert said.code == 1
        assert "has no run 'x'" in said.err
    assert "has no run yet" in gale("runs", "show", "etl").err


def test_next_executions_follow_the_schedule(gale) -> None:
    assert gale("dags", "next-execution", "etl", "-n", "2").out.splitlines() == [
        "2026-01-02T00:00:00+00:00",
        "2026-01-03T00:00:00+00:00",
    ]


def test_a_dag_is_drawn_as_a_tree_and_as_dot(gale, tmp_path: Path) -> None:
    assert gale("dags", "show", "etl").out.splitlines() == [
        "DAG etl",
        "└── extract (BashOperator)",
        "    └── load (BaseOperator)",
    ]
    assert '"extract" -> "load"' in gale("show_dag", "etl", "-f", "dot").out
    assert gale("dags", "show", "etl", "--save", str(tmp_path / "etl.dot")).code == 0
    assert (tmp_path / "etl.dot").read_text().startswith("digraph")


def test_tasks_are_listed_in_their_order(gale) -> None:
    assert gale("tasks", "list", "etl").out == "extract\nload\n"
    assert rows_of(gale, "tasks", "list", "etl")[1]["upstream"] == ["extract"]
    assert gale("list_tasks", "etl", "--tree").out.startswith("DAG etl")


def test_a_backfill_makes_a_run_for_each_interval(gale) -> None:
    said = gale("backfill", "etl", "-s", "2026-01-01", "-e", "2026-01-03", "--no-wait")
    assert said.code == 0
    assert "3 runs are to run." in said.out
    found = rows_of(gale, "runs", "list", "etl")
    assert {row["run_type"] for row in found} == {"backfill"}
    assert [row["logical_date"][:10] for row in found][::-1] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    again = gale(
        "backfill", "create", "--dag-id", "etl", "--from-date", "2026-01-02", "--to-date", "2026-01-04", "--no-wait"
    )
    assert "1 runs are to run, 2 are there already" in again.out


def test_a_dry_backfill_makes_nothing(gale) -> None:
    assert "2026-01-02" in gale("backfill", "etl", "-s", "2026-01-01", "-e", "2026-01-03", "-n").out
    assert rows_of(gale, "runs", "list", "etl") == []


def test_a_backfill_without_an_interval_is_refused(gale) -> None:
    assert "has no interval between" in gale("backfill", "etl", "-s", "2026-01-03", "-e", "2026-01-02").err
    assert "Say which DAG and which dates" in gale("backfill", "etl").err


def test_clearing_what_is_not_there_says_so(gale) -> None:
    assert gale("tasks", "clear", "etl", "-y").out == "Nothing to clear.\n"
    assert gale("clear", "etl", "-t", "(").code == 1


def test_a_run_that_does_not_end_is_not_watched_for_ever(gale) -> None:
    gale("dags", "trigger", "etl", "--run-id", "mine")
    said = gale("runs", "watch", "etl", "mine", "--timeout", "0")
    assert (said.code, said.out) == (1, "queued\n")


def test_why_answers_in_two_languages_and_with_facts(gale) -> None:
    english, chinese = gale("why", "etl").out, gale("why", "etl", "--lang", "zh").out
    assert english.isascii()
    assert not chinese.isascii()
    assert json.loads(gale("why", "etl", "-o", "json").out)["cause"] == "no_scheduler"


def test_no_process_alive_is_an_error_of_jobs_check(gale) -> None:
    said = gale("jobs", "check", "--job-type", "SchedulerJob")
    assert said.code == 1
    assert "No scheduler is alive" in said.err


def test_commands_of_the_cluster_say_how_to_get_it_where_it_is_not_installed() -> None:
    command = of_cluster("a-service-that-is-not-installed")
    with pytest.raises(BadRequest, match=r"pip install 'gale\[celery\]'"):
        command.main(["-c", "4"], standalone_mode=False)


def test_both_names_of_the_worker_lead_to_the_same_command(gale) -> None:
    assert "--concurrency" in gale("worker", "--help").out
    assert "--concurrency" in gale("celery", "worker", "--help").out
