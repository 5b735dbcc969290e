"""Bodies of the REST API, named as in Airflow 3. Fields that Gale has no counterpart for are null.

`state` is null for a task instance that waits for its upstream tasks: inside Gale that state has
the name `none`, outside it never did.
"""

from datetime import datetime
from typing import Any

import msgspec

BUNDLE = "dags-folder"


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a client sends. A field that nobody knows is refused: it would be a mistake unseen."""


class Answer(msgspec.Struct, kw_only=True):
    """What a client gets."""


class Tag(Answer, kw_only=True):
    """A tag of a DAG."""

    name: str
    dag_id: str
    dag_display_name: str


class Version(Answer, kw_only=True):
    """A version of a DAG: what its file said at some time."""

    id: str
    version_number: int
    dag_id: str
    bundle_name: str | None
    bundle_version: str | None
    created_at: datetime
    dag_display_name: str
    bundle_url: str | None = None


class VersionCollection(Answer, kw_only=True):
    """Versions of a DAG."""

    dag_versions: list[Version]
    total_entries: int


class Dag(Answer, kw_only=True):
    """A DAG as lists show it."""

    dag_id: str
    dag_display_name: str
    is_paused: bool
    is_stale: bool
    last_parsed_time: datetime | None
    last_parse_duration: float | None
    last_expired: datetime | None
    bundle_name: str | None
    bundle_version: str | None
    relative_fileloc: str | None
    fileloc: str
    description: str | None
    timetable_summary: str | None
    timetable_description: str | None
    timetable_partitioned: bool
    timetable_periodic: bool
    tags: list[Tag]
    max_active_tasks: int
    max_active_runs: int | None
    max_consecutive_failed_dag_runs: int
    has_task_concurrency_limits: bool
    has_import_errors: bool
    next_dagrun_logical_date: datetime | None
    next_dagrun_data_interval_start: datetime | None
    next_dagrun_data_interval_end: datetime | None
    next_dagrun_run_after: datetime | None
    allowed_run_types: list[str] | None
    owners: list[str]
    file_token: str


class DagDetails(Dag, kw_only=True):
    """A DAG with all that its newest version says."""

    catchup: bool
    dag_run_timeout: str | None
    asset_expression: dict[str, Any] | None
    doc_md: str | None
    start_date: datetime | None
    end_date: datetime | None
    is_paused_upon_creation: bool | None
    params: dict[str, Any] | None
    render_template_as_native_obj: bool
    template_search_path: list[str] | None
    timezone: str | None
    last_parsed: datetime | None
    default_args: dict[str, Any] | None
    owner_links: dict[str, str] | None
    is_favorite: bool
    active_runs_count: int
    fail_fast: bool
    concurrency: int
    latest_dag_version: Version | None
    #: Gale's own: "interval" or "trigger".
    era: str


class DagCollection(Answer, kw_only=True):
    """A page of DAGs."""

    dags: list[Dag]
    total_entries: int


class DagPatch(Body, kw_only=True):
    """What can be changed of a DAG."""

    is_paused: bool


class TagCollection(Answer, kw_only=True):
    """The tags in use."""

    tags: list[str]
    total_entries: int


class Source(Answer, kw_only=True):
    """The text of a DAG file."""

    content: str | None
    dag_id: str
    version_number: int | None
    dag_display_name: str


class StateCount(Answer, kw_only=True):
    """How many runs are in a state."""

    state: str
    count: int


class DagStats(Answer, kw_only=True):
    """How many runs of a DAG are in each state."""

    dag_id: str
    dag_display_name: str
    stats: list[StateCount]


class DagStatsCollection(Answer, kw_only=True):
    """Counts of runs by DAG and state."""

    dags: list[DagStats]
    total_entries: int


class Warned(Answer, kw_only=True):
    """What parsing had to say about a DAG."""

    dag_id: str
    warning_type: str
    message: str
    timestamp: datetime
    dag_display_name: str


class WarningCollection(Answer, kw_only=True):
    """A page of warnings."""

    dag_warnings: list[Warned]
    total_entries: int


class ImportErrorAnswer(Answer, kw_only=True):
    """A file that could not be imported, and why."""

    import_error_id: int
    timestamp: datetime
    filename: str
    bundle_name: str | None
    stack_trace: str


class ImportErrorCollection(Answer, kw_only=True):
    """A page of import errors."""

    import_errors: list[ImportErrorAnswer]
    total_entries: int


class DagRun(Answer, kw_only=True):
    """One run of a DAG."""

    dag_run_id: str
    dag_id: str
    logical_date: datetime | None
    queued_at: datetime | None
    start_date: datetime | None
    end_date: datetime | None
    duration: float | None
    data_interval_start: datetime | None
    data_interval_end: datetime | None
    run_after: datetime
    last_scheduling_decision: datetime | None
    run_type: str
    state: str
    triggered_by: str | None
    triggering_user_name: str | None
    conf: Any
    note: str | None
    dag_versions: list[Version]
    bundle_version: str | None
    dag_display_name: str
    partition_key: str | None = None


class DagRunCollection(Answer, kw_only=True):
    """A page of runs."""

    dag_runs: list[DagRun]
    total_entries: int


class Trigger(Body, kw_only=True):
    """The wish for a run. Everything may be left out."""

    dag_run_id: str | None = None
    data_interval_start: datetime | None = None
    data_interval_end: datetime | None = None
    logical_date: datetime | None = None
    run_after: datetime | None = None
    conf: dict[str, Any] | None = None
    note: str | None = None


class DagRunPatch(Body, kw_only=True):
    """What can be changed of a run."""

    state: str | msgspec.UnsetType | None = msgspec.UNSET
    note: str | msgspec.UnsetType | None = msgspec.UNSET


class DagRunClear(Body, kw_only=True):
    """How to clear a run."""

    dry_run: bool = True
    only_failed: bool = False
    only_new: bool = False
    run_on_latest_version: bool = False
    note: str | None = None


class DagRunsBatch(Body, kw_only=True):
    """A filter of runs over many DAGs."""

    order_by: str | None = None
    page_offset: int = 0
    page_limit: int = 100
    dag_ids: list[str] | None = None
    states: list[str | None] | None = None
    run_after_gte: datetime | None = None
    run_after_gt: datetime | None = None
    run_after_lte: datetime | None = None
    run_after_lt: datetime | None = None
    logical_date_gte: datetime | None = None
    logical_date_gt: datetime | None = None
    logical_date_lte: datetime | None = None
    logical_date_lt: datetime | None = None
    start_date_gte: datetime | None = None
    start_date_gt: datetime | None = None
    start_date_lte: datetime | None = None
    start_date_lt: datetime | None = None
    end_date_gte: datetime | None = None
    end_date_gt: datetime | None = None
    end_date_lte: datetime | None = None
    end_date_lt: datetime | None = None


class Job(Answer, kw_only=True):
    """A long-lived process of Gale."""

    id: str
    dag_id: str | None
    state: str | None
    job_type: str | None
    start_date: datetime | None
    end_date: datetime | None
    latest_heartbeat: datetime | None
    executor_class: str | None
    hostname: str | None
    unixname: str | None


class JobCollection(Answer, kw_only=True):
    """A page of jobs."""

    jobs: list[Job]
    total_entries: int


class TaskInstance(Answer, kw_only=True):
    """A task in a run."""

    id: str
    task_id: str
    dag_id: str
    dag_run_id: str
    map_index: int
    logical_date: datetime | None
    run_after: datetime
    start_date: datetime | None
    end_date: datetime | None
    duration: float | None
    state: str | None
    try_number: int
    max_tries: int
    task_display_name: str
    dag_display_name: str
    hostname: str | None
    unixname: str | None
    pool: str
    pool_slots: int
    queue: str | None
    priority_weight: int | None
    operator: str | None
    operator_name: str | None
    queued_when: datetime | None
    scheduled_when: datetime | None
    pid: int | None
    executor: str | None
    executor_config: str
    note: str | None
    rendered_map_index: str | None
    rendered_fields: dict[str, Any]
    trigger: dict[str, Any] | None
    triggerer_job: Job | None
    dag_version: Version | None
    #: Gale's own: one sentence about the last end, when the next step is due, who holds it.
    reason: str | None = None
    due_at: datetime | None = None


class TaskInstanceCollection(Answer, kw_only=True):
    """A page of task instances."""

    task_instances: list[TaskInstance]
    total_entries: int


class Attempt(Answer, kw_only=True):
    """One try of a task instance."""

    task_id: str
    dag_id: str
    dag_run_id: str
    map_index: int
    start_date: datetime | None
    end_date: datetime | None
    duration: float | None
    state: str | None
    try_number: int
    max_tries: int
    task_display_name: str
    dag_display_name: str
    hostname: str | None
    unixname: str | None
    pool: str
    pool_slots: int
    queue: str | None
    priority_weight: int | None
    operator: str | None
    operator_name: str | None
    queued_when: datetime | None
    scheduled_when: datetime | None
    pid: int | None
    executor: str | None
    executor_config: str
    dag_version: Version | None
    #: Gale's own: one sentence about how it ended.
    reason: str | None = None


class AttemptCollection(Answer, kw_only=True):
    """The tries of a task instance."""

    task_instances: list[Attempt]
    total_entries: int


class Dependency(Answer, kw_only=True):
    """One reason why a task instance does not run yet."""

    name: str
    reason: str


class DependencyCollection(Answer, kw_only=True):
    """Why a task instance does not run yet; empty if nothing holds it."""

    dependencies: list[Dependency]


class TaskInstancesBatch(Body, kw_only=True):
    """A filter of task instances over many DAGs."""

    dag_ids: list[str] | None = None
    dag_run_ids: list[str] | None = None
    task_ids: list[str] | None = None
    state: list[str | None] | None = None
    pool: list[str] | None = None
    queue: list[str] | None = None
    executor: list[str] | None = None
    page_offset: int = 0
    page_limit: int = 100
    order_by: str | None = None
    run_after_gte: datetime | None = None
    run_after_lte: datetime | None = None
    logical_date_gte: datetime | None = None
    logical_date_lte: datetime | None = None
    start_date_gte: datetime | None = None
    start_date_lte: datetime | None = None
    end_date_gte: datetime | None = None
    end_date_lte: datetime | None = None


class TaskInstancePatch(Body, kw_only=True):
    """What can be changed of a task instance."""

    new_state: str | msgspec.UnsetType | None = msgspec.UNSET
    note: str | msgspec.UnsetType | None = msgspec.UNSET
    include_upstream: bool = False
    include_downstream: bool = False
    include_future: bool = False
    include_past: bool = False


class ClearTaskInstances(Body, kw_only=True):
    """Which task instances are to run again."""

    dry_run: bool = True
    start_date: datetime | None = None
    end_date: datetime | None = None
    only_failed: bool = True
    only_running: bool = False
    reset_dag_runs: bool = True
    task_ids: list[str | list[Any]] | None = None
    dag_run_id: str | None = None
    include_upstream: bool = False
    include_downstream: bool = False
    include_future: bool = False
    include_past: bool = False
    run_on_latest_version: bool = False
    prevent_running_task: bool = False
    note: str | None = None


class ClassRef(Answer, kw_only=True):
    """Where an operator's class is."""

    module_path: str | None
    class_name: str | None


