"""How arrows between tasks are drawn."""

import pytest

from gale.authoring.dag import DAG
from gale.authoring.edges import Label, chain, chain_linear, cross_downstream
from gale.errors import DagDefinitionError
from gale.operators.empty import EmptyOperator


def tasks(dag, names):
    return [EmptyOperator(task_id=name, dag=dag) for name in names]


def arrows(dag):
    return {(task.task_id, after) for task in dag.tasks for after in task.downstream_task_ids}


def test_all_ways_to_draw_an_arrow_mean_the_same(dag):
    a, b, c, d, e = tasks(dag, "abcde")
    a.set_downstream(b)
    c.set_upstream(b)
    c >> d
    e << d
    assert arrows(dag) == {("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")}


def test_lists_can_stand_on_either_side_of_an_arrow(dag):
    a, b, c, d = tasks(dag, "abcd")
    a >> [b, c] >> d
    assert arrows(dag) == {("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")}


def test_an_arrow_drawn_twice_counts_once(dag):
    a, b = tasks(dag, "ab")
    a >> b
    b << a
    assert b.upstream_list == [a]


def test_a_chain_joins_neighbouring_lists_pairwise(dag):
    a, b, c, d, e, f = tasks(dag, "abcdef")
    chain(a, [b, c], [d, e], f)
    assert arrows(dag) == {("a", "b"), ("a", "c"), ("b", "d"), ("c", "e"), ("d", "f"), ("e", "f")}


def test_a_chain_of_lists_that_differ_in_length_is_refused(dag):
    a, b, c = tasks(dag, "abc")
    with pytest.raises(DagDefinitionError, match=r"lists of 2 and 1 tasks.*cross_downstream"):
        chain([a, b], [c])


def test_cross_downstream_and_chain_linear_join_everything_with_everything(dag):
    a, b, c, d, e, f = tasks(dag, "abcdef")
    cross_downstream([a, b], [c, d])
    chain_linear([c, d], [e, f])
    assert len(arrows(dag)) == 8


def test_a_label_stands_on_each_arrow_that_it_was_drawn_with(dag):
    a, b, c, d = tasks(dag, "abcd")
    a >> Label("yes") >> [b, c]
    d << Label("last") << b
    chain(c, Label("chained"), d)
    assert dag.edge_labels == {("a", "b"): "yes", ("a", "c"): "yes", ("b", "d"): "last", ("c", "d"): "chained"}


@pytest.mark.parametrize("end", ["b", None, 3, len])
def test_what_is_no_task_cannot_stand_at_an_end_of_an_arrow(dag, end):
    (a,) = tasks(dag, "a")
    with pytest.raises(DagDefinitionError, match="An arrow needs a task"):
        a >> end


def test_a_task_cannot_come_after_itself(dag):
    (a,) = tasks(dag, "a")
    with pytest.raises(DagDefinitionError, match="'a' was set to run after itself"):
        a >> a


def test_a_task_without_a_dag_joins_the_one_at_the_other_end_of_its_arrow(dag):
    (a,) = tasks(dag, "a")
    loose = EmptyOperator(task_id="loose")
    also_loose = EmptyOperator(task_id="also_loose")
    a >> loose
    also_loose >> a
    assert dag.task_ids == ["a", "loose", "also_loose"]


def test_tasks_of_two_dags_or_of_none_cannot_depend_on_each_other(dag):
    (a,) = tasks(dag, "a")
    (b,) = tasks(DAG("other"), "b")
    with pytest.raises(DagDefinitionError, match=r"two different DAGs.*ExternalTaskSensor"):
        a >> b
    with pytest.raises(DagDefinitionError, match="neither is in a DAG yet"):
        EmptyOperator(task_id="x") >> EmptyOperator(task_id="y")


def test_relatives_are_found_however_far_away(dag):
    a, b, c, d = tasks(dag, "abcd")
    a >> b >> c >> d
    assert a.get_flat_relative_ids() == {"b", "c", "d"}
    assert d.get_flat_relative_ids(upstream=True) == {"a", "b", "c"}
    assert dag.roots == [a]
    assert dag.leaves == [d]
