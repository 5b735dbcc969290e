"""DAGs: their arguments, schedules and eras."""
# ruff: noqa: DTZ001  dates without a zone are what authors write

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from gale.authoring import surroundings
from gale.authoring.dag import DAG, TriggerDag
from gale.authoring.serialization import dag_to_spec
from gale.authoring.timetables import CronTriggerTimetable, EventsTimetable
from gale.errors import DagDefinitionError, InvalidId, UnknownArgument
from gale.operators.empty import EmptyOperator


def test_a_dag_without_a_schedule_runs_daily_and_catches_up():
    dag = DAG("d", start_date=datetime(2026, 1, 1))
    assert dag.timetable_spec.kind == "delta"
    assert dag.timetable_spec.seconds == 86_400
    assert dag.catchup is True


def test_a_dag_of_airflow_3_has_no_schedule_and_does_not_catch_up():
    dag = TriggerDag("d")
    assert dag.timetable_spec.kind == "none"
    assert dag.catchup is False
    assert TriggerDag("e", schedule="0 0 * * *").timetable_spec.kind == "cron_trigger"
    assert dag_to_spec(dag, "f").era == "trigger"


@pytest.mark.parametrize("name", ["schedule", "schedule_interval"])
def test_every_name_of_the_schedule_means_the_same(name):
    assert DAG("d", **{name: "0 3 * * *"}).timetable_spec.expression == "0 3 * * *"
    assert DAG("d", **{name: None}).timetable_spec.kind == "none"


def test_two_schedules_for_one_dag_are_refused():
    with pytest.raises(DagDefinitionError, match=r"schedule and schedule_interval.*give schedule alone"):
        DAG("d", schedule="@daily", schedule_interval="@hourly")


def test_a_broken_cron_text_is_refused_where_the_dag_is_made():
    with pytest.raises(DagDefinitionError, match="61"):
        DAG("d", schedule="61 * * * *")


def test_a_timetable_object_says_more_than_a_text():
    dag = DAG("d", schedule=CronTriggerTimetable("0 8 * * *", timezone="Asia/Shanghai"))
    assert (dag.timetable_spec.kind, dag.timetable_spec.zone) == ("cron_trigger", "Asia/Shanghai")
    days = [datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]
    assert DAG("e", timetable=EventsTimetable(days)).timetable_spec.dates == tuple(sorted(days))


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        (ZoneInfo("Asia/Shanghai"), "Asia/Shanghai"),
        (UTC, "UTC"),
        (timezone(timedelta(hours=8)), "Etc/GMT-8"),
        (timezone(timedelta(hours=-5)), "Etc/GMT+5"),
    ],
)
def test_the_zone_of_the_start_date_is_the_zone_of_the_schedule(zone, name):
    dag = DAG("d", schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=zone))
    assert dag.timetable_spec.zone == name
    assert dag.start_date == datetime(2026, 1, 1, tzinfo=zone).astimezone(UTC)


def test_the_house_says_in_which_zone_a_dag_without_one_lives():
    with surroundings.changed(default_timezone="Europe/Berlin", catchup_by_default=False):
        dag = DAG("d", start_date=datetime(2026, 1, 1))
    assert dag.timezone == "Europe/Berlin"
    assert dag.start_date == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert dag.catchup is False


@pytest.mark.parametrize("dag_id", ["", "../secrets", "a/b", "a..b", "x" * 1000, None])
def test_a_dag_id_that_paths_cannot_carry_is_refused(dag_id):
    with pytest.raises(InvalidId, match="dag_id"):
        DAG(dag_id)


def test_a_misspelt_argument_of_a_dag_is_refused_with_the_right_name():
    with pytest.raises(UnknownArgument, match=r"'schedule_intervall'.*Did you mean 'schedule_interval'"):
        DAG("d", schedule_intervall="@daily")


def test_old_names_and_names_without_a_meaning_are_taken():
    dag = DAG("d", concurrency=3, default_view="tree", orientation="LR", access_control={"x": {"y"}}, fail_stop=True)
    assert dag.max_active_tasks == 3
    assert dag.fail_fast is True


def test_a_dag_knows_the_line_that_made_it():
    dag = DAG("d")
    assert dag.fileloc == __file__
    assert dag.lineno == test_a_dag_knows_the_line_that_made_it.__code__.co_firstlineno + 1


def test_asking_for_a_task_that_is_not_there_names_the_nearest(dag):
    EmptyOperator(task_id="load", dag=dag)
    with pytest.raises(DagDefinitionError, match=r"no task 'laod'.*'load'"):
        dag.get_task("laod")


def test_dags_inside_each_other_fill_the_inner_one():
    with DAG("outer") as outer:
        with DAG("inner") as inner:
            EmptyOperator(task_id="a")
        EmptyOperator(task_id="b")
    assert (outer.task_ids, inner.task_ids) == (["b"], ["a"])


def test_a_task_given_to_a_dag_by_name_does_not_join_the_open_one(dag):
    with DAG("outer") as outer:
        EmptyOperator(task_id="a", dag=dag)
    assert outer.task_ids == []
    assert dag.task_ids == ["a"]


def test_dependencies_can_be_set_by_id(dag):
    EmptyOperator(task_id="a", dag=dag)
    dag.add_task(EmptyOperator(task_id="b"))
    dag.set_dependency("a", "b")
    assert dag.get_task("b").upstream_task_ids == {"a"}


def test_params_in_default_args_become_params_of_the_dag():
    dag = DAG("d", default_args={"params": {"a": 1, "b": 1}}, params={"b": 2})
    assert dict(dag.params) == {"a": 1, "b": 2}