class Duration(Answer, kw_only=True, tag="TimeDelta", tag_field="__type"):
    """A length of time, as Airflow writes it."""

    days: int
    seconds: int
    microseconds: int


class Task(Answer, kw_only=True):
    """A task of a DAG."""

    task_id: str
    task_display_name: str
    owner: str
    start_date: datetime | None
    end_date: datetime | None
    trigger_rule: str
    depends_on_past: bool
    wait_for_downstream: bool
    retries: float
    queue: str
    pool: str
    pool_slots: float
    execution_timeout: Duration | None
    retry_delay: Duration | None
    retry_exponential_backoff: float
    priority_weight: float
    weight_rule: str
    ui_color: str
    ui_fgcolor: str
    template_fields: list[str]
    downstream_task_ids: list[str]
    upstream_task_ids: list[str]
    doc_md: str | None
    operator_name: str
    params: dict[str, Any]
    class_ref: ClassRef
    is_mapped: bool
    extra_links: list[str]


class TaskCollection(Answer, kw_only=True):
    """The tasks of a DAG."""

    tasks: list[Task]
    total_entries: int


class Log(Answer, kw_only=True):
    """A part of an attempt's log."""

    content: list[dict[str, Any]]
    continuation_token: str | None


class ExternalLog(Answer, kw_only=True):
    """Where a log can be seen elsewhere."""

    url: str


