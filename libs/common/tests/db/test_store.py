"""One suite for every store of states: the twin in memory, SQLite, and MySQL or MariaDB."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from gale.core import events as e
from gale.core.commands import Command, MoveRun, MoveTask
from gale.core.facts import RunStatus, TaskFacts
from gale.core.graph import TaskSpec
from gale.core.ports import Applied, JobAnswer, NewJob, NewRun, NewTask, Store, StoreTransaction, Writer
from gale.core.states import RunState, TaskState
from gale.core.transitions import advance
from gale.db import tables as t
from gale.db.engine import writing
from gale.db.lease import LEASE_SECONDS
from gale.db.store import DbStore
from gale.errors import NotFound, RunExists
from gale.testing.memory_store import MemoryStore

NOW = datetime.fromisoformat("2026-03-10T12:00:00+00:00")
LATER = NOW + timedelta(seconds=1)
LEASE = timedelta(seconds=LEASE_SECONDS)
MOMENT = timedelta(microseconds=1)
SPEC = TaskSpec(task_id="load", retries=1, retry_delay=60.0)


def writer(now: datetime = NOW, job: str | None = "job1") -> Writer:
    return Writer(actor="test", now=now, job_id=job)


def add_run(store: Store, run: str = "run1", *tasks: str, dag_id: str = "etl", **more: object) -> None:
    values = {"run_id": run, "run_after": NOW, **more}
    with store.transaction() as transaction:
        transaction.add_run(NewRun(run=run, dag_id=dag_id, **values), writer())
        transaction.add_tasks(run, [NewTask(ti=f"{run}-{task}", task_id=task, max_tries=2) for task in tasks], writer())


def facts(store: Store, ti: str, run: str = "run1") -> TaskFacts:
    with store.transaction() as transaction:
        return next(known for known in transaction.tasks_of_run(run) if known.ti == ti)


def status(store: Store, run: str = "run1") -> RunStatus:
    with store.transaction() as transaction:
        found = transaction.status_of(run)
    assert found is not None
    return found


def moves(before: TaskFacts, *events: e.TaskEvent, run: str = "run1", now: datetime = NOW) -> list[Command]:
    """Return the moves that follow from events, one after the other."""
    made: list[Command] = []
    for event in events:
        after = advance(before, event, SPEC, now)
        kind = type(event).__name__
        made.append(MoveTask(run=run, before=before, after=after, event=kind, cause=event.cause))
        before = after
    return made


def claim(ti: str, token: str, now: datetime = NOW) -> tuple[e.TaskEvent, ...]:
    """Return the events that lead from none to running."""
    started = e.Started(ti=ti, token=token, hostname="here", lease_until=now + LEASE)
    return e.DependenciesMet(ti=ti), e.SlotGranted(ti=ti, token=token), started


def write(store: Store, *commands: Command, by: Writer | None = None) -> Applied:
    with store.transaction() as transaction:
        return transaction.apply(commands, by or writer())


def states(store: Store, run: str = "run1") -> dict[str, TaskState]:
    with store.transaction() as transaction:
        return {known.ti: known.state for known in transaction.tasks_of_run(run)}


def start_jobs(store: Store, *jobs: str, now: datetime = NOW) -> None:
    with store.transaction() as transaction:
        for job in jobs:
            transaction.open_job(NewJob(job=job, hostname="here", pid=1, process_key=job), now)


# --- rows ----------------------------------------------------------------------------------------


def test_a_new_run_is_queued_and_its_new_tasks_have_no_state(kept) -> None:
    add_run(kept.store, "run1", "a", "b")
    assert status(kept.store) == RunStatus(run="run1", dag_id="etl", run_id="run1", state=RunState.QUEUED)
    assert states(kept.store) == {"run1-a": TaskState.NONE, "run1-b": TaskState.NONE}
    assert facts(kept.store, "run1-a") == TaskFacts(ti="run1-a", task_id="a", max_tries=2)


def test_a_run_id_is_given_once_in_a_dag_and_may_be_used_by_another_dag(kept) -> None:
    add_run(kept.store, "run1", run_id="manual")
    with pytest.raises(RunExists):
        add_run(kept.store, "run2", run_id="manual")
    add_run(kept.store, "run3", dag_id="other", run_id="manual")
    with kept.store.transaction() as transaction:
        assert transaction.status_of("run2") is None
        assert transaction.status_of("run3") is not None


def test_a_logical_date_is_given_once_in_a_dag_but_runs_without_one_are_as_many_as_wanted(kept) -> None:
    add_run(kept.store, "run1", logical_date=NOW)
    with pytest.raises(RunExists):
        add_run(kept.store, "run2", logical_date=NOW)
    add_run(kept.store, "run3", logical_date=NOW + MOMENT)
    add_run(kept.store, "run4")
    add_run(kept.store, "run5")


def test_a_refused_run_leaves_the_rest_of_its_transaction_as_it_was(kept) -> None:
    add_run(kept.store, "run1", run_id="taken")
    with kept.store.transaction() as transaction:
        transaction.add_run(NewRun(run="run2", dag_id="etl", run_id="free", run_after=NOW), writer())
        with pytest.raises(RunExists):
            transaction.add_run(NewRun(run="run3", dag_id="etl", run_id="taken", run_after=NOW), writer())
    assert status(kept.store, "run2").run_id == "free"


def test_ids_are_equal_only_if_every_character_is(kept) -> None:
    """MySQL's default collations would take these for one."""
    for number, run_id in enumerate(("etl", "ETL", "etl-")):
        add_run(kept.store, f"run{number}", run_id=run_id)
    assert [status(kept.store, f"run{number}").run_id for number in range(3)] == ["etl", "ETL", "etl-"]


