"""Functions as tasks and as DAGs."""

from collections.abc import Mapping
from typing import Any

import pytest

from gale.authoring.dag import DAG
from gale.authoring.decorators import dag as dag_decorator
from gale.authoring.params import Param
from gale.core.attempt import Outcome
from gale.core.trigger_rules import TriggerRule
from gale.errors import DagDefinitionError
from gale.operators.empty import EmptyOperator
from gale.operators.taskflow import setup, task, teardown
from gale.sensors.base import PokeReturnValue


@pytest.fixture
def run_all(run, services):
    """Return a function that runs all tasks of a DAG in the order in which they were made; gives results by task."""

    def run_dag(dag):
        ends = {task_id: run(dag, task_id) for task_id in dag.task_ids}
        for task_id, ended in ends.items():
            assert ended.outcome in {Outcome.SUCCESS, Outcome.SKIPPED}, (task_id, ended.reason)
        return {task_id: services.pushed(task_id) for task_id, ended in ends.items() if "return_value" in ended.xcoms}

    return run_dag


def test_calling_a_task_function_makes_a_task_and_hands_its_result_on(run_all):
    @task
    def one():
        return 1

    @task
    def add(a, b=10):
        return a + b

    with DAG("d") as dag:
        first = add(one())
        add(first, b=one())
    assert dag.task_ids == ["one", "add", "one__1", "add__1"]
    assert dag.get_task("add__1").upstream_task_ids == {"add", "one__1"}
    assert run_all(dag) == {"one": 1, "add": 11, "one__1": 1, "add__1": 12}


def test_a_task_function_can_still_be_called_as_a_function():
    @task
    def double(value):
        """Double it."""
        return value * 2

    assert double.function(4) == 8
    assert double.__name__ == "double"


def test_names_of_the_context_come_by_themselves(run_all):
    @task
    def where(value, ds, ti=None, *, run_id, **rest):
        return [value, ds, ti.task_id, run_id, rest["ds_nodash"]]

    with DAG("d") as dag:
        where("{{ ds }}")
    assert run_all(dag) == {"where": ["2026-03-14", "2026-03-14", "where", "r", "20260314"]}


@pytest.mark.parametrize(
    ("args", "kwargs", "rule"),
    [
        ([], {}, "its argument 'value' is missing"),
        ([1, 2, 3], {}, "too many positional"),
        ([1], {"other": 2}, "got an unexpected keyword argument 'other'"),
    ],
)
def test_a_wrong_call_is_refused_while_the_dag_is_built(args, kwargs, rule):
    @task
    def double(value, ds): ...

    with DAG("d"), pytest.raises(DagDefinitionError, match=f"'double' is wrong: {rule}"):
        double(*args, **kwargs)


def test_options_can_be_given_to_the_decorator_and_overridden():
    @task(retries=2, task_id="named")
    def function(): ...

    with DAG("d") as dag:
        function()
        function.override(task_id="other", retries=5, trigger_rule="all_done")()
    assert [(one.task_id, one.retries) for one in dag.tasks] == [("named", 2), ("other", 5)]
    assert dag.get_task("other").trigger_rule is TriggerRule.ALL_DONE


@pytest.mark.parametrize("annotation", [dict, dict[str, int], Mapping[str, Any]], ids=["dict", "dict of", "mapping"])
def test_a_function_that_promises_a_dict_has_several_outputs(run_all, annotation):
    def both() -> annotation:
        return {"a": 1, "b": 2}

    @task
    def show(value):
        return value

    with DAG("d") as dag:
        show(task(both)()["b"])
    assert run_all(dag) == {"both": {"a": 1, "b": 2}, "show": 2}


def test_an_annotation_that_only_a_type_checker_knows_promises_nothing():
    @task
    def odd() -> "Nowhere":  # noqa: F821  that is the point
        ...

    assert odd.options["multiple_outputs"] is False


def test_a_branch_can_be_a_function(run):
    @task.branch
    def choose():
        return "a"

    with DAG("d") as dag:
        choose() >> [EmptyOperator(task_id="a"), EmptyOperator(task_id="b")]
    assert run(dag, "choose").not_taken == ("b",)


