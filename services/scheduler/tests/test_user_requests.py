"""What users ask for: clear, mark, delete, pause."""

import pytest
from scheduler_world import World, dag, task
from sqlalchemy import select

from gale.core.attempt import Outcome
from gale.db import requests
from gale.db import tables as t


def _chain(world: World, **more: object) -> None:
    world.add(dag("etl", "a", task("b", "a"), task("c", "b"), **more))
    world.trigger("etl")
    world.step()


def _outcomes(world: World) -> list[str | None]:
    return [row.outcome for row in world.rows(select(t.request).order_by(t.request.c.id))]


# --- clear ---------------------------------------------------------------------------------------


def test_a_cleared_task_of_a_finished_run_runs_again_and_the_run_with_it(world: World) -> None:
    world.start()
    _chain(world)
    world.end_all()
    world.clear("etl", "r1", "b", "c")
    world.step()
    assert world.running() == [("r1", "b")]
    assert world.run("etl").state == "running"
    assert world.run("etl").clear_number == 1
    world.end_all()
    assert world.states("etl") == {"a": "success", "b": "success", "c": "success"}
    assert world.run("etl").state == "success"
    assert world.ti("etl", "r1", "b").try_number == 2
    assert _outcomes(world) == ["done"]


def test_a_task_cleared_while_it_runs_is_stopped_first_and_then_started_anew(world: World) -> None:
    scheduler = world.start(stops_at_once=False)
    _chain(world)
    first = world.order("a")
    world.clear("etl", "r1", "a")
    world.step()
    assert world.states("etl")["a"] == "restarting"
    assert [stopped[1] for stopped in scheduler.executor.stopped] == [first.token]
    assert scheduler.executor.orders() == [first]
    scheduler.executor.end(first, Outcome.FAILED, reason="stopped")
    world.step()
    assert world.order("a").token != first.token
    assert world.states("etl")["a"] == "running"


def test_a_late_success_of_an_attempt_that_was_cleared_does_not_count(world: World) -> None:
    scheduler = world.start(stops_at_once=False)
    _chain(world)
    first = world.order("a")
    world.clear("etl", "r1", "a")
    world.step()
    scheduler.executor.end(first, Outcome.SUCCESS, xcoms={"return_value": "1"})
    world.step()
    assert world.states("etl") == {"a": "running", "b": "none", "c": "none"}
    assert world.order("a").try_number == 2


def test_a_cleared_task_has_all_its_retries_again(world: World) -> None:
    world.start()
    world.add(dag("etl", task("flaky", retries=1, retry_delay=1.0)))
    world.trigger("etl")
    for _ in range(2):
        world.step()
        world.end("flaky", Outcome.FAILED)
        world.advance(2)
    assert world.states("etl") == {"flaky": "failed"}
    world.clear("etl", "r1", "flaky")
    for _ in range(2):
        world.step()
        world.end("flaky", Outcome.FAILED)
        world.advance(2)
    assert (world.states("etl"), world.ti("etl", "r1", "flaky").try_number) == ({"flaky": "failed"}, 4)


def test_clearing_twice_at_once_starts_the_task_once(world: World) -> None:
    scheduler = world.start()
    _chain(world)
    world.end_all()
    began = len(scheduler.executor.started)
    world.clear("etl", "r1", "c")
    world.clear("etl", "r1", "c")
    world.step()
    assert len(scheduler.executor.started) == began + 1


def test_a_finished_run_of_an_older_version_can_be_cleared_when_a_task_has_come_back(world: World) -> None:
    """The rows lack what the newest version has; what is made up for must be written with the request."""
    world.start()
    world.add(dag("etl", "a", "b"))
    world.trigger("etl")
    world.step()
    world.end("a")
    world.add(dag("etl", "a"))
    world.step()
    world.end_all()
    world.add(dag("etl", "a", "b"))
    world.step()
    world.clear("etl", "r1", "a")
    world.step()
    world.end_all()
    assert world.states("etl") == {"a": "success", "b": "success"}
    assert world.ti("etl", "r1", "a").try_number == 2


# --- mark ----------------------------------------------------------------------------------------


def test_a_task_marked_as_success_lets_those_behind_it_go(world: World) -> None:
    world.start()
    _chain(world)
    world.end("a", Outcome.FAILED)
    assert world.run("etl").state == "failed"
    world.mark("etl", "r1", "success", "a")
    world.step()
    assert world.running() == [("r1", "b")]
    world.end_all()
    assert world.run("etl").state == "success"


@pytest.mark.parametrize("state", ["success", "failed", "skipped"])
def test_a_running_task_that_is_marked_is_stopped_and_keeps_that_state(world: World, state: str) -> None:
    scheduler = world.start()
    _chain(world)
    token = world.order("a").token
    world.mark("etl", "r1", state, "a")
    world.step()
    assert [stopped[1] for stopped in scheduler.executor.stopped] == [token]
    assert world.states("etl")["a"] == state