def test_tasks_that_are_there_stay_as_they_are(kept) -> None:
    add_run(kept.store, "run1", "a")
    write(kept.store, *moves(facts(kept.store, "run1-a"), *claim("run1-a", "t1")))
    with kept.store.transaction() as transaction:
        again = [
            NewTask(ti="run1-a", task_id="a"),
            NewTask(ti="another", task_id="a"),
            NewTask(ti="run1-b", task_id="b"),
        ]
        transaction.add_tasks("run1", again, writer())
    assert states(kept.store) == {"run1-a": TaskState.RUNNING, "run1-b": TaskState.NONE}


def test_tasks_of_a_run_that_is_not_there_are_refused(kept) -> None:
    with kept.store.transaction() as transaction, pytest.raises(NotFound):
        transaction.add_tasks("nowhere", [NewTask(ti="x", task_id="x")], writer())


# --- transactions --------------------------------------------------------------------------------


def test_nothing_of_a_transaction_that_fails_remains(kept) -> None:
    add_run(kept.store, "run1", "a")
    start_jobs(kept.store, "job1")

    def fail(transaction: StoreTransaction) -> None:
        transaction.add_run(NewRun(run="run2", dag_id="etl", run_id="run2", run_after=NOW), writer())
        transaction.apply(moves(facts_of(transaction, "run1-a"), *claim("run1-a", "t1")), writer())
        transaction.take_run("job1", "run1", NOW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), kept.store.transaction() as transaction:
        fail(transaction)
    assert states(kept.store) == {"run1-a": TaskState.NONE}
    with kept.store.transaction() as transaction:
        assert transaction.status_of("run2") is None
        assert transaction.events_of("run1-a") == []
        assert transaction.take_run("job2", "run1", NOW)


def facts_of(transaction: StoreTransaction, ti: str, run: str = "run1") -> TaskFacts:
    return next(known for known in transaction.tasks_of_run(run) if known.ti == ti)


def test_a_transaction_sees_what_it_has_written_itself(kept) -> None:
    add_run(kept.store, "run1", "a")
    with kept.store.transaction() as transaction:
        transaction.apply(moves(facts_of(transaction, "run1-a"), e.DependenciesMet(ti="run1-a")), writer())
        assert facts_of(transaction, "run1-a").state is TaskState.SCHEDULED


# --- compare and set -----------------------------------------------------------------------------


def test_all_facts_of_a_move_are_kept_to_the_microsecond(kept) -> None:
    add_run(kept.store, "run1", "load")
    now = NOW + timedelta(microseconds=123456)
    before = facts(kept.store, "run1-load")
    failed = e.AttemptFailed(ti="run1-load", token="t1", reason="它坏了 \U0001f4a5 " + "x" * 70_000)
    made = moves(before, *claim("run1-load", "t1", now), failed, now=now)
    write(kept.store, *made, by=writer(now))
    kept_facts = facts(kept.store, "run1-load")
    assert kept_facts == made[-1].after
    assert kept_facts.due_at == now + timedelta(seconds=60)


