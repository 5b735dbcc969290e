"""The shipped examples load without a complaint and do what they say."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gale.authoring import surroundings

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return the folder in which the report is written, once for all tests of this file."""
    return tmp_path_factory.mktemp("reports")


def test_every_example_loads_without_errors_and_warnings(load):
    for path in EXAMPLES.glob("*.py"):
        loaded = load(path)
        assert loaded.errors == []
        assert loaded.warnings == []
        assert loaded.dags


def test_the_first_example_echoes_one(load, run_dag):
    dag = load(EXAMPLES / "notes_dag.py").dags["dag"]
    assert (dag.get_task("demo").retries, dag.get_task("demo").retry_delay.total_seconds()) == (3, 60)
    assert run_dag(dag).outcomes == {"demo": "success", "last_execute": "success"}


def test_the_second_example_prints_the_date(load, run_dag):
    ran = run_dag(load(EXAMPLES / "ct1.py").dags["ct1"])
    assert ran.outcomes == {"print_date": "success"}
    assert json.loads(ran.services.texts["print_date", "return_value"])


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2], ids=["first run", "second run"])
def test_the_report_is_drawn_with_a_retry_a_sensor_and_a_branch(load, run_dag, reports, number):
    dag = load(EXAMPLES / "library_report.py").dags["library_report"]
    with surroundings.changed(sleep=lambda seconds: None):
        ran = run_dag(dag, run_id=f"manual__{number}", conf={"folder": str(reports)})
    assert set(ran.outcomes.values()) == {"success"}
    assert [str(end.outcome) for end in ran.ends["load"]] == ["failed", "success"]
    assert [str(end.outcome) for end in ran.ends["wait_for_list"]] == ["rescheduled", "success"]
    assert ran.skipped == {"compare" if number == 1 else "nothing_to_compare"}
    report = Path(json.loads(ran.services.texts["write_report", "return_value"]))
    text = report.read_text("utf-8")
    assert text.count("<svg") == 6
    assert "asyncio" in text
    assert ("first report" if number == 1 else "as many lines") in text
    with closing(sqlite3.connect(reports / "library.db")) as database:
        totals = database.execute("SELECT run_id, files, lines FROM total").fetchall()
        by_size = database.execute(
            "SELECT run_id, sum(files), sum(lines) FROM line_count WHERE dimension = 'size' GROUP BY run_id"
        ).fetchall()
    assert totals == by_size
    assert len(totals) == number
    assert totals[0][1] > 300