@pytest.mark.parametrize(("state", "others"), [("success", "success"), ("failed", "skipped")])
def test_a_run_that_is_marked_ends_at_once_with_all_its_tasks(world: World, state: str, others: str) -> None:
    scheduler = world.start()
    _chain(world)
    world.end("a")
    world.mark("etl", "r1", state)
    world.step()
    assert world.run("etl").state == state
    assert world.states("etl") == {"a": "success", "b": state, "c": others}
    assert len(scheduler.executor.stopped) == 1
    assert world.running() == []


def test_a_queued_run_that_is_marked_never_starts(world: World) -> None:
    world.start()
    world.add(dag("etl", "a", max_active_runs=1))
    world.trigger("etl", "r1")
    world.trigger("etl", "r2")
    world.step()
    world.mark("etl", "r2", "failed")
    world.step()
    world.end_all()
    assert [world.run("etl", run).state for run in ("r1", "r2")] == ["success", "failed"]
    assert world.states("etl", "r2") == {"a": "skipped"}


# --- delete --------------------------------------------------------------------------------------


def test_a_deleted_run_is_stopped_and_leaves_no_row(world: World) -> None:
    scheduler = world.start()
    _chain(world)
    world.end("a", xcoms={"return_value": "1"}, rendered_fields='{"x": "y"}')
    world.ask(requests.request_delete_run, world.run("etl").id)
    world.step()
    assert len(scheduler.executor.stopped) == 1
    for table in (t.dag_run, t.task_instance, t.xcom, t.rendered_fields, t.notice):
        assert world.rows(select(table)) == []
    assert (scheduler.book.runs, scheduler.book.ledger.held()) == ({}, 0)


def test_a_deleted_dag_is_gone_with_all_its_runs_until_its_file_is_read_again(world: World) -> None:
    scheduler = world.start()
    _chain(world)
    world.trigger("etl", "r2")
    world.step()
    world.ask(requests.request_delete_dag, "etl")
    world.step()
    assert world.running() == []
    for table in (t.dag, t.dag_version, t.dag_run, t.task_instance):
        assert world.rows(select(table)) == []
    world.advance(31)
    scheduler.parts.dag_files.scan()
    assert world.dag_row("etl").is_active


# --- pause ---------------------------------------------------------------------------------------


def test_a_paused_dag_starts_no_task_but_what_runs_may_end(world: World) -> None:
    world.start()
    _chain(world)
    world.pause("etl")
    world.step()
    world.end("a")
    assert (world.running(), world.states("etl")["a"]) == ([], "success")
    world.pause("etl", paused=False)
    world.step()
    assert world.running() == [("r1", "b")]


def test_a_queued_run_of_a_paused_dag_does_not_start(world: World) -> None:
    world.start()
    world.add(dag("etl", "a", max_active_runs=1))
    world.trigger("etl", "r1")
    world.trigger("etl", "r2")
    world.step()
    world.pause("etl")
    world.step()
    world.end("a")
    world.step(12)
    assert world.run("etl", "r2").state == "queued"
    world.pause("etl", paused=False)
    world.step()
    assert world.running() == [("r2", "a")]


def test_a_run_of_a_paused_dag_can_be_cleared_and_marked(world: World) -> None:
    world.start()
    _chain(world)
    world.end_all()
    world.pause("etl")
    world.step()
    world.clear("etl", "r1", "c")
    world.step()
    assert (world.states("etl")["c"], world.running()) == ("none", [])
    world.mark("etl", "r1", "success")
    world.step()
    assert world.run("etl").state == "success"


def test_requests_for_a_run_that_is_gone_are_closed_with_the_reason(world: World) -> None:
    world.start()
    _chain(world)
    run = world.run("etl").id
    world.ask(requests.request_delete_run, run)
    world.ask(requests.request_delete_run, run)
    world.step()
    assert _outcomes(world) == ["done", "The run has been deleted."]


def test_a_lost_task_of_a_paused_dag_does_not_hold_its_slot_for_ever(world: World) -> None:
    world.set_pool("narrow", 1)
    first = world.start()
    world.add(dag("etl", task("a", pool="narrow")), dag("other", task("x", pool="narrow")))
    world.trigger("etl")
    world.step()
    world.pause("etl")
    world.step()
    world.kill(first)
    world.start()
    world.trigger("other")
    world.advance(40)
    assert world.running() == [("r1", "x")]
    world.end_all()
    world.pause("etl", paused=False)
    world.step()
    assert world.running() == [("r1", "a")]
