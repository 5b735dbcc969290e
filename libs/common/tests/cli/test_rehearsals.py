"""`tasks test`, `dags test`, `render`: the task's real code runs, and the database does not notice."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

pytestmark = pytest.mark.integration

DAG = """
from datetime import datetime, timedelta
from gale import DAG, BashOperator, PythonOperator, Variable

def push(ti, **context):
    ti.xcom_push(key="extra", value="from push")
    Variable.set("made", "by the test")
    return {"n": 3}

def pull(ti, **context):
    print("PULLED", ti.xcom_pull(task_ids="push"), ti.xcom_pull(task_ids="push", key="extra"), Variable.get("made"))
    print("READ", Variable.get("stored", default_var="nothing"))

def shaky(ti, **context):
    if ti.try_number < 2:
        raise ValueError("not yet")

with DAG("trial", start_date=datetime(2026, 1, 1), schedule="@daily") as dag:
    a = PythonOperator(task_id="push", python_callable=push)
    b = PythonOperator(task_id="pull", python_callable=pull)
    c = PythonOperator(task_id="shaky", python_callable=shaky, retries=1, retry_delay=timedelta(hours=1))
    d = BashOperator(task_id="echo", bash_command="echo {{ ds }} {{ params.name }} {{ dag_run.conf.get('x') }}",
                     params={"name": "nobody"})
    a >> b >> c >> d

with DAG("broken", start_date=datetime(2026, 1, 1), schedule=None) as broken:
    PythonOperator(task_id="fails", python_callable=lambda: 1 / 0) >> BashOperator(task_id="after", bash_command="true")
"""


@pytest.fixture
def run(home: Path):
    """The command line in a process of its own, for it sets up logging as a task process does."""
    (home / "dags").mkdir()
    (home / "dags" / "trial.py").write_text(DAG)

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gale", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))

    return call


def rows_in(home: Path) -> dict[str, int]:
    with sqlite3.connect(home / "gale.db") as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
    return {name: count for name, count in counts.items() if count}


EMPTY = {"gale_schema_version": 1, "slot_pool": 1, "grant_lock": 1}


@pytest.mark.parametrize("command", [("test",), ("tasks", "test")])
def test_the_notes_print_date_prints_the_date_and_leaves_no_row(
    run, home: Path, engine: Engine, command: tuple[str, ...]
) -> None:
    del engine
    done = run(*command, "ct1", "print_date", "2016-05-14")
    assert done.returncode == 0, done.stderr
    assert re.search(r"\b(UTC|[A-Z]{3,4}) ?20\d\d\b|\b20\d\d\b", done.stdout)
    assert "ct1.print_date ended with success. Nothing was stored." in done.stdout
    assert rows_in(home) == EMPTY


def test_a_task_can_be_tested_without_any_database(run, home: Path) -> None:
    done = run("tasks", "test", "trial", "echo", "2026-01-05", "--conf", '{"x": 7}', "-t", '{"name": "me"}')
    assert done.returncode == 0, done.stderr
    assert "2026-01-05 me 7" in done.stdout
    assert not (home / "gale.db").exists()


def test_a_task_that_fails_ends_the_command_with_an_error(run) -> None:
    done = run("tasks", "test", "broken", "fails")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout
    assert "broken.fails failed: " in done.stderr


def test_a_whole_dag_runs_with_retries_and_xcoms_and_leaves_no_row(run, home: Path, engine: Engine) -> None:
    del engine
    run("variables", "set", "stored", "in the database")
    before = rows_in(home)
    done = run("dags", "test", "trial", "2026-01-05")
    assert done.returncode == 0, done.stderr
    assert "PULLED {'n': 3} from push by the test" in done.stdout
    assert "READ in the database" in done.stdout
    assert re.search(r"shaky +success +2", done.stdout)
    assert "2026-01-05 nobody None" in done.stdout
    assert rows_in(home) == before


def test_a_dag_whose_task_fails_fails_and_shows_what_did_not_run(run) -> None:
    done = run("dags", "test", "broken")
    assert done.returncode == 1
    assert re.search(r"fails +failed +1", done.stdout)
    assert re.search(r"after +upstream_failed", done.stdout)


def test_rendering_shows_fields_and_runs_nothing(run) -> None:
    done = run("render", "trial", "echo", "2026-01-05")
    assert "echo 2026-01-05 nobody None" in done.stdout
    assert "Running command" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("trial", "nope"), "has no task 'nope'. It has: push"),
        (("nope", "x"), "No file in"),
        (("trial", "push", "not-a-date"), "neither a run of DAG 'trial' nor a date"),
    ],
)
def test_what_cannot_be_tested_is_told_in_a_sentence(run, arguments: tuple[str, ...], word: str) -> None:
    done = run("tasks", "test", *arguments)
    assert done.returncode == 1
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_file_is_named_with_its_line(run, home: Path) -> None:
    (home / "dags" / "bad.py").write_text("from gale import DAG\n\ndag = DAG('bad'\n")
    done = run("tasks", "test", "bad", "x")
    assert done.returncode == 1
    assert "bad.py:3" in done.stderr
    listed = run("dags", "list-import-errors", "--local")
    assert listed.returncode == 1
    assert "bad.py:3" in listed.stdout


def test_the_files_themselves_can_be_listed_and_timed(run) -> None:
    assert {"ct1", "dag", "trial", "broken"} <= set(run("list_dags").stdout.split())
    report = run("dags", "report")
    assert re.search(r"trial\.py +\d+\.\d+ +broken, trial|trial\.py +\d+\.\d+ +trial, broken", report.stdout)
