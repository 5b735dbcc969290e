"""What a timetable is asked and what it answers.

A timetable is a pure function of the last run it made: given that, the DAG's limits and the
time, it names the next run. It keeps no state, so any scheduler gets the same answer at any
moment, after any restart. All instants are aware datetimes in UTC.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DataInterval:
    """The stretch of time whose data a run is about. Start belongs to it, end does not.

    A run at a moment, rather than for a stretch, has start and end equal.
    """

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Between which moments a DAG's runs may lie, and whether missed ones are made up for."""

    earliest: datetime | None = None
    latest: datetime | None = None
    catchup: bool = True


@dataclass(frozen=True, slots=True)
class NextRun:
    """A run that is to come: its name in time, its data, and the moment from which it may be created."""

    logical_date: datetime
    interval: DataInterval
    run_after: datetime


class Timetable(Protocol):
    """When a DAG runs. Immutable, so that threads may share one."""

    @property
    def summary(self) -> str:
        """The schedule in short, as a list of DAGs shows it: `0 0 * * *`, `1 day, 0:00:00`, `@once`."""

    @property
    def description(self) -> str:
        """The schedule as an English phrase."""

    @property
    def periodic(self) -> bool:
        """True if runs follow each other by a rule of time, so that a run has a previous and a next one."""

    @property
    def max_active_runs(self) -> int | None:
        """How many runs may be active at once by the nature of the timetable; None = as many as the DAG allows."""

    def next_run(self, last: DataInterval | None, limits: Limits, now: datetime) -> NextRun | None:
        """Return the run that follows the one with the interval `last`, due or not, or None if there is none.

        Args:
            last: Interval of the last run that the timetable (not a user) made; None before the first.
            limits: `earliest` is the DAG's start_date, `latest` its end_date.
            now: Decides only where `catchup` is off or the schedule has no other point to start from.
        """

    def manual_interval(self, run_after: datetime) -> DataInterval:
        """Return the data interval of a run that a user starts at `run_after`: the last closed one."""

    def back(self, moment: datetime, count: int) -> datetime:
        """Return where the interval starts that lies `count` intervals before the one `moment` is in."""
