"""Attempts that workers claim: commands are hints, the rows are the truth, and the token decides who may write."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from scheduler_world import World, dag, daily, task, with_limits
from sqlalchemy import select
from worker_world import HandBroker, HandWorker, commands

from gale.core.attempt import Outcome
from gale.core.graph import CallbackKind
from gale.core.ports import JobAnswer
from gale.db import tables as t
from gale.db.engine import reading
from gale.db.read.why import Defaults, why_task

CHAIN = dag("etl", "a", task("b", "a"))


@pytest.fixture
def cluster(world: World) -> World:
    """One scheduler that sends commands to workers."""
    with_limits(world)
    world.limits = replace(world.limits, ends_by_workers=True)
    world.start(over=HandBroker)
    return world


def _begin(world: World, spec: Any = CHAIN) -> Any:
    """Trigger a run and return the command for its task a."""
    world.add(spec)
    world.step()
    world.trigger(spec.dag_id)
    world.step()
    return commands(world, "a")[-1]


def test_a_chain_goes_from_command_to_command_as_a_worker_ends_its_tasks(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    command = _begin(cluster)
    row = cluster.ti("etl", "r1", "a")
    assert (row.state, row.token, row.try_number) == ("queued", command.token, 1)
    assert row.due_at == row.queued_at + timedelta(seconds=60)
    (order,) = worker.claim(command)
    row = cluster.ti("etl", "r1", "a")
    assert (row.state, row.hostname, row.job_id, row.due_at) == ("running", "w1", worker.job_id, None)
    assert worker.end(order)
    (order,) = worker.claim(*commands(cluster, "b"))
    assert worker.end(order)
    assert (cluster.states("etl"), cluster.run("etl").state) == ({"a": "success", "b": "success"}, "success")
    assert cluster.history("etl", "r1", "b") == ["DependenciesMet", "SlotGranted", "Started", "Succeeded"]


def test_an_order_that_a_worker_claims_says_all_that_one_started_here_would(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    command = _begin(cluster, dag("etl", task("a", execution_timeout=9.0, queue="fast", retries=2)))
    (order,) = worker.claim(command)
    assert (order.queue, order.execution_timeout, order.max_tries, order.hostname) == ("fast", 9.0, 3, "w1")
    assert (order.run.run_id, order.run.state, order.run.run_type) == ("r1", "running", "manual")
    assert order.file == str(cluster.dags / "etl.py")
    assert command.queue == "fast"


def test_of_two_workers_with_the_same_command_one_runs_it(cluster: World) -> None:
    one, other = HandWorker(cluster, "w1"), HandWorker(cluster, "w2")
    command = _begin(cluster)
    assert len(one.claim(command)) == 1
    assert other.claim(command) == []
    assert one.claim(command) == [], "not even the winner claims it twice"
    assert cluster.ti("etl", "r1", "a").hostname == "w1"


def test_in_a_batch_of_commands_the_stale_one_is_left_out_and_the_others_are_won(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    first = _begin(cluster, dag("etl", "a", "b", "c"))
    others = [*commands(cluster, "b"), *commands(cluster, "c")]
    stale = replace(first, token="0" * 32)
    assert sorted(order.task_id for order in worker.claim(stale, *others)) == ["b", "c"]
    assert cluster.states("etl") == {"a": "queued", "b": "running", "c": "running"}


def test_a_hint_that_gets_lost_costs_at_most_a_second(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    (order,) = worker.claim(_begin(cluster))
    worker.end(order, hint=False)
    cluster.advance(1.0)
    assert cluster.ti("etl", "r1", "b").state == "queued"


def test_a_command_that_nobody_claims_in_time_is_replaced_and_the_old_one_is_void(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    old = _begin(cluster)
    cluster.advance(59)
    assert len(commands(cluster, "a")) == 1
    cluster.advance(3)
    old_again, new = commands(cluster, "a")
    assert (old_again, new.try_number) == (old, 1)
    assert new.token != old.token
    assert worker.claim(old) == []
    assert len(worker.claim(new)) == 1
    assert cluster.history("etl", "r1", "a")[-3:] == ["DispatchExpired", "SlotGranted", "Started"]


def test_a_claim_that_the_owner_has_not_heard_of_is_not_taken_for_an_expired_command(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    command = _begin(cluster)
    cluster.advance(28)
    worker.renew()
    cluster.advance(28)
    (order,) = worker.claim(command)
    worker.renew(order)
    cluster.advance(8)
    assert (len(commands(cluster, "a")), cluster.ti("etl", "r1", "a").state) == (1, "running")


def test_whoever_takes_a_run_over_sends_its_queued_commands_again(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    command = _begin(cluster)
    (first,) = cluster.living()
    assert isinstance(first.executor, HandBroker)
    first.executor.sent.clear()  # it died between its commit and its message
    cluster.kill(first)
    cluster.start(over=HandBroker)
    cluster.advance(6)
    (again,) = commands(cluster, "a")
    assert (again.token, again.queue, again.run.run_id) == (command.token, command.queue, "r1")
    assert len(worker.claim(again)) == 1


def test_a_worker_that_dies_costs_its_attempts_no_retry_and_writes_nothing_when_it_comes_back(cluster: World) -> None:
    dead, other = HandWorker(cluster, "w1"), HandWorker(cluster, "w2")
    (order,) = dead.claim(_begin(cluster))
    for _ in range(6):
        cluster.advance(9)
        other.renew()
    row = cluster.ti("etl", "r1", "a")
    assert (row.state, row.try_number, row.max_tries, row.infra_losses) == ("queued", 2, 2, 1)
    assert not dead.end(order)
    assert dead.renew(order) is JobAnswer.LOST
    (again,) = other.claim(commands(cluster, "a")[-1])
    assert other.end(again)
    assert cluster.states("etl") == {"a": "success", "b": "queued"}


def test_a_task_that_is_cleared_while_a_worker_runs_it_is_stopped_there_and_starts_afresh(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    (order,) = worker.claim(_begin(cluster))
    cluster.clear("etl", "r1", "a")
    cluster.step()
    assert worker.held() == {(order.ti, order.token): "restarting"}
    assert cluster.living()[0].executor.asked == [(order.ti, order.token)]
    assert worker.end(order, Outcome.FAILED, reason="it was stopped")
    row = cluster.ti("etl", "r1", "a")
    assert (row.state, row.try_number, row.token != order.token) == ("queued", 2, True)


def test_a_task_that_is_marked_while_a_worker_runs_it_is_stopped_and_its_end_counts_no_more(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    (order,) = worker.claim(_begin(cluster))
    cluster.mark("etl", "r1", "success", "a")
    cluster.step()
    assert worker.held() == {}
    assert cluster.living()[0].executor.asked == [(order.ti, order.token)]
    assert not worker.end(order, Outcome.FAILED, reason="it was stopped")
    assert cluster.states("etl") == {"a": "success", "b": "queued"}


def test_a_task_that_is_marked_just_after_its_claim_is_marked_all_the_same(cluster: World) -> None:
    """The owner believes it queued, and is refused; it looks again, and does what the user asked for."""
    worker = HandWorker(cluster, "w1")
    command = _begin(cluster)
    cluster.mark("etl", "r1", "failed", "a")
    (order,) = worker.claim(command)
    cluster.step(6)
    assert cluster.ti("etl", "r1", "a").state == "failed"
    assert cluster.living()[0].executor.asked == [(order.ti, order.token)]


def test_a_worker_writes_the_retry_and_the_owner_starts_it_when_its_delay_is_over(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    command = _begin(cluster, dag("etl", task("a", retries=1, retry_delay=30.0)))
    (order,) = worker.claim(command)
    worker.end(order, Outcome.FAILED, reason="ValueError: no")
    row = cluster.ti("etl", "r1", "a")
    assert (row.state, row.reason, row.token) == ("up_for_retry", "ValueError: no", None)
    cluster.advance(20)
    assert cluster.ti("etl", "r1", "a").state == "up_for_retry"
    worker.renew()
    cluster.advance(11)
    (again,) = worker.claim(commands(cluster, "a")[-1])
    worker.end(again, Outcome.FAILED, reason="ValueError: no")
    assert (cluster.ti("etl", "r1", "a").state, cluster.run("etl").state) == ("failed", "failed")


def test_mails_and_callbacks_of_an_end_are_ordered_once_and_run_at_the_scheduler(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    spec = task("a", email=("ann@example.com",), email_on_failure=True, callbacks=(CallbackKind.FAILURE,))
    (order,) = worker.claim(_begin(cluster, dag("etl", spec)))
    worker.end(order, Outcome.FAILED, reason="ValueError: no")
    cluster.advance(1)
    rows = cluster.rows(select(t.notice).order_by(t.notice.c.kind))
    assert [(row.kind, row.event, row.try_number) for row in rows] == [
        ("callback", "on_failure_callback", 1),
        ("mail", "email_on_failure", 1),
    ]
    (callback,) = [order for order in cluster.living()[0].executor.started if order.callback]
    assert callback.callback_reason == "ValueError: no"


def test_what_an_attempt_hands_on_is_stored_with_its_end(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    (order,) = worker.claim(_begin(cluster, dag("etl", "a", task("b", "a"), task("c", "a"))))
    worker.end(order, xcoms={"return_value": "[1]"}, not_taken=("c",), rendered_fields='{"x": "1"}', pid=77)
    (xcom,) = cluster.rows(select(t.xcom))
    assert (xcom.task_id, xcom.key, xcom.value) == ("a", "return_value", "[1]")
    assert [row.fields for row in cluster.rows(select(t.rendered_fields))] == ['{"x": "1"}']
    assert cluster.states("etl") == {"a": "success", "b": "queued", "c": "skipped"}
    assert cluster.ti("etl", "r1", "a").pid == 77


def test_a_sensor_that_waits_gives_its_slot_back_and_remembers_when_it_began(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    (order,) = worker.claim(_begin(cluster))
    began = cluster.clock.now()
    later = began + timedelta(seconds=20)
    worker.end(order, Outcome.RESCHEDULED, due_at=later, start_date=began, end_date=began)
    assert cluster.ti("etl", "r1", "a").state == "up_for_reschedule"
    cluster.advance(21)
    (again,) = worker.claim(commands(cluster, "a")[-1])
    assert (again.first_reschedule_at, again.try_number) == (began, 1)


def test_no_more_is_queued_and_running_than_parallelism_allows(cluster: World) -> None:
    cluster.kill(cluster.living()[0])
    cluster.start(over=HandBroker, slots=2)
    worker = HandWorker(cluster, "w1")
    cluster.add(dag("wide", *[f"t{number}" for number in range(5)]))
    cluster.step()
    cluster.trigger("wide")
    cluster.step()
    sent = cluster.living()[0].executor.sent
    assert len(sent) == 2
    (order,) = worker.claim(sent[0])
    cluster.step()
    assert len(sent) == 2
    worker.end(order)
    assert len(sent) == 3


def test_a_run_that_waits_for_the_one_before_goes_on_when_a_worker_ends_that(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    cluster.add(daily("etl", task("a", depends_on_past=True), first=8))
    cluster.step(6)
    (first,) = commands(cluster, "a")
    (order,) = worker.claim(first)
    worker.end(order)
    assert [row.state for row in cluster.rows(select(t.task_instance).order_by(t.task_instance.c.run_id))] == [
        "success",
        "queued",
    ]


def test_a_run_that_takes_too_long_takes_its_attempts_back_from_the_workers(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    command = _begin(cluster, dag("etl", "a", "b", dagrun_timeout=20.0))
    (order,) = worker.claim(command)
    cluster.advance(10)
    worker.renew(order)
    cluster.advance(12)
    assert (cluster.run("etl").state, cluster.states("etl")) == ("failed", {"a": "skipped", "b": "skipped"})
    assert (order.ti, order.token) in cluster.living()[0].executor.asked
    assert not worker.end(order)


def test_a_task_that_a_new_version_lacks_is_left_unclaimed_and_removed_by_the_owner(cluster: World) -> None:
    worker = HandWorker(cluster, "w1")
    command = _begin(cluster, dag("etl", "a", "b"))
    cluster.add(dag("etl", "b"))
    assert worker.claim(command) == []
    cluster.advance(2)
    assert cluster.states("etl") == {"a": "removed", "b": "queued"}


def test_why_names_the_queue_that_no_worker_listens_to_and_the_workers_that_are_full(cluster: World) -> None:
    _begin(cluster, dag("etl", task("a", queue="fast"), "b", "c"))
    defaults = Defaults(parallelism=32, max_active_tasks=16, max_active_runs=16)

    def why(task_id: str) -> str:
        with reading(cluster.engine) as connection:
            return why_task(connection, ("etl", "r1", task_id), defaults, cluster.clock.now()).cause.value

    assert (why("a"), why("b")) == ("no_worker", "no_worker")
    worker = HandWorker(cluster, "w1", slots=1)
    assert (why("a"), why("b")) == ("no_worker", "waits_for_worker")
    worker.claim(*commands(cluster, "b"))
    assert (why("b"), why("c")) == ("running", "workers_busy")
