"""What becomes of tasks and runs: dependencies, retries, time limits, sensors, the past."""

from datetime import timedelta

import pytest
from scheduler_world import DAY, World, dag, daily, day, task

from gale.core.attempt import Outcome
from gale.core.transitions import MAX_INFRA_LOSSES
from gale.db import requests


def test_tasks_run_one_after_the_other_and_end_the_run(world: World) -> None:
    world.start()
    world.add(dag("etl", "extract", task("load", "extract")))
    world.trigger("etl")
    world.step()
    assert world.running() == [("r1", "extract")]
    world.end("extract")
    assert world.running() == [("r1", "load")]
    world.end("load")
    assert world.states("etl") == {"extract": "success", "load": "success"}
    assert world.run("etl").state == "success"
    assert world.history("etl", "r1", "load") == ["DependenciesMet", "SlotGranted", "Started", "Succeeded"]


def test_a_failed_task_takes_those_behind_it_along_and_fails_the_run(world: World) -> None:
    world.start()
    world.add(dag("etl", "extract", task("load", "extract"), "other"))
    world.trigger("etl")
    world.step()
    world.end("extract", Outcome.FAILED, reason="no disk")
    assert world.states("etl") == {"extract": "failed", "load": "upstream_failed", "other": "running"}
    assert world.run("etl").state == "running"
    world.end("other")
    assert world.run("etl").state == "failed"
    assert world.ti("etl", "r1", "extract").reason == "no disk"


def test_a_branch_skips_the_way_that_was_not_taken(world: World) -> None:
    world.start()
    world.add(dag("etl", "choose", task("left", "choose"), task("right", "choose"), task("after", "right")))
    world.trigger("etl")
    world.step()
    world.end("choose", not_taken=("right",))
    assert world.states("etl") == {"choose": "success", "left": "running", "right": "skipped", "after": "skipped"}
    world.end_all()
    assert world.run("etl").state == "success"


# --- retries -------------------------------------------------------------------------------------


def test_a_retry_starts_when_its_delay_is_over_and_not_before(world: World) -> None:
    world.start()
    world.add(dag("etl", task("flaky", retries=1, retry_delay=60.0)))
    world.trigger("etl")
    world.step()
    failed_at = world.clock.now()
    world.end("flaky", Outcome.FAILED)
    assert world.ti("etl", "r1", "flaky").due_at == failed_at + timedelta(seconds=60)
    world.advance((failed_at + timedelta(seconds=59.5) - world.clock.now()).total_seconds())
    assert world.states("etl") == {"flaky": "up_for_retry"}
    world.advance(1)
    assert world.running() == [("r1", "flaky")]
    assert world.order("flaky").try_number == 2


def test_a_task_fails_when_its_last_retry_has_failed(world: World) -> None:
    world.start()
    world.add(dag("etl", task("flaky", retries=2, retry_delay=1.0)))
    world.trigger("etl")
    world.step()
    for attempt in (1, 2, 3):
        assert world.order("flaky").try_number == attempt
        world.end("flaky", Outcome.FAILED)
        world.advance(2)
    assert world.states("etl") == {"flaky": "failed"}
    assert world.run("etl").state == "failed"


def test_a_final_failure_is_not_tried_again_although_retries_are_left(world: World) -> None:
    world.start()
    world.add(dag("etl", task("flaky", retries=5)))
    world.trigger("etl")
    world.step()
    world.end("flaky", Outcome.FAILED_FINAL)
    assert world.states("etl") == {"flaky": "failed"}


def test_lost_attempts_use_up_no_retry_until_there_were_too_many(world: World) -> None:
    world.start()
    world.add(dag("etl", task("only", retries=0)))
    world.trigger("etl")
    world.step()
    for loss in range(1, MAX_INFRA_LOSSES + 1):
        world.end("only", Outcome.LOST, reason="the worker is gone")
        row = world.ti("etl", "r1", "only")
        assert (row.state, row.infra_losses, row.try_number) == ("running", loss, loss + 1)
    world.end("only", Outcome.LOST)
    assert world.states("etl") == {"only": "failed"}


