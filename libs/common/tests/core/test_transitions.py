"""One test for each pair of a state and an event, against a second table written from the other side.

The tables in `transitions` go from state to state; the ones here ask of each event where it may
happen and what it does. A pair that has no entry here must be refused.
"""

import dataclasses
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from gale.core import events as e
from gale.core.facts import RunStatus, TaskFacts
from gale.core.graph import TaskSpec
from gale.core.states import CLAIMED, FINISHED, OCCUPYING, RunState, TaskState
from gale.core.transitions import (
    MAX_INFRA_LOSSES,
    RUN_TRANSITIONS,
    TASK_TRANSITIONS,
    Choice,
    advance,
    is_legal,
    next_run_state,
    next_state,
)
from gale.errors import IllegalTransition

NOW = datetime(2026, 11, 22, 16, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=10)
LATER = NOW + timedelta(minutes=10)

NONE, SCHEDULED, QUEUED, RUNNING, RESTARTING, UP_FOR_RETRY, UP_FOR_RESCHEDULE = (
    TaskState.NONE,
    TaskState.SCHEDULED,
    TaskState.QUEUED,
    TaskState.RUNNING,
    TaskState.RESTARTING,
    TaskState.UP_FOR_RETRY,
    TaskState.UP_FOR_RESCHEDULE,
)
SUCCESS, FAILED, SKIPPED, UPSTREAM_FAILED, REMOVED = (
    TaskState.SUCCESS,
    TaskState.FAILED,
    TaskState.SKIPPED,
    TaskState.UPSTREAM_FAILED,
    TaskState.REMOVED,
)
UNCLAIMED = (NONE, SCHEDULED, QUEUED, UP_FOR_RETRY, UP_FOR_RESCHEDULE)
UNFINISHED = (*UNCLAIMED, RUNNING, RESTARTING)
ENDED = (SUCCESS, FAILED, SKIPPED, UPSTREAM_FAILED)

#: For each kind of event: an example, and from which states it leads where. The tasks have one try left.
EXAMPLES = {
    "DependenciesMet": (e.DependenciesMet(ti="1"), {NONE: SCHEDULED}),
    "UpstreamFailed": (e.UpstreamFailed(ti="1"), {NONE: UPSTREAM_FAILED}),
    "UpstreamSkipped": (e.UpstreamSkipped(ti="1"), {NONE: SKIPPED}),
    "BranchNotTaken": (e.BranchNotTaken(ti="1"), {NONE: SKIPPED}),
    "SlotGranted": (e.SlotGranted(ti="1", token="new"), {SCHEDULED: QUEUED}),
    "DispatchExpired": (e.DispatchExpired(ti="1"), {QUEUED: SCHEDULED}),
    "Started": (e.Started(ti="1", token="t", hostname="host", lease_until=LATER), {QUEUED: RUNNING}),
    "Succeeded": (e.Succeeded(ti="1", token="t", not_taken=("b",)), {RUNNING: SUCCESS, RESTARTING: NONE}),
    "AttemptFailed": (e.AttemptFailed(ti="1", token="t", reason="no"), {RUNNING: UP_FOR_RETRY, RESTARTING: NONE}),
    "AttemptSkipped": (e.AttemptSkipped(ti="1", token="t"), {RUNNING: SKIPPED, RESTARTING: NONE}),
    "Rescheduled": (e.Rescheduled(ti="1", token="t", due_at=LATER), {RUNNING: UP_FOR_RESCHEDULE, RESTARTING: NONE}),
    "HeartbeatLost": (e.HeartbeatLost(ti="1", token="t"), {RUNNING: UP_FOR_RETRY, RESTARTING: NONE}),
    "DelayElapsed": (e.DelayElapsed(ti="1"), {UP_FOR_RETRY: SCHEDULED, UP_FOR_RESCHEDULE: SCHEDULED}),
    "Cleared": (
        e.Cleared(ti="1"),
        {
            **dict.fromkeys((*UNCLAIMED, *ENDED), NONE),
            **dict.fromkeys((RUNNING, RESTARTING), RESTARTING),
        },
    ),
    "Marked": (e.Marked(ti="1", state=SUCCESS), dict.fromkeys((*UNFINISHED, *ENDED), SUCCESS)),
    "RunAborted": (e.RunAborted(ti="1"), dict.fromkeys(UNFINISHED, SKIPPED)),
    "TaskVanished": (e.TaskVanished(ti="1"), dict.fromkeys(UNCLAIMED, REMOVED)),
    "TaskReturned": (e.TaskReturned(ti="1"), {REMOVED: NONE}),
}
#: Told to the machine, which makes moves of them; by themselves they move nothing.
NO_MOVES = {"PastMet", "RowChanged"}

