"""What a task asks for is answered by its supervisor, errors by their name."""

import json
import logging

import pytest

from gale.core.attempt import Outcome

pytestmark = [pytest.mark.integration]


def test_every_question_comes_back_with_its_answer(rig):
    done = rig.run("everything", dag_id="asking", file="asking.py")
    assert done.end.outcome is Outcome.SUCCESS, done.log
    assert json.loads(done.end.xcoms["return_value"]) == {
        "variable": "grün ☃",
        "none": None,
        "deleted": [True, False],
        "connection": ["db", "geheim ☃", 3306],
        "no_connection": None,
        "xcom": "[1, 2]",
        "prior": '"before 2024-05-01T00:00:00+00:00"',
        "triggered": "r with 42",
        "run_state": "running",
        "count": 4,
        "latest": True,
    }


def test_errors_of_the_services_are_raised_in_the_task_by_their_name(rig, caplog):
    with caplog.at_level(logging.CRITICAL):
        done = rig.run("errors", dag_id="asking", file="asking.py")
    assert json.loads(done.end.xcoms["return_value"]) == [
        "NotFound: There is no DAG 'nowhere'.",
        "RunExists: The run r is there already.",
        "GaleError: The supervisor could not answer GetVariable: RuntimeError: the database is on fire",
    ]


def test_a_callback_runs_like_a_task_and_writes_to_the_log_of_its_attempt(rig):
    failed = rig.run("fails", dag_id="asking", file="asking.py", run_id="r1")
    assert failed.end.outcome is Outcome.FAILED
    assert "as planned" in failed.end.reason
    assert "ValueError: as planned" in failed.log
    back = rig.run("fails", dag_id="asking", file="asking.py", run_id="r1", callback="on_failure_callback")
    assert back.end.outcome is Outcome.SUCCESS
    assert "on_failure_callback of asking.fails" in back.log
    assert "the callback ran" in back.log
