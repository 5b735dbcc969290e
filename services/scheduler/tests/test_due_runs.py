"""When runs are created: when their interval has closed, not before, none left out, never too many at once."""

from datetime import timedelta

from scheduler_world import DAILY, DAY, START, World, dag, daily, day, task, with_limits
from sqlalchemy import delete

from gale.core.graph import TimetableSpec
from gale.db import tables as t
from gale.db.engine import writing


def test_a_run_is_created_when_its_interval_has_closed_and_not_a_moment_before(world: World) -> None:
    world.clock.set_wall(day(10) - timedelta(seconds=1))
    world.start()
    world.add(daily("etl", "load", first=9))
    world.step()
    assert world.dates("etl") == []
    world.clock.set_wall(day(10) - timedelta(microseconds=1))
    world.step(1)
    assert world.dates("etl") == []
    world.clock.set_wall(day(10))
    world.advance(1)
    assert world.dates("etl") == [day(9)]
    (run,) = world.runs("etl")
    assert (run.data_interval_start, run.data_interval_end, run.run_after) == (day(9), day(10), day(10))
    assert (run.run_type, run.triggered_by, run.state) == ("scheduled", "timetable", "running")


def test_missed_intervals_are_made_up_for_oldest_first(world: World) -> None:
    world.start()
    world.add(daily("etl", "load", first=6))
    world.step()
    assert world.dates("etl") == [day(6), day(7), day(8), day(9)]


def test_without_catchup_only_the_last_interval_gets_its_run(world: World) -> None:
    world.start()
    world.add(daily("etl", "load", first=1, catchup=False))
    world.step()
    assert world.dates("etl") == [day(9)]
    world.end_all()
    world.advance(3 * DAY)
    assert world.dates("etl") == [day(9), day(12)]


def test_no_run_begins_after_the_end_date_of_its_dag(world: World) -> None:
    world.start()
    world.add(daily("etl", "load", first=6, end_date=day(7)))
    world.step()
    world.advance(2 * DAY)
    assert world.dates("etl") == [day(6), day(7)]


def test_never_more_runs_are_active_than_the_dag_allows(world: World) -> None:
    world.start()
    world.add(daily("etl", "load", first=1, max_active_runs=2))
    world.step()
    assert world.dates("etl") == [day(1), day(2)]
    for done in range(1, 10):
        world.end("load", run_id=world.runs("etl")[done - 1].run_id)
        active = [row for row in world.runs("etl") if row.state in {"queued", "running"}]
        assert len(active) == min(2, 9 - done)
    assert world.dates("etl") == [day(number) for number in range(1, 10)]


def test_as_many_runs_are_active_as_the_dag_allows_even_beyond_one_burst(world: World) -> None:
    world.start(slots=64)
    world.add(dag("etl", "load", timetable=DAILY, start_date=day(1) - timedelta(days=30), max_active_runs=14))
    world.step(5)
    assert sum(row.state == "running" for row in world.runs("etl")) == 14


def test_manual_runs_wait_for_their_turn_under_max_active_runs(world: World) -> None:
    world.start()
    world.add(dag("etl", "load", max_active_runs=1))
    for number in range(3):
        world.trigger("etl", f"r{number}", logical_date=START - timedelta(hours=3 - number))
    world.step()
    assert world.running() == [("r0", "load")]
    world.end("load")
    assert world.running() == [("r1", "load")]
    assert [world.run("etl", f"r{number}").state for number in range(3)] == ["success", "running", "queued"]


def test_dags_that_are_full_do_not_keep_others_from_their_runs(world: World) -> None:
    """With 12 DAGs at their limit and long overdue, a look at the 10 longest overdue would never see the 13th."""
    world.start(slots=64)
    world.add(*(daily(f"busy{number:02}", "load", first=1, max_active_runs=1) for number in range(12)))
    world.add(daily("fresh", "load", first=9))
    for _ in range(5):
        world.step()
    assert world.dates("fresh") == [day(9)]