def test_what_a_branch_did_not_choose_is_kept_in_its_order(kept) -> None:
    add_run(kept.store, "run1", "a")
    succeeded = e.Succeeded(ti="run1-a", token="t1", not_taken=("z", "b", "é"))
    write(kept.store, *moves(facts(kept.store, "run1-a"), *claim("run1-a", "t1"), succeeded))
    assert facts(kept.store, "run1-a").not_taken == ("z", "b", "é")


def test_several_moves_of_one_row_are_one_write_and_all_of_its_history(kept) -> None:
    add_run(kept.store, "run1", "a")
    write(kept.store, *moves(facts(kept.store, "run1-a"), *claim("run1-a", "t1")))
    with kept.store.transaction() as transaction:
        history = transaction.events_of("run1-a")
    assert [(known.event, known.from_state, known.to_state) for known in history] == [
        ("DependenciesMet", "none", "scheduled"),
        ("SlotGranted", "scheduled", "queued"),
        ("Started", "queued", "running"),
    ]
    assert [known.token for known in history] == [None, "t1", "t1"]
    assert {(known.actor, known.at, known.try_number) for known in history} == {("test", NOW, 1)}


def test_a_move_from_a_state_that_is_past_is_lost_and_writes_nothing(kept) -> None:
    add_run(kept.store, "run1", "a")
    old = facts(kept.store, "run1-a")
    write(kept.store, *moves(old, e.DependenciesMet(ti="run1-a")))
    late = moves(old, e.UpstreamSkipped(ti="run1-a"))
    applied = write(kept.store, *late)
    assert (applied.moved, applied.lost) == ([], late)
    assert states(kept.store) == {"run1-a": TaskState.SCHEDULED}
    with kept.store.transaction() as transaction:
        assert len(transaction.events_of("run1-a")) == 1


def test_a_move_with_the_token_of_an_earlier_dispatch_is_lost(kept) -> None:
    """The state is the same; only the token tells the attempt that was given up from the one that runs."""
    add_run(kept.store, "run1", "a")
    claimed = write(kept.store, *moves(facts(kept.store, "run1-a"), *claim("run1-a", "t1"))).moved[-1].after
    lost = e.HeartbeatLost(ti="run1-a", token="t1")
    again = (e.DelayElapsed(ti="run1-a"), *claim("run1-a", "t2")[1:])
    write(kept.store, *moves(claimed, lost, *again))
    too_late = moves(claimed, e.Succeeded(ti="run1-a", token="t1"))
    assert write(kept.store, *too_late).lost == too_late
    assert (facts(kept.store, "run1-a").state, facts(kept.store, "run1-a").token) == (TaskState.RUNNING, "t2")


def test_a_move_of_a_row_that_is_gone_is_lost(kept) -> None:
    add_run(kept.store, "run1", "a")
    ghost = moves(TaskFacts(ti="ghost", task_id="g"), e.DependenciesMet(ti="ghost"))
    assert write(kept.store, *ghost).lost == ghost


def test_nothing_that_a_mistaken_machine_concluded_about_its_run_is_written(kept) -> None:
    add_run(kept.store, "run1", "a", "b")
    add_run(kept.store, "run2", "a")
    queued = status(kept.store)
    claimed = write(kept.store, *moves(facts(kept.store, "run1-a"), *claim("run1-a", "t1"))).moved[-1].after
    mistaken = [
        *moves(replace(claimed, token="t0"), e.Succeeded(ti="run1-a", token="t0", cause="end:t0")),
        *moves(facts(kept.store, "run1-b"), e.DependenciesMet(ti="run1-b", cause="end:t0")),
        MoveRun(before=queued, after=replace(queued, state=RunState.RUNNING), event="RunStarted"),
    ]
    other = moves(facts(kept.store, "run2-a", "run2"), e.DependenciesMet(ti="run2-a", cause="own"), run="run2")
    applied = write(kept.store, *mistaken, *other)
    assert (applied.lost, applied.lost_runs, applied.moved) == (mistaken[:2], mistaken[2:], other)
    assert states(kept.store) == {"run1-a": TaskState.RUNNING, "run1-b": TaskState.NONE}
    assert status(kept.store).state is RunState.QUEUED


