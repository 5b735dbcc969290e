"""Operators: their arguments, `default_args`, and what is wrong with either."""
# ruff: noqa: DTZ001  dates without a zone are what authors write

from datetime import UTC, datetime, timedelta

import pytest

from gale.authoring import surroundings
from gale.authoring.dag import DAG
from gale.authoring.exceptions import GaleAuthoringWarning
from gale.authoring.groups import TaskGroup
from gale.authoring.operator import BaseOperator
from gale.core.trigger_rules import TriggerRule
from gale.errors import DagDefinitionError, DuplicateTaskId, InvalidId, UnknownArgument
from gale.operators.bash import BashOperator
from gale.operators.empty import EmptyOperator
from gale.operators.python import PythonOperator


class Greeting(BaseOperator):
    """An operator of an author's own."""

    def __init__(self, *, name, polite=False, **kwargs):
        super().__init__(**kwargs)
        self.name = name
        self.polite = polite


class PatientGreeting(Greeting):
    """One that fixes an argument for its parent class."""

    def __init__(self, **kwargs):
        super().__init__(retries=9, **kwargs)


def test_default_args_hold_for_every_operator_and_give_way_to_arguments():
    dag = DAG("d", default_args={"retries": 2, "owner": "anna", "retry_delay": timedelta(seconds=60)})
    a = EmptyOperator(task_id="a", dag=dag)
    b = EmptyOperator(task_id="b", dag=dag, retries=5)
    assert (a.retries, a.owner, a.retry_delay) == (2, "anna", timedelta(seconds=60))
    assert (b.retries, b.owner) == (5, "anna")


def test_inner_default_args_go_before_outer_ones():
    with DAG("d", default_args={"retries": 1, "owner": "dag", "pool": "dag_pool"}) as dag:
        with (
            TaskGroup("outer", default_args={"retries": 2, "owner": "outer"}),
            TaskGroup("inner", default_args={"retries": 3}),
        ):
            inside = EmptyOperator(task_id="inside")
            own = EmptyOperator(task_id="own", default_args={"retries": 4})
        outside = EmptyOperator(task_id="outside")
    assert (inside.retries, inside.owner, inside.pool) == (3, "outer", "dag_pool")
    assert own.retries == 4
    assert (outside.retries, outside.owner) == (1, "dag")
    assert dag.task_ids == ["outer.inner.inside", "outer.inner.own", "outside"]


def test_an_authors_operator_gets_its_own_arguments_out_of_default_args():
    dag = DAG("d", default_args={"name": "world", "polite": True, "retries": 1})
    greeting = Greeting(task_id="a", dag=dag)
    assert (greeting.name, greeting.polite, greeting.retries) == ("world", True, 1)


def test_an_operator_that_fixes_an_argument_has_its_way_over_default_args():
    dag = DAG("d", default_args={"name": "world", "retries": 1})
    assert PatientGreeting(task_id="a", dag=dag).retries == 9


def test_default_args_are_not_shared_between_dags():
    args = {"retries": 1}
    dag = DAG("d", default_args=args)
    args["retries"] = 7
    assert EmptyOperator(task_id="a", dag=dag).retries == 1


def test_a_misspelt_default_arg_gets_a_warning_that_names_the_right_one():
    with pytest.warns(GaleAuthoringWarning, match=r"'retries_delay'.*Did you mean 'retry_delay'"):
        DAG("d", default_args={"retries_delay": timedelta(seconds=60)})


def test_a_default_arg_that_some_operator_takes_gets_no_warning():
    DAG(
        "d", default_args={"bash_command": "true", "name": "world", "provide_context": True, "start_date": "2026-01-01"}
    )


def test_a_misspelt_argument_is_refused_with_the_right_name():
    with pytest.raises(UnknownArgument, match=r"EmptyOperator\('a'\).*'retrys'.*Did you mean 'retries'"):
        EmptyOperator(task_id="a", retrys=3)
    with pytest.raises(UnknownArgument, match=r"'comand'.*Remove it"):
        BashOperator(task_id="a", bash_command="true", comand="true")


def test_a_missing_argument_of_an_operator_is_pythons_own_error():
    with pytest.raises(TypeError, match="bash_command"):
        BashOperator(task_id="a")


