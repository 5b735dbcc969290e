"""One attempt at a task: what a worker is told, what the task may ask for, how it ended.

These are the words between scheduler, supervisor and task process. Instants are aware
datetimes in UTC, durations seconds, values of XComs and variables JSON text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """The DAG run as the task's context shows it."""

    dag_id: str
    run_id: str
    run_type: str = "manual"
    state: str = "running"
    logical_date: datetime | None = None
    data_interval_start: datetime | None = None
    data_interval_end: datetime | None = None
    run_after: datetime | None = None
    start_date: datetime | None = None
    conf: Mapping[str, Any] = field(default_factory=dict)
    #: Of the last earlier scheduled run that succeeded, for `prev_…_success` in templates.
    prev_success_start: datetime | None = None
    prev_success_end: datetime | None = None
    prev_success_interval_start: datetime | None = None
    prev_success_interval_end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOrder:
    """One claimed attempt, complete: whoever gets it can run it without asking a database."""

    ti: str
    token: str
    run: RunFacts
    task_id: str
    map_index: int = -1
    try_number: int = 1
    #: Last try number that is allowed (infrastructure losses already added).
    max_tries: int = 1
    #: Absolute path of the DAG file (or zip file) and the digest of its text.
    file: str
    source_digest: str = ""
    execution_timeout: float | None = None
    queue: str = "default"
    pool: str = "default_pool"
    priority_weight: int = 1
    hostname: str = ""
    #: When this task instance was first asked for in reschedule mode; None otherwise.
    first_reschedule_at: datetime | None = None
    #: Set when a callback is to be run instead of the task: kind, and the reason it reports.
    callback: str = ""
    callback_reason: str = ""
    #: State that the context's task instance shows.
    state: str = "running"
    test_mode: bool = False
    task_params: Mapping[str, Any] = field(default_factory=dict)


class Outcome(StrEnum):
    """How an attempt ended, as far as the task process or its supervisor can tell."""

    SUCCESS = "success"
    FAILED = "failed"
    #: Failed, and trying again would not help (`AirflowFailException`).
    FAILED_FINAL = "failed_final"
    SKIPPED = "skipped"
    RESCHEDULED = "rescheduled"
    #: The supervisor could not run it or lost it: not the task's fault.
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    """The end of an attempt. What the task asked to be stored travels with it into one commit."""

    ti: str
    token: str
    outcome: Outcome
    #: One sentence: the exception, the exit code, the signal.
    reason: str = ""
    #: RESCHEDULED: when to ask again.
    due_at: datetime | None = None
    #: Task ids that a branch or short circuit leaves out.
    not_taken: tuple[str, ...] = ()
    #: Key to JSON text, stored in the same commit as the end.
    xcoms: Mapping[str, str] = field(default_factory=dict)
    #: Rendered template fields as JSON text, secrets masked; empty if unknown.
    rendered_fields: str = ""
    start_date: datetime | None = None
    end_date: datetime | None = None
    pid: int | None = None
    exit_code: int | None = None
    cpu_seconds: float | None = None
    max_rss_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionData:
    """A connection as a task sees it; secrets in clear, so never log it."""

    conn_id: str
    conn_type: str = ""
    description: str | None = None
    host: str | None = None
    schema: str | None = None
    login: str | None = None
    password: str | None = None
    port: int | None = None
    extra: str | None = None


class TaskServices(Protocol):
    """All that user code can reach of Gale while it runs. The task process has no database."""

    def get_variable(self, key: str) -> str | None:
        """Return the variable's text, or None if there is none."""

    def set_variable(self, key: str, value: str, description: str | None = None) -> None:
        """Create or replace a variable."""

    def delete_variable(self, key: str) -> bool:
        """Delete a variable; False if there was none."""

    def get_connection(self, conn_id: str) -> ConnectionData | None:
        """Return the connection, or None if there is none."""

    def get_xcom(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str | None) -> str | None:
        """Return the JSON text of one XCom; `key=None` = the newest of any key."""

    def get_prior_xcom(self, *, dag_id: str, before: datetime, task_id: str, key: str | None) -> str | None:
        """Return the newest XCom of the task in runs with a logical date up to `before`."""

    def set_xcom(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str, value: str) -> None:
        """Store one XCom at once (a return value travels with the end of the attempt instead)."""

    def trigger_run(
        self,
        *,
        dag_id: str,
        run_id: str | None,
        logical_date: datetime | None,
        conf: Mapping[str, Any],
        reset: bool,
    ) -> str:
        """Ask for a run and return its run id.

        Raises:
            NotFound: There is no such DAG.
            RunExists: The run is there already and `reset` is false.
        """

    def run_state(self, *, dag_id: str, run_id: str) -> str | None:
        """Return the state of a run, or None if there is none."""

    def count_states(
        self,
        *,
        dag_id: str,
        task_ids: Sequence[str],
        logical_dates: Sequence[datetime],
        states: Sequence[str],
    ) -> int:
        """Count task instances (or runs, if `task_ids` is empty) in one of the states (for external sensors)."""

    def is_latest_run(self, *, dag_id: str, logical_date: datetime) -> bool:
        """True unless a later scheduled interval of the DAG has begun to be due (LatestOnlyOperator)."""