class XCom(Answer, kw_only=True):
    """Something that a task instance left for others, without its value."""

    key: str
    timestamp: datetime
    logical_date: datetime | None
    map_index: int
    task_id: str
    dag_id: str
    run_id: str
    dag_display_name: str
    task_display_name: str
    run_after: datetime | None = None


class XComWithValue(XCom, kw_only=True):
    """Something that a task instance left for others."""

    value: Any


class XComCollection(Answer, kw_only=True):
    """A page of XComs."""

    xcom_entries: list[XCom]
    total_entries: int


class XComNew(Body, kw_only=True):
    """A new XCom."""

    key: str
    value: Any
    map_index: int = -1


class XComPatch(Body, kw_only=True):
    """A new value for an XCom."""

    value: Any
    map_index: int = -1


class Variable(Answer, kw_only=True):
    """A variable; the value is masked if the key says that it is a secret."""

    key: str
    value: str | None
    description: str | None
    is_encrypted: bool


class VariableCollection(Answer, kw_only=True):
    """A page of variables."""

    variables: list[Variable]
    total_entries: int


class VariableBody(Body, kw_only=True):
    """A variable as a client writes it."""

    key: str
    value: Any
    description: str | None = None


class VariablePatch(Body, kw_only=True):
    """What can be changed of a variable; what is left out stays."""

    key: str | None = None
    value: Any = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET


