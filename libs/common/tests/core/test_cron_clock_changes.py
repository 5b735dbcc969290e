"""Cron schedules through every change of the clocks, against an oracle that walks through time.

The oracle knows no croniter and none of Gale's code. It reads a wall clock (zoneinfo) at every
minute of UTC around a change and applies the policy of `cron_steps` to what it sees: an
expression for every hour comes whenever the wall shows a match; one that names hours comes when
the wall shows a match for the first time, or when the wall jumps over one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from gale.core.graph import TimetableSpec
from gale.core.timetables import Limits, from_spec
from gale.core.timetables.cron_steps import CronSteps
from gale.core.timetables.zones import Zone

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TURN_OF_THE_YEAR = datetime(2012, 1, 1, tzinfo=UTC)
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)

#: Each with what a change of the clocks can do to it in mind.
CORPUS = (
    "0 0 * * *",  # midnight: skipped in Brazil, Chile, Iran, Lebanon …
    "30 0 * * *",
    "30 1 * * *",  # doubled in America
    "0 2 * * *",  # the edge of most gaps
    "30 2 * * *",  # skipped in America and central Europe, doubled in Europe
    "59 2 * * *",
    "0 3 * * *",
    "0 12 * * *",  # untouched, but for Samoa's missing day
    "*/20 1-3 * * *",  # several matches within one gap
    "*/5 2 * * *",
    "0 */6 * * *",
    "15 0-22/2 * * *",
    "0 * * * *",  # passing of time
    "*/30 * * * *",
    "45 * * * 0",  # passing of time, but only on Sundays, when most clocks change
    "0 3 * * 0",
    "30 2 1-7 * *",
    "0 0 13 * 5",  # the 13th or Friday
    "0 0 31 12 *",
)
#: What is read at every change of every zone: few instants, so that the sweep takes minutes and not hours.
THIN = ("0 0 * * *", "30 2 * * *")

#: The fast tier: half-hour changes, changes at midnight and at 00:01, by two hours, of a whole day, in
#: winter only, during Ramadan, and lasting ones.
ZONES = (
    "Africa/Casablanca",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",
)


# --- the oracle ---


def numbers(field, low, high):
    """Return the values that a field of the corpus allows."""
    found = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        start, dash, end = span.partition("-")
        if span == "*":
            values = range(low, high + 1)
        elif dash:
            values = range(int(start), int(end) + 1)
        else:
            values = [int(start)]
        found |= {value for value in values if (value - values[0]) % int(step or 1) == 0}
    return frozenset(found)


@dataclass(frozen=True)
class Expression:
    minutes: frozenset
    hours: frozenset
    days: frozenset
    months: frozenset
    weekdays: frozenset
    either_day: bool

    @classmethod
    @lru_cache
    def read(cls, text):
        minute, hour, day, month, weekday = text.split()
        return cls(
            numbers(minute, 0, 59),
            numbers(hour, 0, 23),
            numbers(day, 1, 31),
            numbers(month, 1, 12),
            numbers(weekday, 0, 6),
            day != "*" and weekday != "*",
        )

    def matches(self, wall):
        if wall.minute not in self.minutes or wall.hour not in self.hours or wall.month not in self.months:
            return False
        in_days, in_week = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        return in_days or in_week if self.either_day else in_days and in_week


def walk(zone, start, end):
    """Return (instant, wall, walls jumped over, shown for the first time) for each minute."""
    steps, latest, before = [], None, None
    instant = start
    while instant < end:
        wall = instant.astimezone(zone).replace(tzinfo=None, fold=0)
        jumped = []
        if before is not None and wall > before + MINUTE:
            jumped = [before + MINUTE * n for n in range(1, (wall - before) // MINUTE)]
        new = latest is None or wall > latest
        steps.append((instant, wall, jumped if new else [], new))
        latest = wall if new else latest
        before = wall
        instant += MINUTE
    return steps


def oracle(text, steps):
    """Return the instants at which the expression comes during the walk."""
    expression = Expression.read(text)
    every_hour = len(expression.hours) == 24
    return [
        instant
        for instant, wall, jumped, new in steps
        if (every_hour and expression.matches(wall))
        or (not every_hour and new and (expression.matches(wall) or any(map(expression.matches, jumped))))
    ]


def changes(zone, step):
    """Return the instants at which the zone's offset changes, found by looking at every `step` and then closer."""
    found = []
    instant, offset = FIRST, FIRST.astimezone(zone).utcoffset()
    while instant < LAST:
        following = instant + step
        if following.astimezone(zone).utcoffset() != offset:
            for finer in (HOUR, MINUTE):
                while (instant + finer).astimezone(zone).utcoffset() == offset:
                    instant += finer
            found.append(following := instant + MINUTE)
            offset = following.astimezone(zone).utcoffset()
        instant = following
    return found


