"""Timetables without a rhythm: none, once, continuous, and a list of moments.

Their rules, like those of the others, never give two runs the same logical date.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gale.core.timetables.base import DataInterval, Limits, NextRun

_TICK: Final = timedelta(microseconds=1)


def _at(moment: datetime) -> NextRun:
    return NextRun(moment, DataInterval(moment, moment), moment)


@dataclass(frozen=True, slots=True)
class _AtMoments:
    """What all of these share: a run that a user starts is about no stretch of time."""

    summary: str
    description: str
    periodic: bool = False
    max_active_runs: int | None = None

    def manual_interval(self, run_after: datetime) -> DataInterval:
        """Return the empty interval at `run_after`."""
        return DataInterval(run_after, run_after)

    def back(self, moment: datetime, count: int) -> datetime:  # noqa: ARG002 - the protocol's form
        """Return `moment`: without a rhythm there are no intervals to count."""
        return moment


@dataclass(frozen=True, slots=True)
class NoneTimetable(_AtMoments):
    """Never: only users, other DAGs and programs start runs."""

    summary: str = "None"
    description: str = "Never by itself, only when triggered"

    def next_run(self, last: DataInterval | None, limits: Limits, now: datetime) -> NextRun | None:  # noqa: ARG002
        """Return None."""
        return None


@dataclass(frozen=True, slots=True)
class OnceTimetable(_AtMoments):
    """One run, at the DAG's start_date or else at once."""

    summary: str = "@once"
    description: str = "Once, as soon as possible"

    def next_run(self, last: DataInterval | None, limits: Limits, now: datetime) -> NextRun | None:
        """Return the one run, or None after it; see `Timetable`."""
        if last is not None:
            return None
        moment = now if limits.earliest is None else limits.earliest
        if limits.latest is not None and moment > limits.latest:
            return None
        return _at(moment)


@dataclass(frozen=True, slots=True)
class ContinuousTimetable(_AtMoments):
    """A run as soon as the one before has ended, about the time since that one's interval."""

    summary: str = "@continuous"
    description: str = "Again as soon as the previous run has ended"
    max_active_runs: int | None = 1

    def next_run(self, last: DataInterval | None, limits: Limits, now: datetime) -> NextRun | None:
        """Return a run about the time from the end of `last` until now; see `Timetable`."""
        if last is not None:
            start = last.end if limits.earliest is None else max(last.end, limits.earliest)
        else:
            start = now - _TICK if limits.earliest is None else limits.earliest
        # Never empty: the next run begins at this end, and must not have this run's name.
        end = max(now, start + _TICK)
        if limits.latest is not None and end > limits.latest:
            return None
        return NextRun(start, DataInterval(start, end), end)


@dataclass(frozen=True, slots=True)
class EventsTimetable(_AtMoments):
    """A run at each of a list of moments."""

    summary: str = "events"
    description: str = ""
    periodic: bool = True
    #: Strictly increasing; `from_spec` sorts them.
    moments: tuple[datetime, ...] = ()

    def next_run(self, last: DataInterval | None, limits: Limits, now: datetime) -> NextRun | None:
        """Return the run at the first moment after `last`; see `Timetable`."""
        index = 0 if last is None else bisect_right(self.moments, last.end)
        if limits.earliest is not None:
            index = max(index, bisect_left(self.moments, limits.earliest))
        if not limits.catchup:
            index = max(index, bisect_right(self.moments, now) - 1)
        if index >= len(self.moments):
            return None
        moment = self.moments[index]
        return None if limits.latest is not None and moment > limits.latest else _at(moment)

    def back(self, moment: datetime, count: int) -> datetime:
        """Return the moment that lies `count` moments before the last one that is not after `moment`."""
        index = bisect_right(self.moments, moment) - 1
        return moment if index < 0 else self.moments[max(index - count, 0)]
