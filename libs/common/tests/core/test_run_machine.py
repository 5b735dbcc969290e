"""The run machine by example: one small story each."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gale.core import events as e
from gale.core.commands import MoveRun, Notify, StopAttempt, WakeAt
from gale.core.facts import RunStatus, TaskFacts
from gale.core.graph import CallbackKind, DagSpec, TaskSpec
from gale.core.run_machine import RunMachine, past_is_met
from gale.core.states import RunState, TaskState
from gale.core.trigger_rules import TriggerRule
from gale.errors import IllegalTransition

NOW = datetime(2026, 11, 22, 16, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def task(task_id, *upstream, **more):
    return TaskSpec(task_id=task_id, upstream=upstream, **more)


def machine_of(*tasks, state=RunState.QUEUED, past_met=None, rows=None, **dag):
    spec = DagSpec(dag_id="etl", fileloc="etl.py", tasks=tasks, **dag)
    status = RunStatus(
        run="r", dag_id="etl", run_id="r1", state=state, start_date=NOW if state is RunState.RUNNING else None
    )
    if rows is None:
        rows = [TaskFacts(ti=one.task_id, task_id=one.task_id, max_tries=one.retries + 1) for one in tasks]
    return RunMachine(status, spec, rows, past_met)


def started(*tasks, **more):
    machine = machine_of(*tasks, **more)
    machine.handle(e.RunStarted(), NOW)
    return machine


def run(machine, ti, at=NOW):
    machine.handle(e.SlotGranted(ti=ti, token=f"token-{ti}"), at)
    machine.handle(e.Started(ti=ti, token=f"token-{ti}", hostname="host", lease_until=at + SECOND), at)


def succeed(machine, ti, at=NOW, **more):
    run(machine, ti, at)
    return machine.handle(e.Succeeded(ti=ti, token=f"token-{ti}", **more), at)


def fail(machine, ti, at=NOW, **more):
    run(machine, ti, at)
    return machine.handle(e.AttemptFailed(ti=ti, token=f"token-{ti}", reason="exit code 1", **more), at)


def states(machine):
    return {facts.task_id: facts.state.value for facts in machine.task_facts()}


def of_kind(kind, commands):
    return [command for command in commands if isinstance(command, kind)]


# --- the ordinary course ---


def test_the_notes_dag_runs_its_two_tasks_one_after_the_other():
    machine = started(task("demo"), task("last_execute", "demo"))
    assert states(machine) == {"demo": "scheduled", "last_execute": "none"}
    succeed(machine, "demo")
    assert states(machine) == {"demo": "success", "last_execute": "scheduled"}
    commands = succeed(machine, "last_execute")
    assert machine.status.state is RunState.SUCCESS
    assert [command.after.state for command in of_kind(MoveRun, commands)] == [RunState.SUCCESS]


def test_one_stimulus_gives_its_cause_to_all_that_follows():
    machine = started(task("a"), task("b", "a"))
    run(machine, "a")
    commands = machine.handle(e.AttemptFailed(ti="a", token="token-a", cause="report 7"), NOW)
    assert len(commands) == 3
    assert {command.cause for command in commands} == {"report 7"}


def test_a_run_without_tasks_succeeds_as_soon_as_it_starts():
    assert started().status.state is RunState.SUCCESS


def test_a_run_fails_when_its_last_task_fails():
    machine = started(task("a"), task("b", "a"))
    succeed(machine, "a")
    fail(machine, "b")
    assert machine.status.state is RunState.FAILED


def test_a_run_succeeds_if_a_failure_was_dealt_with_before_the_leaves():
    machine = started(task("a"), task("b", "a", trigger_rule=TriggerRule.ONE_FAILED))
    fail(machine, "a")
    succeed(machine, "b")
    assert machine.status.state is RunState.SUCCESS


def test_failure_and_skip_travel_down_the_whole_chain_in_one_go():
    machine = started(task("a"), task("b", "a"), task("c", "b"), task("x"), task("y", "x"), task("z", "y"))
    fail(machine, "a")
    run(machine, "x")
    machine.handle(e.AttemptSkipped(ti="x", token="token-x"), NOW)
    assert states(machine) == {
        "a": "failed",
        "b": "upstream_failed",
        "c": "upstream_failed",
        **dict.fromkeys("xyz", "skipped"),
    }


def test_what_cannot_happen_is_refused_and_changes_nothing():
    machine = started(task("a"), task("b", "a"))
    before = machine.task_facts()
    with pytest.raises(IllegalTransition, match="Succeeded cannot happen to 'b' while it is none"):
        machine.handle(e.Succeeded(ti="b", token="t"), NOW)
    assert machine.task_facts() == before


# --- branches ---


def test_a_branch_skips_what_it_did_not_take_and_the_join_still_runs():
    machine = started(
        task("branch"),
        task("left", "branch"),
        task("right", "branch"),
        task("join", "left", "right", trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS),
    )
    succeed(machine, "branch", not_taken=("right",))
    assert states(machine) == {"branch": "success", "left": "scheduled", "right": "skipped", "join": "none"}
    succeed(machine, "left")
    assert states(machine)["join"] == "scheduled"


def test_a_task_that_a_branch_left_out_is_skipped_again_when_it_alone_is_cleared():
    machine = started(task("branch"), task("left", "branch"), task("right", "branch"))
    succeed(machine, "branch", not_taken=("right",))
    machine.handle(e.Cleared(ti="right"), NOW)
    assert states(machine)["right"] == "skipped"


def test_a_branch_that_is_cleared_and_chooses_anew_lets_the_other_way_run():
    machine = started(task("branch"), task("left", "branch"), task("right", "branch"))
    succeed(machine, "branch", not_taken=("right",))
    machine.handle(e.Cleared(ti="branch"), NOW)
    machine.handle(e.Cleared(ti="right"), NOW)
    assert states(machine)["right"] == "none"
    succeed(machine, "branch", not_taken=("left",))
    assert states(machine)["right"] == "scheduled"


# --- retries and time ---


def test_a_retry_comes_when_its_delay_is_over_and_not_before():
    machine = started(task("a", retries=1, retry_delay=60))
    commands = fail(machine, "a")
    assert [wake.at for wake in of_kind(WakeAt, commands)] == [NOW + 60 * SECOND]
    machine.handle(e.TimePassed(), NOW + 59 * SECOND)
    assert states(machine) == {"a": "up_for_retry"}
    machine.handle(e.TimePassed(), NOW + 60 * SECOND)
    assert states(machine) == {"a": "scheduled"}
    assert machine.facts("a").try_number == 2
    fail(machine, "a")
    assert machine.status.state is RunState.FAILED


def test_a_run_that_takes_longer_than_its_timeout_fails_and_stops_what_still_runs():
    machine = started(task("a"), task("b", "a"), dagrun_timeout=60)
    run(machine, "a")
    assert machine.handle(e.TimePassed(), NOW + 59 * SECOND) == []
    commands = machine.handle(e.TimePassed(), NOW + 60 * SECOND)
    assert machine.status.state is RunState.FAILED
    assert states(machine) == {"a": "skipped", "b": "skipped"}
    assert [stop.token for stop in of_kind(StopAttempt, commands)] == ["token-a"]


def test_a_scheduler_that_adopts_a_run_wakes_for_its_delays_and_its_timeout():
    rows = [
        TaskFacts(ti="a", task_id="a", state=TaskState.UP_FOR_RETRY, try_number=1, max_tries=2, due_at=NOW + 5 * SECOND)
    ]
    machine = machine_of(task("a"), state=RunState.RUNNING, rows=rows, dagrun_timeout=60)
    commands = machine.handle(e.RunAdopted(), NOW)
    assert sorted(wake.at for wake in of_kind(WakeAt, commands)) == [NOW + 5 * SECOND, NOW + 60 * SECOND]
    machine.handle(e.TimePassed(), NOW + 5 * SECOND)
    assert states(machine) == {"a": "scheduled"}


def test_failing_fast_ends_the_run_with_the_first_failure():
    machine = started(task("a"), task("b"), task("c", "b"), fail_fast=True)
    run(machine, "b")
    commands = fail(machine, "a")
    assert states(machine) == {"a": "failed", "b": "skipped", "c": "skipped"}
    assert machine.status.state is RunState.FAILED
    assert len(of_kind(StopAttempt, commands)) == 1


def test_a_failure_that_nobody_heard_of_still_ends_a_run_that_fails_fast():
    """The worker wrote the failure, the scheduler died; the one that adopts the run acts on it."""
    rows = [
        TaskFacts(ti="a", task_id="a", state=TaskState.FAILED, try_number=1, end_date=NOW + SECOND),
        TaskFacts(ti="b", task_id="b", state=TaskState.SCHEDULED, try_number=1),
    ]
    machine = machine_of(task("a"), task("b"), state=RunState.RUNNING, rows=rows, fail_fast=True)
    machine.handle(e.RunAdopted(), NOW + 2 * SECOND)
    assert machine.status.state is RunState.FAILED


def test_a_task_cleared_after_failing_fast_runs_though_the_old_failure_is_still_there():
    machine = started(task("a"), task("b"), fail_fast=True)
    fail(machine, "a", NOW + SECOND)
    machine.handle(e.Cleared(ti="b"), NOW + 2 * SECOND)
    machine.handle(e.RunStarted(), NOW + 3 * SECOND)
    assert states(machine) == {"a": "failed", "b": "scheduled"}
    machine.handle(e.RunAdopted(), NOW + 4 * SECOND)
    assert states(machine) == {"a": "failed", "b": "scheduled"}


def test_a_failure_marked_once_more_ends_a_run_that_fails_fast_once_more():
    machine = started(task("a"), task("b"), fail_fast=True)
    fail(machine, "a", NOW + SECOND)
    machine.handle(e.Cleared(ti="b"), NOW + 2 * SECOND)
    machine.handle(e.RunStarted(), NOW + 3 * SECOND)
    machine.handle(e.Marked(ti="a", state=TaskState.FAILED), NOW + 4 * SECOND)
    assert states(machine) == {"a": "failed", "b": "skipped"}
    assert machine.status.state is RunState.FAILED


# --- users ---


def test_clearing_a_task_of_an_ended_run_queues_the_run_again():
    machine = started(task("a"))
    fail(machine, "a")
    machine.handle(e.Cleared(ti="a"), NOW)
    assert machine.status.state is RunState.QUEUED
    assert states(machine) == {"a": "none"}
    machine.handle(e.RunStarted(), NOW)
    assert states(machine) == {"a": "scheduled"}


@pytest.mark.parametrize("event", [e.Cleared(ti="a"), e.Marked(ti="a", state=TaskState.FAILED)])
def test_clearing_or_marking_a_running_task_stops_its_processes(event):
    machine = started(task("a"))
    run(machine, "a")
    (stop,) = of_kind(StopAttempt, machine.handle(event, NOW))
    assert (stop.ti, stop.token) == ("a", "token-a")


def test_the_end_of_a_cleared_attempt_starts_the_task_afresh_whatever_it_was():
    machine = started(task("a"), task("b", "a"))
    run(machine, "a")
    machine.handle(e.Cleared(ti="a"), NOW)
    machine.handle(e.Succeeded(ti="a", token="token-a"), NOW)
    assert states(machine) == {"a": "scheduled", "b": "none"}
    assert machine.facts("a").try_number == 2


def test_marking_an_upstream_task_as_success_lets_the_next_one_go():
    machine = started(task("a"), task("b", "a"))
    machine.handle(e.Marked(ti="a", state=TaskState.SUCCESS), NOW)
    assert states(machine) == {"a": "success", "b": "scheduled"}


# --- the past ---


def test_a_task_held_by_its_past_waits_until_it_is_told_otherwise():
    machine = started(task("a", depends_on_past=True), past_met={"a": False})
    assert states(machine) == {"a": "none"}
    assert machine.held_by_past() == ["a"]
    machine.handle(e.PastMet(ti="a"), NOW)
    assert states(machine) == {"a": "scheduled"}
    assert machine.held_by_past() == []


@pytest.mark.parametrize(
    ("previous", "met"),
    [
        (None, True),
        ({}, False),
        ({"other": TaskState.FAILED}, True),
        ({"a": TaskState.SUCCESS}, True),
        ({"a": TaskState.SKIPPED}, True),
        ({"a": TaskState.FAILED}, False),
        ({"a": TaskState.RUNNING}, False),
        ({"a": TaskState.UPSTREAM_FAILED}, False),
    ],
)
def test_depends_on_past_asks_for_success_or_skip_in_the_run_before(previous, met):
    assert past_is_met(task("a", depends_on_past=True), previous, lambda _: ()) is met
    assert past_is_met(task("a"), previous, lambda _: ()) is True


@pytest.mark.parametrize(
    ("below", "met"), [(TaskState.SUCCESS, True), (TaskState.SKIPPED, True), (TaskState.FAILED, False)]
)
def test_wait_for_downstream_also_asks_the_tasks_below_it(below, met):
    previous = {"a": TaskState.SUCCESS, "b": below}
    assert past_is_met(task("a", wait_for_downstream=True), previous, lambda _: ("b",)) is met
    assert past_is_met(task("a", depends_on_past=True), previous, lambda _: ("b",)) is True


# --- new versions of the DAG ---


def test_a_task_that_vanished_is_removed_and_comes_back_with_the_version_that_has_it():
    rows = [TaskFacts(ti="a", task_id="a"), TaskFacts(ti="b", task_id="b")]
    machine = machine_of(task("a"), state=RunState.RUNNING, rows=rows)
    machine.handle(e.RunAdopted(), NOW)
    assert states(machine) == {"a": "scheduled", "b": "removed"}
    machine = machine_of(task("a"), task("b"), state=RunState.RUNNING, rows=machine.task_facts())
    machine.handle(e.RunAdopted(), NOW)
    assert states(machine) == {"a": "scheduled", "b": "scheduled"}


@pytest.mark.parametrize("by_worker", [True, False])
def test_a_vanished_task_that_was_cleared_while_it_ran_is_removed_when_it_ends(by_worker):
    running = TaskFacts(ti="b", task_id="b", state=TaskState.RUNNING, token="t", try_number=1)
    machine = machine_of(task("a"), state=RunState.RUNNING, rows=[TaskFacts(ti="a", task_id="a"), running])
    machine.handle(e.RunAdopted(), NOW)
    machine.handle(e.Cleared(ti="b"), NOW)
    ended = replace(machine.facts("b"), state=TaskState.NONE, token=None)
    machine.handle(e.RowChanged(ti="b", facts=ended) if by_worker else e.Succeeded(ti="b", token="t"), NOW)
    assert states(machine)["b"] == "removed"


def test_a_failed_task_that_has_vanished_does_not_fail_the_run():
    rows = [TaskFacts(ti="a", task_id="a"), TaskFacts(ti="b", task_id="b", state=TaskState.FAILED)]
    machine = machine_of(task("a"), state=RunState.RUNNING, rows=rows)
    machine.handle(e.RunAdopted(), NOW)
    succeed(machine, "a")
    assert machine.status.state is RunState.SUCCESS


# --- setup and teardown ---


def setup_work_teardown():
    return (
        task("setup", is_setup=True),
        task("first", "setup"),
        task("second", "first", trigger_rule=TriggerRule.ALL_DONE),
        task("teardown", "setup", "second", is_teardown=True, trigger_rule=TriggerRule.ALL_DONE_SETUP_SUCCESS),
    )


def test_a_failed_setup_holds_back_even_work_that_would_run_after_any_outcome():
    machine = started(*setup_work_teardown())
    fail(machine, "setup")
    assert states(machine) == {"setup": "failed", **dict.fromkeys(["first", "second", "teardown"], "upstream_failed")}


def test_a_teardown_cleans_up_after_failed_work_and_the_run_still_fails():
    machine = started(*setup_work_teardown())
    succeed(machine, "setup")
    fail(machine, "first")
    fail(machine, "second")
    assert states(machine)["teardown"] == "scheduled"
    succeed(machine, "teardown")
    assert machine.status.state is RunState.FAILED


def test_a_failed_teardown_fails_the_run_only_if_it_is_told_to():
    for decides, state in ((False, RunState.SUCCESS), (True, RunState.FAILED)):
        machine = started(
            task("setup", is_setup=True),
            task("work", "setup"),
            task("teardown", "setup", "work", is_teardown=True, on_failure_fail_dagrun=decides),
        )
        succeed(machine, "setup")
        succeed(machine, "work")
        fail(machine, "teardown")
        assert machine.status.state is state


# --- mails and callbacks ---


@pytest.mark.parametrize(
    ("retries", "events"),
    [
        (1, [("callback", "on_retry_callback"), ("mail", "email_on_retry")]),
        (0, [("callback", "on_failure_callback"), ("mail", "email_on_failure")]),
    ],
)
def test_a_failed_attempt_is_told_once_by_callback_and_once_by_mail(retries, events):
    kinds = (CallbackKind.RETRY, CallbackKind.FAILURE)
    machine = started(task("a", retries=retries, email=("a@example.org",), callbacks=kinds))
    notices = of_kind(Notify, fail(machine, "a"))
    assert [(notice.kind, notice.event) for notice in notices] == events
    assert {notice.reason for notice in notices} == {"exit code 1"}


def test_nobody_is_told_of_a_failure_who_did_not_ask_for_it():
    machine = started(task("a", email=("a@example.org",), email_on_failure=False))
    assert of_kind(Notify, fail(machine, "a")) == []


def test_the_end_of_a_run_calls_back_once():
    machine = started(task("a"), callbacks=(CallbackKind.SUCCESS, CallbackKind.FAILURE))
    (notice,) = of_kind(Notify, succeed(machine, "a"))
    assert (notice.event, notice.ti) == ("on_success_callback", "")


# --- cost ---


def evaluations(machine, ti):
    before = machine.evaluations
    succeed(machine, ti)
    return machine.evaluations - before


@pytest.mark.parametrize("others", [10, 10_000])
def test_the_end_of_a_task_costs_its_own_edges_however_large_the_dag_is(others):
    crowd = [task(f"x{n}") for n in range(others)]
    machine = started(task("a"), task("b", "a"), task("c", "a"), *crowd)
    assert evaluations(machine, "a") == 2
    assert evaluations(machine, "x0") == 0


def test_a_fan_in_of_five_thousand_looks_at_the_join_once_for_each_edge():
    crowd = [task(f"x{n}") for n in range(5_000)]
    machine = started(*crowd, task("join", *[one.task_id for one in crowd]))
    before = machine.evaluations
    for one in crowd:
        succeed(machine, one.task_id)
    assert machine.evaluations - before == 5_000
    assert states(machine)["join"] == "scheduled"


def test_a_failure_at_the_head_of_a_long_chain_needs_no_deep_recursion():
    chain = [task(f"t{n}", *([f"t{n - 1}"] if n else [])) for n in range(5_000)]
    machine = started(*chain)
    before = machine.evaluations
    fail(machine, "t0")
    assert set(states(machine).values()) == {"failed", "upstream_failed"}
    assert machine.evaluations - before == 4_999
    assert machine.status.state is RunState.FAILED
