"""Handing values on: XComs, and their form as JSON."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gale.authoring import values
from gale.authoring.context import XCom
from gale.authoring.dag import DAG, TriggerDag
from gale.authoring.exceptions import TaskError
from gale.authoring.services import use
from gale.authoring.xcom_arg import XComArg
from gale.core.attempt import Outcome
from gale.errors import DagDefinitionError
from gale.operators.empty import EmptyOperator
from gale.operators.python import PythonOperator

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.datetimes(timezones=st.just(UTC)) | st.dates() | st.times()
    | st.timedeltas().map(lambda span: timedelta(seconds=span.seconds))
    | st.decimals(allow_nan=False) | st.uuids() | st.binary() | st.sets(st.integers()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)  # fmt: skip


@given(PLAIN)
def test_plain_values_come_back_as_they_were(value):
    assert values.from_json(values.to_json(value)) == value


def test_numbers_that_json_has_no_words_for_are_still_json():
    value = {"a": [float("inf"), (1.5, float("-inf"), date(2026, 1, 1))], "b": {3}, "c": None}
    text = values.to_json(value)
    json.loads(text, parse_constant=pytest.fail)
    assert values.from_json(text) == {"a": [float("inf"), [1.5, float("-inf"), date(2026, 1, 1)]], "b": {3}, "c": None}
    assert math.isnan(values.from_json(values.to_json(float("nan"))))


@dataclass
class Point:
    x: int


class Colour(Enum):
    RED = "red"


class Array:
    """Has what numpy's arrays have."""

    def tolist(self):
        return [1, 2]


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ((1, 2), [1, 2]),
        (Point(3), {"x": 3}),
        (Colour.RED, "red"),
        (Path("a/b"), "a/b"),
        (Array(), [1, 2]),
        ({"when": datetime(2026, 1, 1, tzinfo=UTC)}, {"when": datetime(2026, 1, 1, tzinfo=UTC)}),
        ([date(2026, 1, 1), time(3), UUID(int=1), Decimal("0.1")],) * 2,
        ({"__type": "nobody knows", "value": 1},) * 2,
        ({"__type": "set"},) * 2,
    ],
)
def test_other_values_come_back_as_what_they_hold(value, seen):
    assert values.from_json(values.to_json(value)) == seen


@pytest.mark.parametrize("value", [object(), lambda: 1, {(1, 2): 3}, {1j}, type])
def test_what_json_cannot_hold_is_refused_with_what_to_do(value):
    with pytest.raises(TaskError, match="Return plain data"):
        values.to_json(value)


def test_a_value_that_holds_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(TaskError, match="cannot be handed on"):
        values.to_json(value)


def pull(dag, **how):
    return PythonOperator(task_id="pull", dag=dag, python_callable=lambda ti: {"seen": ti.xcom_pull(**how)})


@pytest.fixture
def pulled(run, services):
    """Return a function that runs `push` and `pull` of a DAG and says what the second one saw."""

    def run_both(dag):
        for task_id in dag.task_ids:
            assert run(dag, task_id).outcome is Outcome.SUCCESS
        return services.pushed("pull")["seen"]

    return run_both


@pytest.fixture
def pushing(dag):
    """Return a task that pushes two values and returns a third."""

    def function(ti):
        ti.xcom_push("one", 1)
        ti.xcom_push(key="two", value={"x": [2]})
        return 3

    return PythonOperator(task_id="push", dag=dag, python_callable=function)


@pytest.mark.parametrize(
    ("how", "seen"),
    [
        ({"task_ids": "push"}, 3),
        ({"task_ids": "push", "key": "two"}, {"x": [2]}),
        ({"task_ids": ["push", "nobody"], "key": "one"}, [1, None]),
        ({"task_ids": "push", "key": "missing"}, None),
        ({"task_ids": "push", "key": "missing", "default": 7}, 7),
        ({"task_ids": "push", "key": None}, 3),
        ({"key": "one"}, 1),
        ({"task_ids": "push", "dag_id": "other"}, None),
    ],
)
def test_values_are_pulled_by_task_and_key(dag, pushing, pulled, how, seen):
    pushing >> pull(dag, **how)
    assert pulled(dag) == seen


