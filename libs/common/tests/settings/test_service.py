"""The frame of services: what it logs and with what it ends."""

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from gale import telemetry
from gale.errors import ConfigError, StoreLocked
from gale.service import EXIT_CRASHED, run_service
from gale.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Settings.load(tmp_path, {"GALE__LOGGING__JSON_LOGS": "True", "GALE__CORE__DAG_CONCURRENCY": "3"})
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    telemetry._bound.clear()


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_service_that_ends_well_says_why_and_exits_with_zero(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_service("scheduler", settings, lambda: "it was told to") == 0
    start, note, stop = logged(capsys)
    assert (start["event"], start["service"]) == ("service.start", "scheduler")
    assert "max_active_tasks_per_dag" in note["note"]
    assert (stop["event"], stop["reason"]) == ("service.stop", "it was told to")


def test_a_refusal_is_one_line_without_a_traceback_and_has_its_exit_code(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> str:
        raise StoreLocked("The database is locked. Unlock it.")

    assert run_service("scheduler", settings, refuse) == 3
    last = logged(capsys)[-1]
    assert (last["event"], last["error"]) == ("service.refused", "The database is locked. Unlock it.")
    assert "exception" not in last


def test_a_bug_is_logged_with_its_traceback_once(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    def crash() -> str:
        return str(1 // 0)

    assert run_service("scheduler", settings, crash) == EXIT_CRASHED
    last = logged(capsys)[-1]
    assert last["event"] == "service.crashed"
    assert "ZeroDivisionError" in last["exception"]


def test_an_interrupt_is_an_ordinary_end(settings: Settings) -> None:
    def interrupt() -> str:
        raise KeyboardInterrupt

    assert run_service("webserver", settings, interrupt) == 0


def test_a_service_does_not_start_with_a_password_that_everybody_knows_on_a_server_elsewhere(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    database = replace(settings.database, sql_alchemy_conn="mysql://someone:airflow@db.example.com/gale")
    given = replace(settings, database=database)
    assert run_service("scheduler", given, lambda: pytest.fail("it has started")) == ConfigError.exit_code
    last = logged(capsys)[-1]
    assert last["event"] == "service.refused"
    assert "[database] sql_alchemy_conn names the server db.example.com" in last["error"]


def test_lines_of_a_services_threads_name_the_service_too(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> str:
        thread = threading.Thread(target=structlog.get_logger().info, args=("thread.spoke",))
        thread.start()
        thread.join()
        return "it is done"

    assert run_service("worker", settings, work) == 0
    spoke = next(line for line in logged(capsys) if line["event"] == "thread.spoke")
    assert spoke["service"] == "worker"
