"""When runs come: the notes' rule of closed intervals, Airflow 3's ticks, and the timetables without a rhythm."""

from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gale.core.timetables import DataInterval, Limits, NextRun, from_spec, spec_from_schedule

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


NOW = utc(2026, 11, 22, 16, 0, 30)


def timetable(schedule, era="interval", zone="UTC"):
    return from_spec(spec_from_schedule(schedule, era=era, zone=zone))


def run(start, end):
    return NextRun(start, DataInterval(start, end), end)


def at(moment):
    return NextRun(moment, DataInterval(moment, moment), moment)


def first(schedule, now=NOW, *, era="interval", last=None, **limits):
    return timetable(schedule, era).next_run(last, Limits(**limits), now)


# --- intervals: the notes' rule ---


def test_the_notes_example_runs_the_first_of_october_on_the_second():
    """start_date 2015-10-01, a day's interval: the run of 1 October comes when 2 October begins."""
    start = utc(2015, 10, 1)
    assert first("0 0 * * *", earliest=start) == run(start, utc(2015, 10, 2))
    following = first("0 0 * * *", earliest=start, last=DataInterval(start, utc(2015, 10, 2)))
    assert following == run(utc(2015, 10, 2), utc(2015, 10, 3))


def test_a_start_date_between_two_ticks_begins_with_the_next_tick():
    assert first("@daily", earliest=utc(2015, 10, 1, 0, 0, 1)) == run(utc(2015, 10, 2), utc(2015, 10, 3))
    assert first("@daily", earliest=utc(2015, 10, 1)).logical_date == utc(2015, 10, 1)


def test_a_delta_begins_exactly_at_the_start_date():
    start = utc(2015, 10, 1, 13, 37, 11)
    assert first(DAY, earliest=start) == run(start, start + DAY)
    assert first(DAY, earliest=start, last=DataInterval(start, start + DAY)) == run(start + DAY, start + 2 * DAY)


def test_the_end_date_is_the_last_start_that_gets_a_run():
    last = DataInterval(utc(2026, 1, 8), utc(2026, 1, 9))
    assert first("@daily", last=last, latest=utc(2026, 1, 9)) == run(utc(2026, 1, 9), utc(2026, 1, 10))
    assert first("@daily", last=last, latest=utc(2026, 1, 9) - TICK) is None


def test_with_catchup_the_oldest_missing_interval_comes_first():
    assert first("@daily", earliest=utc(2020, 2, 28)).logical_date == utc(2020, 2, 28)


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (utc(2026, 11, 22) - TICK, utc(2026, 11, 20)),
        (utc(2026, 11, 22), utc(2026, 11, 21)),
        (utc(2026, 11, 22) + TICK, utc(2026, 11, 21)),
    ],
)
@pytest.mark.parametrize("schedule", ["@daily", DAY])
def test_without_catchup_only_the_newest_closed_interval_comes(schedule, now, start):
    """An interval that ends at this very moment has closed."""
    assert first(schedule, now, earliest=utc(2016, 1, 1), catchup=False) == run(start, start + DAY)


def test_without_catchup_the_interval_after_the_last_run_is_not_skipped():
    last = DataInterval(utc(2026, 11, 21), utc(2026, 11, 22))
    assert first("@daily", last=last, earliest=utc(2016, 1, 1), catchup=False) == run(
        utc(2026, 11, 22), utc(2026, 11, 23)
    )


def test_without_catchup_missed_intervals_are_left_out():
    last = DataInterval(utc(2026, 11, 1), utc(2026, 11, 2))
    assert first("@daily", last=last, earliest=utc(2016, 1, 1), catchup=False) == run(
        utc(2026, 11, 21), utc(2026, 11, 22)
    )


@pytest.mark.parametrize("catchup", [True, False])
def test_a_start_date_in_the_future_waits_for_its_interval(catchup):
    found = first("@daily", earliest=utc(2027, 1, 1), catchup=catchup)
    assert found == run(utc(2027, 1, 1), utc(2027, 1, 2))


def test_a_start_date_moved_behind_the_last_run_is_where_runs_go_on():
    last = DataInterval(utc(2026, 1, 1), utc(2026, 1, 2))
    for schedule in ("@daily", DAY):
        assert first(schedule, last=last, earliest=utc(2026, 6, 1)) == run(utc(2026, 6, 1), utc(2026, 6, 2))


