"""Every trigger rule over every combination of up to three upstream tasks.

The meaning of the rules is written here a second time, as sentences over the upstream states
rather than over tallies, from Airflow 3.3's documentation. A row is `conditions: verdict`; the
first row whose conditions all hold decides, and if none does, the task waits.
"""

from itertools import chain, combinations_with_replacement, product

import pytest

from gale.core.states import FINISHED, TaskState
from gale.core.trigger_rules import RULES, Tally, TriggerRule, Verdict, evaluate

ENDED = ("success", "failed", "upstream_failed", "skipped", "removed")
STATES = (*ENDED, "running")

#: Words of the table: what must be true of the upstream states.
WORDS = {
    "no upstream": lambda states: not states,
    "all ended": lambda states: "running" not in states,
    "a success": lambda states: "success" in states,
    "a failure": lambda states: "failed" in states,
    "a failure here or further up": lambda states: "failed" in states or "upstream_failed" in states,
    "a skip": lambda states: "skipped" in states,
    "always": lambda _: True,
}

#: Without upstream tasks nothing is waited for, whatever the rule.
FIRST = "no upstream: run"

MEANING = {
    # All upstream tasks have succeeded. Fails or skips as soon as one of them did.
    "all_success": """
        a failure here or further up: upstream_failed
        a skip: skip
        all ended: run
    """,
    # All upstream tasks are failed or upstream_failed. Skips as soon as one is neither.
    "all_failed": """
        a success: skip
        a skip: skip
        all ended: run
    """,
    "all_done": """
        all ended: run
    """,
    # All upstream tasks are done and at least one has succeeded.
    "all_done_min_one_success": """
        all ended, a success: run
        all ended, a failure here or further up: upstream_failed
        all ended: skip
    """,
    # Does not wait for all upstream tasks to be done.
    "one_success": """
        a success: run
        all ended, a failure here or further up: upstream_failed
        all ended: skip
    """,
    # Does not wait for all upstream tasks to be done.
    "one_failed": """
        a failure here or further up: run
        all ended: skip
    """,
    # At least one upstream task succeeded or failed.
    "one_done": """
        a success: run
        a failure: run
        all ended: skip
    """,
    # All upstream tasks have succeeded or been skipped.
    "none_failed": """
        a failure here or further up: upstream_failed
        all ended: run
    """,
    # No upstream task has failed, and at least one has succeeded.
    "none_failed_min_one_success": """
        a failure here or further up: upstream_failed
        all ended, a success: run
        all ended: skip
    """,
    # No upstream task is skipped: all are success, failed or upstream_failed.
    "none_skipped": """
        a skip: skip
        all ended: run
    """,
    "all_skipped": """
        a success: skip
        a failure here or further up: skip
        all ended: run
    """,
    "always": """
        always: run
    """,
}
#: Older names of the same.
MEANING["none_failed_or_skipped"] = MEANING["none_failed_min_one_success"]
MEANING["dummy"] = MEANING["always"]
#: Of upstream tasks that are no setups it says what all_done says; setups have their own test.
MEANING["all_done_setup_success"] = MEANING["all_done"]


def by_the_table(rule, states):
    for row in (FIRST, *MEANING[rule].strip().splitlines()):
        conditions, verdict = row.strip().rsplit(": ", 1)
        if all(WORDS[word](states) for word in conditions.split(", ")):
            return verdict
    return "wait"


def tally_of(states, setups=()):
    tally = Tally(total=len(states) + len(setups), setups=len(setups))
    for state in states:
        tally.add(TaskState(state), is_setup=False)
    for state in setups:
        tally.add(TaskState(state), is_setup=True)
    return tally


def combinations(most, values=STATES):
    return list(chain.from_iterable(combinations_with_replacement(values, count) for count in range(most + 1)))


def test_the_table_here_and_the_rules_there_name_the_same_rules():
    assert set(MEANING) == {rule.value for rule in TriggerRule} == {rule.value for rule in RULES}
    assert len(RULES) == 15


