"""Task groups: nesting, prefixes, arrows."""

import pytest

from gale.authoring.dag import DAG
from gale.authoring.decorators import task_group
from gale.authoring.groups import TaskGroup
from gale.authoring.serialization import dag_to_spec
from gale.errors import DagDefinitionError, DuplicateTaskId, InvalidId
from gale.operators.empty import EmptyOperator
from gale.operators.taskflow import task


def test_ids_inside_groups_begin_with_the_groups_ids():
    with DAG("d") as dag, TaskGroup("a"), TaskGroup("b"):
        EmptyOperator(task_id="t")
    assert dag.task_ids == ["a.b.t"]
    assert dag.get_task("a.b.t").label == "t"


def test_a_group_can_leave_ids_as_they_are():
    with DAG("d") as dag, TaskGroup("a"), TaskGroup("b", prefix_group_id=False):
        EmptyOperator(task_id="t")
    assert dag.task_ids == ["a.t"]


def test_an_arrow_to_a_group_reaches_its_first_tasks_and_one_from_it_leaves_its_last():
    with DAG("d") as dag:
        before, after = EmptyOperator(task_id="before"), EmptyOperator(task_id="after")
        with TaskGroup("g") as group:
            a, b, c = (EmptyOperator(task_id=name) for name in "abc")
            a >> [b, c]
        before >> group >> after
    assert before.downstream_task_ids == {"g.a"}
    assert after.upstream_task_ids == {"g.b", "g.c"}
    assert dag.roots == [before]


def test_groups_can_depend_on_groups():
    with DAG("d"):
        with TaskGroup("one") as one:
            a = EmptyOperator(task_id="a")
        with TaskGroup("two") as two:
            b = EmptyOperator(task_id="b")
        one >> two
    assert a.downstream_task_ids == {b.task_id}


def test_a_group_and_a_task_cannot_share_an_id():
    with DAG("d"):
        EmptyOperator(task_id="x")
        with pytest.raises(DuplicateTaskId, match="group_id 'x' is used twice"):
            TaskGroup("x")


def test_a_group_outside_of_a_dag_is_refused():
    with pytest.raises(DagDefinitionError, match="'g' belongs to no DAG"):
        TaskGroup("g")


def test_an_id_that_grows_too_long_by_its_prefix_is_refused():
    with DAG("d"), TaskGroup("g" * 200), pytest.raises(InvalidId, match="task_id"):
        EmptyOperator(task_id="t" * 100)


def test_groups_stand_in_the_spec_with_their_parents():
    with DAG("d") as dag, TaskGroup("a", tooltip="outer"), TaskGroup("b"):
        EmptyOperator(task_id="t")
    spec = dag_to_spec(dag, "f")
    assert [(group.group_id, group.label, group.parent, group.tooltip) for group in spec.groups] == [
        ("a", "a", None, "outer"),
        ("a.b", "b", "a", ""),
    ]
    assert spec.tasks[0].group_id == "a.b"


def test_a_decorated_function_fills_a_group_each_time_it_is_called():
    @task
    def double(value):
        return value * 2

    @task_group
    def twice(value):
        """Double it two times."""
        return double(double(value))

    with DAG("d") as dag:
        twice(twice(1))
    assert dag.task_ids == ["twice.double", "twice.double__1", "twice__1.double", "twice__1.double__1"]
    assert dag.get_task("twice__1.double").upstream_task_ids == {"twice.double__1"}
    assert dag_to_spec(dag, "f").groups[0].tooltip == "Double it two times."


def test_mapping_a_group_says_to_use_a_loop():
    @task_group
    def group(value):
        EmptyOperator(task_id="t")

    with DAG("d"), pytest.raises(DagDefinitionError, match="loop"):
        group.expand(value=[1, 2])
