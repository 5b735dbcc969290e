"""The states of a task instance and of a DAG run.

Each state says who moves a row out of it, and who does so if that one dies. A state
without such a second sentence would be a place where work can get lost.
"""

from enum import StrEnum
from typing import Final


class TaskState(StrEnum):
    """The state of one task instance."""

    #: Waits for its upstream tasks. The scheduler that owns the run moves it on;
    #: if that one dies, whoever adopts the run does.
    NONE = "none"
    #: Ready, waits for a slot. The owner of the run moves it on; else the adopter.
    SCHEDULED = "scheduled"
    #: Has a slot and a token, waits for a worker's claim. A worker moves it on; if no
    #: claim comes within the dispatch deadline, the owner dispatches it anew.
    QUEUED = "queued"
    #: A worker has claimed it and runs it. That worker moves it on; if its lease
    #: ends, the owner of the run records the loss and retries.
    RUNNING = "running"
    #: Cleared while it ran: its processes are being stopped. The worker that held it
    #: moves it on when they are gone; if its lease ends, the owner does.
    RESTARTING = "restarting"
    #: Failed, will be tried again at `due_at`. The owner moves it on; else the adopter.
    UP_FOR_RETRY = "up_for_retry"
    #: A sensor that gave its slot back until `due_at`. The owner; else the adopter.
    UP_FOR_RESCHEDULE = "up_for_reschedule"
    #: Ended well. Only a user's clear or mark moves it.
    SUCCESS = "success"
    #: Ended badly, no try is left. Only a user's clear or mark moves it.
    FAILED = "failed"
    #: Not run because a branch, a rule or a time-out said so. Only a clear or mark.
    SKIPPED = "skipped"
    #: Not run because an upstream task failed. Only a clear or mark.
    UPSTREAM_FAILED = "upstream_failed"
    #: Its task is no longer in the DAG. A newer version that has it again restores it.
    REMOVED = "removed"


class RunState(StrEnum):
    """The state of one DAG run."""

    #: Waits for its turn under `max_active_runs`. Any scheduler that adopts it starts it.
    QUEUED = "queued"
    #: Owned by one scheduler by lease, which moves it on; else whoever adopts it.
    RUNNING = "running"
    #: Every leaf task ended in success or was skipped. Only a clear or mark moves it.
    SUCCESS = "success"
    #: A leaf task failed, or the run took too long. Only a clear or mark moves it.
    FAILED = "failed"


#: States from which only a user moves a task instance.
FINISHED: Final = frozenset(
    {
        TaskState.SUCCESS,
        TaskState.FAILED,
        TaskState.SKIPPED,
        TaskState.UPSTREAM_FAILED,
        TaskState.REMOVED,
    }
)

#: States that occupy a slot of a pool, of the DAG and of the executor.
OCCUPYING: Final = frozenset({TaskState.QUEUED, TaskState.RUNNING, TaskState.RESTARTING})

#: States in which a worker holds an attempt: it has a token, a host and a lease.
CLAIMED: Final = frozenset({TaskState.RUNNING, TaskState.RESTARTING})

#: States of a run on which a scheduler still works.
ACTIVE_RUN: Final = frozenset({RunState.QUEUED, RunState.RUNNING})
