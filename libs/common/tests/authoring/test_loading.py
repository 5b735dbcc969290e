"""Importing DAG files, good ones and bad ones."""

import os
import sys
import zipfile
from textwrap import dedent

import pytest

from gale.authoring.loading import load_file

HEAD = "from gale import DAG, EmptyOperator\n"


@pytest.fixture
def load(tmp_path):
    """Return a function that writes a DAG file and loads it; line 1 of the text is line 2 of the file."""

    def load_text(text, name="flow.py"):
        path = tmp_path / name
        path.write_text(HEAD + dedent(text).lstrip("\n"), "utf-8")
        return load_file(path)

    return load_text


def only_error(loaded):
    (error,) = loaded.errors
    return error


def test_a_good_file_gives_its_dags_and_no_errors(load):
    loaded = load("""
        first = DAG("first", start_date="2026-01-01")
        with DAG("second", start_date="2026-01-01"):
            EmptyOperator(task_id="a")
        def nobody_calls_me():
            return DAG("never")
    """)
    assert sorted(loaded.dags) == ["first", "second"]
    assert loaded.errors == []
    assert loaded.warnings == []


def test_a_dag_made_by_a_decorated_function_is_found_when_called(load):
    loaded = load("""
        from gale import dag, task
        @dag(schedule=None)
        def called():
            @task
            def hello(): ...
            hello()
        @dag(schedule=None)
        def not_called(): ...
        called()
    """)
    assert list(loaded.dags) == ["called"]


def test_a_dag_that_does_not_want_to_be_found_is_not(load):
    loaded = load("""
        def make():
            with DAG("hidden", auto_register=False): ...
            with DAG("seen", schedule=None): ...
        make()
    """)
    assert list(loaded.dags) == ["seen"]


def test_a_syntax_error_is_told_with_its_line(load):
    error = only_error(
        load("""
        dag = DAG("d")
        def f(:
            pass
    """)
    )
    assert (error.rule, error.line) == ("syntax", 3)
    assert "last good version" in error.message


def test_an_import_error_is_told_with_the_line_of_the_file(load):
    error = only_error(
        load("""
        dag = DAG("d")
        import no_such_module_anywhere
    """)
    )
    assert (error.rule, error.line) == ("import", 3)
    assert "no_such_module_anywhere" in error.message
    assert str(error).startswith(f"{error.file}:3: [import]")


def test_an_error_in_the_authors_code_is_told_with_the_line_of_the_file(load):
    error = only_error(
        load("""
        import json
        json.loads("{")
    """)
    )
    assert error.line == 3
    assert "JSONDecodeError" in error.message
    assert "Traceback" in error.trace


@pytest.mark.parametrize("call", ["raise SystemExit(3)", "import sys; sys.exit()"])
def test_a_file_that_ends_the_program_is_an_error(load, call):
    error = only_error(load(call))
    assert (error.rule, error.line) == ("no exit", 2)


def test_a_circle_is_told_and_spoils_no_other_dag(load):
    loaded = load("""
        with DAG("round") as dag:
            a, b = EmptyOperator(task_id="a"), EmptyOperator(task_id="b")
            a >> b >> a
        good = DAG("good", schedule=None)
    """)
    error = only_error(loaded)
    assert (error.rule, error.line) == ("no circles", 2)
    assert "'round'" in error.message
    assert "a >> b >> a" in error.message
    assert list(loaded.dags) == ["good"]


def test_a_task_id_used_twice_is_told_with_the_second_line(load):
    error = only_error(
        load("""
        with DAG("d"):
            EmptyOperator(task_id="a")
            EmptyOperator(task_id="a")
    """)
    )
    assert (error.rule, error.line) == ("unique ids", 4)


def test_a_dag_id_used_twice_is_told_and_the_first_one_counts(load):
    loaded = load("""
        with DAG("twin", schedule=None):
            EmptyOperator(task_id="first")
        with DAG("twin", schedule=None):
            EmptyOperator(task_id="second")
    """)
    error = only_error(loaded)
    assert (error.rule, error.line) == ("unique ids", 4)
    assert "first in line 2" in error.message
    assert loaded.dags["twin"].task_ids == ["first"]


@pytest.mark.parametrize("dag_id", ["x" * 1000, "../../etc/passwd", "..", "a b", ""])
def test_an_id_that_paths_cannot_carry_is_told(load, dag_id):
    error = only_error(load(f"DAG({dag_id!r})"))
    assert (error.rule, error.line) == ("valid ids", 2)
    assert "at most 250 characters" in error.message
    assert len(error.message) < 400


