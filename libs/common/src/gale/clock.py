"""The one place that reads the time.

Everything else is handed a `Clock`, or better: the instant itself. Durations are measured on
the monotonic clock, because the wall clock jumps when somebody corrects it.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Return this instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards, from an arbitrary start."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return this instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is told to move: for tests."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = _aware(now)
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Return the instant at which the clock stands."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds by which `advance` moved the clock so far."""
        return self._monotonic

    def advance(self, seconds: float) -> datetime:
        """Move both clocks forward and return the new instant."""
        if seconds < 0:
            message = f"A clock cannot advance by {seconds} s; use `set_wall` to move only the wall clock back."
            raise ValueError(message)
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
        return self._now

    def set_wall(self, now: datetime) -> None:
        """Move only the wall clock, in either direction, as a correction by NTP does."""
        self._now = _aware(now)


def _aware(now: datetime) -> datetime:
    if now.tzinfo is None:
        message = f"{now!r} has no time zone, so it is no instant; pass an aware datetime"
        raise ValueError(message)
    return now.astimezone(UTC)