def test_without_a_start_date_there_is_nothing_to_catch_up_from():
    assert first("@daily") is None
    assert first(DAY) is None


def test_without_a_start_date_and_catchup_the_newest_closed_interval_comes():
    assert first("@daily", catchup=False) == run(utc(2026, 11, 21), utc(2026, 11, 22))
    assert first(HOUR, catchup=False) == run(utc(2026, 11, 22, 15), utc(2026, 11, 22, 16))


def test_a_schedule_made_finer_goes_on_where_the_last_run_ended():
    last = DataInterval(utc(2026, 11, 18), utc(2026, 11, 19))
    assert first("0 */6 * * *", last=last) == run(utc(2026, 11, 19), utc(2026, 11, 19, 6))


def test_a_schedule_made_coarser_waits_for_a_name_that_is_not_taken():
    """Daily became weekly: the week that began on Sunday, 15 November, has the name of that day's run."""
    for day in (15, 18, 20):
        last = DataInterval(utc(2026, 11, day), utc(2026, 11, day + 1))
        assert first("@weekly", last=last) == run(utc(2026, 11, 22), utc(2026, 11, 29))
    last = DataInterval(utc(2026, 11, 21), utc(2026, 11, 22))
    assert first("@weekly", last=last) == run(utc(2026, 11, 22), utc(2026, 11, 29))


def test_a_schedule_that_was_moved_goes_on_with_the_interval_that_holds_the_last_end():
    """Midnight became six in the evening: an hour is in two intervals rather than in none."""
    last = DataInterval(utc(2026, 11, 18), utc(2026, 11, 19))
    assert first("0 18 * * *", last=last) == run(utc(2026, 11, 18, 18), utc(2026, 11, 19, 18))


def test_a_schedule_with_years_ends_with_its_last_year():
    only = "0 0 1 1,7 * 0 2025"
    assert first(only, earliest=utc(2020, 1, 1)) == run(utc(2025, 1, 1), utc(2025, 7, 1))
    assert first(only, last=DataInterval(utc(2025, 1, 1), utc(2025, 7, 1))) is None
    assert first(only, earliest=utc(2026, 1, 1)) is None
    assert (
        first(only, last=DataInterval(utc(2025, 7, 1), utc(2025, 7, 2)), earliest=utc(2020, 1, 1), catchup=False)
        is None
    )


@pytest.mark.parametrize("schedule", ["@minutely", timedelta(minutes=1), "* * * * * *", timedelta(seconds=1)])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_ten_years_of_minutes_without_catchup_cost_no_more_than_one(schedule, zone):
    """Under 5 ms, so not by walking 5,000,000 minutes; the best of a few counts, as the machine is shared."""
    planned = timetable(schedule, zone=zone)
    limits = Limits(earliest=NOW - 3_650 * DAY, catchup=False)
    seconds = []
    for _ in range(5):
        began = perf_counter()
        planned.next_run(None, limits, NOW)
        seconds.append(perf_counter() - began)
    assert min(seconds) < 0.005


