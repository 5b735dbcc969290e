"""Several schedulers on one database: they share the runs, and each takes over what another leaves behind."""

from datetime import timedelta

from scheduler_world import Scheduler, World, dag, task
from sqlalchemy import select, update

from gale.core.attempt import Outcome
from gale.core.transitions import MAX_INFRA_LOSSES
from gale.db import tables as t
from gale.db.engine import writing


def _owners(world: World) -> list[str | None]:
    return [row.owner_job_id for row in world.rows(select(t.dag_run).order_by(t.dag_run.c.run_id))]


def _job(world: World, scheduler: Scheduler) -> str:
    (row,) = world.rows(select(t.job).where(t.job.c.id == scheduler.job_id))
    return row.state


def _two(world: World) -> tuple[Scheduler, Scheduler]:
    first, second = world.start(), world.start()
    world.add(dag("etl", "a", task("b", "a")))
    return first, second


def test_each_run_has_one_owner_and_all_runs_are_worked_on(world: World) -> None:
    first, second = _two(world)
    for number in range(6):
        world.trigger("etl", f"r{number}")
        (first, second)[number % 2].turn()
        world.clock.advance(0.2)
    assert _owners(world) == [first.job_id, second.job_id] * 3
    world.end_all()
    assert [row.state for row in world.runs("etl")] == ["success"] * 6
    assert {order.run.run_id for order in first.executor.started} == {"r0", "r2", "r4"}


def test_many_runs_at_once_are_not_all_taken_by_the_first_who_looks(world: World) -> None:
    first, second = _two(world)
    world.add(dag("wide", "a", max_active_runs=100))
    for number in range(60):
        world.trigger("wide", f"r{number:02}")
    world.step(6)
    shares = [len(scheduler.book.runs) for scheduler in (first, second)]
    assert sum(shares) == 60
    assert min(shares) >= 20


def test_limits_hold_over_both_schedulers_together(world: World) -> None:
    world.set_pool("narrow", 3)
    first, second = world.start(), world.start()
    world.add(*(dag(f"etl{n}", *(task(f"t{m}", pool="narrow") for m in range(4))) for n in range(2)))
    world.trigger("etl0")
    first.turn()
    world.trigger("etl1")
    second.turn()
    for _ in range(6):
        world.step()
        assert len(world.running()) <= 3
        for scheduler in (first, second):
            for order in scheduler.executor.orders()[:1]:
                scheduler.executor.end(order)
    world.end_all()
    assert [world.run(f"etl{n}").state for n in range(2)] == ["success", "success"]


def test_max_active_runs_holds_over_both_schedulers_together(world: World) -> None:
    first, second = world.start(), world.start()
    world.add(dag("etl", "a", max_active_runs=2))
    for number in range(6):
        world.trigger("etl", f"r{number}")
        (first, second)[number % 2].turn()
    world.step(12)
    assert len(world.running()) == 2
    world.end_all()
    assert [row.state for row in world.runs("etl")] == ["success"] * 6


def test_a_place_under_max_active_runs_that_one_frees_is_used_by_the_other(world: World) -> None:
    first, second = world.start(), world.start()
    world.add(dag("etl", "a", max_active_runs=1))
    world.trigger("etl", "r1")
    first.turn()
    world.trigger("etl", "r2")
    second.turn()
    world.step()
    assert world.running() == [("r1", "a")]
    world.end("a")
    assert world.running() == [("r2", "a")]
    assert second.executor.orders()[0].run.run_id == "r2"


# --- death ---------------------------------------------------------------------------------------


def test_the_runs_of_a_dead_scheduler_are_adopted_and_its_attempts_tried_again(world: World) -> None:
    first = world.start()
    world.add(dag("etl", "a", task("b", "a")))
    world.trigger("etl")
    world.step()
    lost = world.order("a").token
    second = world.start()
    world.kill(first)
    world.advance(6)
    assert (_job(world, first), _owners(world)) == ("failed", [second.job_id])
    order = second.executor.order_of("a")
    assert (order.try_number, order.token != lost) == (2, True)
    assert world.ti("etl", "r1", "a").infra_losses == 1
    world.end_all()
    assert world.run("etl").state == "success"


def test_a_scheduler_started_anew_goes_on_with_what_its_predecessor_left(world: World) -> None:
    first = world.start()
    world.add(dag("etl", *(f"t{n}" for n in range(10)), task("last", *(f"t{n}" for n in range(10)))))
    world.trigger("etl")
    world.step()
    for number in range(4):
        world.end(f"t{number}")
    world.kill(first)
    world.start()
    world.step()
    assert len(world.running()) == 6
    world.end_all()
    assert world.run("etl").state == "success"
    assert [world.ti("etl", "r1", f"t{n}").try_number for n in range(10)] == [1] * 4 + [2] * 6


def test_a_scheduler_that_falls_silent_loses_its_runs_when_its_lease_ends_and_not_before(world: World) -> None:
    first, second = _two(world)
    world.trigger("etl")
    first.turn()
    first.alive = False  # it hangs: its process is there, but it does nothing
    world.clock.advance(29)
    world.step(1)
    assert _owners(world) == [first.job_id]
    world.clock.advance(2)
    world.step()
    assert _owners(world) == [second.job_id]
    assert second.executor.order_of("a").try_number == 2


