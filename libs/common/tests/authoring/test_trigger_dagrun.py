"""Starting runs of other DAGs."""

from datetime import UTC, datetime

import pytest

from gale.core.attempt import Outcome
from gale.operators.trigger_dagrun import TriggerDagRunOperator


@pytest.fixture
def trigger(dag, run):
    """Return a function that runs the operator."""

    def run_operator(**options):
        TriggerDagRunOperator(task_id="t", dag=dag, trigger_dag_id="other", **options)
        return run(dag)

    return run_operator


def test_a_run_is_started_with_conf_and_date_as_rendered(trigger, services):
    ended = trigger(trigger_run_id="by_{{ run_id }}", conf={"day": "{{ ds }}"}, logical_date="{{ next_ds }}")
    assert ended.outcome is Outcome.SUCCESS
    assert services.triggered == [
        {
            "dag_id": "other",
            "run_id": "by_r",
            "logical_date": datetime(2026, 3, 15, tzinfo=UTC),
            "conf": {"day": "2026-03-14"},
        }
    ]
    assert services.pushed("t", "trigger_run_id") == "by_r"


@pytest.mark.parametrize("conf", [{"a": 1}, '{"a": 1}'], ids=["dict", "json"])
def test_conf_may_be_a_dict_or_its_json(trigger, services, conf):
    trigger(conf=conf)
    assert services.triggered[0]["conf"] == {"a": 1}


def test_conf_that_is_neither_is_refused(trigger):
    assert "Give a dict" in trigger(conf="[1]").reason


def test_airflow_1s_function_fills_in_the_order_or_starts_nothing(dag, run, services):
    def conditionally(context, order):
        if context["params"]["go"]:
            order.payload = {"message": "hello"}
            return order
        return None

    for task_id, go in {"yes": True, "no": False}.items():
        TriggerDagRunOperator(
            task_id=task_id, dag=dag, trigger_dag_id="other", python_callable=conditionally, params={"go": go}
        )
        assert run(dag, task_id).outcome is Outcome.SUCCESS
    assert [one["conf"] for one in services.triggered] == [{"message": "hello"}]


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({}, Outcome.FAILED),
        ({"skip_when_already_exists": True}, Outcome.SKIPPED),
        ({"reset_dag_run": True}, Outcome.SUCCESS),
    ],
)
def test_a_run_that_is_there_already_is_an_error_a_skip_or_started_again(trigger, services, options, outcome):
    services.runs["other", "x"] = "success"
    assert trigger(trigger_run_id="x", **options).outcome is outcome


@pytest.mark.parametrize(
    ("states", "outcome", "slept"),
    [
        (["queued", "running", "success"], Outcome.SUCCESS, [7, 7]),
        (["running", "failed"], Outcome.FAILED, [7]),
        ([None], Outcome.FAILED, []),
    ],
)
def test_a_task_can_wait_for_the_end_of_the_run(trigger, services, clock, *, monkeypatch, states, outcome, slept):
    states = iter(states)
    monkeypatch.setattr(services, "run_state", lambda **_: next(states))
    assert trigger(wait_for_completion=True, poke_interval=7).outcome is outcome
    assert clock.slept == slept
