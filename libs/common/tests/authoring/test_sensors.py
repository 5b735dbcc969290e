"""Tasks that wait."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from gale.authoring import surroundings
from gale.authoring.dag import DAG
from gale.authoring.exceptions import TaskFailedFinal, TaskSkipped
from gale.core.attempt import ConnectionData, Outcome
from gale.errors import DagDefinitionError
from gale.hooks.dbapi import SqliteHook
from gale.sensors.base import BaseSensorOperator, PokeReturnValue
from gale.sensors.bash import BashSensor
from gale.sensors.clock import DateTimeSensor, TimeDeltaSensor, TimeSensor
from gale.sensors.external_task import ExternalTaskMarker, ExternalTaskSensor
from gale.sensors.filesystem import FileSensor
from gale.sensors.python import PythonSensor
from gale.sensors.sql import SqlSensor


class Answers(BaseSensorOperator):
    """A sensor that gives prepared answers, or raises them."""

    def __init__(self, *, answers, **kwargs):
        super().__init__(**kwargs)
        self.answers = iter(answers)

    def poke(self, context):
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def ask(dag, run):
    """Return a function that runs a sensor with prepared answers."""

    def run_sensor(*answers, order=None, **options):
        Answers(task_id="t", dag=dag, answers=answers, **options)
        return run(dag, **(order or {}))

    return run_sensor


def test_a_sensor_asks_until_the_answer_is_yes(ask, clock):
    assert ask(False, False, True, poke_interval=5).outcome is Outcome.SUCCESS
    assert clock.slept == [5, 5]


def test_an_answer_can_have_a_result(ask):
    assert ask(PokeReturnValue(False), PokeReturnValue(True, {"file": 7})).xcoms == {"return_value": '{"file":7}'}


def test_a_sensor_gives_up_for_good_after_its_timeout(ask, clock):
    ended = ask(*[False] * 20, poke_interval=10, timeout=timedelta(seconds=35))
    assert ended.outcome is Outcome.FAILED_FINAL
    assert "gave up after 40 s (its timeout is 35 s)" in ended.reason


def test_a_soft_sensor_is_skipped_instead(ask):
    assert ask(*[False] * 20, timeout=30, soft_fail=True).outcome is Outcome.SKIPPED


def test_a_sensor_that_frees_its_slot_asks_to_be_asked_again(ask, clock):
    ended = ask(False, mode="reschedule", poke_interval=90)
    assert (ended.outcome, ended.due_at) == (Outcome.RESCHEDULED, clock.now() + timedelta(seconds=90))
    assert clock.slept == []


def test_the_timeout_of_such_a_sensor_counts_from_the_first_question(ask, clock):
    first = clock.now() - timedelta(hours=2)
    ended = ask(False, mode="reschedule", timeout=3600, order={"first_reschedule_at": first})
    assert ended.outcome is Outcome.FAILED_FINAL


def test_with_back_off_each_pause_is_longer_up_to_a_limit(ask, clock):
    ask(*[False] * 6, True, poke_interval=10, exponential_backoff=True, max_wait=100)
    assert clock.slept == sorted(clock.slept)
    assert 10 <= clock.slept[0] < 20
    assert clock.slept[-1] == 100


def test_with_back_off_a_new_process_goes_on_where_the_last_one_was(ask, clock):
    first = clock.now() - timedelta(seconds=70)
    ended = ask(
        False, mode="reschedule", poke_interval=10, exponential_backoff=True, order={"first_reschedule_at": first}
    )
    pause = (ended.due_at - clock.now()).total_seconds()
    assert 80 <= pause <= 160


@pytest.mark.parametrize(
    ("error", "options", "outcome"),
    [
        (ValueError("net down"), {}, Outcome.FAILED),
        (ValueError("net down"), {"silent_fail": True}, Outcome.SUCCESS),
        (ValueError("net down"), {"never_fail": True}, Outcome.SKIPPED),
        (ValueError("net down"), {"soft_fail": True}, Outcome.FAILED),
        (TaskFailedFinal("wrong key"), {}, Outcome.FAILED_FINAL),
        (TaskFailedFinal("wrong key"), {"soft_fail": True}, Outcome.SKIPPED),
        (TaskFailedFinal("wrong key"), {"silent_fail": True}, Outcome.FAILED_FINAL),
        (TaskSkipped("holiday"), {"silent_fail": True}, Outcome.SKIPPED),
    ],
)
def test_what_an_error_while_asking_means_can_be_chosen(ask, error, options, outcome):
    assert ask(error, True, **options).outcome is outcome


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"mode": "poll"}, "Use one of poke"),
        ({"soft_fail": True, "never_fail": True}, "Choose one"),
        ({"timeout": -1}, "0 or more"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, rule):
    with pytest.raises(DagDefinitionError, match=rule):
        Answers(task_id="t", answers=[], **options)


def test_a_time_after_the_intervals_end_is_waited_for(dag, run, clock):
    TimeDeltaSensor(task_id="t", dag=dag, delta=timedelta(hours=13), poke_interval=600)
    run(dag)
    assert clock.now() == datetime(2026, 3, 15, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "target",
    [
        "2026-03-15T12:30:00",
        "{{ data_interval_end.replace(hour=12, minute=30).isoformat() }}",
        datetime(2026, 3, 15, 12, 30, tzinfo=UTC),
    ],
)
def test_an_instant_is_waited_for(dag, run, clock, target):
    DateTimeSensor(task_id="t", dag=dag, target_time=target, poke_interval=60)
    run(dag)
    assert clock.now() == datetime(2026, 3, 15, 12, 30, tzinfo=UTC)


def test_a_time_of_day_is_waited_for_in_the_dags_zone(run, clock):
    dag = DAG("d", start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo("Asia/Shanghai")))
    TimeSensor(task_id="t", dag=dag, target_time=time(21, 0), poke_interval=300)
    run(dag)
    assert clock.now() == datetime(2026, 3, 15, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sensor", "options"),
    [(TimeDeltaSensor, {"delta": 5}), (DateTimeSensor, {"target_time": 5}), (TimeSensor, {"target_time": "12:00"})],
)
def test_a_time_of_the_wrong_kind_is_refused(sensor, options):
    with pytest.raises(DagDefinitionError, match="of sensor 't'"):
        sensor(task_id="t", **options)


@pytest.fixture
def appears(dag, run, clock, services):
    """Return a function that runs a sensor once in reschedule mode and says whether the wait is over."""

    def look(sensor, **options):
        sensor(task_id=f"t{len(dag.tasks)}", dag=dag, mode="reschedule", **options)
        ended = run(dag, dag.task_ids[-1])
        assert ended.outcome in {Outcome.SUCCESS, Outcome.RESCHEDULED}, ended.reason
        return ended.outcome is Outcome.SUCCESS

    return look


def test_a_file_is_waited_for_by_path_pattern_or_folder(tmp_path, appears, services):
    services.connections["drop"] = ConnectionData(conn_id="drop", extra=f'{{"path": "{tmp_path}"}}')
    assert not appears(FileSensor, filepath=str(tmp_path / "a.csv"))
    assert not appears(FileSensor, filepath="sub", fs_conn_id="drop")
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    assert appears(FileSensor, filepath=str(tmp_path / "a.csv"))
    assert appears(FileSensor, filepath="*.csv", fs_conn_id="drop")
    assert not appears(FileSensor, filepath="sub", fs_conn_id="drop")
    (tmp_path / "sub" / "deep" / "b.csv").write_text("x")
    assert appears(FileSensor, filepath="sub", fs_conn_id="drop")
    assert not appears(FileSensor, filepath="*/b.csv", fs_conn_id="drop")
    assert appears(FileSensor, filepath="**/b.csv", fs_conn_id="drop", recursive=True)


def test_a_connection_of_a_file_sensor_that_is_not_there_fails(dag, run):
    FileSensor(task_id="t", dag=dag, filepath="x", fs_conn_id="missing")
    assert "no connection 'missing'" in run(dag).reason


def test_a_command_is_asked_until_it_succeeds(appears, dag, run):
    assert appears(BashSensor, bash_command="test {{ ds }} = 2026-03-14")
    assert not appears(BashSensor, bash_command="exit 3")
    assert not appears(BashSensor, bash_command="exit 3", retry_exit_code=3)
    BashSensor(task_id="t", dag=dag, bash_command="exit 4", retry_exit_code=3)
    assert "exit code 4" in run(dag).reason


def test_a_function_is_asked_until_it_says_something_true(appears, services):
    assert not appears(PythonSensor, python_callable=lambda: None)
    assert appears(PythonSensor, python_callable=lambda ds, x: ds == x, op_kwargs={"x": "{{ ds }}"})
    assert appears(PythonSensor, python_callable=lambda: PokeReturnValue(True, 5))


def test_a_query_is_asked_until_its_first_value_is_true(tmp_path, appears, services, dag, run):
    services.connections["db"] = ConnectionData(conn_id="db", host=str(tmp_path / "x.db"))
    with surroundings.changed(environ={"GALE_CONN_DB": f"sqlite:///{tmp_path}/x.db"}):
        SqliteHook("db").run("CREATE TABLE t (a)")
    ask = {"conn_id": "db", "sql": "SELECT a FROM t ORDER BY rowid DESC"}
    assert not appears(SqlSensor, **ask)
    with surroundings.changed(environ={"GALE_CONN_DB": f"sqlite:///{tmp_path}/x.db"}):
        SqliteHook("db").run("INSERT INTO t VALUES ('0')")
    assert not appears(SqlSensor, **ask)
    assert appears(SqlSensor, **ask, success=lambda value: value == "0")
    SqlSensor(task_id="t", dag=dag, **ask, failure=lambda value: value == "0")
    assert run(dag).outcome is Outcome.FAILED_FINAL


def test_tasks_of_another_dag_are_waited_for(appears, services):
    one = {"external_dag_id": "other", "external_task_id": "load"}
    assert not appears(ExternalTaskSensor, **one)
    services.counted["other", "load", "success"] = 1
    assert appears(ExternalTaskSensor, **one)
    two = {"external_dag_id": "other", "external_task_ids": ["a", "b"]}
    services.counted["other", "a", "b", "success"] = 1
    assert not appears(ExternalTaskSensor, **two)
    services.counted["other", "a", "b", "success"] = 2
    assert appears(ExternalTaskSensor, **two)


def test_without_a_task_the_run_of_the_other_dag_is_waited_for(appears, services):
    services.counted["other", "success"] = 1
    assert appears(ExternalTaskSensor, external_dag_id="other")


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({"failed_states": ["failed"]}, Outcome.FAILED),
        ({"failed_states": ["failed"], "soft_fail": True}, Outcome.SKIPPED),
        ({"skipped_states": ["failed"]}, Outcome.SKIPPED),
    ],
)
def test_states_of_the_other_task_can_end_the_wait_badly(dag, run, services, options, outcome):
    services.counted["other", "load", "failed"] = 1
    ExternalTaskSensor(task_id="t", dag=dag, external_dag_id="other", external_task_id="load", **options)
    assert run(dag).outcome is outcome


@pytest.mark.parametrize(
    ("options", "days"),
    [
        ({}, [14]),
        ({"execution_delta": timedelta(days=2)}, [12]),
        ({"execution_date_fn": lambda date: [date, date - timedelta(days=1)]}, [14, 13]),
        ({"execution_date_fn": lambda date, ds: date.replace(day=int(ds[-2:]) - 10)}, [4]),
    ],
    ids=["same", "delta", "function", "function with context"],
)
def test_the_other_runs_date_can_be_worked_out(dag, run, services, *, monkeypatch, options, days):
    asked = []
    monkeypatch.setattr(services, "count_states", lambda **given: asked.extend(given["logical_dates"]) or 2)
    ExternalTaskSensor(task_id="t", dag=dag, external_dag_id="other", external_task_id="load", **options)
    run(dag)
    assert [date.day for date in asked] == days


@pytest.mark.parametrize(
    "options",
    [
        {"external_task_id": "a", "external_task_ids": ["b"]},
        {"execution_delta": timedelta(1), "execution_date_fn": len},
        {"external_task_group_id": "g"},
        {"allowed_states": ["failed"], "failed_states": ["failed"]},
    ],
)
def test_an_external_sensor_with_contradictions_is_refused(options):
    with pytest.raises(DagDefinitionError, match="The sensor 't'"):
        ExternalTaskSensor(task_id="t", external_dag_id="other", **options)


def test_a_marker_does_nothing_when_run(dag, run):
    ExternalTaskMarker(task_id="t", dag=dag, external_dag_id="other", external_task_id="wait")
    assert run(dag).outcome is Outcome.SUCCESS