def test_a_short_circuit_can_be_a_function(run):
    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def go_on():
        return False

    with DAG("d") as dag:
        go_on() >> EmptyOperator(task_id="a")
    assert run(dag, "go_on").not_taken == ("a",)


def test_a_sensor_can_be_a_function(run_all):
    @task.sensor(poke_interval=1, timeout=5, mode="reschedule")
    def is_there(ds):
        return PokeReturnValue(True, {"day": ds})

    with DAG("d") as dag:
        is_there()
    assert run_all(dag) == {"is_there": {"day": "2026-03-14"}}
    assert dag.get_task("is_there").mode == "reschedule"


def test_a_command_can_be_what_a_function_returns(run_all):
    @task.bash(env={"NAME": "gale"})
    def say(word):
        return f"echo {word} $NAME {{{{ ds }}}}"

    with DAG("d") as dag:
        say("hello")
    assert run_all(dag) == {"say": "hello gale 2026-03-14"}


@pytest.mark.parametrize("command", [None, "", 7])
def test_a_function_that_returns_no_command_fails(run, command):
    @task.bash
    def say():
        return command

    with DAG("d") as dag:
        say()
    assert "Return the command as text" in run(dag, "say").reason


@pytest.mark.parametrize(
    ("decorate", "skipped"),
    [
        (lambda: task.run_if(lambda context: context["ti"].try_number > 1), True),
        (lambda: task.run_if(lambda context: True), False),
        (lambda: task.skip_if(lambda context: context["ds"] == "2026-03-14", "not today"), True),
        (lambda: task.skip_if(lambda context: False), False),
    ],
    ids=["run if not", "run if so", "skip if so", "skip if not"],
)
def test_a_condition_can_skip_a_task(run, decorate, skipped):
    @decorate()
    @task
    def work(): ...

    with DAG("d") as dag:
        work()
    assert run(dag, "work").outcome is (Outcome.SKIPPED if skipped else Outcome.SUCCESS)


def test_setups_and_teardowns_can_be_functions():
    @setup
    def make(): ...

    @task
    def work(): ...

    @teardown(on_failure_fail_dagrun=True)
    def clean(): ...

    with DAG("d") as dag:
        make() >> work() >> clean()
    assert dag.get_task("make").is_setup
    assert dag.get_task("clean").is_teardown
    assert dag.get_task("clean").on_failure_fail_dagrun


@pytest.mark.parametrize("name", ["expand", "partial", "expand_kwargs"])
def test_mapping_a_function_says_to_use_a_loop(name):
    @task
    def function(x): ...

    with pytest.raises(DagDefinitionError, match=r"dynamic task mapping.*loop"):
        getattr(function, name)()


@pytest.mark.parametrize("name", ["virtualenv", "docker", "kubernetes", "external_python"])
def test_kinds_of_functions_that_gale_does_not_have_are_told(name):
    with pytest.raises(DagDefinitionError, match=f"@task.{name} is not supported"):
        getattr(task, name)


def test_a_kind_of_function_that_nobody_has_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"@task\.brunch does not exist"):
        task.brunch  # noqa: B018
    with pytest.raises(DagDefinitionError, match="Give options by name"):
        task("my_id")


def test_parameters_of_a_dag_function_become_params_of_the_dag(run, services):
    three, needed_number = Param(3, type="integer"), Param(type="integer")

    @dag_decorator(schedule=None, tags=["x"])
    def flow(name: str = "world", number=three, needed: int = needed_number):
        """What it is for."""

        @task
        def show(name, number, text):
            return [name, number, text]

        show(name, number, f"<{name}>")

    dag = flow("moon")
    assert (dag.dag_id, dag.doc_md, dag.tags) == ("flow", "What it is for.", ["x"])
    assert dict(dag.params) == {"name": "moon", "number": 3, "needed": None}
    assert run(dag, "show", run_conf={"needed": 1, "number": 4}).outcome is Outcome.SUCCESS
    assert services.xcoms["flow", "r", "show", -1, "return_value"] == '["moon",4,"<moon>"]'


def test_a_dag_function_can_have_another_id_and_no_parentheses():
    @dag_decorator("other_id", description="One line")
    def one(): ...

    @dag_decorator
    def two(): ...

    assert (one().dag_id, one().description, two().dag_id) == ("other_id", "One line", "two")