def test_what_followed_from_a_lost_move_in_another_run_is_lost_too(kept) -> None:
    """depends_on_past: the task of the next run was let go by a success that was not written."""
    add_run(kept.store, "run1", "a")
    add_run(kept.store, "run2", "a")
    lost = moves(replace(facts(kept.store, "run1-a"), token="t0"), e.UpstreamSkipped(ti="run1-a", cause="end:t0"))
    let_go = moves(facts(kept.store, "run2-a", "run2"), e.DependenciesMet(ti="run2-a", cause="end:t0"), run="run2")
    applied = write(kept.store, *lost, *let_go)
    assert (applied.moved, applied.lost) == ([], [*lost, *let_go])
    assert states(kept.store, "run2") == {"run2-a": TaskState.NONE}


def test_a_run_moves_only_from_the_state_that_it_has(kept) -> None:
    add_run(kept.store, "run1")
    queued = status(kept.store)
    running = replace(queued, state=RunState.RUNNING, start_date=NOW)
    done = replace(running, state=RunState.SUCCESS, end_date=LATER)
    start, finish = (
        MoveRun(before=queued, after=running, event="RunStarted"),
        MoveRun(before=running, after=done, event="RunEnded"),
    )
    assert write(kept.store, start).moved_runs == [start]
    assert write(kept.store, start).lost_runs == [start]
    assert write(kept.store, finish).moved_runs == [finish]
    assert status(kept.store) == done


def test_a_run_may_move_twice_in_one_batch(kept) -> None:
    add_run(kept.store, "run1")
    queued = status(kept.store)
    running = replace(queued, state=RunState.RUNNING, start_date=NOW)
    failed = replace(running, state=RunState.FAILED, end_date=NOW)
    both = [
        MoveRun(before=queued, after=running, event="RunStarted"),
        MoveRun(before=running, after=failed, event="RunMarked"),
    ]
    assert write(kept.store, *both).moved_runs == both
    assert status(kept.store) == failed


def test_of_many_who_claim_one_attempt_at_once_exactly_one_gets_it(kept) -> None:
    """Each with a connection of his own, all from the same instant."""
    add_run(kept.store, "run1", "a")
    queued = write(kept.store, *moves(facts(kept.store, "run1-a"), *claim("run1-a", "t1")[:2])).moved[-1].after
    rivals = [kept.again() for _ in range(4)]
    start = threading.Barrier(len(rivals))
    won: list[int] = []

    def race(number: int) -> None:
        start.wait(30)
        started = e.Started(ti="run1-a", token="t1", hostname=f"worker{number}", lease_until=NOW + LEASE)
        if write(rivals[number], *moves(queued, started), by=writer(job=f"job{number}")).moved:
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(len(rivals))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(won) == 1
    assert facts(kept.store, "run1-a").hostname == f"worker{won[0]}"
    with kept.store.transaction() as transaction:
        assert [known.event for known in transaction.events_of("run1-a")].count("Started") == 1


# --- leases --------------------------------------------------------------------------------------


def test_a_run_is_adopted_once_and_again_when_the_lease_has_ended(kept) -> None:
    start_jobs(kept.store, "job1", "job2")
    add_run(kept.store, "run1")
    with kept.store.transaction() as transaction:
        assert transaction.adopt_runs("job1", NOW, 10) == ["run1"]
        assert transaction.adopt_runs("job2", NOW, 10) == []
        assert transaction.adopt_runs("job2", NOW + LEASE, 10) == []
        assert transaction.adopt_runs("job2", NOW + LEASE + MOMENT, 10) == ["run1"]


def test_runs_are_adopted_oldest_first_when_they_are_due_and_only_so_many(kept) -> None:
    for number, after in enumerate((3, 1, 2, 0, -1)):
        add_run(kept.store, f"run{number}", run_after=NOW - timedelta(minutes=after))
    with kept.store.transaction() as transaction:
        assert transaction.adopt_runs("job1", NOW, 3) == ["run0", "run2", "run1"]
        assert transaction.adopt_runs("job1", NOW, 3) == ["run3"]


def test_queued_runs_of_a_paused_dag_are_left_alone_but_running_ones_are_looked_after(kept) -> None:
    add_run(kept.store, "run1")
    add_run(kept.store, "run2")
    queued = status(kept.store, "run2")
    write(kept.store, MoveRun(before=queued, after=replace(queued, state=RunState.RUNNING), event="RunStarted"))
    kept.pause("etl")
    with kept.store.transaction() as transaction:
        assert transaction.adopt_runs("job1", NOW, 10) == ["run2"]