@pytest.mark.parametrize("rule", list(TriggerRule))
def test_a_rule_means_what_airflow_documents_for_up_to_three_upstream_tasks(rule):
    for states in combinations(3):
        assert evaluate(rule, tally_of(states)).value == by_the_table(rule.value, states), states


@pytest.mark.parametrize("rule", list(TriggerRule))
def test_no_rule_waits_once_all_upstream_tasks_have_ended(rule):
    """Otherwise a run would never end."""
    for states in combinations(4, ENDED):
        assert evaluate(rule, tally_of(states)) is not Verdict.WAIT, states


@pytest.mark.parametrize("rule", list(TriggerRule))
def test_a_verdict_without_failures_never_is_upstream_failed(rule):
    for states in combinations(4, ("success", "skipped", "removed", "running")):
        assert evaluate(rule, tally_of(states)) is not Verdict.UPSTREAM_FAILED, states


@pytest.mark.parametrize("rule", list(TriggerRule))
def test_removed_tasks_never_change_what_the_others_say(rule):
    """A task that is no longer in the DAG neither fails nor blocks what stood behind it."""
    for states in combinations(3, ("success", "failed", "upstream_failed", "skipped", "running")):
        if states:
            assert evaluate(rule, tally_of((*states, "removed"))) is evaluate(rule, tally_of(states)), states


def test_a_teardown_runs_when_all_is_done_and_a_setup_has_succeeded():
    rule = TriggerRule.ALL_DONE_SETUP_SUCCESS
    for work, setups in product(combinations(2), combinations(2)):
        verdict = evaluate(rule, tally_of(work, setups))
        if "running" in (*work, *setups):
            assert verdict is Verdict.WAIT
        elif not setups or "success" in setups:
            assert verdict is Verdict.RUN
        elif "failed" in setups or "upstream_failed" in setups:
            assert verdict is Verdict.UPSTREAM_FAILED
        else:
            assert verdict is Verdict.SKIP


@pytest.mark.parametrize("rule", list(TriggerRule))
def test_a_direct_setup_counts_like_any_other_upstream_task(rule):
    if rule is TriggerRule.ALL_DONE_SETUP_SUCCESS:
        return
    for states, setups in product(combinations(2), combinations(1)):
        assert evaluate(rule, tally_of(states, setups)) is evaluate(rule, tally_of((*states, *setups)))


@pytest.mark.parametrize("rule", list(TriggerRule))
def test_setups_further_up_hold_work_back_whatever_its_rule(rule):
    for states, setups in product(combinations(2), combinations(2)[1:]):
        verdict = evaluate(rule, tally_of(states), tally_of((), setups))
        unguarded = evaluate(rule, tally_of(states))
        if rule in (TriggerRule.ALWAYS, TriggerRule.DUMMY):
            assert verdict is Verdict.RUN
        elif "failed" in setups or "upstream_failed" in setups:
            assert verdict is Verdict.UPSTREAM_FAILED
        elif "skipped" in setups:
            assert verdict is Verdict.SKIP
        elif "running" in setups:
            assert verdict is Verdict.WAIT
        else:
            assert verdict is unguarded


@pytest.mark.parametrize("rule", [TriggerRule.ALL_DONE_SETUP_SUCCESS, TriggerRule.ALL_SUCCESS])
def test_work_in_its_scope_holds_a_teardown_back_until_it_has_ended(rule):
    for states, work in product(combinations(2), combinations(2)):
        verdict = evaluate(rule, tally_of(states), tally_of(work), is_teardown=True)
        unguarded = evaluate(rule, tally_of(states))
        if unguarded is Verdict.RUN and "running" in work:
            assert verdict is Verdict.WAIT
        else:
            assert verdict is unguarded


@pytest.mark.parametrize("state", list(TaskState))
@pytest.mark.parametrize("is_setup", [True, False])
def test_counting_a_state_in_and_out_again_changes_nothing(state, is_setup):
    tally = Tally(total=1)
    tally.add(state, is_setup=is_setup)
    assert tally.done == (state in FINISHED)
    tally.add(state, is_setup=is_setup, by=-1)
    assert tally == Tally(total=1)
