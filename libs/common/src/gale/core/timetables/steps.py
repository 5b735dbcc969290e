"""Sequences of instants, and the two ways in which Gale makes runs from one.

*Interval* (the notes, Airflow 1 and 2): a run for the stretch between two instants is created
when the stretch has closed, and is named by its start. A DAG with start_date 1 October and a
daily schedule gets its first run, named 1 October, when 2 October begins.

*Trigger* (Airflow 3): a run is created at each instant and named by it; its interval is empty.

Both promise: starts strictly increase from run to run, and the answer follows from `last`, the
limits and (without catch-up) the time alone, so that a scheduler that starts anew goes on where
the last one stopped. Without catch-up the cost does not depend on how long ago the start was.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from gale.core.timetables.base import DataInterval, Limits, NextRun

_TICK: Final = timedelta(microseconds=1)
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: A trigger-era DAG without a start_date runs for an instant missed by no more than this, or by a tenth of its
#: period if that is more: saving a file at 00:01 still gives the run of midnight. The figures are Airflow 3's.
_MISSED_BY: Final = timedelta(minutes=5)
_PART_OF_PERIOD: Final = 10


class Steps(Protocol):
    """A strictly increasing sequence of instants that can be entered anywhere."""

    def anchored(self, anchor: datetime | None) -> "Steps":
        """Return the sequence that `anchor` is part of, if an anchor is needed to know where the instants lie."""

    def after(self, instant: datetime) -> datetime | None:
        """Return the first instant after `instant`, or None if the sequence has ended."""

    def until(self, instant: datetime) -> datetime | None:
        """Return the last instant that is not after `instant`, or None if the sequence has not begun."""


@dataclass(frozen=True, slots=True)
class DeltaSteps:
    """Instants at a constant distance from each other, on both sides of an anchor."""

    delta: timedelta
    anchor: datetime = _EPOCH

    def anchored(self, anchor: datetime | None) -> "DeltaSteps":
        """Return the same distance counted from `anchor`; None counts from 1970, so that restarts agree."""
        return self if anchor is None else DeltaSteps(self.delta, anchor)

    def after(self, instant: datetime) -> datetime | None:
        """Return the first instant after `instant`."""
        return self._at((instant - self.anchor) // self.delta + 1)

    def until(self, instant: datetime) -> datetime | None:
        """Return the last instant that is not after `instant`."""
        return self._at((instant - self.anchor) // self.delta)

    def _at(self, count: int) -> datetime | None:
        try:
            return self.anchor + count * self.delta
        except OverflowError:
            return None


def _from(steps: Steps, instant: datetime) -> datetime | None:
    """Return the first instant of `steps` that is not before `instant`."""
    return instant if steps.until(instant) == instant else steps.after(instant)


def _before(steps: Steps, instant: datetime) -> datetime | None:
    return steps.until(instant - _TICK) if instant - _BEGINNING > _TICK else None


def _anchor(last: DataInterval | None, earliest: datetime | None) -> datetime | None:
    """Return from where a schedule without a calendar counts: the last run, unless the DAG now starts later."""
    if last is None:
        return earliest
    return last.end if earliest is None else max(last.end, earliest)


def _latest(*instants: datetime | None) -> datetime | None:
    return max((instant for instant in instants if instant is not None), default=None)


def _not_before_earliest(steps: Steps, start: datetime | None, limits: Limits) -> datetime | None:
    """Return `start`, or the first instant that the DAG's start_date allows if that is later."""
    if limits.earliest is None or (start is not None and start >= limits.earliest):
        return start
    return _from(steps, limits.earliest)


def _too_late(start: datetime, limits: Limits) -> bool:
    return limits.latest is not None and start > limits.latest


@dataclass(frozen=True, slots=True)
class SteppedTimetable:
    """What interval and trigger timetables have in common."""

    steps: Steps
    summary: str
    description: str
    periodic: bool = True
    max_active_runs: int | None = None

    def back(self, moment: datetime, count: int) -> datetime:
        """Return where the interval starts that lies `count` intervals before the one `moment` is in."""
        steps = self.steps.anchored(moment)
        here = steps.until(moment) or moment
        for _ in range(count):
            here = _before(steps, here) or here
        return here


@dataclass(frozen=True, slots=True)
class IntervalTimetable(SteppedTimetable):
    """A run for each stretch between two instants, created when the stretch has closed."""

    def next_run(self, last: DataInterval | None, limits: Limits, now: datetime) -> NextRun | None:
        """Return the run that follows `last`; see `Timetable`."""
        steps = self.steps.anchored(_anchor(last, limits.earliest))
        following = None if last is None else _following_start(steps, last)
        if last is not None and following is None:
            return None
        newest = None if limits.catchup else _newest_closed_start(steps, now)
        start = _not_before_earliest(steps, _latest(following, newest), limits)
        if start is None or _too_late(start, limits):
            return None
        end = steps.after(start)
        return None if end is None else NextRun(start, DataInterval(start, end), end)

    def manual_interval(self, run_after: datetime) -> DataInterval:
        """Return the last stretch that had closed at `run_after`."""
        steps = self.steps.anchored(run_after)
        end = steps.until(run_after)
        start = None if end is None else _before(steps, end)
        if end is None or start is None:
            return DataInterval(run_after, run_after)
        return DataInterval(start, end)


def _following_start(steps: Steps, last: DataInterval) -> datetime | None:
    """Return the start of the stretch after `last`.

    That is the end of `last`, unless the schedule was changed in between. Then it is the stretch of
    the new schedule that holds this end, but never one that begins with `last` or before it: the
    names of the runs before are taken, and no two runs may have one name.
    """
    start = steps.until(last.end)
    return steps.after(last.start) if start is None or start <= last.start else start


def _newest_closed_start(steps: Steps, now: datetime) -> datetime | None:
    end = steps.until(now)
    return None if end is None else _before(steps, end)


@dataclass(frozen=True, slots=True)
class TriggerTimetable(SteppedTimetable):
    """A run at each instant."""

    def next_run(self, last: DataInterval | None, limits: Limits, now: datetime) -> NextRun | None:
        """Return the run that follows `last`; see `Timetable`."""
        steps = self.steps.anchored(_anchor(last, limits.earliest))
        following = None if last is None else steps.after(last.end)
        if last is not None and following is None:
            return None
        if last is None and limits.earliest is None:
            start = _missed_or_coming(steps, now)
        else:
            newest = None if limits.catchup else steps.until(now)
            start = _not_before_earliest(steps, _latest(following, newest), limits)
        if start is None or _too_late(start, limits):
            return None
        return NextRun(start, DataInterval(start, start), start)

    def manual_interval(self, run_after: datetime) -> DataInterval:
        """Return the empty interval at `run_after`."""
        return DataInterval(run_after, run_after)


def _missed_or_coming(steps: Steps, now: datetime) -> datetime | None:
    """Return the instant that `now` has missed by little, or else the coming one."""
    missed, coming = steps.until(now), steps.after(now)
    if missed is None or coming is None:
        return missed or coming
    allowed = max((coming - missed) / _PART_OF_PERIOD, _MISSED_BY)
    return missed if now - missed <= allowed else coming