@pytest.mark.parametrize(
    ("argument", "value", "rule"),
    [
        ("retries", -1, "whole number of 0 or more"),
        ("retries", "3", "whole number"),
        ("retries", True, "whole number"),
        ("retry_delay", "5m", "Give a timedelta"),
        ("retry_delay", timedelta(seconds=-1), "no clock can wait"),
        ("execution_timeout", float("inf"), "no clock can wait"),
        ("execution_timeout", True, "Give a timedelta"),
        ("start_date", 20260101, "Give a datetime"),
        ("start_date", "yesterday", "is no date"),
        ("trigger_rule", "all_succes", "Use one of all_success"),
        ("weight_rule", "sideways", "Use one of downstream"),
        ("priority_weight", 1.5, "whole number"),
        ("pool_slots", 0, "whole number of 1 or more"),
        ("max_active_tis_per_dag", 0, "whole number of 1 or more"),
        ("email", 7, "list of addresses"),
        ("owner", 7, "as text"),
        ("retry_exponential_backoff", "yes", "factor"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused_in_the_authors_line(argument, value, rule):
    with pytest.raises(DagDefinitionError, match=rule):
        EmptyOperator(task_id="a", **{argument: value})


def test_arguments_are_brought_into_their_proper_types():
    task = EmptyOperator(
        task_id="a",
        retry_delay=30,
        retry_exponential_backoff=True,
        email="a@example.com; b@example.com",
        trigger_rule="all_done",
        pool=None,
        start_date=datetime(2026, 1, 1),
    )
    assert task.retry_delay == timedelta(seconds=30)
    assert task.retry_exponential_backoff == 2.0
    assert task.email == ["a@example.com", "b@example.com"]
    assert task.trigger_rule is TriggerRule.ALL_DONE
    assert task.pool == "default_pool"
    assert task.start_date == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_date_without_a_zone_means_the_zone_of_the_dag():
    shanghai = datetime.fromisoformat("2026-01-01T00:00:00+08:00")
    dag = DAG("d", start_date=shanghai)
    task = EmptyOperator(task_id="a", dag=dag, start_date=datetime(2026, 1, 2))
    assert task.start_date == datetime(2026, 1, 1, 16, tzinfo=UTC)


def test_old_names_of_arguments_mean_the_new_ones():
    task = PythonOperator(task_id="a", python_callable=print, provide_context=True, task_concurrency=3, xcom_push=False)
    assert task.max_active_tis_per_dag == 3
    assert task.do_xcom_push is False


def test_the_house_says_what_holds_where_nobody_else_does():
    with surroundings.changed(default_task_retries=4, default_owner="house", default_queue="night"):
        task = EmptyOperator(task_id="a")
    assert (task.retries, task.owner, task.queue) == (4, "house", "night")


@pytest.mark.parametrize("task_id", ["", "../../etc/passwd", "a/b", "a b", "ä", "x" * 251, "x" * 1000, None, 7])
def test_an_id_that_paths_cannot_carry_is_refused(dag, task_id):
    with pytest.raises(InvalidId, match="task_id"):
        EmptyOperator(task_id=task_id, dag=dag)


def test_an_id_may_be_as_long_as_the_rule_says(dag):
    assert EmptyOperator(task_id="x" * 250, dag=dag).task_id == "x" * 250


def test_a_task_id_is_used_once_in_a_dag(dag):
    EmptyOperator(task_id="a", dag=dag)
    with pytest.raises(DuplicateTaskId, match="'a' is used twice in the DAG 'd'"):
        EmptyOperator(task_id="a", dag=dag)


def test_a_task_cannot_move_to_another_dag(dag):
    task = EmptyOperator(task_id="a", dag=dag)
    with pytest.raises(DagDefinitionError, match="cannot move to 'other'"):
        task.dag = DAG("other")


def test_asking_for_mapping_says_to_use_a_loop():
    with pytest.raises(DagDefinitionError, match=r"BashOperator\.partial\(\).*loop"):
        BashOperator.partial(task_id="a")


def test_a_teardown_waits_for_all_and_comes_after_its_setups(dag):
    make, work, clean = (EmptyOperator(task_id=name, dag=dag) for name in ("make", "work", "clean"))
    make >> work >> clean.as_teardown(setups=make)
    assert make.is_setup
    assert clean.is_teardown
    assert clean.trigger_rule is TriggerRule.ALL_DONE_SETUP_SUCCESS
    assert clean.upstream_task_ids == {"make", "work"}