def test_continuous_dags_that_run_do_not_keep_others_from_their_runs(world: World) -> None:
    world.start(slots=64)
    forever = TimetableSpec(kind="continuous")
    world.add(*(dag(f"loop{n:02}", "load", timetable=forever, start_date=day(1), max_active_runs=1) for n in range(12)))
    world.add(daily("fresh", "load", first=10))
    world.step(5)
    world.advance(DAY)
    world.step(5)
    assert world.dates("fresh") == [day(10)]
    assert [len(world.runs(f"loop{number:02}")) for number in range(12)] == [1] * 12


def test_a_paused_dag_gets_no_runs_until_it_is_resumed(world: World) -> None:
    world.start()
    world.add(daily("etl", "load", first=8, is_paused_upon_creation=True))
    world.step()
    world.advance(DAY)
    assert world.dates("etl") == []
    world.pause("etl", paused=False)
    world.step()
    assert world.dates("etl") == [day(8), day(9), day(10)]


def test_a_run_made_by_hand_for_a_date_is_the_run_of_its_interval(world: World) -> None:
    world.start()
    world.add(daily("etl", "load", first=8, is_paused_upon_creation=True))
    world.trigger("etl", "by_hand", logical_date=day(9))
    world.pause("etl", paused=False)
    world.step()
    assert [row.run_id for row in world.runs("etl")][-1] == "by_hand"
    assert len(set(world.dates("etl"))) == len(world.dates("etl"))


# --- the five-interval rule ----------------------------------------------------------------------


def test_a_dag_that_never_ran_begins_with_its_start_date(world: World) -> None:
    world.start()
    world.add(daily("etl", "load", first=1, max_active_runs=30))
    world.step()
    assert world.dates("etl")[0] == day(1)


def test_a_dag_whose_tasks_ran_before_begins_five_intervals_before_the_last_of_them(world: World) -> None:
    """The notes: "如果 dag 是第一次运行但是有执行过的属于这个 dag 的 task，会从 task 最后执行时间前 5 天开始调度"."""
    _tasks_that_ran_before(world)
    world.start()
    world.add(daily("etl", "load", first=1, max_active_runs=30))
    world.step()
    world.end_all()
    scheduled = [row.logical_date for row in world.runs("etl") if row.run_type == "scheduled"]
    assert scheduled == [day(3), day(4), day(5), day(6), day(7), day(8), day(9)]


def test_five_intervals_back_never_reach_before_the_start_date(world: World) -> None:
    _tasks_that_ran_before(world)
    world.start()
    world.add(daily("etl", "load", first=6, max_active_runs=30))
    world.step()
    assert min(row.logical_date for row in world.runs("etl") if row.run_type == "scheduled") == day(6)


def _tasks_that_ran_before(world: World) -> None:
    """Leave a manual run of the 8th of March, as a database has it whose DAG was taken out and comes back."""
    scheduler = world.start()
    world.add(dag("etl", "load"))
    world.trigger("etl", "by_hand", logical_date=day(8))
    world.step()
    world.end_all()
    with writing(world.engine) as connection:
        for table in (t.dag_version, t.dag):
            connection.execute(delete(table))
    world.kill(scheduler)


# --- deleted and tidy ----------------------------------------------------------------------------


def test_no_interval_is_left_out_or_doubled_over_two_weeks_with_restarts(world: World) -> None:
    world.start()
    world.add(daily("etl", "load", first=9, max_active_runs=3))
    for number in range(14):
        world.step()
        if number % 4 == 3:
            world.kill(world.living()[0])
            world.start()
            world.advance(6)
        world.end_all()
        world.advance(DAY)
    world.end_all()
    assert world.dates("etl") == [day(9) + timedelta(days=number) for number in range(len(world.dates("etl")))]
    assert world.dates("etl")[-1] == day(23)


def test_runs_of_a_task_before_its_own_start_date_go_without_it(world: World) -> None:
    world.start()
    world.add(daily("etl", "load", task("new", start_date=day(9)), first=8))
    world.step()
    assert [sorted(world.states("etl", row.run_id)) for row in world.runs("etl")] == [["load"], ["load", "new"]]


def test_the_default_of_the_settings_limits_runs_where_the_dag_says_nothing(world: World) -> None:
    with_limits(world, max_active_runs=3).start()
    world.add(daily("etl", "load", first=1))
    world.step()
    assert sum(row.state == "running" for row in world.runs("etl")) == 3
