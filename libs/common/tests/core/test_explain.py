"""Why something is not running: each cause by example, and the order in which they are named."""

import inspect
import re
from datetime import UTC, datetime, timedelta

import pytest

from gale.core import events as e
from gale.core import explain as explain_module
from gale.core.explain import Cause, Surroundings, WorkerSeats, explain_dag, explain_run, explain_task
from gale.core.facts import RunStatus, TaskFacts
from gale.core.graph import DagSpec, TaskSpec
from gale.core.run_machine import RunMachine
from gale.core.slots import UNLIMITED, Candidate, SlotLedger
from gale.core.states import RunState, TaskState
from gale.core.trigger_rules import TriggerRule

NOW = datetime(2026, 11, 22, 16, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
CHINESE = re.compile("[一-鿿]")


def around(**more):
    return Surroundings(**{"now": NOW, "scheduler_seen_at": NOW, "open_slots": 8, "parallelism": 8, **more})


def task(task_id, *upstream, **more):
    return TaskSpec(task_id=task_id, upstream=upstream, **more)


def row(task_id, state, **more):
    return TaskFacts(ti=task_id, task_id=task_id, state=state, try_number=1, **more)


def candidate(ti, **more):
    given = {"run": "r", "dag_id": "etl", "task_id": ti, "pool": "p", "since": NOW, **more}
    return Candidate(ti=ti, **given)


def machine_of(*tasks, rows=(), run=RunState.RUNNING, past_met=None):
    known = {facts.task_id for facts in rows}
    rows = [
        *rows,
        *(
            TaskFacts(ti=one.task_id, task_id=one.task_id, max_tries=one.retries + 1)
            for one in tasks
            if one.task_id not in known
        ),
    ]
    status = RunStatus(run="r", dag_id="etl", run_id="r1", state=run)
    return RunMachine(status, DagSpec(dag_id="etl", fileloc="etl.py", tasks=tasks), rows, past_met)


def explain(machine, ti, *, ledger=None, wants=None, **more):
    """Explain and check what every answer must be like."""
    ledger = ledger or SlotLedger([("p", UNLIMITED)])
    return checked(explain_task(machine, ti, ledger, wants or candidate(ti), around(**more)))


def checked(answer):
    assert answer.sentence.endswith("."), answer
    assert not CHINESE.search(answer.sentence)
    assert CHINESE.search(answer.sentence_zh)
    assert "None" not in answer.sentence
    return answer


def seats(*queues, taken=0):
    return WorkerSeats(hostname="w1", queues=frozenset(queues or ["default"]), slots=2, taken=taken)


def scheduled(**more):
    return machine_of(task("a", **more), rows=[row("a", TaskState.SCHEDULED)])


# --- the DAG ---


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ({"dag_is_active": False}, Cause.DAG_MISSING),
        ({"scheduler_seen_at": None}, Cause.NO_SCHEDULER),
        ({"is_paused": True}, Cause.PAUSED),
        ({}, Cause.NO_SCHEDULE),
        ({"next_run_after": LATER}, Cause.NOT_DUE),
        ({"next_run_after": NOW, "running_runs": 16}, Cause.MAX_ACTIVE_RUNS),
        ({"next_run_after": NOW, "running_runs": 15}, Cause.ABOUT_TO_RUN),
    ],
)
def test_a_dag_without_a_new_run_says_what_keeps_it_from_one(more, cause):
    assert checked(explain_dag(around(**more))).cause is cause


def test_of_several_causes_the_first_is_named():
    """Mending it is the first step, whatever else is wrong."""
    everything = {"dag_is_active": False, "scheduler_seen_at": None, "is_paused": True, "next_run_after": LATER}
    for mended, cause in [
        ({}, Cause.DAG_MISSING),
        ({"dag_is_active": True}, Cause.NO_SCHEDULER),
        ({"scheduler_seen_at": NOW}, Cause.PAUSED),
        ({"is_paused": False}, Cause.NOT_DUE),
    ]:
        everything.update(mended)
        assert explain_dag(around(**everything)).cause is cause


def test_a_paused_dag_whose_file_is_broken_says_both():
    assert "import error" in explain_dag(around(is_paused=True, has_import_error=True)).sentence


# --- the run ---


