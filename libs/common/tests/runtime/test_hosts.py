"""One import per version of a file, not one per task; and a fresh one where a fork would break something."""

import json
from pathlib import Path

import pytest

from gale.core.attempt import Outcome
from gale.runtime.processes import IS_LINUX

pytestmark = [pytest.mark.integration]


def parent_of(rig, **more):
    return json.loads(rig.run("processes", **more).end.xcoms["return_value"])["ppid"]


def test_tasks_of_a_file_are_forked_from_the_same_host(rig):
    assert parent_of(rig) == parent_of(rig)


def test_a_changed_file_is_imported_anew(rig):
    first = parent_of(rig)
    path = rig.dags / "hostile.py"
    path.write_text(path.read_text().replace('return {"pid"', 'return {"new": 1, "pid"'))
    seen = json.loads(rig.run("processes").end.xcoms["return_value"])
    assert seen["new"] == 1
    assert seen["ppid"] != first


def test_a_changed_helper_is_noticed_within_a_second(rig):
    assert rig.run("say", dag_id="with_helper", file="with_helper.py").end.xcoms["return_value"] == '"old"'
    (rig.dags / "helper_of_dags.py").write_text('WORD = "quite new"\n')

    def says_something_new():
        return rig.run("say", dag_id="with_helper", file="with_helper.py").end.xcoms["return_value"] == '"quite new"'

    rig.until(says_something_new)


@pytest.mark.parametrize(
    ("name", "left"),
    [("threaded", "a second thread (helper)"), ("connected", "an open socket")]
    + ([("forking", "a running process")] if IS_LINUX else []),
)
def test_what_a_fork_would_break_is_imported_afresh_for_each_task(rig, name, left):
    for _ in range(2):
        done = rig.run("ask", dag_id=name, file=f"{name}.py")
        assert done.end.outcome is Outcome.SUCCESS, done.log
        assert done.end.xcoms["return_value"] in {"true", '"hello"'}
        assert "attempt 1 of 1" in done.log.splitlines()[0]
        assert "imported afresh for each task" in done.log.splitlines()[1]
        assert left in done.log


def test_a_file_that_cannot_be_imported_fails_its_tasks_with_the_traceback(rig):
    done = rig.run("any", dag_id="any", file="broken.py")
    assert done.end.outcome is Outcome.FAILED
    assert "no such ünicorn" in done.end.reason
    assert "Traceback" in done.log


@pytest.mark.parametrize(("file", "words"), [("exits.py", "exit code 0"), ("crashes.py", "SIGSEGV")])
def test_a_file_that_ends_its_process_fails_its_tasks_and_says_how(rig, file, words):
    done = rig.run("any", dag_id="any", file=file)
    assert done.end.outcome is Outcome.FAILED
    assert words in done.end.reason
    assert words in done.log


def test_an_import_that_takes_too_long_fails_the_tasks_that_wait_for_it(make_rig):
    rig = make_rig(import_seconds=0.5)
    done = rig.run("any", dag_id="any", file="loops.py")
    assert done.end.outcome is Outcome.FAILED
    assert "longer than 0.5 s" in done.end.reason
    assert "counting sheep" in done.log


def test_a_task_is_told_that_its_file_has_changed_since_it_was_read(rig):
    digest = rig.parse("good.py").source_digest
    same = rig.run("one", dag_id="first", file="good.py", source_digest=digest)
    other = rig.run("one", dag_id="first", file="good.py", source_digest="0" * 64)
    assert "has changed since" not in same.log
    assert "has changed since" in other.log.splitlines()[1]


def test_a_host_that_has_served_long_is_replaced(make_rig, monkeypatch):
    # Ten thousand tasks would take a while.
    monkeypatch.setattr("gale.runtime.hosts.MAX_SERVED", 2)
    rig = make_rig()
    hosts = [parent_of(rig) for _ in range(4)]
    assert hosts[0] == hosts[1] != hosts[2] == hosts[3]


def test_a_task_whose_file_or_dag_is_gone_fails_with_the_reason(rig):
    gone = rig.run("any", dag_id="any", file="nowhere.py")
    assert gone.end.outcome is Outcome.FAILED
    assert "is not there" in gone.end.reason
    assert "Attempt 1 ended: failed" in gone.log
    renamed = rig.run("one", dag_id="renamed", file="good.py")
    assert renamed.end.outcome is Outcome.FAILED
    assert "'renamed' is not in" in renamed.end.reason


def test_an_attempt_that_waits_for_an_import_can_be_stopped(make_rig):
    rig = make_rig(import_seconds=20)
    order = rig.order("any", dag_id="any", file="loops.py")
    rig.start(order)
    rig.supervisor.stop(order.ti, order.token, "Marked failed by a user")
    assert rig.end_of(order).reason == "Marked failed by a user."


def test_idle_hosts_are_let_go_and_the_limit_keeps_the_newest(make_rig):
    rig = make_rig(idle_hosts=1)
    host = parent_of(rig)
    rig.run("only", dag_id="second", file="good.py")
    rig.until(lambda: not Path(f"/proc/{host}").exists() if IS_LINUX else True)
    assert parent_of(rig) != host


def test_a_task_without_a_writable_log_folder_is_lost_and_not_failed(make_rig):
    rig = make_rig()
    rig.logs.write_text("a file where the folder should be")
    order = rig.order("fine")
    rig.start(order)
    end = rig.end_of(order)
    assert end.outcome is Outcome.LOST
    assert "could not be opened" in end.reason