def test_xcoms_of_an_attempt_are_gone_when_the_next_one_starts(world: World) -> None:
    world.start()
    world.add(dag("etl", task("flaky", retries=1, retry_delay=1.0)))
    world.trigger("etl")
    world.step()
    world.end("flaky", Outcome.FAILED, xcoms={"half": "1"})
    assert _xcoms(world) == ["half"]
    world.advance(2)
    assert _xcoms(world) == []
    world.end("flaky", xcoms={"return_value": "2"})
    assert _xcoms(world) == ["return_value"]


def _xcoms(world: World) -> list[str]:
    from gale.db.tables import xcom  # noqa: PLC0415 - only here

    return [row.key for row in world.rows(xcom.select())]


# --- sensors -------------------------------------------------------------------------------------


def test_a_rescheduled_sensor_gives_its_slot_back_and_keeps_its_attempt(world: World) -> None:
    world.start(slots=1)
    world.add(dag("etl", task("wait", priority_weight=9), "work"))
    world.trigger("etl")
    world.step()
    first = world.order("wait")
    assert first.first_reschedule_at is None
    began = world.ti("etl", "r1", "wait").start_date
    world.end("wait", Outcome.RESCHEDULED, due_at=world.clock.now() + timedelta(seconds=30))
    assert world.states("etl") == {"wait": "up_for_reschedule", "work": "running"}
    world.end("work")
    world.advance(31)
    again = world.order("wait")
    assert (again.try_number, again.first_reschedule_at) == (1, began)
    assert again.token != first.token
    world.end("wait")
    assert world.run("etl").state == "success"


def test_a_sensor_is_asked_again_only_when_its_time_has_come(world: World) -> None:
    world.start()
    world.add(dag("etl", "wait"))
    world.trigger("etl")
    world.step()
    due_at = world.clock.now() + timedelta(seconds=30)
    world.end("wait", Outcome.RESCHEDULED, due_at=due_at)
    world.advance((due_at - world.clock.now()).total_seconds() - 1)
    assert world.states("etl") == {"wait": "up_for_reschedule"}
    world.advance(1.2)
    assert world.states("etl") == {"wait": "running"}


# --- dagrun_timeout ------------------------------------------------------------------------------


def test_a_run_that_takes_too_long_fails_and_what_runs_is_stopped(world: World) -> None:
    scheduler = world.start()
    world.add(dag("etl", "slow", task("after", "slow"), dagrun_timeout=120.0))
    world.trigger("etl")
    world.step()
    token = world.order("slow").token
    world.advance(119)
    assert world.run("etl").state == "running"
    world.advance(2)
    assert world.run("etl").state == "failed"
    assert world.states("etl") == {"slow": "skipped", "after": "skipped"}
    assert [stopped[1] for stopped in scheduler.executor.stopped] == [token]


def test_the_time_limit_of_a_run_counts_from_its_start_not_from_its_creation(world: World) -> None:
    world.start()
    world.add(dag("etl", "slow", dagrun_timeout=100.0, max_active_runs=1))
    world.trigger("etl", "r1")
    world.trigger("etl", "r2")
    world.step()
    world.advance(90)
    world.end("slow")
    world.advance(90)
    assert [world.run("etl", run).state for run in ("r1", "r2")] == ["success", "running"]
    world.advance(12)
    assert world.run("etl", "r2").state == "failed"


# --- the past ------------------------------------------------------------------------------------


def test_depends_on_past_lets_one_run_go_after_the_other(world: World) -> None:
    world.start()
    world.add(daily("etl", task("load", depends_on_past=True), first=7))
    world.step()
    for number in (7, 8, 9):
        run_id = f"scheduled__2026-03-0{number}T00:00:00+00:00"
        assert world.running() == [(run_id, "load")]
        world.end("load")
    assert [row.state for row in world.runs("etl")] == ["success"] * 3


def test_a_task_sees_which_run_before_it_has_succeeded_by_now(world: World) -> None:
    """All three runs were created at once, when none had succeeded."""
    world.start()
    world.add(daily("etl", task("load", depends_on_past=True), first=7))
    world.step()
    seen = []
    for _ in range(3):
        world.advance(2)
        seen.append(world.order("load").run.prev_success_interval_start)
        world.end("load")
    assert seen == [None, None, day(7)]