@pytest.mark.parametrize(
    "moment", [datetime.min.replace(tzinfo=UTC), utc(1970, 1, 1), datetime.max.replace(tzinfo=UTC)]
)
@pytest.mark.parametrize("schedule", ["@daily", "@hourly", DAY, "@once"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("catchup", [True, False])
def test_extreme_start_dates_break_no_timetable(moment, schedule, zone, catchup):
    planned = timetable(schedule, zone=zone)
    found = planned.next_run(None, Limits(earliest=moment, catchup=catchup), NOW)
    assert found is None or found.interval.start <= found.interval.end
    planned.back(moment, 5)
    planned.manual_interval(moment)


# --- intervals of runs started by hand, and the five-interval rule ---


def test_a_run_by_hand_is_about_the_last_closed_interval():
    assert timetable("@daily").manual_interval(NOW) == DataInterval(utc(2026, 11, 21), utc(2026, 11, 22))
    assert timetable("@daily").manual_interval(utc(2026, 11, 22)) == DataInterval(utc(2026, 11, 21), utc(2026, 11, 22))
    assert timetable(DAY).manual_interval(NOW) == DataInterval(NOW - DAY, NOW)


@pytest.mark.parametrize("schedule", [None, "@once", "@continuous", [utc(2026, 1, 1)]])
def test_a_run_by_hand_without_intervals_is_about_its_moment(schedule):
    assert timetable(schedule).manual_interval(NOW) == DataInterval(NOW, NOW)
    assert timetable("@daily", era="trigger").manual_interval(NOW) == DataInterval(NOW, NOW)


def test_five_intervals_back_is_where_an_old_dag_that_is_new_to_gale_starts():
    assert timetable("@daily").back(utc(2026, 11, 22, 8), 5) == utc(2026, 11, 17)
    assert timetable("@monthly").back(utc(2026, 11, 22, 8), 5) == utc(2026, 6, 1)
    assert timetable(HOUR).back(NOW, 5) == NOW - 5 * HOUR
    assert timetable(None).back(NOW, 5) == NOW


# --- triggers: Airflow 3's rule ---


def test_a_trigger_comes_at_each_tick_and_is_named_by_it():
    assert first("@daily", era="trigger", earliest=utc(2026, 1, 1)) == at(utc(2026, 1, 1))
    last = DataInterval(utc(2026, 1, 1), utc(2026, 1, 1))
    assert first("@daily", era="trigger", last=last) == at(utc(2026, 1, 2))
    assert first(DAY, era="trigger", earliest=utc(2026, 1, 1, 7)) == at(utc(2026, 1, 1, 7))
    assert first(DAY, era="trigger", last=DataInterval(utc(2026, 1, 1, 7), utc(2026, 1, 1, 7))) == at(
        utc(2026, 1, 2, 7)
    )


@pytest.mark.parametrize(
    ("now", "tick"),
    [
        (utc(2026, 11, 22) - TICK, utc(2026, 11, 21)),
        (utc(2026, 11, 22), utc(2026, 11, 22)),
        (utc(2026, 11, 22) + TICK, utc(2026, 11, 22)),
    ],
)
@pytest.mark.parametrize("schedule", ["@daily", DAY])
def test_without_catchup_only_the_newest_tick_comes(schedule, now, tick):
    assert first(schedule, now, era="trigger", earliest=utc(2016, 1, 1), catchup=False) == at(tick)


@pytest.mark.parametrize(
    ("schedule", "now", "tick"),
    [
        ("@hourly", utc(2026, 11, 22, 16, 6), utc(2026, 11, 22, 16)),
        ("@hourly", utc(2026, 11, 22, 16, 6, 1), utc(2026, 11, 22, 17)),
        ("@daily", utc(2026, 11, 22, 2, 24), utc(2026, 11, 22)),
        ("@daily", utc(2026, 11, 22, 2, 24, 1), utc(2026, 11, 23)),
        ("*/10 * * * *", utc(2026, 11, 22, 16, 5), utc(2026, 11, 22, 16)),
        ("*/10 * * * *", utc(2026, 11, 22, 16, 5, 1), utc(2026, 11, 22, 16, 10)),
    ],
)
@pytest.mark.parametrize("catchup", [True, False])
def test_a_trigger_without_start_date_runs_for_a_tick_missed_by_little(schedule, now, tick, catchup):
    """A tenth of the period or five minutes, whichever is more; else the next tick."""
    assert first(schedule, now, era="trigger", catchup=catchup) == at(tick)


def test_the_end_date_may_still_have_its_tick():
    last = DataInterval(utc(2026, 1, 8), utc(2026, 1, 8))
    assert first("@daily", era="trigger", last=last, latest=utc(2026, 1, 9)) == at(utc(2026, 1, 9))
    assert first("@daily", era="trigger", last=last, latest=utc(2026, 1, 9) - TICK) is None


def test_a_dag_that_moves_from_intervals_to_triggers_names_no_run_twice():
    last = DataInterval(utc(2026, 1, 1), utc(2026, 1, 2))
    assert first("@daily", era="trigger", last=last) == at(utc(2026, 1, 3))


def test_a_dag_that_moves_from_triggers_to_intervals_names_no_run_twice():
    last = DataInterval(utc(2026, 1, 2), utc(2026, 1, 2))
    assert first("@daily", last=last) == run(utc(2026, 1, 3), utc(2026, 1, 4))


# --- without a rhythm ---


def test_no_schedule_means_no_runs_of_its_own():
    assert first(None, earliest=utc(2026, 1, 1)) is None


def test_once_is_once_at_the_start_date_or_now():
    assert first("@once", earliest=utc(2026, 1, 1)) == at(utc(2026, 1, 1))
    assert first("@once") == at(NOW)
    assert first("@once", last=DataInterval(NOW, NOW)) is None
    assert first("@once", earliest=utc(2026, 1, 1), latest=utc(2025, 1, 1)) is None


def test_continuous_goes_on_where_the_last_run_ended_and_never_repeats_a_name():
    start = utc(2026, 1, 1)
    assert first("@continuous", earliest=start) == run(start, NOW)
    assert first("@continuous", earliest=start, last=DataInterval(start, NOW - HOUR)) == run(NOW - HOUR, NOW)
    for now in (NOW, NOW - HOUR):
        assert first("@continuous", now, last=DataInterval(start, NOW)) == run(NOW, NOW + TICK)
    assert first("@continuous") == run(NOW - TICK, NOW)
    assert first("@continuous", earliest=start, latest=NOW - TICK) is None
    assert timetable("@continuous").max_active_runs == 1


def test_events_come_in_order_and_end():
    moments = [utc(2026, 3, 1), utc(2026, 1, 1), utc(2026, 2, 1), utc(2026, 1, 1)]
    assert first(moments) == at(utc(2026, 1, 1))
    assert first(moments, last=DataInterval(utc(2026, 1, 1), utc(2026, 1, 1))) == at(utc(2026, 2, 1))
    assert first(moments, earliest=utc(2026, 1, 1) + TICK) == at(utc(2026, 2, 1))
    assert first(moments, last=DataInterval(utc(2026, 3, 1), utc(2026, 3, 1))) is None
    assert first(moments, catchup=False, now=utc(2026, 2, 28)) == at(utc(2026, 2, 1))
    assert first(moments, catchup=False, now=utc(2025, 1, 1)) == at(utc(2026, 1, 1))
    assert first(moments, latest=utc(2025, 12, 31)) is None
    assert timetable(moments).back(utc(2026, 3, 5), 1) == utc(2026, 2, 1)


# --- what holds for all of them ---

schedules = st.one_of(
    st.sampled_from(["@minutely", "@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@continuous"]),
    st.sampled_from(["30 2 * * *", "*/7 1-5 * * *", "0 0 29 2 *", "0 12 13 * 5", "* * * * * */20", "0 0 L * *"]),
    st.timedeltas(min_value=timedelta(seconds=1), max_value=400 * DAY),
)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "+05:30"])
moments = st.datetimes(datetime(1995, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@settings(max_examples=60, deadline=None)
@given(
    schedule=schedules,
    zone=zones,
    era=st.sampled_from(["interval", "trigger"]),
    earliest=moments,
    catchup=st.booleans(),
    now=moments,
)
def test_runs_strictly_increase_and_a_restart_changes_nothing(*, schedule, zone, era, earliest, catchup, now):
    spec = spec_from_schedule(schedule, era=era, zone=zone)
    limits, last = Limits(earliest=earliest, catchup=catchup), None
    for step in range(6):
        found = from_spec(spec).next_run(last, limits, now)
        assert found == from_spec.__wrapped__(spec).next_run(last, limits, now)
        assert found.logical_date == found.interval.start <= found.interval.end == found.run_after
        assert found.interval.start >= earliest
        assert last is None or (found.interval.start > last.start and found.interval.end > last.end)
        if step and era == "interval":
            assert found.interval.start == last.end or not catchup
        last = found.interval


@settings(max_examples=60, deadline=None)
@given(schedule=schedules.filter(lambda given: given != "@continuous"), zone=zones, moment=moments)
def test_the_interval_of_a_run_by_hand_is_closed_and_one_of_the_timetables_own(schedule, zone, moment):
    planned = timetable(schedule, zone=zone)
    interval = planned.manual_interval(moment)
    assert interval.start < interval.end <= moment
    if isinstance(schedule, str):
        assert planned.next_run(None, Limits(earliest=interval.start), moment).interval == interval