@pytest.mark.parametrize(
    ("state", "more", "cause"),
    [
        (RunState.SUCCESS, {}, Cause.RUN_FINISHED),
        (RunState.FAILED, {"is_paused": True}, Cause.RUN_FINISHED),
        (RunState.QUEUED, {"is_paused": True}, Cause.PAUSED),
        (RunState.QUEUED, {"run_after": LATER}, Cause.NOT_DUE),
        (RunState.QUEUED, {"run_after": NOW}, Cause.ABOUT_TO_RUN),
        (RunState.QUEUED, {"running_runs": 16}, Cause.MAX_ACTIVE_RUNS),
        (RunState.QUEUED, {"running_runs": 15}, Cause.ABOUT_TO_RUN),
        (RunState.RUNNING, {"running_runs": 16}, Cause.RUNNING),
    ],
)
def test_a_run_says_what_keeps_it_from_going_on(state, more, cause):
    status = RunStatus(run="r", dag_id="etl", run_id="r1", state=state)
    assert checked(explain_run(status, around(**more))).cause is cause


# --- the task instance ---


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        (TaskState.RUNNING, Cause.RUNNING),
        (TaskState.RESTARTING, Cause.STOPPING),
        (TaskState.QUEUED, Cause.NO_WORKER),
        (TaskState.UP_FOR_RETRY, Cause.RETRY_DELAY),
        (TaskState.UP_FOR_RESCHEDULE, Cause.RESCHEDULE_DELAY),
        (TaskState.SCHEDULED, Cause.ABOUT_TO_RUN),
        (TaskState.SUCCESS, Cause.FINISHED),
        (TaskState.FAILED, Cause.FINISHED),
        (TaskState.SKIPPED, Cause.FINISHED),
        (TaskState.UPSTREAM_FAILED, Cause.FINISHED),
        (TaskState.REMOVED, Cause.FINISHED),
    ],
)
def test_every_state_of_a_task_has_its_answer(state, cause):
    assert explain(machine_of(task("a"), rows=[row("a", state, due_at=LATER)]), "a").cause is cause


def test_a_delay_names_its_reason_and_its_end():
    waiting = machine_of(task("a"), rows=[row("a", TaskState.UP_FOR_RETRY, due_at=LATER, reason="exit code 1")])
    sentence = explain(waiting, "a").sentence
    assert "exit code 1" in sentence
    assert "2026-11-22T16:05:00" in sentence


@pytest.mark.parametrize("state", [TaskState.NONE, TaskState.SCHEDULED, TaskState.QUEUED, TaskState.UP_FOR_RETRY])
def test_what_holds_the_whole_dag_comes_before_what_holds_the_task(state):
    machine = machine_of(task("a"), rows=[row("a", state, due_at=LATER)])
    assert explain(machine, "a", is_paused=True).cause is Cause.PAUSED


def test_a_task_names_the_tasks_it_waits_for():
    machine = machine_of(
        task("done"),
        task("busy"),
        task("a", "done", "busy"),
        rows=[row("done", TaskState.SUCCESS), row("busy", TaskState.RUNNING)],
    )
    answer = explain(machine, "a")
    assert answer.cause is Cause.UPSTREAM
    assert answer.facts == {"trigger_rule": "all_success", "waiting_for": {"busy": "running"}}
    assert "busy (running)" in answer.sentence


def test_a_task_that_waits_for_many_names_a_few_and_counts_the_rest():
    many = [task(f"t{n}") for n in range(8)]
    answer = explain(machine_of(*many, task("a", *[one.task_id for one in many])), "a")
    assert "t4 (none) and 3 more" in answer.sentence
    assert len(answer.facts["waiting_for"]) == 8


def test_a_task_names_a_setup_further_up_that_holds_it_back():
    machine = machine_of(
        task("setup", is_setup=True),
        task("first", "setup", trigger_rule=TriggerRule.ALWAYS),
        task("second", "first"),
        rows=[row("setup", TaskState.RUNNING), row("first", TaskState.SUCCESS)],
    )
    assert explain(machine, "second").facts["waiting_for"] == {"setup": "running"}


def test_a_task_held_by_its_past_is_told_apart_from_one_that_waits():
    tasks = (task("a"), task("b", "a", depends_on_past=True))
    waiting = machine_of(*tasks, past_met={"b": False})
    assert explain(waiting, "b").cause is Cause.UPSTREAM
    ready = machine_of(*tasks, rows=[row("a", TaskState.SUCCESS)], past_met={"b": False})
    assert explain(ready, "b").cause is Cause.PAST


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.SKIPPED])
def test_a_task_that_will_not_run_says_so_before_it_is_written_down(state):
    """The worker has written the end of the task before; the scheduler has not drawn the consequence yet."""
    machine = machine_of(task("a"), task("b", "a"), rows=[row("a", state)])
    assert "will not run" in explain(machine, "b").sentence