# --- what is compared ---


def check_window(name, text, steps):
    """Compare the schedule with the oracle from every kind of starting point in the window."""
    schedule = CronSteps(text, name)
    start, end = steps[0][0], steps[-1][0]
    expected = oracle(text, steps)
    where = f"{text} in {name} after {start}"

    found, at = [], start - MINUTE
    while (at := schedule.after(at)) is not None and at <= end:
        found.append(at)
    assert found == expected, where
    assert all(earlier < later for earlier, later in pairwise(found)), where

    second = timedelta(seconds=1)
    for earlier, later in pairwise(expected):
        between = earlier + (later - earlier) / 2
        for moment in (earlier, earlier + second, between, later - second):
            assert schedule.after(moment) == later, f"{where}, asked at {moment}"
            assert schedule.until(moment) == earlier, f"{where}, asked at {moment}"


def window(zone, change):
    """Return a walk from well before a change until well after it."""
    return walk(zone, change - 15 * HOUR, change + 27 * HOUR)


# --- the fast tier ---


@pytest.mark.parametrize("name", ZONES)
def test_schedules_agree_with_the_oracle_around_changes_of_the_clocks(name):
    """Two changes of each kind for each zone; the whole corpus at each."""
    zone = ZoneInfo(name)
    kinds = {}
    for change in changes(zone, 5 * DAY):
        shift = change.astimezone(zone).utcoffset() - (change - MINUTE).astimezone(zone).utcoffset()
        kinds.setdefault((shift, change.hour), change)
    assert kinds, "every zone of the fast tier has changes"
    for change in list(kinds.values())[:2]:
        steps = window(zone, change)
        for text in CORPUS:
            check_window(name, text, steps)


@pytest.mark.parametrize("name", ZONES)
def test_schedules_agree_with_the_oracle_at_the_turn_of_the_year(name):
    """Stretches are looked up year by year of UTC, which no wall clock keeps to."""
    steps = window(ZoneInfo(name), TURN_OF_THE_YEAR)
    for text in (*THIN, "0 * * * *", "0 0 31 12 *"):
        check_window(name, text, steps)


@pytest.mark.parametrize("name", ZONES)
def test_the_stretches_of_a_zone_end_where_its_offset_changes(name):
    check_stretches(name, changes(ZoneInfo(name), 5 * DAY))


def check_stretches(name, expected):
    zone, info = Zone(name), ZoneInfo(name)
    ends, at = [], FIRST
    while at < LAST:
        stretch = zone.stretch(at)
        assert stretch.start <= at < stretch.end, f"{name} at {at}"
        assert stretch.offset == at.astimezone(info).utcoffset(), f"{name} at {at}"
        if stretch.end.astimezone(info).utcoffset() != stretch.offset:
            ends.append(stretch.end)
        at = stretch.end
    assert ends == [change for change in expected if change < LAST], name


def test_a_stretch_goes_back_over_the_turn_of_the_year_to_its_change():
    """Whoever asks on New Year's morning whether the clocks run twice must see the change of the evening before."""
    stretch = Zone("Europe/Berlin").stretch(utc(2026, 1, 1))
    assert (stretch.start, stretch.end) == (utc(2025, 10, 26, 1), utc(2026, 3, 29, 1))


@pytest.mark.parametrize("hours", ["*", "0-23", "*/1", ",".join(map(str, range(24)))])
def test_every_way_to_write_every_hour_means_the_passing_of_time(hours):
    found = instants(f"0 {hours} * * *", "Europe/Berlin", utc(2026, 10, 25), utc(2026, 10, 25, 3))
    assert found == [utc(2026, 10, 25, 1), utc(2026, 10, 25, 2)]


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def instants(text, zone, start, end):
    schedule, found, at = CronSteps(text, zone), [], start
    while (at := schedule.after(at)) is not None and at < end:
        found.append(at)
    return found


def test_a_nightly_run_at_a_skipped_time_comes_when_the_clocks_skip():
    """Berlin, 29 March 2026: the clocks go from 02:00 to 03:00 at 01:00 UTC."""
    assert instants("30 2 * * *", "Europe/Berlin", utc(2026, 3, 28), utc(2026, 3, 31)) == [
        utc(2026, 3, 28, 1, 30),
        utc(2026, 3, 29, 1, 0),
        utc(2026, 3, 30, 0, 30),
    ]


