"""What the scheduler's loop is made of, and how often it does what. Wired in `__main__`."""

import selectors
from dataclasses import dataclass

from sqlalchemy import Engine

from gale.clock import Clock
from gale.core.ports import Executor
from gale_scheduler.book import RunBook
from gale_scheduler.dag_files import DagFiles
from gale_scheduler.hints import Hints
from gale_scheduler.job import SchedulerJob
from gale_scheduler.notices import Notices
from gale_scheduler.relay import Relay
from gale_scheduler.rescuer import Rescuer
from gale_scheduler.user_requests import UserRequests


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the loop drives."""

    engine: Engine
    clock: Clock
    selector: selectors.BaseSelector
    executor: Executor
    hints: Hints
    job: SchedulerJob
    book: RunBook
    relay: Relay
    rescuer: Rescuer
    requests: UserRequests
    dag_files: DagFiles
    notices: Notices


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things are done: `scheduler_heartbeat_sec` and friends of `[scheduler]`."""

    heartbeat_seconds: float = 5.0
    runs_per_loop: int = 10
    #: How many runs are taken in one round (`max_dagruns_per_loop_to_schedule`), so that others get some too.
    adopt_at_once: int = 20
    #: End after this many loops; -1 = never (`num_runs`).
    max_loops: int = -1
    #: End after so many seconds; -1 = never (`run_duration`).
    max_seconds: float = -1.0
    #: Whether timetables start runs (`use_job_schedule`).
    use_timetables: bool = True
    shutdown_seconds: float = 10.0