def test_a_task_that_a_branch_has_just_left_out_says_that_it_will_not_run():
    machine = machine_of(task("a"), task("b", "a"), rows=[row("a", TaskState.SUCCESS, not_taken=("b",))])
    assert "will not run" in explain(machine, "b").sentence


def test_a_task_that_may_go_now_is_about_to_be_scheduled():
    machine = machine_of(task("a"), task("b", "a"), rows=[row("a", TaskState.SUCCESS)])
    assert explain(machine, "b").cause is Cause.ABOUT_TO_RUN


# --- slots ---


def full(pool_size=8, **more):
    """Return a ledger in which a task of the same DAG holds a slot."""
    ledger = SlotLedger([("p", pool_size)])
    ledger.hold(candidate("holder", task_id="a", **more))
    return ledger


@pytest.mark.parametrize(
    ("ledger", "wants", "more", "cause"),
    [
        (SlotLedger(), {}, {}, Cause.POOL_MISSING),
        (SlotLedger([("p", 1)]), {"pool_slots": 2}, {}, Cause.POOL_TOO_SMALL),
        (full(), {"max_active_tasks": 1}, {}, Cause.MAX_ACTIVE_TASKS),
        (full(), {"max_active_tasks": 2}, {}, Cause.ABOUT_TO_RUN),
        (full(), {"max_active_tis_per_dag": 1}, {}, Cause.MAX_ACTIVE_TIS),
        (full(), {"max_active_tis_per_dagrun": 1}, {}, Cause.MAX_ACTIVE_TIS),
        (full(pool_size=1), {}, {}, Cause.POOL),
        (full(pool_size=2), {}, {}, Cause.ABOUT_TO_RUN),
        (full(), {}, {"open_slots": 0}, Cause.PARALLELISM),
        (full(), {}, {"open_slots": 1}, Cause.ABOUT_TO_RUN),
    ],
)
def test_a_task_without_a_slot_names_the_limit_and_who_uses_it_up(ledger, wants, more, cause):
    answer = explain(scheduled(), "a", ledger=ledger, wants=candidate("a", **wants), **more)
    assert answer.cause is cause
    if cause in {Cause.MAX_ACTIVE_TASKS, Cause.MAX_ACTIVE_TIS, Cause.POOL, Cause.PARALLELISM}:
        assert answer.facts["held_by"] == {"holder": "etl.a"}


def test_a_task_that_would_fit_but_stands_behind_a_bigger_one_names_the_pool():
    ledger = full(pool_size=2)
    ledger.want(candidate("big", pool_slots=2, weight=9))
    assert explain(scheduled(), "a", ledger=ledger).cause is Cause.POOL


def test_every_cause_is_given_by_some_question():
    """A cause that no code gives would be a promise without a keeper."""
    text = inspect.getsource(explain_module)
    assert [cause.name for cause in Cause if text.count(f"Cause.{cause.name}") == 0] == []


@pytest.mark.parametrize(
    ("workers", "cause", "words"),
    [
        ((), Cause.NO_WORKER, "No worker is running that takes tasks from queue 'fast'. Start one with"),
        ((seats("slow", "default"),), Cause.NO_WORKER, "those that run take from default, slow"),
        ((seats("fast", taken=2), seats("slow")), Cause.WORKERS_BUSY, "All 2 slots of the workers"),
        (
            (seats("fast", taken=2), seats("fast", taken=1)),
            Cause.WAITS_FOR_WORKER,
            "is on the way to a worker (w1, w1)",
        ),
    ],
)
def test_a_queued_task_says_whether_any_worker_can_take_it(workers, cause, words):
    machine = machine_of(task("a", queue="fast"), rows=[row("a", TaskState.QUEUED, due_at=LATER)])
    answer = explain(machine, "a", workers=workers)
    assert answer.cause is cause
    assert words in answer.sentence


def test_the_answers_follow_a_task_through_its_life():
    machine = machine_of(task("a", retries=1, retry_delay=60.0), run=RunState.QUEUED)
    ledger = SlotLedger([("p", 1)])
    causes = [explain(machine, "a", ledger=ledger).cause]
    for event in (
        e.RunStarted(),
        e.SlotGranted(ti="a", token="t"),
        e.Started(ti="a", token="t", hostname="host", lease_until=LATER),
        e.AttemptFailed(ti="a", token="t", reason="exit code 1"),
    ):
        machine.handle(event, NOW)
        causes.append(explain(machine, "a", ledger=ledger, workers=(seats(),)).cause)
    assert causes == [
        Cause.ABOUT_TO_RUN,
        Cause.ABOUT_TO_RUN,
        Cause.WAITS_FOR_WORKER,
        Cause.RUNNING,
        Cause.RETRY_DELAY,
    ]