class Connection(Answer, kw_only=True):
    """A connection. Its password is never given back; `extra` with secrets masked."""

    connection_id: str
    conn_type: str
    description: str | None
    host: str | None
    login: str | None
    schema: str | None
    port: int | None
    password: str | None
    extra: str | None


class ConnectionCollection(Answer, kw_only=True):
    """A page of connections."""

    connections: list[Connection]
    total_entries: int


class ConnectionBody(Body, kw_only=True):
    """A connection as a client writes it."""

    connection_id: str
    conn_type: str
    description: str | None = None
    host: str | None = None
    login: str | None = None
    schema: str | None = None
    port: int | None = None
    password: str | None = None
    extra: str | None = None


class ConnectionPatch(Body, kw_only=True):
    """What can be changed of a connection; what is left out stays."""

    connection_id: str | None = None
    conn_type: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    host: str | msgspec.UnsetType | None = msgspec.UNSET
    login: str | msgspec.UnsetType | None = msgspec.UNSET
    schema: str | msgspec.UnsetType | None = msgspec.UNSET
    port: int | msgspec.UnsetType | None = msgspec.UNSET
    password: str | msgspec.UnsetType | None = msgspec.UNSET
    extra: str | msgspec.UnsetType | None = msgspec.UNSET


class Pool(Answer, kw_only=True):
    """A pool and how it is used; -1 slots = without limit."""

    name: str
    slots: int
    description: str | None
    include_deferred: bool
    occupied_slots: int
    running_slots: int
    queued_slots: int
    scheduled_slots: int
    open_slots: int
    deferred_slots: int


class PoolCollection(Answer, kw_only=True):
    """A page of pools."""

    pools: list[Pool]
    total_entries: int


class PoolBody(Body, kw_only=True):
    """A pool as a client writes it."""

    name: str
    slots: int
    description: str | None = None
    include_deferred: bool = False


class PoolPatch(Body, kw_only=True):
    """What can be changed of a pool; what is left out stays."""

    name: str | None = None
    pool: str | None = None
    slots: int | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    include_deferred: bool | msgspec.UnsetType = msgspec.UNSET


class EventLog(Answer, kw_only=True):
    """Who did what, and when."""

    event_log_id: int
    when: datetime
    dag_id: str | None
    task_id: str | None
    run_id: str | None
    map_index: int | None
    try_number: int | None
    event: str
    logical_date: datetime | None
    owner: str | None
    extra: str | None


class EventLogCollection(Answer, kw_only=True):
    """A page of the audit log."""

    event_logs: list[EventLog]
    total_entries: int


class ConfigOption(Answer, kw_only=True):
    """One setting."""

    key: str
    value: str


class ConfigSection(Answer, kw_only=True):
    """The settings of one section."""

    name: str
    options: list[ConfigOption]


class Config(Answer, kw_only=True):
    """The configuration, secrets masked."""

    sections: list[ConfigSection]


class VersionInfo(Answer, kw_only=True):
    """Which Gale this is."""

    version: str
    git_version: str | None


class User(Answer, kw_only=True):
    """A user; never the password."""

    username: str
    email: str
    first_name: str
    last_name: str
    role: str
    is_active: bool
    created_at: datetime
    last_login: datetime | None
