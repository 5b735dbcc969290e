"""Functions as tasks: arguments, context, branches, short circuits."""

import pytest

from gale.authoring.dag import DAG
from gale.authoring.groups import TaskGroup
from gale.core.attempt import Outcome
from gale.errors import DagDefinitionError
from gale.operators.branch import BaseBranchOperator
from gale.operators.empty import DummyOperator, EmptyOperator
from gale.operators.latest_only import LatestOnlyOperator
from gale.operators.python import BranchPythonOperator, PythonOperator, ShortCircuitOperator


@pytest.fixture
def call(dag, run, services):
    """Return a function that runs a function as a task and gives what it returned."""

    def run_function(function, **options):
        PythonOperator(task_id="t", dag=dag, python_callable=function, **options)
        ended = run(dag)
        assert ended.outcome is Outcome.SUCCESS, ended.reason
        return services.pushed("t") if "return_value" in ended.xcoms else None

    return run_function


def test_parameters_named_like_something_in_the_context_get_it(call):
    assert call(lambda ds, ti, run_id="x": [ds, ti.task_id, run_id]) == ["2026-03-14", "t", "r"]


def test_a_function_with_open_keywords_gets_the_whole_context(call):
    def function(**context):
        return [context["ds"], context["dag"].dag_id, sorted(context) > []]

    assert call(function) == ["2026-03-14", "d", True]


def test_a_parameter_called_context_gets_all_of_it(call):
    assert call(lambda context: context["ds"]) == "2026-03-14"


def test_given_arguments_go_before_the_context(call):
    assert call(lambda ds, *, run_id: [ds, run_id], op_args=["{{ ds_nodash }}"], op_kwargs={"run_id": "mine"}) == [
        "20260314",
        "mine",
    ]


def test_templates_of_a_dict_are_in_the_context(call):
    assert call(lambda templates_dict: templates_dict, templates_dict={"a": "{{ ds }}"}) == {"a": "2026-03-14"}


def test_built_in_functions_can_be_tasks(call):
    assert call(max, op_args=[1, 3, 2]) == 3


def test_a_coroutine_runs_to_its_end(call):
    async def function(ds):
        return ds

    assert call(function) == "2026-03-14"


def test_what_cannot_be_called_is_refused_where_the_task_is_made(dag):
    with pytest.raises(DagDefinitionError, match="without parentheses"):
        PythonOperator(task_id="t", dag=dag, python_callable="print")


def test_an_operator_that_does_nothing_succeeds(dag, run):
    DummyOperator(task_id="t", dag=dag)
    ended = run(dag)
    assert (ended.outcome, ended.xcoms) == (Outcome.SUCCESS, {})


@pytest.fixture
def ways():
    """Return a DAG with a branch `t` before `a`, `b` and a group, and `join` after all; and `a` before `b2`."""
    with DAG("d") as dag:
        branch = BranchPythonOperator(task_id="t", python_callable=lambda: None)
        a, b, join, deep = (EmptyOperator(task_id=name) for name in ("a", "b", "join", "deep"))
        with TaskGroup("group") as group:
            EmptyOperator(task_id="first") >> EmptyOperator(task_id="second")
        branch >> [a, b, group] >> join
        a >> deep
        branch >> deep
    return dag


@pytest.mark.parametrize(
    ("chosen", "not_taken"),
    [
        ("a", {"b", "group.first"}),
        (["a", "b"], {"group.first"}),
        ("group", {"a", "b", "deep"}),
        ("group.first", {"a", "b", "deep"}),
        ("deep", {"a", "b", "group.first"}),
        (None, {"a", "b", "deep", "group.first"}),
        ([], {"a", "b", "deep", "group.first"}),
        ("join", {"a", "b", "deep", "group.first"}),
    ],
)
def test_a_branch_leaves_out_what_it_did_not_choose(ways, run, chosen, not_taken):
    ways.get_task("t").python_callable = lambda: chosen
    ended = run(ways)
    assert ended.outcome is Outcome.SUCCESS
    assert set(ended.not_taken) == not_taken


@pytest.mark.parametrize(
    ("chosen", "hint"),
    [("jion", "Did you mean 'join'"), ("elsewhere", "which is no task of the DAG"), (7, "a int")],
)
def test_a_branch_that_chooses_what_is_not_there_fails(ways, run, chosen, hint):
    ways.get_task("t").python_callable = lambda: chosen
    ended = run(ways)
    assert ended.outcome is Outcome.FAILED
    assert hint in ended.reason
    assert ended.not_taken == ()


def test_a_teardown_is_never_left_out(dag, run):
    branch = BranchPythonOperator(task_id="t", dag=dag, python_callable=lambda: None)
    branch >> EmptyOperator(task_id="clean", dag=dag).as_teardown()
    assert run(dag).not_taken == ()


def test_a_branch_operator_of_ones_own_says_which_way_to_go(dag, run):
    class Odd(BaseBranchOperator):
        def choose_branch(self, context):
            return "a" if context["ti"].try_number % 2 else "b"

    Odd(task_id="t", dag=dag) >> [EmptyOperator(task_id=name, dag=dag) for name in "ab"]
    assert run(dag).not_taken == ("b",)


@pytest.mark.parametrize(
    ("answer", "options", "not_taken"),
    [
        (True, {}, set()),
        ("something", {}, set()),
        (False, {}, {"near", "far"}),
        (None, {}, {"near", "far"}),
        ([], {"ignore_downstream_trigger_rules": False}, {"near"}),
    ],
)
def test_a_short_circuit_leaves_out_what_comes_after(dag, run, answer, options, not_taken):
    first = ShortCircuitOperator(task_id="t", dag=dag, python_callable=lambda: answer, **options)
    first >> EmptyOperator(task_id="near", dag=dag) >> EmptyOperator(task_id="far", dag=dag)
    assert set(run(dag).not_taken) == not_taken


@pytest.mark.parametrize(
    ("latest", "run_type", "not_taken"),
    [(True, "scheduled", ()), (False, "scheduled", ("next",)), (False, "backfill", ("next",)), (False, "manual", ())],
)
def test_only_the_latest_scheduled_run_goes_on(dag, run, services, *, latest, run_type, not_taken):
    services.latest = latest
    LatestOnlyOperator(task_id="t", dag=dag) >> EmptyOperator(task_id="next", dag=dag)
    assert run(dag, run_run_type=run_type).not_taken == not_taken