def test_a_nightly_run_at_a_doubled_time_comes_the_first_time_only():
    """Berlin, 25 October 2026: 02:30 is shown at 00:30 and again at 01:30 UTC."""
    assert instants("30 2 * * *", "Europe/Berlin", utc(2026, 10, 24), utc(2026, 10, 27)) == [
        utc(2026, 10, 24, 0, 30),
        utc(2026, 10, 25, 0, 30),
        utc(2026, 10, 26, 1, 30),
    ]


def test_many_matches_in_one_gap_come_as_one():
    found = instants("*/5 2 * * *", "Europe/Berlin", utc(2026, 3, 28, 12), utc(2026, 3, 29, 12))
    assert found == [utc(2026, 3, 29, 1, 0)]


@pytest.mark.parametrize("day", [utc(2026, 3, 29), utc(2026, 10, 25)])
def test_an_hourly_run_comes_every_hour_of_the_longest_and_the_shortest_day(day):
    found = instants("0 * * * *", "Europe/Berlin", day - 6 * HOUR, day + 12 * HOUR)
    assert {later - earlier for earlier, later in pairwise(found)} == {HOUR}


def test_a_day_that_samoa_never_had_gives_a_daily_run_at_the_skip():
    """Apia skipped 30 December 2011: after 23:59 on the 29th came 00:00 on the 31st, at 10:00 UTC."""
    assert instants("0 12 * * *", "Pacific/Apia", utc(2011, 12, 29), utc(2012, 1, 1)) == [
        utc(2011, 12, 29, 22),
        utc(2011, 12, 30, 10),
        utc(2011, 12, 30, 22),
        utc(2011, 12, 31, 22),
    ]


def test_seconds_stand_at_the_end_and_pass_through_a_gap():
    found = instants("59,0 1,3 * * * 15,45", "Europe/Berlin", utc(2026, 3, 29, 0, 59), utc(2026, 3, 29, 1, 1))
    assert [moment.strftime("%H:%M:%S") for moment in found] == ["00:59:15", "00:59:45", "01:00:15", "01:00:45"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Apia", "America/Sao_Paulo"])
@pytest.mark.parametrize("text", ["30 2 * * *", "0 * * * *"])
def test_intervals_follow_each_other_without_gap_or_overlap_for_years(zone, text):
    """The chain of runs, each asked for by a timetable made anew, as after a restart."""
    spec = TimetableSpec(kind="cron", expression=text, zone=zone)
    limits = Limits(earliest=utc(2011, 12, 26) if zone == "Pacific/Apia" else utc(2017, 10, 13))
    last = None
    for _ in range(250):
        fresh = from_spec.__wrapped__(spec)
        following = fresh.next_run(last, limits, now=utc(2026, 1, 1))
        assert following == from_spec(spec).next_run(last, limits, now=utc(2012, 1, 1))
        assert following.logical_date == following.interval.start < following.interval.end == following.run_after
        assert last is None or last.end == following.interval.start
        last = following.interval


# --- the full sweep ---


@pytest.mark.slow
def test_schedules_agree_with_the_oracle_at_every_change_of_every_zone():
    """All IANA zones, 2000-2037: two schedules at every change, all at every kind of change.

    Zones with the same offsets around a change see the same walk, so it is compared once; that each
    zone finds its changes where they are is checked for each. One kind: same shift, weekday and time.
    """
    seen, kinds, compared, zones_with_changes = set(), set(), 0, 0
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        found = changes(zone, 6 * HOUR)
        check_stretches(name, found)
        zones_with_changes += bool(found)
        for change in (*found, TURN_OF_THE_YEAR):
            offsets = tuple(
                (change + shift).astimezone(zone).utcoffset() for shift in (-2 * DAY, -MINUTE, 0 * DAY, 2 * DAY)
            )
            if change + 2 * DAY > LAST or (change, offsets) in seen:
                continue
            kind = (offsets[2] - offsets[1], change.astimezone(zone).strftime("%a %H:%M"))
            texts = THIN if kind in kinds else CORPUS
            seen.add((change, offsets))
            kinds.add(kind)
            steps = window(zone, change)
            for text in texts:
                check_window(name, text, steps)
                compared += 1
    assert zones_with_changes > 300
    print(f"{zones_with_changes} zones with changes, {len(seen)} changes of {len(kinds)} kinds, {compared} windows")  # noqa: T201
