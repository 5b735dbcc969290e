"""Running one attempt: every way in which it can end."""

import json
import logging
import time
from datetime import timedelta

import pytest

from gale.authoring import masking
from gale.authoring.context import get_current_context
from gale.authoring.dag import DAG
from gale.authoring.exceptions import (
    SensorTimeout,
    TaskError,
    TaskFailedFinal,
    TaskRescheduled,
    TaskSkipped,
)
from gale.authoring.execution import kill_running_task, run_callback, run_task, running_task, warm_up
from gale.authoring.operator import BaseOperator
from gale.authoring.params import Param
from gale.core.attempt import ConnectionData, Outcome
from gale.operators.empty import EmptyOperator
from gale.operators.python import PythonOperator


def call(dag, function, **options):
    return PythonOperator(task_id="t", dag=dag, python_callable=function, **options)


def raising(error):
    def function(*_):
        raise error

    return function


def test_a_task_that_returns_is_a_success_with_a_result(dag, run):
    call(dag, lambda: {"a": 1})
    ended = run(dag)
    assert ended.outcome is Outcome.SUCCESS
    assert ended.xcoms == {"return_value": '{"a":1}'}
    assert (ended.ti, ended.token) == ("1", "secret")


def test_a_task_that_returns_nothing_stores_nothing(dag, run):
    call(dag, lambda: None)
    assert run(dag).xcoms == {}


def test_a_result_can_be_kept_back(dag, run):
    call(dag, lambda: 1, do_xcom_push=False)
    assert run(dag).xcoms == {}


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (TaskSkipped("no data today"), Outcome.SKIPPED, "no data today"),
        (TaskSkipped(), Outcome.SKIPPED, "TaskSkipped"),
        (TaskFailedFinal("wrong key"), Outcome.FAILED_FINAL, "wrong key"),
        (SensorTimeout("nothing came"), Outcome.FAILED_FINAL, "nothing came"),
        (TaskError("broken"), Outcome.FAILED, "broken"),
        (ValueError("no\n  number"), Outcome.FAILED, "ValueError: no number"),
        (KeyError(), Outcome.FAILED, "KeyError"),
        (AssertionError("x" * 5000), Outcome.FAILED, f"AssertionError: {'x' * 984}"),
        (SystemExit(3), Outcome.FAILED, "The task's code called sys.exit(3)."),
        (SystemExit("bye"), Outcome.FAILED, "The task's code called sys.exit('bye')."),
        (SystemExit(0), Outcome.SUCCESS, ""),
        (SystemExit(), Outcome.SUCCESS, ""),
        (RecursionError("too deep"), Outcome.FAILED, "RecursionError: too deep"),
        (MemoryError(), Outcome.FAILED, "MemoryError"),
    ],
    ids=lambda value: f"{value!r:.30}",
)
def test_what_a_task_raises_decides_how_it_ends(dag, run, error, outcome, reason):
    call(dag, raising(error))
    ended = run(dag)
    assert (ended.outcome, ended.reason) == (outcome, reason)