def test_without_a_task_the_nearest_one_before_is_asked_first(dag, run, services):
    far, near = (
        PythonOperator(task_id=name, dag=dag, python_callable=lambda name=name: name) for name in ("far", "near")
    )
    far >> near >> pull(dag)
    for task_id in dag.task_ids:
        run(dag, task_id)
    assert services.pushed("pull") == {"seen": "near"}


def test_without_a_task_airflow_3_means_the_task_itself(run, services):
    dag = TriggerDag("d")
    before = PythonOperator(task_id="before", dag=dag, python_callable=lambda: 1)
    before >> pull(dag, key="return_value", default="nothing of its own")
    for task_id in dag.task_ids:
        run(dag, task_id)
    assert services.pushed("pull") == {"seen": "nothing of its own"}


def test_earlier_runs_count_where_this_one_has_nothing(dag, run, services):
    services.prior["d", "push", "return_value"] = '"from last week"'
    EmptyOperator(task_id="push", dag=dag) >> pull(dag, task_ids="push", include_prior_dates=True)
    run(dag, "pull")
    assert services.pushed("pull") == {"seen": "from last week"}


def test_a_result_given_to_a_task_draws_an_arrow_and_becomes_its_argument(dag, pushing, run, services):
    add = PythonOperator(
        task_id="add",
        dag=dag,
        python_callable=lambda a, b: a + b["deep"][0]["x"][0],
        op_args=[pushing.output],
        op_kwargs={"b": {"deep": (pushing.output["two"],)}},
    )
    assert add.upstream_task_ids == {"push"}
    run(dag, "push")
    run(dag, "add")
    assert services.pushed("add") == 5


@pytest.mark.parametrize("wrap", [dict, list, tuple, set], ids=lambda kind: kind.__name__)
def test_a_result_deep_inside_an_argument_draws_an_arrow_too(dag, pushing, wrap):
    deep = {"x": pushing.output} if wrap is dict else wrap([pushing.output])
    use = PythonOperator(task_id="use", dag=dag, python_callable=len, op_args=[{"a": (deep,)}])
    assert use.upstream_task_ids == {"push"}


def test_a_result_inside_a_text_is_pulled_by_the_template(dag, pushing, run, services):
    text = f"<{XComArg(pushing, key='one')}>"
    PythonOperator(task_id="show", dag=dag, python_callable=str, op_args=[text])
    run(dag, "push")
    run(dag, "show")
    assert services.pushed("show") == "<1>"


def test_a_result_cannot_be_looked_into_before_there_is_one(dag, pushing):
    for look in (list, lambda result: result[0], lambda result: result.map(str), lambda result: result.zip(result)):
        with pytest.raises(DagDefinitionError):
            look(pushing.output)


def test_values_can_be_read_and_written_by_address(services):
    with use(services):
        XCom.set("k", [1], dag_id="d", run_id="r", task_id="t")
        assert XCom.get_value(dag_id="d", run_id="r", task_id="t", key="k") == [1]
        assert XCom.get_value(dag_id="d", run_id="r", task_id="t", key="other") is None


def test_nothing_can_be_pushed_while_no_task_is_running():
    with pytest.raises(TaskError, match="no task is running"):
        XCom.set("k", 1, dag_id="d", run_id="r", task_id="t")


def test_two_results_are_equal_if_task_and_key_are(dag, pushing):
    other = EmptyOperator(task_id="push", dag=DAG("other"))
    assert pushing.output == XComArg(pushing)
    assert pushing.output != pushing.output["one"]
    assert pushing.output != XComArg(other)
