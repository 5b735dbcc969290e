"""Clocks: the system's and the one of tests."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gale.clock import Clock, ManualClock, SystemClock


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()])
def test_every_clock_gives_aware_instants_in_utc(clock: Clock) -> None:
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


def test_a_manual_clock_moves_only_when_it_is_told_to() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    before = clock.now()
    assert clock.now() == before
    assert clock.advance(90) == before + timedelta(seconds=90)
    assert clock.monotonic() == 90


def test_a_manual_clock_turns_other_zones_into_utc() -> None:
    clock = ManualClock(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    assert clock.now().isoformat() == "2026-01-01T00:00:00+00:00"


def test_setting_the_wall_clock_leaves_the_monotonic_one_alone() -> None:
    clock = ManualClock()
    clock.advance(10)
    clock.set_wall(datetime(2020, 1, 1, tzinfo=UTC))
    assert clock.monotonic() == 10


def test_a_manual_clock_refuses_naive_dates_and_steps_back() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - the very thing that is refused
    with pytest.raises(ValueError, match="cannot advance"):
        ManualClock().advance(-1)