def test_finished_runs_are_not_adopted_but_may_be_taken(kept) -> None:
    start_jobs(kept.store, "job1", "job2")
    add_run(kept.store, "run1")
    queued = status(kept.store)
    write(kept.store, MoveRun(before=queued, after=replace(queued, state=RunState.FAILED), event="RunMarked"))
    with kept.store.transaction() as transaction:
        assert transaction.adopt_runs("job1", NOW, 10) == []
        assert transaction.take_run("job1", "run1", NOW)
        assert transaction.take_run("job2", "run1", NOW)


def test_a_run_that_somebody_living_owns_cannot_be_taken(kept) -> None:
    start_jobs(kept.store, "job1", "job2")
    add_run(kept.store, "run1")
    with kept.store.transaction() as transaction:
        assert transaction.take_run("job1", "run1", NOW)
        assert transaction.take_run("job1", "run1", NOW)
        assert not transaction.take_run("job2", "run1", NOW)
        assert not transaction.take_run("job2", "nowhere", NOW)
        transaction.let_go("job2", ["run1"])  # not his
        assert not transaction.take_run("job2", "run1", NOW)
        transaction.let_go("job1", ["run1"])
        assert transaction.take_run("job2", "run1", NOW)


def test_a_process_that_renews_keeps_its_runs_and_attempts(kept) -> None:
    start_jobs(kept.store, "job1")
    add_run(kept.store, "run1", "a")
    with kept.store.transaction() as transaction:
        transaction.adopt_runs("job1", NOW, 10)
    write(kept.store, *moves(facts(kept.store, "run1-a"), *claim("run1-a", "t1")))
    with kept.store.transaction() as transaction:
        assert transaction.renew("job1", ["t1"], LATER) is JobAnswer.RUNNING
        assert transaction.lost_attempts(["run1"], NOW + LEASE + MOMENT) == []
        assert transaction.adopt_runs("job2", NOW + LEASE + MOMENT, 10) == []
    assert facts(kept.store, "run1-a").lease_until == LATER + LEASE


def test_a_claim_that_its_process_does_not_name_is_not_renewed(kept) -> None:
    start_jobs(kept.store, "job1")
    add_run(kept.store, "run1", "a", "b")
    write(kept.store, *moves(facts(kept.store, "run1-a"), *claim("run1-a", "t1")))
    write(kept.store, *moves(facts(kept.store, "run1-b"), *claim("run1-b", "t2")))
    with kept.store.transaction() as transaction:
        transaction.renew("job1", ["t2"], LATER)
        lost = transaction.lost_attempts(["run1"], NOW + LEASE + MOMENT)
    assert [(known.ti, known.token, known.hostname) for known in lost] == [("run1-a", "t1", "here")]


def test_an_attempt_is_lost_when_its_lease_has_ended_and_not_before(kept) -> None:
    start_jobs(kept.store, "job1")
    add_run(kept.store, "run1", "a")
    write(kept.store, *moves(facts(kept.store, "run1-a"), *claim("run1-a", "t1")))
    with kept.store.transaction() as transaction:
        assert transaction.lost_attempts(["run1"], NOW + LEASE) == []
        assert len(transaction.lost_attempts(["run1"], NOW + LEASE + MOMENT)) == 1
        assert transaction.lost_attempts(["run2"], NOW + LEASE + MOMENT) == []


def test_who_was_late_learns_that_his_lease_had_lapsed_and_keeps_it_from_now_on(kept) -> None:
    start_jobs(kept.store, "job1")
    with kept.store.transaction() as transaction:
        assert transaction.renew("job1", [], NOW + LEASE + MOMENT) is JobAnswer.LAPSED
        assert transaction.renew("job1", [], NOW + LEASE + LEASE) is JobAnswer.RUNNING


def test_the_dead_are_found_by_their_lease_or_by_their_process(kept) -> None:
    start_jobs(kept.store, "job1", "job2")
    with kept.store.transaction() as transaction:
        assert transaction.bury_dead_jobs("elsewhere", lambda pid, key: False, NOW) == []
        assert transaction.bury_dead_jobs("here", lambda pid, key: key == "job1", NOW) == ["job2"]
        assert transaction.bury_dead_jobs("here", lambda pid, key: True, NOW + LEASE) == []
        assert transaction.bury_dead_jobs("here", lambda pid, key: True, NOW + LEASE + MOMENT) == ["job1"]
        assert transaction.renew("job1", [], NOW) is JobAnswer.LOST


