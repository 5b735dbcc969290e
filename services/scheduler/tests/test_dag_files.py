"""DAG files that change, break, move and vanish while their runs are under way."""

from pathlib import Path

import pytest
from scheduler_world import World, dag, daily, task
from sqlalchemy import select, update

from gale.db import tables as t
from gale.db.engine import writing
from gale.errors import NotFound


def _errors(world: World) -> dict[str, str]:
    return {row.filename: row.stacktrace for row in world.rows(select(t.import_error))}


def test_a_run_under_way_follows_the_newest_version_of_its_dag(world: World) -> None:
    world.start()
    world.add(dag("etl", "a", task("b", "a")))
    world.trigger("etl")
    world.step()
    world.add(dag("etl", "a", task("b", "a"), task("c", "b")))
    world.step()
    assert world.states("etl") == {"a": "running", "b": "none", "c": "none"}
    world.end_all()
    assert world.states("etl") == {"a": "success", "b": "success", "c": "success"}
    assert len(world.rows(select(t.dag_version))) == 2


def test_a_task_that_vanishes_is_removed_and_one_that_returns_runs(world: World) -> None:
    world.start()
    world.add(dag("etl", "a", task("b", "a")))
    world.trigger("etl")
    world.step()
    world.add(dag("etl", "a"))
    world.step()
    assert world.states("etl") == {"a": "running", "b": "removed"}
    world.add(dag("etl", "a", task("b", "a")))
    world.step()
    assert world.states("etl") == {"a": "running", "b": "none"}
    world.end_all()
    assert world.states("etl") == {"a": "success", "b": "success"}


def test_a_task_that_vanishes_while_it_runs_may_end(world: World) -> None:
    world.start()
    world.add(dag("etl", "a", task("b", "a")))
    world.trigger("etl")
    world.step()
    world.add(dag("etl", task("b")))
    world.step()
    assert world.states("etl")["a"] == "running"
    world.end_all()
    assert world.states("etl") == {"a": "success", "b": "success"}
    assert world.run("etl").state == "success"


def test_a_change_of_a_limit_holds_for_the_runs_under_way(world: World) -> None:
    world.start()
    tasks = [f"t{number}" for number in range(4)]
    world.add(dag("etl", *tasks, max_active_tasks=1))
    world.trigger("etl")
    world.step()
    assert len(world.running()) == 1
    world.add(dag("etl", *tasks, max_active_tasks=3))
    world.step()
    assert len(world.running()) == 3


def test_a_broken_file_keeps_the_last_good_version_running(world: World) -> None:
    world.start()
    world.add(daily("etl", "a", task("b", "a"), first=9))
    world.step()
    world.write("etl.py", "SyntaxError: invalid syntax")
    world.scan()
    world.step()
    assert "line 3" in _errors(world)["etl.py"]
    assert world.dag_row("etl").has_import_errors
    world.advance(86400)
    world.end_all()
    assert [row.state for row in world.runs("etl")] == ["success", "success"]
    world.add(daily("etl", "a", task("b", "a"), first=9))
    assert (_errors(world), world.dag_row("etl").has_import_errors) == ({}, False)


def test_a_broken_file_changes_no_other_dag(world: World) -> None:
    world.start()
    world.add(dag("good", "a"))
    world.write("bad.py", "NameError: name 'x' is not defined")
    world.scan()
    world.trigger("good")
    world.step()
    assert world.running() == [("r1", "a")]
    assert list(_errors(world)) == ["bad.py"]


def test_a_version_that_cannot_be_read_holds_up_its_own_dag_only(world: World) -> None:
    """After an upgrade a stored version may say what this program does not know."""
    world.start()
    world.add(dag("old", "a"), dag("good", "a"))
    world.trigger("old")
    world.trigger("good")
    with writing(world.engine) as connection:
        mine = t.dag_version.c.dag_id == "old"
        connection.execute(update(t.dag_version).where(mine).values(data='{"dag_id": 7}', digest="of another Gale"))
    with pytest.raises(NotFound, match="read the DAG's file again"):
        world.trigger("old", "r2")
    for scheduler in world.living() * 3:
        scheduler.turn()
        world.clock.advance(0.2)
    assert world.running() == [("r1", "a")]
    world.clock.advance(31)
    world.scan()
    for scheduler in world.living() * 8:
        scheduler.turn()
        world.clock.advance(9)
    assert [world.states(name) for name in ("old", "good")] == [{"a": "running"}] * 2


