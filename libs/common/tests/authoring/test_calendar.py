"""Branches and sensors that the calendar decides."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from gale.authoring.dag import DAG
from gale.authoring.weekdays import WeekDay
from gale.core.attempt import Outcome
from gale.errors import DagDefinitionError
from gale.operators.calendar import BranchDateTimeOperator, BranchDayOfWeekOperator
from gale.operators.empty import EmptyOperator
from gale.sensors.clock import DayOfWeekSensor


@pytest.fixture
def way(run):
    """Return a function that runs a branch between `yes` and `no`, and says which one it took."""

    def take(operator, dag=None, **options):
        dag = dag or DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC))
        branch = operator(
            task_id="t", dag=dag, follow_task_ids_if_true="yes", follow_task_ids_if_false=["no"], **options
        )
        branch >> [EmptyOperator(task_id=name, dag=dag) for name in ("yes", "no")]
        ended = run(dag)
        assert ended.outcome is Outcome.SUCCESS, ended.reason
        return {"yes": "no", "no": "yes"}[ended.not_taken[0]]

    return take


# It is Sunday, 15 March 2026, noon; the run is for Saturday.
@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({"week_day": "Sunday"}, "yes"),
        ({"week_day": "monday"}, "no"),
        ({"week_day": WeekDay.SUNDAY}, "yes"),
        ({"week_day": {WeekDay.SATURDAY, "SUNDAY"}}, "yes"),
        ({"week_day": "Saturday", "use_task_logical_date": True}, "yes"),
        ({"week_day": "Sunday", "use_task_execution_day": True}, "no"),
    ],
)
def test_the_day_of_the_week_decides_the_way(way, options, taken):
    assert way(BranchDayOfWeekOperator, **options) == taken


def test_the_day_is_that_of_the_dags_zone(way):
    auckland = DAG("d", start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo("Pacific/Auckland")))
    assert way(BranchDayOfWeekOperator, auckland, week_day="Monday") == "yes"


@pytest.mark.parametrize("week_day", ["Sonntag", 8, [], None, ["Sunday", "x"]])
def test_what_is_no_day_of_the_week_is_refused(week_day):
    with pytest.raises(DagDefinitionError, match="day of the week"):
        DayOfWeekSensor(task_id="t", week_day=week_day)


@pytest.mark.parametrize(
    ("lower", "upper", "taken"),
    [
        (datetime(2026, 3, 15, 11, tzinfo=UTC), None, "yes"),
        (datetime(2026, 3, 15, 13, tzinfo=UTC), None, "no"),
        (None, datetime(2026, 3, 15, 13, tzinfo=UTC), "yes"),
        (time(11), time(13), "yes"),
        (time(13), time(14), "no"),
        (time(11), time(2), "yes"),
        (time(13), time(2), "no"),
        (time(11), datetime(2026, 3, 15, 11, 59, tzinfo=UTC), "no"),
    ],
)
def test_a_range_of_time_decides_the_way(way, lower, upper, taken):
    assert way(BranchDateTimeOperator, target_lower=lower, target_upper=upper) == taken


def test_the_logical_date_can_decide_instead_of_now(way):
    assert (
        way(BranchDateTimeOperator, target_upper=datetime(2026, 3, 14, 1, tzinfo=UTC), use_task_logical_date=True)
        == "yes"
    )


def test_a_range_without_ends_is_refused():
    with pytest.raises(DagDefinitionError, match="no target_lower and no target_upper"):
        BranchDateTimeOperator(task_id="t", follow_task_ids_if_true="a", follow_task_ids_if_false="b")


@pytest.mark.parametrize(("options", "there"), [({}, True), ({"use_task_logical_date": True}, False)])
def test_a_sensor_waits_for_a_day_of_the_week(dag, run, options, there):
    DayOfWeekSensor(task_id="t", dag=dag, week_day="Sunday", mode="reschedule", **options)
    assert run(dag).outcome is (Outcome.SUCCESS if there else Outcome.RESCHEDULED)
