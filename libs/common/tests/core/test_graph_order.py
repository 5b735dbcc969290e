"""Order, circles, weights and guards, each against a slow but obvious way to find them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gale.core.graph import TaskSpec
from gale.core.graph_order import MAX_WEIGHT, MIN_WEIGHT, effective_weights, guards, topological_order
from gale.errors import CyclicDag, DagDefinitionError, DuplicateTaskId


def task(task_id, *upstream, **more):
    return TaskSpec(task_id=task_id, upstream=upstream, **more)


def ids(tasks):
    return [spec.task_id for spec in tasks]


@st.composite
def dags(draw, **fields):
    """Random DAGs: task n may depend on any of the tasks before it."""
    count = draw(st.integers(1, 9))
    tasks = [
        TaskSpec(
            task_id=f"t{n}",
            upstream=tuple(f"t{m}" for m in draw(st.sets(st.integers(0, n - 1)))) if n else (),
            **{name: draw(strategy) for name, strategy in fields.items()},
        )
        for n in range(count)
    ]
    return draw(st.permutations(tasks))


def all_upstream(tasks, task_id):
    by_id = {spec.task_id: spec for spec in tasks}
    direct = set(by_id[task_id].upstream)
    return direct.union(*(all_upstream(tasks, one) for one in direct)) if direct else direct


def all_downstream(tasks, task_id):
    return {spec.task_id for spec in tasks if task_id in all_upstream(tasks, spec.task_id)}


# --- order ---


def test_tasks_without_edges_keep_the_order_in_which_they_were_written():
    assert ids(topological_order([task("b"), task("a"), task("c")])) == ["b", "a", "c"]


def test_a_task_moves_back_only_as_far_as_its_upstream_tasks_force_it():
    assert ids(topological_order([task("c", "b"), task("a"), task("b"), task("d")])) == ["a", "b", "c", "d"]


def test_no_tasks_at_all_have_an_order_too():
    assert topological_order([]) == ()


def test_a_circle_is_named_once_round_in_the_direction_of_its_edges():
    with pytest.raises(CyclicDag, match="b >> c >> d >> b") as caught:
        topological_order([task("a"), task("b", "a", "d"), task("c", "b"), task("d", "c"), task("e", "d")])
    assert "a >>" not in str(caught.value)
    assert "e" not in str(caught.value).split(".")[0].split(": ")[1].split(" >> ")


def test_a_task_that_depends_on_itself_is_the_smallest_circle():
    with pytest.raises(CyclicDag, match="a >> a"):
        topological_order([task("a", "a")])


def test_two_tasks_with_one_id_are_refused():
    with pytest.raises(DuplicateTaskId, match="'a'"):
        topological_order([task("a"), task("a")])


def test_an_edge_to_a_task_that_does_not_exist_is_refused():
    with pytest.raises(DagDefinitionError, match="'a' depends on 'ghost'"):
        topological_order([task("a", "ghost")])


def test_an_edge_written_twice_counts_once():
    assert ids(topological_order([task("b", "a", "a"), task("a")])) == ["a", "b"]


@given(dags())
def test_in_any_dag_each_task_stands_after_all_its_upstream_tasks(tasks):
    order = topological_order(tasks)
    assert sorted(ids(order)) == sorted(ids(tasks))
    place = {spec.task_id: n for n, spec in enumerate(order)}
    assert all(place[up] < place[spec.task_id] for spec in order for up in spec.upstream)


@given(dags(), st.data())
def test_an_edge_back_to_an_upstream_task_always_makes_a_circle_that_exists(tasks, data):
    victim = data.draw(st.sampled_from(tasks))
    later = data.draw(st.sampled_from(sorted({victim.task_id, *all_downstream(tasks, victim.task_id)})))
    spoilt = [
        TaskSpec(task_id=spec.task_id, upstream=(*spec.upstream, *([later] if spec is victim else [])))
        for spec in tasks
    ]
    with pytest.raises(CyclicDag) as caught:
        topological_order(spoilt)
    circle = str(caught.value).split(": ")[1].split(".")[0].split(" >> ")
    upstream = {spec.task_id: spec.upstream for spec in spoilt}
    assert circle[0] == circle[-1]
    assert all(before in upstream[after] for before, after in pairwise(circle))


def test_a_chain_of_ten_thousand_tasks_needs_no_deep_recursion():
    tasks = [task(f"t{n}", *([f"t{n - 1}"] if n else [])) for n in range(10_000)]
    assert ids(topological_order(tasks[::-1])) == ids(tasks)


# --- weights ---


def test_a_diamond_weighs_each_task_with_all_that_follow_it_once():
    diamond = [task("a"), task("b", "a"), task("c", "a"), task("d", "b", "c")]
    assert effective_weights(diamond) == {"a": 4, "b": 2, "c": 2, "d": 1}


def test_the_upstream_rule_weighs_what_has_gone_before():
    diamond = [
        task("a", weight_rule="upstream"),
        task("b", "a", weight_rule="upstream", priority_weight=10),
        task("d", "b", "a", weight_rule="upstream"),
    ]
    assert effective_weights(diamond) == {"a": 1, "b": 11, "d": 12}


def test_the_absolute_rule_weighs_the_task_alone():
    assert effective_weights([task("a", weight_rule="absolute", priority_weight=7), task("b", "a")]) == {"a": 7, "b": 1}


def test_an_unknown_weight_rule_is_refused_with_the_known_ones():
    with pytest.raises(DagDefinitionError, match=r"'sideways'.*downstream, upstream, absolute"):
        effective_weights([task("a", weight_rule="sideways")])


@pytest.mark.parametrize(
    ("weight", "effective"),
    [
        (MAX_WEIGHT, MAX_WEIGHT),
        (MAX_WEIGHT + 1, MAX_WEIGHT),
        (MIN_WEIGHT, MIN_WEIGHT),
        (MIN_WEIGHT - 1, MIN_WEIGHT),
    ],
)
def test_weights_are_clamped_to_what_a_column_holds(weight, effective):
    assert effective_weights([task("a", priority_weight=weight)]) == {"a": effective}


@given(dags(priority_weight=st.integers(-5, 5), weight_rule=st.sampled_from(["downstream", "upstream", "absolute"])))
def test_in_any_dag_weights_are_sums_over_distinct_relatives(tasks):
    weight = {spec.task_id: spec.priority_weight for spec in tasks}
    relatives = {
        "downstream": lambda task_id: all_downstream(tasks, task_id),
        "upstream": lambda task_id: all_upstream(tasks, task_id),
        "absolute": lambda _: set(),
    }
    assert effective_weights(tasks) == {
        spec.task_id: weight[spec.task_id] + sum(weight[one] for one in relatives[spec.weight_rule](spec.task_id))
        for spec in tasks
    }


# --- guards ---


def test_a_dag_without_setups_has_no_guards():
    assert guards([task("a"), task("b", "a"), task("c", "b", is_teardown=True)]) == {}


def test_a_setup_guards_the_work_behind_its_direct_followers_until_the_teardown():
    tasks = [
        task("before"),
        task("setup", "before", is_setup=True),
        task("first", "setup"),
        task("second", "first"),
        task("teardown", "second", "setup", is_teardown=True),
        task("after", "teardown"),
    ]
    assert guards(tasks) == {"second": ("setup",), "teardown": ("first",)}


def test_a_setup_without_teardown_guards_all_that_follows():
    tasks = [task("setup", is_setup=True), task("a", "setup"), task("b", "a"), task("c", "b")]
    assert guards(tasks) == {"b": ("setup",), "c": ("setup",)}


def test_work_behind_the_teardown_is_out_of_the_setups_scope():
    tasks = [
        task("setup", is_setup=True),
        task("work", "setup"),
        task("teardown", "work", "setup", is_teardown=True),
        task("report", "work"),
        task("mail", "report"),
    ]
    assert guards(tasks) == {}


@given(dags(is_setup=st.booleans(), is_teardown=st.booleans()))
def test_guards_are_always_upstream_and_never_directly_so(tasks):
    by_id = {spec.task_id: spec for spec in tasks}
    for task_id, guarding in guards(tasks).items():
        assert set(guarding) <= all_upstream(tasks, task_id) - set(by_id[task_id].upstream)