def test_an_unknown_argument_is_told(load):
    error = only_error(load("DAG('d', shedule='@daily')"))
    assert (error.rule, error.line) == ("known arguments", 2)


def test_a_broken_schedule_is_told(load):
    error = only_error(load("DAG('d', schedule='99 * * * *')"))
    assert (error.rule, error.line) == ("definition", 2)


def test_a_misspelt_default_arg_is_a_warning_with_its_line(load):
    loaded = load("dag = DAG('d', schedule=None, default_args={'retries_delay': 60})")
    (warning,) = loaded.warnings
    assert warning.startswith("line 2: DAG 'd': default_args has 'retries_delay'")
    assert "'retry_delay'" in warning
    assert list(loaded.dags) == ["d"]


def test_a_schedule_without_a_start_date_is_a_warning(load):
    (warning,) = load("dag = DAG('d', schedule='@daily')").warnings
    assert "no start_date" in warning


def test_a_file_that_breaks_inside_a_with_block_leaves_nothing_open(load):
    load("""
        with DAG("d"):
            1 / 0
    """)
    loaded = load("loose = EmptyOperator(task_id='a')", "next.py")
    assert loaded.errors == []


def test_a_file_that_opens_a_dag_and_never_closes_it_does_not_catch_the_next_files_tasks(load):
    assert load("dag = DAG('open', schedule=None).__enter__()").errors == []
    loaded = load("loose = EmptyOperator(task_id='a'); alone = not loose.has_dag() or 1 / 0", "next.py")
    assert loaded.errors == []


def test_a_file_changed_within_the_same_second_is_read_anew(tmp_path, monkeypatch):
    """Python's own cache would not notice: it compares whole seconds and the size."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for name in ("one", "two"):
        (tmp_path / "flow.py").write_text(f"{HEAD}dag = DAG('{name}', schedule=None)")
        os.utime(tmp_path / "flow.py", (1_700_000_000, 1_700_000_000))
        assert list(load_file(tmp_path / "flow.py").dags) == [name]


def test_files_of_the_same_name_do_not_meet(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "etl.py").write_text(f"{HEAD}dag = DAG('{folder}', schedule=None)")
    found = [load_file(tmp_path / folder / "etl.py", tmp_path).dags for folder in ("a", "b")]
    assert [list(dags) for dags in found] == [["a"], ["b"]]


def test_a_file_can_import_its_neighbours(tmp_path):
    (tmp_path / "gale_test_neighbour.py").write_text("NAME = 'from_neighbour'")
    (tmp_path / "flow.py").write_text(f"{HEAD}from gale_test_neighbour import NAME\ndag = DAG(NAME, schedule=None)")
    assert list(load_file(tmp_path / "flow.py").dags) == ["from_neighbour"]
    sys.modules.pop("gale_test_neighbour")


def test_the_dag_files_of_a_zip_file_are_loaded(tmp_path):
    path = tmp_path / "packed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("flow.py", f"{HEAD}from gale_test_packed import NAME\ndag = DAG(NAME, schedule=None)")
        archive.writestr("gale_test_packed.py", "NAME = 'packed'")
        archive.writestr("broken.py", f"{HEAD}dag = DAG(")
        archive.writestr("inner/other.py", f"{HEAD}dag = DAG('not_at_the_top')")
    loaded = load_file(path)
    assert list(loaded.dags) == ["packed"]
    error = only_error(loaded)
    assert (error.file, error.rule, error.line) == (f"{path}/broken.py", "syntax", 2)
    sys.modules.pop("gale_test_packed")


def test_a_zip_file_that_is_none_is_an_error(tmp_path):
    path = tmp_path / "fake.zip"
    path.write_bytes(b"PK\x03\x04 and then nothing")
    assert only_error(load_file(path)).rule == "zip"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x00dag airflow", b"# coding: no-such-encoding\n", b"x = '\0'"])
def test_bytes_that_are_no_python_are_an_error(tmp_path, content):
    path = tmp_path / "bytes.py"
    path.write_bytes(content)
    error = only_error(load_file(path))
    assert error.file == str(path)
    assert error.rule in {"syntax", "encoding"}


def test_classes_of_a_dag_file_can_be_pickled_while_it_is_loaded(load):
    loaded = load("""
        import pickle
        from dataclasses import dataclass
        @dataclass
        class Point:
            x: int
        dag = DAG("d", schedule=None, params={"x": pickle.loads(pickle.dumps(Point(3))).x})
    """)
    assert dict(loaded.dags["d"].params) == {"x": 3}