RUN_EXAMPLES = {
    "RunStarted": (e.RunStarted(), {RunState.QUEUED: RunState.RUNNING}),
    "RunEnded": (e.RunEnded(failed=False), {RunState.RUNNING: RunState.SUCCESS}),
    "RunOverdue": (e.RunOverdue(), {RunState.RUNNING: RunState.FAILED}),
    "RunReopened": (e.RunReopened(), {RunState.SUCCESS: RunState.QUEUED, RunState.FAILED: RunState.QUEUED}),
    "RunMarked": (e.RunMarked(state=RunState.FAILED), dict.fromkeys(RunState, RunState.FAILED)),
}
RUN_NO_MOVES = {"RunAdopted", "TimePassed"}


def task(state, **more):
    """Return facts as they are in this state: a second try of two, with token and lease where there are any."""
    facts = TaskFacts(
        ti="1",
        task_id="load",
        state=state,
        try_number=1,
        max_tries=2,
        token="t" if state in OCCUPYING else None,
        lease_until=LATER if state in CLAIMED else None,
        due_at=LATER if state in {UP_FOR_RETRY, UP_FOR_RESCHEDULE, QUEUED} else None,
        start_date=BEFORE if state in CLAIMED else None,
        hostname="old" if state in CLAIMED else "",
    )
    return dataclasses.replace(facts, **more)


def after(facts, event, **spec):
    return advance(facts, event, TaskSpec(task_id="load", **{"retry_delay": 60.0, **spec}), NOW)


def kinds(base):
    """Return the names of the events that have no more special ones."""
    events = [kind for kind in vars(e).values() if isinstance(kind, type) and issubclass(kind, base)]
    return {kind.__name__ for kind in events if not any(kind in other.__mro__[1:] for other in events)}


def test_every_kind_of_event_has_an_example_here():
    assert kinds(e.TaskEvent) == set(EXAMPLES) | NO_MOVES
    assert kinds(e.RunEvent) == set(RUN_EXAMPLES) | RUN_NO_MOVES


@pytest.mark.parametrize(("state", "kind"), list(product(TaskState, EXAMPLES)))
def test_a_task_moves_where_the_table_says_or_the_move_is_refused(state, kind):
    event, targets = EXAMPLES[kind]
    if state in targets:
        assert is_legal(task(state), event)
        assert next_state(task(state), event) is targets[state]
        assert after(task(state), event).state is targets[state]
    else:
        assert not is_legal(task(state), event)
        with pytest.raises(IllegalTransition, match=f"{kind} cannot happen to 'load' while it is {state.value} "):
            after(task(state), event)


@pytest.mark.parametrize(("state", "kind"), list(product(RunState, RUN_EXAMPLES)))
def test_a_run_moves_where_the_table_says_or_the_move_is_refused(state, kind):
    event, targets = RUN_EXAMPLES[kind]
    run = RunStatus(run="1", dag_id="etl", run_id="r1", state=state)
    if state in targets:
        assert next_run_state(run, event) is targets[state]
    else:
        with pytest.raises(IllegalTransition, match=f"{kind} cannot happen to run 'r1' of 'etl' while it is {state}"):
            next_run_state(run, event)


@pytest.mark.parametrize(("table", "states"), [(TASK_TRANSITIONS, TaskState), (RUN_TRANSITIONS, RunState)])
def test_every_state_can_be_reached_and_every_unfinished_one_left(table, states):
    reached = set()
    for target in table.values():
        reached |= target.targets if isinstance(target, Choice) else {target}
    born = {TaskState.NONE, RunState.QUEUED}
    assert reached | born >= set(states)
    assert {state for state, _ in table} == set(states)


@pytest.mark.parametrize("state", list(TaskState))
@pytest.mark.parametrize("kind", list(EXAMPLES))
def test_a_token_and_a_lease_are_there_exactly_while_somebody_may_hold_the_attempt(state, kind):
    event, targets = EXAMPLES[kind]
    if state in targets:
        moved = after(task(state), event)
        assert (moved.token is not None) == (moved.state in OCCUPYING)
        assert (moved.lease_until is not None) == (moved.state in CLAIMED)
        assert (moved.due_at is not None) >= (moved.state in {UP_FOR_RETRY, UP_FOR_RESCHEDULE})
        assert (moved.end_date is not None) >= (moved.state in FINISHED)


# --- choices ---