def test_the_same_dag_id_in_two_files_is_refused_for_the_second(world: World) -> None:
    world.start()
    world.add(dag("etl", "a"))
    world.write("copy.py", dag("etl", "z", fileloc="copy.py"))
    world.scan()
    assert "already defined in etl.py" in _errors(world)["copy.py"]
    world.trigger("etl")
    world.step()
    assert world.running() == [("r1", "a")]


def test_a_dag_may_move_to_another_file_when_the_first_is_gone(world: World) -> None:
    world.start()
    world.add(dag("etl", "a"))
    world.delete_file("etl.py")
    world.write("moved.py", dag("etl", "a", fileloc="moved.py"))
    world.scan()
    row = world.dag_row("etl")
    assert (row.fileloc, row.is_active, _errors(world)) == ("moved.py", True, {})


def test_a_dag_whose_file_is_deleted_starts_nothing_until_the_file_is_back(world: World) -> None:
    world.start()
    world.add(daily("etl", "a", task("b", "a"), first=9))
    world.step()
    world.delete_file("etl.py")
    world.scan()
    world.step()
    assert not world.dag_row("etl").is_active
    world.end("a")
    world.advance(86400)
    assert (world.running(), len(world.runs("etl"))) == ([], 1)
    world.add(daily("etl", "a", task("b", "a"), first=9))
    world.step()
    assert len(world.runs("etl")) == 2
    world.end_all()
    assert [row.state for row in world.runs("etl")] == ["success", "success"]


def test_a_folder_that_cannot_be_read_takes_no_dag_off_the_list(world: World, tmp_path: Path) -> None:
    """A network drive that is away for a moment proves nothing absent."""
    world.start()
    world.add(dag("etl", "a"))
    world.dags.rename(tmp_path / "away")
    world.scan()
    assert world.dag_row("etl").is_active
    (tmp_path / "away").rename(world.dags)
    world.scan()
    assert world.dag_row("etl").is_active


def test_the_folder_is_scanned_on_every_tenth_loop(world: World) -> None:
    """The notes: "每 10 次循环检查一次 dags 目录"."""
    scheduler = world.start()
    world.step()
    scans = []
    scheduler.parts.dag_files.scan = lambda: scans.append(world.clock.now())  # type: ignore[method-assign]
    began = world.clock.now()
    for _ in range(25):
        world.clock.advance(5)
        world.step(1)
    assert len(scans) == 2
    assert 40 <= (scans[0] - began).total_seconds() <= 52
    assert 49 <= (scans[1] - scans[0]).total_seconds() <= 52


def test_a_file_is_read_again_only_when_it_changed_or_its_reading_is_old(world: World) -> None:
    scheduler = world.start()
    world.add(dag("etl", "a"))
    reader = scheduler.parts.dag_files._zygote
    count = len(reader.read)
    world.scan()
    world.clock.advance(29)
    world.scan()
    assert len(reader.read) == count
    world.clock.advance(2)
    world.scan()
    assert len(reader.read) == count + 1
    world.add(dag("etl", "a", "b"))
    assert len(reader.read) == count + 2


def test_reading_a_file_again_that_says_the_same_makes_no_new_version(world: World) -> None:
    world.start()
    world.add(dag("etl", "a"))
    for _ in range(3):
        world.clock.advance(31)
        world.scan()
    assert len(world.rows(select(t.dag_version))) == 1


def test_a_file_that_does_not_speak_of_dags_is_not_even_read(world: World) -> None:
    """Airflow's safe mode: helpers beside DAG files are not run."""
    scheduler = world.start()
    (world.dags / "helper.py").write_text("raise SystemExit('never run me')")
    world.scan()
    world.step()
    assert scheduler.parts.dag_files._zygote.read == []
    assert _errors(world) == {}


def test_a_dag_file_that_is_half_saved_keeps_its_dag(world: World) -> None:
    world.start()
    world.add(dag("etl", "a"))
    world.write("etl.py", "SyntaxError: it ends too early")
    (world.dags / "etl.py").write_text("")
    world.scan()
    world.step()
    assert world.dag_row("etl").is_active
    assert list(_errors(world)) == ["etl.py"]
