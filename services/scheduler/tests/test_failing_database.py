"""Transactions that fail in the middle lose nothing and double nothing."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from scheduler_world import Scheduler, World, dag, task
from sqlalchemy import select, update

from gale.core.attempt import Outcome
from gale.core.graph import CallbackKind
from gale.db import tables as t
from gale.db.engine import writing


@pytest.fixture(autouse=True)
def _mended(world: World) -> Iterator[None]:
    """Engines are shared with other tests: let their commits be whole again."""
    yield
    for scheduler in world.schedulers:
        vars(scheduler.engine.dialect).pop("do_commit", None)


def _break_commit(scheduler: Scheduler, number: int, *, durable: bool) -> None:
    """Let one commit of a scheduler fail: before it is done, or after, when only the answer gets lost."""
    dialect = scheduler.engine.dialect
    commit: Callable[[Any], None] = dialect.do_commit
    count = 0

    def fail_once(connection: Any) -> None:
        nonlocal count
        count += 1
        if count != number or durable:
            commit(connection)
        if count == number:
            if not durable:
                connection.rollback()
            raise sqlite3.OperationalError("disk I/O error")

    dialect.do_commit = fail_once  # type: ignore[method-assign]


def _run_etl(world: World, number: int, *, durable: bool) -> None:
    """A chain, a retry, a branch and callbacks: whatever happens, this is how it must end."""
    notify = {"callbacks": (CallbackKind.SUCCESS, CallbackKind.RETRY)}
    world.add(dag("etl", "a", task("flaky", "a", retries=1, retry_delay=1.0, **notify), task("b", "a"), task("c", "b")))
    world.trigger("etl")
    _break_commit(world.living()[0], number, durable=durable)
    failed = False
    for _ in range(60):
        world.step(1)
        for scheduler in world.living():
            for order in scheduler.executor.orders():
                if order.task_id == "flaky" and not order.callback and not failed:
                    failed = True
                    scheduler.executor.end(order, Outcome.FAILED)
                elif order.task_id == "b":
                    scheduler.executor.end(order, not_taken=("c",))
                else:
                    scheduler.executor.end(order)
        is_done = world.run("etl").state == "success"
        if is_done and not _open_notices(world):
            return
        world.clock.advance(20 if is_done else 0.4)
    raise AssertionError(f"the run did not end: {world.states('etl')}, notices {_open_notices(world)}")


def _open_notices(world: World) -> list[str]:
    return [row.event for row in world.rows(select(t.notice).where(t.notice.c.done_at.is_(None)))]


@pytest.mark.parametrize("durable", [False, True], ids=["undone", "durable"])
@pytest.mark.parametrize("number", range(1, 15))
def test_a_commit_that_fails_changes_nothing_of_how_a_run_ends(world: World, number: int, durable: bool) -> None:
    scheduler = world.start()
    _run_etl(world, number, durable=durable)
    assert world.states("etl") == {"a": "success", "b": "success", "c": "skipped", "flaky": "success"}
    assert world.ti("etl", "r1", "flaky").infra_losses + world.ti("etl", "r1", "a").infra_losses <= 1
    callbacks = [(order.callback, order.try_number) for order in scheduler.executor.started if order.callback]
    assert len(callbacks) == len(set(callbacks))


def test_a_stop_whose_commit_seemed_to_fail_is_made_up_for(world: World) -> None:
    scheduler = world.start()
    world.add(dag("etl", "a"))
    world.trigger("etl")
    world.step()
    token = world.order("a").token
    world.mark("etl", "r1", "failed", "a")
    _break_commit(scheduler, 1, durable=True)
    world.step()
    world.advance(2)
    assert [stopped[1] for stopped in scheduler.executor.stopped] == [token]
    assert world.states("etl") == {"a": "failed"}


# --- somebody holds the lock ---------------------------------------------------------------------


def test_a_locked_database_is_waited_for_and_nothing_is_lost(world: World) -> None:
    scheduler = world.start()
    world.add(dag("etl", "a", task("b", "a")))
    world.trigger("etl")
    world.step()
    with writing(world.engine) as connection:  # another program holds the lock
        connection.execute(update(t.slot_pool).values(description="a long transaction"))
        scheduler.executor.end(scheduler.executor.order_of("a"), xcoms={"return_value": "1"})
        for _ in range(30):
            scheduler.turn()
            world.clock.advance(0.1)
    world.advance(2)
    assert world.states("etl") == {"a": "success", "b": "running"}
    assert len(world.rows(select(t.xcom))) == 1


def test_a_change_of_a_file_while_the_database_is_locked_is_seen_afterwards(world: World) -> None:
    scheduler = world.start()
    world.add(dag("etl", "a"))
    with writing(world.engine) as connection:
        connection.execute(update(t.slot_pool).values(description="a long transaction"))
        world.write("etl.py", dag("etl", "a", "b"))
        import os  # noqa: PLC0415 - a pipe as the watcher of files has one

        read_end, write_end = os.pipe()
        scheduler.parts.selector.register(read_end, 1, lambda: (os.read(read_end, 1), scheduler.parts.dag_files.scan()))
        os.write(write_end, b"!")
        scheduler.turn()
        assert scheduler.alive
    scheduler.parts.selector.unregister(read_end)
    os.close(read_end)
    os.close(write_end)
    for _ in range(11):
        world.clock.advance(5)
        world.step(1)
    assert len(world.rows(select(t.dag_version))) == 2


def test_attempts_are_stopped_before_a_lease_ends_that_cannot_be_renewed_and_lose_no_retry(world: World) -> None:
    scheduler = world.start()
    world.add(dag("etl", task("a", retries=0)))
    world.trigger("etl")
    world.step()
    token = world.order("a").token
    renewed = world.clock.now()
    with writing(world.engine) as connection:
        connection.execute(update(t.slot_pool).values(description="a long transaction"))
        while not scheduler.executor.stopped:
            scheduler.turn()
            world.clock.advance(0.5)
            assert world.clock.now() - renewed < timedelta(seconds=30), "nothing was stopped before the lease ended"
        assert world.clock.now() - renewed > timedelta(seconds=15)
    assert [stopped[1] for stopped in scheduler.executor.stopped] == [token]
    (within,) = scheduler.executor.hurried.values()
    assert world.clock.now() + timedelta(seconds=within) < renewed + timedelta(seconds=30)
    world.advance(12)
    row = world.ti("etl", "r1", "a")
    assert (row.state, row.try_number, row.infra_losses) == ("running", 2, 1)


def test_a_row_that_somebody_else_has_moved_is_read_again(world: World) -> None:
    """Compare-and-set on the token refuses the end; the machine is then built anew from the rows."""
    world.start()
    world.add(dag("etl", "a", task("b", "a")))
    world.trigger("etl")
    world.step()
    order = world.order("a")
    with writing(world.engine) as connection:
        mine = t.task_instance.c.id == order.ti
        connection.execute(update(t.task_instance).where(mine).values(token="of somebody else"))
    world._checked = None
    world.schedulers[0].executor.end(order)
    world.schedulers[0].turn()
    assert world.states("etl") == {"a": "running", "b": "none"}
    with writing(world.engine) as connection:
        connection.execute(update(t.task_instance).where(mine).values(token=order.token))
    world.advance(6)
    assert world.order("a").try_number == 2
    world.end_all()
    assert world.run("etl").state == "success"


def test_a_request_whose_moves_were_refused_is_done_again(world: World) -> None:
    scheduler = world.start()
    world.add(dag("etl", "a", task("b", "a")))
    world.trigger("etl")
    world.step()
    order = world.order("a")
    mine = t.task_instance.c.id == order.ti
    with writing(world.engine) as connection:
        connection.execute(update(t.task_instance).where(mine).values(token="of somebody else"))
    world.mark("etl", "r1", "success", "a")
    world.clock.advance(0.2)
    scheduler.turn()
    assert world.states("etl") == {"a": "running", "b": "none"}
    with writing(world.engine) as connection:
        connection.execute(update(t.task_instance).where(mine).values(token=order.token))
    world.advance(2)
    assert world.states("etl") == {"a": "success", "b": "running"}
