"""What `gale doctor` finds without a broker or a database server: settings, folders, SQLite."""

import json
from pathlib import Path

import pytest

from gale.cli.root import run
from gale.clock import SystemClock
from gale.core.findings import Verdict
from gale.db.engine import open_engine
from gale.db.migrate import migrate
from gale.doctor.examine import PARTS, examine, is_well
from gale.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    engine = open_engine(f"sqlite:///{tmp_path}/gale.db")
    migrate(engine, default_pool_slots=1)
    engine.dispose()
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "etl.py").touch()
    return tmp_path


def findings(home, environ=None, only=()):
    found = examine(Settings.load(home, environ or {}), SystemClock(), only)
    return {(finding.part, finding.check): finding for finding in found}


def test_a_fresh_installation_on_one_machine_is_well(home):
    found = findings(home)
    assert [finding for finding in found.values() if finding.verdict is not Verdict.OK] == []
    assert {part for part, _ in found} == set(PARTS)
    assert "it has 1 Python files" in found["dags", "folder"].sentence


def test_only_the_parts_that_are_named_are_looked_at(home):
    assert {part for part, _ in findings(home, only=("logs",))} == {"logs"}


@pytest.mark.parametrize(
    ("environ", "check", "words"),
    [
        ({"GALE__WEBSERVER__SECRET_KEY": "short"}, ("settings", "secret_key"), "only 5 characters"),
        ({"GALE__CORE__FERNET_KEY": "nonsense"}, ("settings", "fernet_key"), "no Fernet key"),
        ({"GALE__CORE__FERNET_KEY": ""}, ("settings", "fernet_key"), "in clear"),
        ({"GALE__CORE__EXECUTOR": "CeleryExecutor"}, ("settings", "executor"), "SQLite"),
        ({"GALE__CORE__EXECUTOR": "CeleryExecutor"}, ("broker", "kind"), "broker_url is empty"),
        ({"GALE__CELERY__BROKER_URL": "redis://x"}, ("broker", "kind"), "'redis'"),
        (
            {"GALE__CELERY__BROKER_URL": "amqp://a:airflow@mq.example.com/v"},
            ("settings", "passwords"),
            "[celery] broker_url",
        ),
        ({"GALE__DATABASE__SQL_ALCHEMY_CONN": "mysql://a:b@127.0.0.1:1/c"}, ("database", "login"), "cannot be reached"),
        ({"GALE__DATABASE__SQL_ALCHEMY_CONN": "nonsense"}, ("database", "login"), "no database URL"),
        ({"GALE__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere.db"}, ("database", "login"), "gale db migrate"),
        ({"GALE__CORE__DAGS_FOLDER": "/dev/null"}, ("dags", "folder"), "is no folder"),
        ({"GALE__LOGGING__BASE_LOG_FOLDER": "/dev/null/logs"}, ("logs", "folder"), "Not a directory"),
        ({"GALE__LOGGING__REMOTE_LOGGING": "True"}, ("logs", "remote"), "remote_base_log_folder is empty"),
        (
            {"GALE__LOGGING__REMOTE_LOGGING": "True", "GALE__LOGGING__REMOTE_BASE_LOG_FOLDER": "nonsense://logs"},
            ("logs", "remote"),
            "cannot be copied to nonsense://logs",
        ),
    ],
)
def test_what_cannot_work_fails_with_what_to_do(home, environ, check, words):
    part = check[0]
    found = findings(home, environ, only=(part,))
    assert found[check].verdict is Verdict.FAILED
    assert words in found[check].sentence
    assert not is_well(list(found.values()))


def test_a_missing_dag_folder_and_a_database_as_broker_are_warnings(home):
    (home / "dags" / "etl.py").unlink()
    (home / "dags").rmdir()
    found = findings(home, only=("dags",))
    assert found["dags", "folder"].verdict is Verdict.WARNING
    assert is_well(list(found.values()))


def test_an_empty_database_fails_with_the_command_that_makes_its_tables(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/gale.db")
    with engine.connect():
        pass
    engine.dispose()
    found = findings(tmp_path, only=("database",))
    assert found["database", "login"].verdict is Verdict.OK
    assert "gale db migrate" in found["database", "migrations"].sentence


def test_a_remote_store_is_tried_and_nothing_is_left_there(home):
    environ = {"GALE__LOGGING__REMOTE_LOGGING": "True", "GALE__LOGGING__REMOTE_BASE_LOG_FOLDER": f"file://{home}/far"}
    found = findings(home, environ, only=("logs",))
    assert found["logs", "remote"].verdict is Verdict.OK
    assert [*(home / "far").iterdir(), *(home / "logs").iterdir()] == []


def test_the_command_prints_one_line_a_check_and_exits_with_zero(home, monkeypatch, capsys):
    monkeypatch.setenv("GALE_HOME", str(home))
    assert run(["doctor"], "gale") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok"] * len(lines)


def test_the_command_exits_with_one_where_a_check_failed_and_says_so_in_json(home, monkeypatch, capsys):
    monkeypatch.setenv("GALE_HOME", str(home))
    (home / "gale.db").unlink()
    assert run(["doctor", "--only", "database,broker", "--output", "json"], "gale") == 1
    told = json.loads(capsys.readouterr().out)
    assert [(one["part"], one["check"], one["verdict"]) for one in told] == [
        ("database", "login", "failed"),
        ("broker", "kind", "ok"),
    ]


def test_a_part_that_there_is_not_is_refused(home, monkeypatch, capsys):
    monkeypatch.setenv("GALE_HOME", str(home))
    assert run(["doctor", "--only", "kitchen"], "gale") == 2
    assert "there is no part 'kitchen'" in capsys.readouterr().err
