"""Who gets a slot: pools, limits of DAGs and tasks, weights, parallelism."""

from scheduler_world import World, dag, task, with_limits

from gale.core.attempt import Outcome


def test_a_pool_is_never_used_beyond_its_slots(world: World) -> None:
    world.set_pool("narrow", 3)
    world.start()
    world.add(dag("etl", *(task(f"t{n}", pool="narrow", pool_slots=1 + n % 2) for n in range(6))))
    world.trigger("etl")
    world.step()
    assert 0 < len(world.running()) < 6
    world.end_all()
    assert world.run("etl").state == "success"


def test_a_task_of_a_full_pool_holds_up_no_task_of_another(world: World) -> None:
    world.set_pool("narrow", 1)
    world.start()
    world.add(dag("etl", *(task(f"slow{n}", pool="narrow", priority_weight=10) for n in range(5)), "other"))
    world.trigger("etl")
    world.step()
    assert ("r1", "other") in world.running()
    assert len(world.running()) == 2


def test_a_pool_that_grows_lets_more_tasks_go_at_once(world: World) -> None:
    world.set_pool("narrow", 1)
    world.start()
    world.add(dag("etl", *(task(f"t{n}", pool="narrow") for n in range(4))))
    world.trigger("etl")
    world.step()
    assert len(world.running()) == 1
    world.set_pool("narrow", 3)
    world.step()
    assert len(world.running()) == 3


def test_the_heaviest_goes_first_and_among_equals_the_oldest_run(world: World) -> None:
    world.start(slots=1)
    world.add(dag("etl", "light", task("heavy", priority_weight=5)))
    world.trigger("etl", "r1")
    world.trigger("etl", "r2")
    order = []
    for _ in range(4):
        world.step()
        ((run_id, task_id),) = world.running()
        order.append((run_id, task_id))
        world.end(task_id)
    assert order == [("r1", "heavy"), ("r2", "heavy"), ("r1", "light"), ("r2", "light")]


def test_one_dag_runs_no_more_tasks_at_once_than_it_may(world: World) -> None:
    world.start()
    world.add(dag("few", *(f"t{n}" for n in range(5)), max_active_tasks=2), dag("many", *(f"t{n}" for n in range(5))))
    world.trigger("few")
    world.trigger("many")
    world.step()
    assert sum(row.dag_id == "few" for row in _occupying(world)) == 2
    assert sum(row.dag_id == "many" for row in _occupying(world)) == 5
    world.end_all()


def test_instances_of_one_task_are_limited_over_all_runs_and_in_each(world: World) -> None:
    world.start()
    world.add(dag("etl", task("one", max_active_tis_per_dag=2), task("two", max_active_tis_per_dagrun=1)))
    for number in range(4):
        world.trigger("etl", f"r{number}")
    world.step()
    tasks = [task_id for _, task_id in world.running()]
    assert (tasks.count("one"), tasks.count("two")) == (2, 4)
    world.end_all()


def test_an_executor_gets_no_more_than_it_has_slots_for(world: World) -> None:
    with_limits(world, parallelism=3).start(slots=3)
    world.add(dag("etl", *(f"t{n}" for n in range(7))))
    world.trigger("etl")
    world.step()
    assert len(world.running()) == 3
    world.end_all()
    assert world.run("etl").state == "success"


def test_what_ended_in_a_round_gives_its_slot_to_another_in_the_same_round(world: World) -> None:
    """The rows are counted anew each second, in rounds whose ends they do not know yet."""
    scheduler = with_limits(world, parallelism=64).start(slots=64)
    world.set_pool("narrow", 2)
    world.add(dag("etl", *(task(f"t{n}", pool="narrow") for n in range(8))))
    world.trigger("etl")
    world.step()
    for _ in range(3):
        scheduler.parts.relay.recount()
        for order in scheduler.executor.orders():
            scheduler.executor.end(order)
        scheduler.turn()
        assert len(world.running()) == 2


def test_a_missing_pool_holds_only_its_own_tasks_until_it_is_made(world: World) -> None:
    world.start()
    world.add(dag("etl", task("a", pool="nowhere", priority_weight=9), "b"))
    world.trigger("etl")
    world.step()
    assert world.running() == [("r1", "b")]
    world.set_pool("nowhere", 1)
    world.step()
    assert world.running() == [("r1", "a"), ("r1", "b")]


def test_slots_are_free_again_after_failures_skips_and_reschedules(world: World) -> None:
    scheduler = world.start()
    world.add(dag("etl", *(f"t{n}" for n in range(4))))
    world.trigger("etl")
    world.step()
    for number, outcome in enumerate((Outcome.SUCCESS, Outcome.FAILED, Outcome.SKIPPED, Outcome.LOST)):
        world.end(f"t{number}", outcome)
    world.end_all()
    assert (scheduler.book.ledger.held(), _occupying(world)) == (0, [])


def test_a_candidate_that_cannot_go_costs_no_transaction_while_it_waits(world: World) -> None:
    """Otherwise two schedulers would hand the lock of the slots to and fro, ten commits a second."""
    world.set_pool("narrow", 1)
    first, second = world.start(), world.start()
    world.add(*(dag(f"etl{n}", task("a", pool="narrow"), task("b", pool="narrow")) for n in range(2)))
    world.trigger("etl0")
    first.turn()
    world.trigger("etl1")
    second.turn()
    world.step(12)
    assert {len(first.book.runs), len(second.book.runs)} == {1}
    before = _lock_version(world)
    world.step(9)
    assert _lock_version(world) - before <= 2


def _lock_version(world: World) -> int:
    from gale.db.tables import grant_lock  # noqa: PLC0415 - only here

    return world.rows(grant_lock.select())[0].version


def _occupying(world: World) -> list:
    from gale.db.tables import task_instance  # noqa: PLC0415 - only here

    return world.rows(task_instance.select().where(task_instance.c.state.in_(["queued", "running", "restarting"])))