def test_depends_on_past_waits_for_a_failed_task_until_it_is_put_right(world: World) -> None:
    world.start()
    world.add(daily("etl", task("load", depends_on_past=True), first=8))
    world.step()
    first, second = [row.run_id for row in world.runs("etl")]
    world.end("load", Outcome.FAILED)
    assert world.running() == []
    assert world.states("etl", second) == {"load": "none"}
    world.mark("etl", first, "success", "load")
    world.step()
    assert world.running() == [(second, "load")]


def test_a_run_goes_on_when_the_run_that_it_waited_for_is_deleted(world: World) -> None:
    world.start()
    world.add(daily("etl", task("load", depends_on_past=True), first=7))
    world.step()
    first, second, third = world.runs("etl")
    world.end("load", Outcome.FAILED)
    world.ask(requests.request_delete_run, second.id)
    world.step(12)
    assert (world.running(), world.states("etl", third.run_id)) == ([], {"load": "none"})
    world.mark("etl", first.run_id, "success", "load")
    world.step()
    assert world.running() == [(third.run_id, "load")]


def test_wait_for_downstream_waits_for_the_tasks_behind_it_in_the_run_before(world: World) -> None:
    world.start()
    world.add(daily("etl", task("load", wait_for_downstream=True), task("report", "load"), first=8))
    world.step()
    first, second = [row.run_id for row in world.runs("etl")]
    world.end("load", run_id=first)
    assert world.running() == [(first, "report")]
    world.end("report", run_id=first)
    assert world.running() == [(second, "load")]


def test_depends_on_past_alone_does_not_wait_for_the_tasks_behind_it(world: World) -> None:
    world.start()
    world.add(daily("etl", task("load", depends_on_past=True), task("report", "load"), first=8))
    world.step()
    first, second = [row.run_id for row in world.runs("etl")]
    world.end("load", run_id=first)
    assert world.running() == [(first, "report"), (second, "load")]


def test_a_run_and_the_one_after_it_cleared_together_go_one_after_the_other(world: World) -> None:
    world.start()
    world.add(daily("etl", task("load", depends_on_past=True), first=8))
    world.step()
    world.end_all()
    first, second = [row.run_id for row in world.runs("etl")]
    world.clear("etl", first, "load")
    world.clear("etl", second, "load")
    world.step()
    assert world.running() == [(first, "load")]
    world.end("load")
    assert world.running() == [(second, "load")]


def test_a_task_cleared_in_a_later_run_is_let_go_when_the_earlier_one_is_put_right(world: World) -> None:
    world.start()
    world.add(daily("etl", task("load", depends_on_past=True), first=8))
    world.step()
    first, second = [row.run_id for row in world.runs("etl")]
    world.end("load", Outcome.FAILED)
    world.mark("etl", second, "success", "load")
    world.step()
    world.clear("etl", second, "load")
    world.step()
    assert world.running() == []
    world.clear("etl", first, "load")
    world.step()
    assert world.running() == [(first, "load")]
    world.end("load")
    assert world.running() == [(second, "load")]


def test_many_runs_that_wait_for_their_past_leave_nothing_in_memory(world: World) -> None:
    scheduler = world.start()
    world.add(daily("etl", task("load", depends_on_past=True), task("after", "load"), first=4))
    for _ in range(4):
        world.step()
        world.end_all()
        world.advance(4 * DAY)
    world.end_all()
    assert len(world.runs("etl")) == 22
    book = scheduler.book
    assert (len(book.runs), len(book._run_of_ti), len(book._past._waiting), len(book._wakes)) == (0, 0, 0, 0)
    assert (book.ledger.wanted(), book.ledger.held()) == (0, 0)
    assert book.ledger._usage._of_limit == {}


@pytest.mark.parametrize("era", ["interval", "trigger"])
def test_the_book_of_slots_is_empty_when_nothing_runs_in_both_eras(world: World, era: str) -> None:
    scheduler = world.start()
    world.add(dag("etl", task("a", retries=1, retry_delay=1.0), task("b", "a"), era=era))
    for number in range(5):
        world.trigger("etl", f"r{number}")
        world.step()
        world.end("a", Outcome.FAILED)
        world.advance(2)
        world.end_all()
    assert (scheduler.book.ledger.held(), scheduler.book.ledger.wanted(), len(scheduler.book.runs)) == (0, 0, 0)
