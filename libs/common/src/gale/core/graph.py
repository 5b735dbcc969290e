"""A DAG as the scheduler sees it: plain data, no user code.

The authoring side makes these from a DAG file in a child process; they travel as JSON
and are stored as a version. Durations are seconds, instants are aware datetimes in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from gale.core.trigger_rules import TriggerRule


class CallbackKind(StrEnum):
    """What a DAG author can be called back for. A run knows success, failure and SLA miss."""

    SUCCESS = "on_success_callback"
    FAILURE = "on_failure_callback"
    RETRY = "on_retry_callback"
    SKIPPED = "on_skipped_callback"
    EXECUTE = "on_execute_callback"
    SLA_MISS = "sla_miss_callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One task of a DAG, as far as scheduling, explaining and showing it needs."""

    task_id: str
    #: Class name of the operator, for people; and whether it does nothing when run.
    operator: str = "BaseOperator"
    upstream: tuple[str, ...] = ()
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS
    owner: str = "airflow"
    retries: int = 0
    retry_delay: float = 300.0
    #: 0 = constant delay; otherwise the factor by which the delay grows with each try.
    retry_exponential_backoff: float = 0.0
    max_retry_delay: float | None = None
    depends_on_past: bool = False
    wait_for_downstream: bool = False
    ignore_first_depends_on_past: bool = True
    pool: str = "default_pool"
    pool_slots: int = 1
    #: The task's own weight, and how those of its relatives add up to the effective one.
    priority_weight: int = 1
    weight_rule: str = "downstream"
    queue: str = "default"
    max_active_tis_per_dag: int | None = None
    max_active_tis_per_dagrun: int | None = None
    execution_timeout: float | None = None
    #: Seconds after the interval's end by which the task shall have succeeded.
    sla: float | None = None
    email: tuple[str, ...] = ()
    email_on_failure: bool = True
    email_on_retry: bool = True
    callbacks: tuple[CallbackKind, ...] = ()
    is_setup: bool = False
    is_teardown: bool = False
    on_failure_fail_dagrun: bool = False
    start_date: datetime | None = None
    end_date: datetime | None = None
    #: Names of the templated fields, for the page that shows them rendered.
    template_fields: tuple[str, ...] = ()
    display_name: str = ""
    doc_md: str | None = None
    ui_color: str = "#fff"
    ui_fgcolor: str = "#000"
    group_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpec:
    """A task group: a box in the graph. `parent` is None at the top."""

    group_id: str
    label: str
    parent: str | None = None
    tooltip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimetableSpec:
    """A timetable as data.

    `kind` is one of none, once, continuous, cron, cron_trigger, delta,
    delta_trigger, events; `expression` is the cron text; `seconds` a delta; `zone` an IANA name.
    """

    kind: str = "none"
    expression: str = ""
    seconds: float = 0.0
    zone: str = "UTC"
    dates: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DagSpec:
    """One DAG of one file version. Tasks stand in topological order."""

    dag_id: str
    #: Path of the file relative to the DAG folder, or absolute for the shipped examples.
    fileloc: str
    tasks: tuple[TaskSpec, ...] = ()
    groups: tuple[GroupSpec, ...] = ()
    #: (upstream, downstream, label) of labelled edges.
    edge_labels: tuple[tuple[str, str, str], ...] = ()
    timetable: TimetableSpec = field(default_factory=TimetableSpec)
    start_date: datetime | None = None
    end_date: datetime | None = None
    catchup: bool = True
    max_active_runs: int | None = None
    max_active_tasks: int | None = None
    max_consecutive_failed_dag_runs: int = 0
    dagrun_timeout: float | None = None
    fail_fast: bool = False
    is_paused_upon_creation: bool | None = None
    tags: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    description: str | None = None
    doc_md: str | None = None
    display_name: str = ""
    #: Parameter name to {"value", "description", "schema"}; schema is JSON Schema.
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    callbacks: tuple[CallbackKind, ...] = ()
    #: "interval" (Airflow 1.x/2.x and Gale: a run when its interval has closed) or "trigger" (Airflow 3).
    era: str = "interval"
    #: Line of the DAG's definition in its file, 1-based; 0 when unknown.
    lineno: int = 0