def test_runs_and_attempts_of_the_dead_are_free_at_once(kept) -> None:
    start_jobs(kept.store, "job1", "job2")
    add_run(kept.store, "run1", "a")
    with kept.store.transaction() as transaction:
        transaction.adopt_runs("job1", NOW, 10)
    write(kept.store, *moves(facts(kept.store, "run1-a"), *claim("run1-a", "t1")))
    with kept.store.transaction() as transaction:
        assert transaction.lost_attempts(["run1"], NOW) == []
        transaction.bury_dead_jobs("here", lambda pid, key: key == "job2", NOW)
        assert transaction.adopt_runs("job2", NOW, 10) == ["run1"]
        assert len(transaction.lost_attempts(["run1"], NOW)) == 1


def test_a_process_that_ends_gives_up_its_runs_and_cannot_renew_any_more(kept) -> None:
    start_jobs(kept.store, "job1", "job2")
    add_run(kept.store, "run1")
    with kept.store.transaction() as transaction:
        transaction.adopt_runs("job1", NOW, 10)
        transaction.close_job("job1", state="success", now=NOW)
        assert transaction.adopt_runs("job2", NOW, 10) == ["run1"]
        assert transaction.renew("job1", [], NOW) is JobAnswer.LOST
        assert transaction.renew("never was", [], NOW) is JobAnswer.LOST


def test_a_process_that_a_user_wants_to_end_is_told_so_and_stays_alive_until_it_does(kept) -> None:
    start_jobs(kept.store, "job1")
    kept.shut_down("job1")
    with kept.store.transaction() as transaction:
        assert transaction.renew("job1", [], LATER) is JobAnswer.SHUTDOWN
        assert transaction.bury_dead_jobs("here", lambda pid, key: True, NOW + LEASE + MOMENT) == []


def test_two_who_adopt_at_once_never_get_the_same_run(kept) -> None:
    for number in range(12):
        add_run(kept.store, f"run{number:02}")
    rivals = [kept.again() for _ in range(3)]
    start_jobs(kept.store, *(f"job{number}" for number in range(3)))
    start = threading.Barrier(len(rivals))
    got: list[str] = []

    def race(number: int) -> None:
        start.wait(30)
        for _ in range(12):
            with rivals[number].transaction() as transaction:
                got.extend(transaction.adopt_runs(f"job{number}", NOW, 2))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(len(rivals))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(got) == [f"run{number:02}" for number in range(12)]


# --- twin and real thing, side by side -----------------------------------------------------------

_EVENTS = (
    e.DependenciesMet,
    e.UpstreamFailed,
    e.DelayElapsed,
    e.Cleared,
    e.DispatchExpired,
    e.RunAborted,
    e.TaskVanished,
    e.TaskReturned,
)


def empty(engine: Engine) -> None:
    with writing(engine) as connection:
        for table in (t.task_event, t.run_event, t.task_instance, t.dag_run):
            connection.execute(table.delete())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_written_to_both_the_twin_says_the_same_as_the_database(sqlite, data) -> None:
    """Random moves, right ones and mistaken ones, in random batches."""
    twin, real = MemoryStore(), DbStore(sqlite)
    empty(sqlite)
    for store in (twin, real):
        add_run(store, "run1", "a", "b")
        add_run(store, "run2", "a")
    known = {ti: facts(real, ti, run) for run, ti in (("run1", "run1-a"), ("run1", "run1-b"), ("run2", "run2-a"))}
    for _ in range(data.draw(st.integers(1, 6))):
        batch: list[Command] = []
        for ti in data.draw(st.lists(st.sampled_from(sorted(known)), min_size=1, max_size=3, unique=True)):
            believed = known[ti] if data.draw(st.booleans()) else replace(known[ti], token="stale")
            kind = data.draw(st.sampled_from(_EVENTS))
            after = replace(
                believed, state=data.draw(st.sampled_from(list(TaskState))), try_number=believed.try_number + 1
            )
            batch.append(MoveTask(run=ti[:4], before=believed, after=after, event=kind.__name__, cause=f"c{ti[:4]}"))
        answers = [write(store, *batch) for store in (twin, real)]
        assert answers[0] == answers[1]
        known = {ti: facts(real, ti, ti[:4]) for ti in known}
        assert known == {ti: facts(twin, ti, ti[:4]) for ti in known}
    for ti in known:
        with twin.transaction() as one, real.transaction() as other:
            assert one.events_of(ti) == other.events_of(ti)