def test_what_ends_the_whole_process_gets_out(dag, run):
    call(dag, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run(dag)
    assert running_task() is None


def test_an_exception_that_cannot_be_shown_is_told_all_the_same(dag, run):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("mute")

    call(dag, raising(Mute()))
    ended = run(dag)
    assert ended.outcome is Outcome.FAILED
    assert "cannot be shown" in ended.reason


def test_a_task_can_ask_to_be_asked_again(dag, run, clock):
    later = clock.now() + timedelta(minutes=5)
    call(dag, raising(TaskRescheduled(later)))
    ended = run(dag)
    assert (ended.outcome, ended.due_at) == (Outcome.RESCHEDULED, later)


def test_a_traceback_in_the_log_begins_in_the_authors_code(dag, run, caplog):
    def authors_function():
        raise ValueError("broken")

    call(dag, authors_function)
    run(dag)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    frames = [line for line in record.getMessage().splitlines() if line.startswith("  File")]
    assert len(frames) == 1
    assert "authors_function" in frames[0]


def test_a_result_that_json_cannot_hold_fails_the_task(dag, run):
    call(dag, object)
    ended = run(dag)
    assert ended.outcome is Outcome.FAILED
    assert "result of task 't' cannot be handed on: it holds builtins.object" in ended.reason


def test_several_outputs_are_stored_under_their_names_too(dag, run):
    call(dag, lambda: {"a": 1, "b": [2]}, multiple_outputs=True)
    assert run(dag).xcoms == {"a": "1", "b": "[2]", "return_value": '{"a":1,"b":[2]}'}


@pytest.mark.parametrize(("value", "rule"), [([1], "promises a dict"), ({1: 2}, "keys must be text")])
def test_several_outputs_must_be_a_dict_with_text_keys(dag, run, value, rule):
    call(dag, lambda: value, multiple_outputs=True)
    ended = run(dag)
    assert ended.outcome is Outcome.FAILED
    assert rule in ended.reason


def test_a_task_that_is_not_in_the_dag_fails_with_the_nearest_name(dag, run):
    EmptyOperator(task_id="load", dag=dag)
    ended = run(dag, "laod")
    assert ended.outcome is Outcome.FAILED
    assert "'load'" in ended.reason


def test_the_steps_of_an_attempt_come_in_order(dag, run):
    steps = []

    class Steps(BaseOperator):
        def execute(self, context):
            steps.append("execute")
            return "result"

    Steps(
        task_id="t",
        dag=dag,
        on_execute_callback=lambda context: steps.append("callback"),
        pre_execute=lambda context: steps.append("before"),
        post_execute=lambda context, result: steps.append(f"after {result}"),
    )
    run(dag)
    assert steps == ["callback", "before", "execute", "after result"]


def test_a_broken_execute_callback_does_not_spoil_the_task(dag, run):
    seen = []
    call(dag, lambda: None, on_execute_callback=[raising(ValueError("broken")), seen.append])
    assert run(dag).outcome is Outcome.SUCCESS
    assert len(seen) == 1


def test_wrong_params_fail_before_the_work_begins(run):
    dag = DAG("d", params={"n": Param(1, type="integer", minimum=0)})
    seen = []
    call(dag, lambda: seen.append(1))
    ended = run(dag, run_conf={"n": -1})
    assert ended.outcome is Outcome.FAILED
    assert "param 'n' was given -1" in ended.reason
    assert seen == []


def test_rendered_fields_are_kept_with_secrets_masked(dag, run, services):
    services.connections["db"] = ConnectionData(conn_id="db", password="tr0ub4dor")
    services.variables["api_token"] = "abcdefgh"
    call(
        dag, lambda **_: None, op_kwargs={"a": "{{ conn.db.password }}-{{ var.value.api_token }}", "password": "short"}
    )
    shown = json.loads(run(dag).rendered_fields)
    assert shown["op_kwargs"] == {"a": "***-***", "password": "***"}


def test_secrets_stay_out_of_reasons_and_tracebacks(dag, run, services, caplog):
    services.connections["db"] = ConnectionData(conn_id="db", password="tr0ub4dor", extra='{"api_key": "zyxwvut"}')

    def leak(conn):
        raise ValueError(f"login with {conn.db.password} and {conn.db.extra} failed")

    call(dag, leak)
    ended = run(dag)
    assert ended.reason == 'ValueError: login with *** and {"api_key": "***"} failed'
    assert "tr0ub4dor" not in caplog.text


def test_long_rendered_fields_are_cut_where_they_are_shown(dag, run):
    call(dag, len, op_args=["x" * 50_000])
    ended = run(dag)
    assert ended.xcoms["return_value"] == "50000"
    assert len(ended.rendered_fields) < 10_000
    assert "(50000 characters)" in ended.rendered_fields


def test_the_current_context_is_there_while_a_task_runs_and_only_then(dag, run):
    call(dag, lambda: get_current_context()["ds"])
    assert run(dag).xcoms["return_value"] == '"2026-03-14"'
    with pytest.raises(TaskError, match="no task is running"):
        get_current_context()


def test_the_running_operator_can_be_asked_to_clean_up(dag, run):
    cleaned = []

    class Worker(BaseOperator):
        def execute(self, context):
            kill_running_task()

        def on_kill(self):
            cleaned.append(self.task_id)
            raise ValueError("and it fails at that")

    Worker(task_id="t", dag=dag)
    assert run(dag).outcome is Outcome.SUCCESS
    assert cleaned == ["t"]
    kill_running_task()
    assert cleaned == ["t"]


def test_callbacks_of_a_task_get_its_context_and_the_reason(dag, make_order, services):
    seen = []
    call(
        dag,
        lambda: None,
        on_failure_callback=[lambda c: seen.append((c["ti"].task_id, str(c["exception"]))), seen.append],
    )
    ended = run_callback(dag, make_order(callback="on_failure_callback", callback_reason="exit code 1"), services)
    assert ended.outcome is Outcome.SUCCESS
    assert seen[0] == ("t", "exit code 1")
    assert len(seen) == 2


def test_a_broken_callback_is_told_and_the_next_one_called(dag, make_order, services):
    seen = []
    call(dag, lambda: None, on_retry_callback=[raising(ValueError("broken")), seen.append])
    ended = run_callback(dag, make_order(callback="on_retry_callback"), services)
    assert ended.outcome is Outcome.FAILED
    assert "ValueError: broken" in ended.reason
    assert len(seen) == 1


def test_callbacks_of_a_dag_have_a_run_and_no_task(make_order, services):
    seen = []
    dag = DAG("d", on_success_callback=lambda c: seen.append((c["dag_run"].run_id, c["ti"], c["ds"], c["reason"])))
    run_callback(dag, make_order("", callback="on_success_callback", callback_reason="all done"), services)
    assert seen == [("r", None, "2026-03-14", "all done")]


def test_the_callback_of_a_missed_sla_has_airflows_form(make_order, services):
    seen = []
    dag = DAG("d", sla_miss_callback=lambda dag, tasks, blocking, slas, tis: seen.append((dag.dag_id, tasks)))
    run_callback(dag, make_order("", callback="sla_miss_callback", callback_reason="load was late"), services)
    assert seen == [("d", "load was late")]


def test_a_callback_kind_that_does_not_exist_is_a_failure(dag, make_order, services):
    EmptyOperator(task_id="t", dag=dag)
    ended = run_callback(dag, make_order(callback="on_tuesday"), services)
    assert ended.outcome is Outcome.FAILED


def test_masking_leaves_short_texts_alone(dag):
    masking.add(["abc", None, ""])
    assert masking.mask("abc") == "abc"


def test_a_value_can_be_declared_secret(dag):
    masking.mask_secret({"user": "maria-db", "nested": ["hunter22"]})
    masking.mask_secret("not-this", name="city")
    assert masking.mask("maria-db hunter22 not-this") == "*** *** not-this"


def test_an_attempt_that_does_nothing_costs_less_than_a_third_of_a_millisecond(dag, make_order, services):
    """Measured as time of this process alone, after `warm_up`: a busy machine must not matter."""
    call(dag, lambda: None)
    warm_up([dag])
    order = make_order()

    def cost():
        before = time.process_time()
        for _ in range(50):
            run_task(dag, order, services)
        return (time.process_time() - before) / 50

    assert min(cost() for _ in range(5)) < 0.0003