@pytest.mark.parametrize(
    ("tries", "allowed", "state"), [(1, 2, UP_FOR_RETRY), (2, 2, FAILED), (3, 2, FAILED), (1, 1, FAILED)]
)
def test_a_failed_attempt_is_retried_until_its_last_try(tries, allowed, state):
    event = e.AttemptFailed(ti="1", token="t", reason="exit code 1")
    moved = after(task(RUNNING, try_number=tries, max_tries=allowed), event)
    assert moved.state is state
    assert moved.reason == "exit code 1"
    assert moved.due_at == (NOW + timedelta(seconds=60) if state is UP_FOR_RETRY else None)


def test_an_attempt_that_fails_for_good_is_not_retried_though_tries_are_left():
    moved = after(task(RUNNING, max_tries=9), e.AttemptFailed(ti="1", token="t", final=True))
    assert moved.state is FAILED


def test_a_lost_worker_costs_no_try_and_no_delay_up_to_a_limit():
    event = e.HeartbeatLost(ti="1", token="t", reason="lease ended")
    lost = task(RUNNING, try_number=1, max_tries=1)
    for losses in range(MAX_INFRA_LOSSES):
        lost = after(dataclasses.replace(lost, state=RUNNING, token="t"), event)
        assert lost.state is UP_FOR_RETRY
        assert lost.due_at == NOW
        assert (lost.infra_losses, lost.max_tries) == (losses + 1, losses + 2)
        lost = after(lost, e.DelayElapsed(ti="1"))
    assert lost.try_number == lost.max_tries
    assert after(dataclasses.replace(lost, state=RUNNING, token="t"), event).state is FAILED


@pytest.mark.parametrize("state", [state for state in TaskState if state not in {SUCCESS, FAILED, SKIPPED}])
def test_only_success_failed_and_skipped_can_be_set_by_hand(state):
    with pytest.raises(IllegalTransition, match="only success, failed and skipped"):
        next_state(task(RUNNING), e.Marked(ti="1", state=state))


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING])
def test_only_success_and_failed_can_be_set_by_hand_for_a_run(state):
    run = RunStatus(run="1", dag_id="etl", run_id="r1")
    with pytest.raises(IllegalTransition, match="only success and failed"):
        next_run_state(run, e.RunMarked(state=state))


def test_a_run_with_a_failed_leaf_ends_as_failed():
    run = RunStatus(run="1", dag_id="etl", run_id="r1", state=RunState.RUNNING)
    assert next_run_state(run, e.RunEnded(failed=True)) is RunState.FAILED


# --- what else changes ---


def test_the_first_attempt_is_number_one_and_a_retry_the_next():
    first = after(task(NONE, try_number=0), e.DependenciesMet(ti="1"))
    assert first.try_number == 1
    assert after(task(UP_FOR_RETRY, try_number=1), e.DelayElapsed(ti="1")).try_number == 2


def test_a_rescheduled_and_a_redispatched_attempt_keep_their_number_and_start():
    waiting = after(task(RUNNING), e.Rescheduled(ti="1", token="t", due_at=LATER))
    assert waiting.due_at == LATER
    again = after(waiting, e.DelayElapsed(ti="1"))
    assert (again.try_number, again.start_date) == (1, BEFORE)
    assert after(task(QUEUED), e.DispatchExpired(ti="1")).try_number == 1


def test_a_claim_gives_host_lease_and_start_and_a_second_claim_of_the_attempt_keeps_the_start():
    claim = e.Started(ti="1", token="t", hostname="host", lease_until=LATER)
    claimed = after(task(QUEUED), claim)
    assert (claimed.hostname, claimed.lease_until, claimed.start_date) == ("host", LATER, NOW)
    assert after(task(QUEUED, start_date=BEFORE), claim).start_date == BEFORE


def test_a_cleared_task_gets_all_its_tries_once_more():
    cleared = after(
        task(FAILED, try_number=3, max_tries=3, infra_losses=1, not_taken=("b",)), e.Cleared(ti="1"), retries=2
    )
    assert (cleared.try_number, cleared.max_tries, cleared.infra_losses, cleared.not_taken) == (3, 6, 0, ())


def test_a_task_cleared_while_it_runs_keeps_its_claim_until_it_is_gone():
    cleared = after(task(RUNNING), e.Cleared(ti="1"), retries=1)
    assert (cleared.state, cleared.token, cleared.lease_until) == (RESTARTING, "t", LATER)
    gone = after(cleared, e.AttemptFailed(ti="1", token="t", reason="killed"))
    assert (gone.state, gone.token, gone.lease_until, gone.start_date, gone.reason) == (NONE, None, None, None, "")
    assert gone.max_tries == 3


def test_a_branch_remembers_what_it_did_not_take():
    assert after(task(RUNNING), e.Succeeded(ti="1", token="t", not_taken=("b", "c"))).not_taken == ("b", "c")
