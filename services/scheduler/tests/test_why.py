"""`gale why` over the rows that a scheduler has written: the answer is what really holds the task back."""

import pytest
from scheduler_world import World, dag, daily, task

from gale.core.attempt import Outcome
from gale.core.explain import Cause
from gale.db.read.why import Defaults, why_dag, why_run, why_task

DEFAULTS = Defaults(parallelism=32, max_active_tasks=16, max_active_runs=16)


def why(world: World, *key: str) -> Cause:
    """Ask of a DAG, a run or a task."""
    ask = {1: why_dag, 2: why_run, 3: lambda connection, *key_and_more: why_task(connection, key, *key_and_more[3:])}
    with world.engine.connect() as connection:
        return ask[len(key)](connection, *key, DEFAULTS, world.clock.now()).cause


def test_a_small_task_behind_a_big_one_that_does_not_fit_waits_for_the_pool(world: World) -> None:
    """There is a free slot, but nobody overtakes the first in line: the answer must say so."""
    world.set_pool("narrow", 3)
    world.start()
    world.add(
        dag(
            "etl",
            task("busy", pool="narrow", pool_slots=2, priority_weight=9),
            task("big", pool="narrow", pool_slots=2, priority_weight=5),
            task("small", pool="narrow"),
        )
    )
    world.trigger("etl")
    world.step()
    assert world.running() == [("r1", "busy")]
    assert why(world, "etl", "r1", "big") is Cause.POOL
    assert why(world, "etl", "r1", "small") is Cause.POOL
    assert why(world, "etl", "r1", "busy") is Cause.RUNNING


def test_a_task_behind_the_limit_of_its_dag_names_that_limit(world: World) -> None:
    world.start()
    world.add(dag("etl", "a", "b", max_active_tasks=1))
    world.trigger("etl")
    world.step()
    assert why(world, "etl", "r1", "b") is Cause.MAX_ACTIVE_TASKS
    assert why(world, "etl", "r1") is Cause.MAX_ACTIVE_TASKS


def test_a_task_waits_for_the_one_before_it_and_then_for_its_retry(world: World) -> None:
    world.start()
    world.add(dag("etl", task("a", retries=1, retry_delay=60.0), task("b", "a")))
    world.trigger("etl")
    world.step()
    assert why(world, "etl", "r1", "b") is Cause.UPSTREAM
    world.end("a", Outcome.FAILED)
    world.step()
    assert why(world, "etl", "r1", "a") is Cause.RETRY_DELAY


def test_a_task_held_by_its_past_says_so(world: World) -> None:
    world.start()
    world.add(daily("etl", task("load", depends_on_past=True), first=2))
    for _ in range(4):
        world.step()
    first, second = (run.run_id for run in world.runs("etl")[:2])
    assert why(world, "etl", first, "load") is Cause.RUNNING
    assert why(world, "etl", second, "load") is Cause.PAST


@pytest.mark.parametrize("lives", [True, False])
def test_a_run_without_a_living_scheduler_says_that_none_runs(world: World, *, lives: bool) -> None:
    scheduler = world.start()
    world.add(dag("etl", "a"))
    world.trigger("etl")
    world.step()
    if not lives:
        world.kill(scheduler)
        world.advance(60)
    assert why(world, "etl", "r1") is (Cause.RUNNING if lives else Cause.NO_SCHEDULER)


def test_a_paused_dag_says_so_before_anything_else(world: World) -> None:
    world.start()
    world.add(dag("etl", "a", "b"))
    world.trigger("etl")
    world.pause("etl")
    world.step()
    assert why(world, "etl") is Cause.PAUSED
    assert why(world, "etl", "r1") is Cause.PAUSED
