"""When DAGs run: from a schedule to a timetable, from a timetable to the next run.

This package's names are what the rest of Gale uses; its modules are its own affair. The rules
of runs and intervals stand in `steps`, those for changes of the clocks in `cron_steps`.
"""

from gale.core.timetables.base import DataInterval, Limits, NextRun, Timetable
from gale.core.timetables.schedules import from_spec, spec_from_schedule

__all__ = ["DataInterval", "Limits", "NextRun", "Timetable", "from_spec", "spec_from_schedule"]
