"""The book of slots against a slow model that looks at everybody each time.

The model's rule in full: whoever is at a limit of his own steps aside; of the rest, each pool has
one first in line; the best of those firsts that fit into their pool goes; repeat.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from gale.core.slots import UNLIMITED, Candidate, Limit, SlotLedger

MORNING = datetime(2026, 11, 22, 6, tzinfo=UTC)
POOLS = (("small", 1), ("medium", 3), ("large", UNLIMITED))


def candidate(ti, **more):
    return Candidate(
        **{"ti": ti, "run": "r1", "dag_id": "etl", "task_id": ti, "pool": "large", "since": MORNING, **more}
    )


@st.composite
def candidates(draw, ti):
    dag = draw(st.sampled_from("ab"))
    run = draw(st.sampled_from([f"{dag}1", f"{dag}2"]))
    task = draw(st.sampled_from("xy"))
    # Limits belong to the DAG and the task, so they follow from their names.
    return Candidate(
        ti=ti,
        run=run,
        dag_id=dag,
        task_id=task,
        pool=draw(st.sampled_from(["small", "medium", "large", "missing"])),
        pool_slots=draw(st.sampled_from([1, 1, 2, 4])),
        weight=draw(st.integers(1, 3)),
        since=MORNING + timedelta(days=draw(st.integers(0, 2))),
        max_active_tasks={"a": 2, "b": None}[dag],
        per_run=dag == "b",
        max_active_tis_per_dag={"x": 2, "y": None}[task],
        max_active_tis_per_dagrun={"x": None, "y": 1}[task],
    )


class Model:
    """Who wants, who holds, and the rule above, spelt out."""

    def __init__(self, pools):
        self.pools = dict(pools)
        self.wanted, self.held = {}, {}

    def at_a_limit(self, one):
        held = self.held.values()
        in_dag = sum(other.run == one.run if one.per_run else other.dag_id == one.dag_id for other in held)
        of_task = [other for other in held if (other.dag_id, other.task_id) == (one.dag_id, one.task_id)]
        in_run = sum(other.run == one.run for other in of_task)
        counts = (
            (in_dag, one.max_active_tasks),
            (len(of_task), one.max_active_tis_per_dag),
            (in_run, one.max_active_tis_per_dagrun),
        )
        return any(limit is not None and count >= limit for count, limit in counts)

    def used(self, pool):
        return sum(other.pool_slots for other in self.held.values() if other.pool == pool)

    def could_ever_fit(self, one):
        size = self.pools.get(one.pool)
        return size is not None and (size == UNLIMITED or one.pool_slots <= size)

    def fits_now(self, one):
        size = self.pools[one.pool]
        return size == UNLIMITED or self.used(one.pool) + one.pool_slots <= size

    def next(self, except_for=frozenset()):
        heads = {}
        for one in self.wanted.values():
            if self.could_ever_fit(one) and not self.at_a_limit(one) and one.ti not in except_for:
                heads.setdefault(one.pool, []).append(one)
        firsts = [min(line, key=place) for line in heads.values()]
        going = [one for one in firsts if self.fits_now(one)]
        return min(going, key=place, default=None)

    def grant(self, free, except_for=frozenset()):
        granted = []
        while len(granted) < free and (one := self.next(except_for)) is not None:
            del self.wanted[one.ti]
            self.held[one.ti] = one
            granted.append(one)
        return granted


def place(one):
    return (-one.weight, one.since, one.ti)


class SlotsAgainstModel(RuleBasedStateMachine):
    """Wants, grants and releases in any order: the ledger gives what the model gives, in the same order."""

    known = Bundle("known")

    def __init__(self):
        super().__init__()
        self.ledger, self.model, self.count = SlotLedger(POOLS), Model(POOLS), 0

    @rule(target=known, data=st.data(), many=st.integers(1, 4))
    def some_want_a_slot(self, data, many):
        made = []
        for _ in range(many):
            self.count += 1
            one = data.draw(candidates(f"ti{self.count:03}"))
            self.ledger.want(one)
            self.model.wanted[one.ti] = one
            made.append(one)
        return multiple(*made)

    @rule(free=st.integers(0, 4))
    def slots_are_handed_out(self, free):
        assert self.ledger.grant(free) == self.model.grant(free)

    @rule(free=st.integers(1, 4), data=st.data())
    def slots_are_handed_out_to_all_but_some(self, free, data):
        waiting = sorted(self.model.wanted)
        except_for = frozenset(data.draw(st.sets(st.sampled_from(waiting)))) if waiting else frozenset()
        assert self.ledger.grant(free, except_for=except_for) == self.model.grant(free, except_for)

    @rule(one=known)
    def one_gives_its_slot_back(self, one):
        self.ledger.release(one.ti)
        self.model.held.pop(one.ti, None)

    @rule(one=known)
    def one_no_longer_wants_a_slot(self, one):
        self.ledger.unwant(one.ti)
        self.model.wanted.pop(one.ti, None)

    @rule(one=known, pool=st.sampled_from(["small", "medium", "large"]), weight=st.integers(1, 3))
    def one_wants_again_with_another_pool_and_weight(self, one, pool, weight):
        """A newer version of the DAG may change both, while it waits or between two attempts."""
        if one.ti not in self.model.held:
            changed = replace(one, pool=pool, weight=weight)
            self.ledger.want(changed)
            self.model.wanted[one.ti] = changed

    @rule(one=consumes(known))
    def another_scheduler_gave_it_a_slot(self, one):
        """Whatever the limits say: what the database says is so."""
        one = self.model.wanted.pop(one.ti, one)
        self.ledger.hold(one)
        self.model.held.setdefault(one.ti, one)

    @rule(size=st.integers(0, 4))
    def a_pool_changes_its_size(self, size):
        self.model.pools["medium"] = size
        self.ledger.set_pools(self.model.pools.items())

    @rule()
    def the_held_slots_are_read_anew(self):
        self.ledger.set_held(list(self.model.held.values()))

    @invariant()
    def ledger_and_model_count_the_same(self):
        assert self.ledger.wanted() == len(self.model.wanted)
        assert self.ledger.held() == len(self.model.held)
        assert all(self.ledger.holds(ti) for ti in self.model.held)

    @invariant()
    def nothing_is_remembered_of_those_who_are_done(self):
        if not self.model.held:
            assert (self.ledger._usage._of_pool, self.ledger._usage._of_limit) == ({}, {})

    @invariant()
    def explain_and_grant_agree(self):
        following = self.model.next()
        if following is not None:
            assert self.ledger.blocked_by(following, free=1) is None

    def teardown(self):
        """Nobody starves: if everyone who holds a slot gives it back, everyone who can ever fit gets one."""
        for _ in range(2 * self.count + 1):
            self.ledger.grant(10)
            for ti in [ti for ti in self.model.wanted if self.ledger.holds(ti)]:
                self.model.held[ti] = self.model.wanted.pop(ti)
            for ti in list(self.model.held):
                self.ledger.release(ti)
                del self.model.held[ti]
        assert [one for one in self.model.wanted.values() if self.model.could_ever_fit(one)] == []


TestSlotsAgainstModel = SlotsAgainstModel.TestCase
TestSlotsAgainstModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@given(st.data(), st.integers(1, 30), st.integers(0, 10))
def test_no_limit_is_ever_exceeded_by_a_grant(data, many, free):
    ledger = SlotLedger(POOLS)
    for number in range(many):
        ledger.want(data.draw(candidates(f"ti{number:02}")))
    granted = ledger.grant(free)
    assert len(granted) <= free
    for pool, size in POOLS:
        assert size == UNLIMITED or sum(one.pool_slots for one in granted if one.pool == pool) <= size
    for run in {one.run for one in granted}:
        assert sum(one.run == run and one.task_id == "y" for one in granted) <= 1
    assert sum(one.dag_id == "a" for one in granted) <= 2
    for dag in "ab":
        assert sum((one.dag_id, one.task_id) == (dag, "x") for one in granted) <= 2


# --- both sides of each threshold ---


@pytest.mark.parametrize(
    ("limit", "field"),
    [
        (Limit.DAG, "max_active_tasks"),
        (Limit.TASK, "max_active_tis_per_dag"),
        (Limit.TASK_IN_RUN, "max_active_tis_per_dagrun"),
    ],
)
def test_a_limit_of_two_lets_two_go_and_holds_the_third_until_one_is_done(limit, field):
    ledger = SlotLedger([("large", UNLIMITED)])
    three = [candidate(f"ti{n}", task_id="load", **{field: 2}) for n in range(3)]
    for one in three:
        ledger.want(one)
    assert ledger.grant(10) == three[:2]
    assert ledger.blocked_by(three[2], free=10) == (limit, three[:2])
    assert ledger.grant(10) == []
    ledger.release("ti0")
    assert ledger.blocked_by(three[2], free=10) is None
    assert ledger.grant(10) == three[2:]


def test_a_pool_of_three_is_filled_and_never_overfilled():
    ledger = SlotLedger([("p", 3)])
    first, second = candidate("a", pool="p", pool_slots=2), candidate("b", pool="p", pool_slots=2)
    ledger.want(first)
    ledger.want(second)
    assert ledger.grant(10) == [first]
    assert ledger.blocked_by(second, free=10) == (Limit.POOL, [first])
    ledger.release("a")
    assert ledger.grant(10) == [second]


def test_nobody_overtakes_the_first_in_line_of_a_pool_even_if_he_would_fit():
    ledger = SlotLedger([("p", 3)])
    ledger.hold(candidate("busy", pool="p", pool_slots=2))
    big, small = candidate("big", pool="p", pool_slots=2, weight=2), candidate("small", pool="p")
    ledger.want(small)
    ledger.want(big)
    assert ledger.grant(10) == []
    ledger.release("busy")
    assert ledger.grant(10) == [big, small]


def test_a_full_pool_holds_back_nobody_in_another_pool():
    ledger = SlotLedger([("full", 0), ("free", 1)])
    ledger.want(candidate("a", pool="full", weight=9))
    other = candidate("b", pool="free")
    ledger.want(other)
    assert ledger.grant(10) == [other]


def test_a_place_under_a_limit_is_not_kept_for_someone_whose_pool_is_full():
    """The DAG has room for one more; the better of the two who wait cannot use it, so the other goes."""
    ledger = SlotLedger([("full", 1), ("free", UNLIMITED)])
    ledger.hold(candidate("other", dag_id="other", pool="full"))
    running = candidate("running", max_active_tasks=1, pool="free")
    ledger.want(running)
    assert ledger.grant(10) == [running]
    ledger.want(candidate("a", pool="full", weight=9, max_active_tasks=1))
    ledger.want(patient := candidate("b", pool="free", max_active_tasks=1))
    assert ledger.grant(10) == []
    ledger.release("running")
    assert ledger.grant(10) == [patient]


def test_priority_goes_by_weight_then_by_age_then_by_id():
    ledger = SlotLedger([("large", UNLIMITED)])
    young_heavy = candidate("d", weight=2, since=MORNING + timedelta(days=1))
    old = candidate("c", since=MORNING - timedelta(days=1))
    first, second = candidate("a"), candidate("b")
    for one in (second, old, first, young_heavy):
        ledger.want(one)
    assert ledger.grant(3) == [young_heavy, old, first]
    assert ledger.grant(3) == [second]


def test_the_executor_gets_no_more_than_it_has_open():
    ledger = SlotLedger([("large", UNLIMITED)])
    two = [candidate("a"), candidate("b")]
    for one in two:
        ledger.want(one)
    assert ledger.grant(0) == []
    assert ledger.blocked_by(two[0], free=0) == (Limit.PARALLELISM, [])
    assert ledger.grant(1) == two[:1]


def test_a_task_that_fits_no_pool_waits_aside_until_the_pool_is_made_or_grown():
    ledger = SlotLedger([("p", 1)])
    lost, big = candidate("a", pool="q"), candidate("b", pool="p", pool_slots=2)
    ledger.want(lost)
    ledger.want(big)
    assert ledger.grant(10) == []
    assert ledger.blocked_by(lost, free=1) == (Limit.POOL_MISSING, [])
    assert ledger.blocked_by(big, free=1) == (Limit.POOL_TOO_SMALL, [])
    ledger.set_pools([("p", 2), ("q", 1)])
    assert ledger.grant(10) == [lost, big]


class Counted(str):
    """A text that counts how often it is hashed: the ledger looks limits and pools up by names."""

    __slots__ = ()
    looks = 0

    def __hash__(self):
        Counted.looks += 1
        return super().__hash__()


def looks_per_release(waiting):
    """Return how many look-ups one release and one grant cost while `waiting` tasks are behind a full limit."""
    ledger = SlotLedger([("large", UNLIMITED)])
    for number in range(waiting):
        ledger.want(candidate(f"ti{number:05}", dag_id=Counted("etl"), task_id="t", max_active_tasks=1))
    assert len(ledger.grant(10)) == 1
    Counted.looks = 0
    ledger.release("ti00000")
    assert len(ledger.grant(10)) == 1
    return Counted.looks


def test_a_thousand_tasks_behind_a_full_limit_make_a_release_no_dearer():
    assert looks_per_release(2_000) <= looks_per_release(20)