def test_one_that_was_declared_dead_ends_and_writes_nothing_when_it_comes_back(world: World) -> None:
    first, second = _two(world)
    world.trigger("etl")
    first.turn()
    first.alive = False
    world.clock.advance(40)
    world.step()
    ours = second.executor.order_of("a").token
    second.alive = False
    world.trigger("etl", "r2")
    first.executor.end(first.executor.order_of("a"), xcoms={"return_value": '"too late"'})
    first.alive = True
    world.step()
    assert not first.alive
    assert "dead" in first.loop._stop_reason
    assert len(first.executor.started) == 1
    second.alive = True
    assert world.ti("etl", "r1", "a").token == ours
    assert world.rows(select(t.xcom)) == []
    world.step()
    world.end_all()
    assert [row.state for row in world.runs("etl")] == ["success", "success"]


def test_one_that_is_back_before_it_was_declared_dead_leaves_its_lost_runs_alone(world: World) -> None:
    """Its run was adopted when the lease of the run had ended; its attempt's own lease was younger."""
    first, second = _two(world)
    world.trigger("etl")
    first.turn()
    world.clock.advance(4)
    first.executor.end(first.executor.order_of("a"))
    first.turn()
    first.alive = False
    world.clock.advance(24)
    second.turn()  # its last look for the dead before the lease of the first one ends
    world.clock.advance(3)
    world.step()
    assert (_owners(world), world.states("etl")["b"]) == ([second.job_id], "running")
    first.alive = True
    world.step()
    assert (first.alive, _owners(world)) == (True, [second.job_id])
    assert first.book.runs == {}
    world.advance(60)
    world.end_all()
    assert world.run("etl").state == "success"


def test_no_attempt_is_lost_because_the_machine_was_asleep(world: World) -> None:
    """Asleep, the clock on the wall goes on, the monotonic one does not."""
    world.start()
    world.add(dag("etl", "a"))
    world.trigger("etl")
    world.step()
    token = world.order("a").token
    world.clock.set_wall(world.clock.now() + timedelta(hours=8))
    world.step()
    world.advance(12)
    assert world.order("a").token == token
    world.end("a")
    assert world.history("etl", "r1", "a") == ["DependenciesMet", "SlotGranted", "Started", "Succeeded"]


def test_attempts_lost_with_their_schedulers_use_up_no_retry_until_the_limit(world: World) -> None:
    scheduler = world.start()
    world.add(dag("etl", task("a", retries=0)))
    world.trigger("etl")
    world.step()
    for loss in range(1, MAX_INFRA_LOSSES + 1):
        world.kill(scheduler)
        scheduler = world.start()
        world.step()
        row = world.ti("etl", "r1", "a")
        assert (row.state, row.infra_losses, row.try_number) == ("running", loss, loss + 1)
    world.kill(scheduler)
    world.start()
    world.step()
    assert world.states("etl") == {"a": "failed"}


def test_a_claim_that_no_process_stands_behind_is_tried_again(world: World) -> None:
    scheduler = world.start()
    world.add(dag("etl", "a"))
    world.trigger("etl")
    world.step()
    scheduler.executor._running.clear()  # its end was never reported
    world.advance(8)
    assert world.order("a").try_number == 2
    world.end("a")
    assert world.run("etl").state == "success"


# --- the end by a word ---------------------------------------------------------------------------


def test_a_job_row_set_to_shutdown_ends_its_process_and_hands_everything_back(world: World) -> None:
    """The notes: "检查当前调度进程（SchedulerJob）数据库中的状态，是 SHUTDOWN 就 kill 掉自己"."""
    first, second = _two(world)
    world.trigger("etl")
    first.turn()
    with writing(world.engine) as connection:
        connection.execute(update(t.job).where(t.job.c.id == first.job_id).values(state="shutdown"))
    world.advance(6)
    assert (first.alive, _job(world, first), second.alive) == (False, "success", True)
    row = world.ti("etl", "r1", "a")
    assert (row.state, row.job_id, row.infra_losses) == ("running", second.job_id, 1)
    world.end_all()
    assert world.run("etl").state == "success"


def test_a_scheduler_that_is_stopped_hands_its_attempts_back_at_once(world: World) -> None:
    first = world.start()
    world.add(dag("etl", "a", "done"))
    world.trigger("etl")
    world.step()
    first.executor.end(first.executor.order_of("done"))
    first.loop.stop("a test wants it")
    world.step(1)
    assert world.states("etl") == {"a": "up_for_retry", "done": "success"}
    assert world.ti("etl", "r1", "a").due_at <= world.clock.now()
    assert (_owners(world), _job(world, first)) == ([None], "success")
    world.start()
    world.step()
    assert world.order("a").max_tries == 2
    world.end("a", Outcome.FAILED)
    world.advance(61)
    assert world.states("etl")["a"] == "failed"
