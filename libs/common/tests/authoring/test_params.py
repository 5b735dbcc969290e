"""Params and their schemas."""

import pytest

from gale.authoring.dag import DAG
from gale.authoring.exceptions import InvalidParams
from gale.authoring.params import Param, ParamsDict, validate_conf
from gale.authoring.serialization import dag_to_spec
from gale.operators.empty import EmptyOperator
from gale.operators.python import PythonOperator


def test_a_param_is_a_default_with_a_schema():
    param = Param(3, "How many", type="integer", minimum=1)
    assert param.resolve() == 3
    assert param.resolve(9) == 9
    assert param.has_value
    assert not Param().has_value


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, "3"),
        ({"type": "string", "enum": ["a", "b"]}, "c"),
        ({"type": ["string", "null"], "format": "date"}, "no day"),
        ({"type": "array", "items": {"type": "number"}}, [1, "2"]),
        ({"const": 1}, 2),
    ],
)
def test_a_value_that_breaks_its_schema_is_refused(schema, value):
    with pytest.raises(InvalidParams, match=r"'size' was given .* which its schema refuses"):
        Param(**schema).resolve(value, name="size")


def test_words_for_the_form_are_no_part_of_the_schema():
    assert Param("x", section="Advanced", values_display={"x": "Y"}).resolve() == "x"


def test_a_param_without_a_default_must_be_given():
    with pytest.raises(InvalidParams, match="'who' has no default"):
        ParamsDict({"who": Param(type="string")}).resolved({})


def test_params_read_like_a_dict_of_values():
    params = ParamsDict({"a": 1, "b": Param([2], type="array"), "c": Param()})
    assert dict(params) == {"a": 1, "b": [2], "c": None}
    assert params.a == 1
    assert len(params) == 3
    assert params.get_param("b").schema == {"type": "array"}
    params["b"] = [3]
    assert params.get_param("b").schema == {"type": "array"}
    del params["a"]
    assert not hasattr(params, "a")


@pytest.mark.parametrize(
    ("conf", "seen"),
    [({}, {"a": 1, "b": 2, "c": 3}), ({"a": 9, "c": 8, "unknown": 7}, {"a": 9, "b": 2, "c": 8})],
    ids=["defaults", "conf"],
)
def test_a_task_sees_its_own_params_over_the_dags_and_conf_over_both(run, services, conf, seen):
    dag = DAG("d", params={"a": 1, "b": 1})
    PythonOperator(task_id="t", dag=dag, python_callable=lambda params: params, params={"b": 2, "c": 3})
    run(dag, run_conf=conf)
    assert services.pushed("t") == seen


def test_a_single_task_can_be_tried_with_other_params(dag, run, services):
    PythonOperator(task_id="t", dag=dag, python_callable=lambda params: params, params={"a": 1})
    run(dag, task_params={"a": 2, "undeclared": 3})
    assert services.pushed("t") == {"a": 2, "undeclared": 3}


def test_conf_can_be_checked_by_whoever_has_only_the_spec():
    dag = DAG("d", params={"n": Param(1, type="integer"), "who": Param(type="string"), "free": None})
    EmptyOperator(task_id="t", dag=dag)
    params = dag_to_spec(dag, "f").params
    assert validate_conf(params, {"who": "me", "other": 1}) == {"n": 1, "who": "me", "free": None}
    with pytest.raises(InvalidParams, match="'who' has no default"):
        validate_conf(params, {})
    with pytest.raises(InvalidParams, match="'n' was given 'x'"):
        validate_conf(params, {"who": "me", "n": "x"})
