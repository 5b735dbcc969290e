"""Which name stands for what, and which module has which names.

`HOMES` says where a name comes from, and its name there if that differs. `PATHS` is made
from the list below it: one line per module, or several modules with the same names. A name
written `NAME=module:name` has another home in that module than elsewhere.
"""

from typing import Final

_ADAPTERS: Final = "airflow._adapters"

#: Home of each name: "module" if it bears the same name there, else "module:name".
HOMES: Final[dict[str, str]] = {
    # Authoring.
    **dict.fromkeys(("DAG",), "gale.authoring.dag"),
    **dict.fromkeys(("dag", "task_group"), "gale.authoring.decorators"),
    **dict.fromkeys(("task", "setup", "teardown"), "gale.operators.taskflow"),
    **dict.fromkeys(("chain", "chain_linear", "cross_downstream", "Label", "EdgeModifier"), "gale.authoring.edges"),
    **dict.fromkeys(("Context", "XCom", "get_current_context"), "gale.authoring.context"),
    **dict.fromkeys(("TaskInstance", "DagRun"), "gale.authoring.task_instance"),
    **dict.fromkeys(("Param", "ParamsDict", "DagParam"), "gale.authoring.params"),
    **dict.fromkeys(("mask_secret",), "gale.authoring.masking"),
    **dict.fromkeys(("ds_add", "ds_format", "datetime_diff_for_humans"), "gale.authoring.macros"),
    "macros": "gale.authoring.macros",
    "BaseOperator": "gale.authoring.operator",
    "Connection": "gale.authoring.connection",
    "TaskGroup": "gale.authoring.groups",
    "TriggerRule": "gale.core.trigger_rules",
    "Variable": "gale.authoring.variable",
    "WeekDay": "gale.authoring.weekdays",
    "XComArg": "gale.authoring.xcom_arg",
    "context_to_airflow_vars": "gale.authoring.context:environment_of",
    **dict.fromkeys(
        (
            "Timetable",
            "CronDataIntervalTimetable",
            "CronTriggerTimetable",
            "DeltaDataIntervalTimetable",
            "DeltaTriggerTimetable",
            "EventsTimetable",
        ),
        "gale.authoring.timetables",
    ),
    # Operators, sensors, hooks, notifiers.
    "BashOperator": "gale.operators.bash",
    "BaseBranchOperator": "gale.operators.branch",
    **dict.fromkeys(("BranchDateTimeOperator", "BranchDayOfWeekOperator"), "gale.operators.calendar"),
    "EmailOperator": "gale.operators.email",
    "LatestOnlyOperator": "gale.operators.latest_only",
    **dict.fromkeys(("EmptyOperator", "DummyOperator"), "gale.operators.empty"),
    **dict.fromkeys(("PythonOperator", "BranchPythonOperator", "ShortCircuitOperator"), "gale.operators.python"),
    **dict.fromkeys(("TriggerDagRunOperator", "DagRunOrder"), "gale.operators.trigger_dagrun"),
    **dict.fromkeys(("BaseSensorOperator", "PokeReturnValue"), "gale.sensors.base"),
    "BashSensor": "gale.sensors.bash",
    **dict.fromkeys(
        (
            "DateTimeSensor",
            "DateTimeSensorAsync",
            "DayOfWeekSensor",
            "TimeDeltaSensor",
            "TimeDeltaSensorAsync",
            "TimeSensor",
            "TimeSensorAsync",
        ),
        "gale.sensors.clock",
    ),
    **dict.fromkeys(("ExternalTaskSensor", "ExternalTaskMarker"), "gale.sensors.external_task"),
    **dict.fromkeys(("FileSensor", "FSHook"), "gale.sensors.filesystem"),
    "PythonSensor": "gale.sensors.python",
    "SqlSensor": "gale.sensors.sql",
    "BaseHook": "gale.hooks.base",
    **dict.fromkeys(("DbApiHook", "SqliteHook"), "gale.hooks.dbapi"),
    "BaseNotifier": "gale.notifiers.base",
    "SmtpNotifier": "gale.notifiers.smtp",
    # Exceptions.
    "AirflowException": "gale.authoring.exceptions:TaskError",
    "AirflowSkipException": "gale.authoring.exceptions:TaskSkipped",
    "AirflowFailException": "gale.authoring.exceptions:TaskFailedFinal",
    "AirflowRescheduleException": "gale.authoring.exceptions:TaskRescheduled",
    "AirflowSensorTimeout": "gale.authoring.exceptions:SensorTimeout",
    "AirflowTaskTimeout": "gale.authoring.exceptions:SensorTimeout",
    "AirflowNotFoundException": "gale.authoring.exceptions:MissingEntry",
    "AirflowRuntimeError": "gale.authoring.exceptions:MissingEntry",
    "XComNotFound": "gale.authoring.exceptions:MissingEntry",
    "ParamValidationError": "gale.authoring.exceptions:InvalidParams",
    "AirflowBadRequest": "gale.errors:BadRequest",
    "AirflowConfigException": "gale.errors:ConfigError",
    "AirflowDagCycleException": "gale.errors:CyclicDag",
    "AirflowTimetableInvalid": "gale.errors:DagDefinitionError",
    "DagNotFound": "gale.errors:NotFound",
    "DagRunNotFound": "gale.errors:NotFound",
    "TaskNotFound": "gale.errors:NotFound",
    "DagRunAlreadyExists": "gale.errors:RunExists",
    "DuplicateTaskIdFound": "gale.errors:DuplicateTaskId",
    **dict.fromkeys(("RemovedInAirflow3Warning", "RemovedInAirflow4Warning"), "builtins:DeprecationWarning"),
    # States: Gale's own enums have Airflow's members.
    "TaskInstanceState": "gale.core.states:TaskState",
    "DagRunState": "gale.core.states:RunState",
    # What has another form in Gale.
    **dict.fromkeys(
        (
            "DagRunType",
            "LoggingMixin",
            "State",
            "WeightRule",
            "apply_defaults",
            "days_ago",
            "determine_kwargs",
            "import_string",
            "is_venv_installed",
            "send_email",
            "to_boolean",
        ),
        _ADAPTERS,
    ),
    **dict.fromkeys(
        (
            "utc",
            "utcnow",
            "is_localized",
            "is_naive",
            "convert_to_utc",
            "make_aware",
            "make_naive",
            "parse",
            "coerce_datetime",
        ),
        "airflow._timezone",
    ),
    **dict.fromkeys(("conf", "get", "getboolean", "getint", "getfloat", "has_option"), "airflow._settings"),
    **dict.fromkeys(("AIRFLOW_HOME", "DAGS_FOLDER", "TIMEZONE"), "airflow._settings"),
    **dict.fromkeys(
        ("PasswordUser", "Session", "User", "create_session", "provide_session", "NEW_SESSION"), "airflow._users"
    ),
}

_OPERATORS: Final = (
    "BashOperator BaseBranchOperator BranchPythonOperator DummyOperator EmailOperator EmptyOperator LatestOnlyOperator "
    "PythonOperator ShortCircuitOperator TriggerDagRunOperator"
)
_SENSORS: Final = (
    "BaseSensorOperator BashSensor DateTimeSensor ExternalTaskMarker ExternalTaskSensor FileSensor PythonSensor "
    "SqlSensor TimeDeltaSensor TimeSensor"
)
_EXCEPTIONS: Final = (
    "AirflowBadRequest AirflowConfigException AirflowDagCycleException AirflowException AirflowFailException "
    "AirflowNotFoundException AirflowRescheduleException AirflowRuntimeError AirflowSensorTimeout AirflowSkipException "
    "AirflowTaskTimeout AirflowTimetableInvalid DagNotFound DagRunAlreadyExists DagRunNotFound DuplicateTaskIdFound "
    "ParamValidationError RemovedInAirflow3Warning RemovedInAirflow4Warning TaskNotFound XComNotFound"
)
_ARROWS: Final = "chain chain_linear cross_downstream"
_PYTHON: Final = "PythonOperator BranchPythonOperator ShortCircuitOperator get_current_context is_venv_installed"
_EXTERNAL: Final = "ExternalTaskSensor ExternalTaskMarker"
_TIMETABLES: Final = (
    "CronDataIntervalTimetable CronTriggerTimetable DeltaDataIntervalTimetable DeltaTriggerTimetable EventsTimetable"
)
#: airflow.sdk is Airflow 3: what it makes is of the era "trigger".
_SDK_DAG: Final = "DAG=gale.authoring.dag:TriggerDag dag=airflow._sdk:dag"
_SDK: Final = (
    f"{_SDK_DAG} {_ARROWS} {_TIMETABLES} BaseHook BaseNotifier BaseOperator BaseSensorOperator Connection Context "
    "DagRunState EdgeModifier Label Param PokeReturnValue TaskGroup TaskInstanceState TriggerRule Variable WeightRule "
    "XComArg get_current_context macros setup task task_group teardown"
)
_TIMEZONE: Final = (
    "coerce_datetime convert_to_utc datetime=airflow._timezone:aware_datetime is_localized is_naive make_aware "
    "make_naive parse utc utcnow"
)

#: Modules (several with the same names in one line) and their names.
_LINES: Final[tuple[tuple[str, str], ...]] = (
    ("airflow", "DAG XComArg"),
    ("airflow.version", "version=airflow:__version__"),
    # The heart.
    ("airflow.models", "DAG BaseOperator Connection DagRun Param TaskInstance User Variable XCom XComArg"),
    ("airflow.models.dag", "DAG dag"),
    ("airflow.models.baseoperator", f"BaseOperator {_ARROWS}"),
    ("airflow.models.connection", "Connection"),
    ("airflow.models.dagrun", "DagRun"),
    ("airflow.models.param", "Param ParamsDict DagParam"),
    ("airflow.models.taskinstance", "TaskInstance get_current_context"),
    ("airflow.models.variable", "Variable"),
    ("airflow.models.xcom", "XCom"),
    ("airflow.models.xcom_arg", "XComArg"),
    ("airflow.decorators", "dag setup task task_group teardown"),
    ("airflow.exceptions", _EXCEPTIONS),
    ("airflow.macros", "ds_add ds_format datetime_diff_for_humans"),
    ("airflow.configuration", "conf get getboolean getint getfloat has_option"),
    ("airflow.settings", "AIRFLOW_HOME DAGS_FOLDER Session TIMEZONE"),
    # Operators of 1.x and 2.x.
    ("airflow.operators", _OPERATORS),
    ("airflow.operators.bash airflow.operators.bash_operator", "BashOperator"),
    ("airflow.operators.branch airflow.operators.branch_operator", "BaseBranchOperator"),
    ("airflow.operators.dagrun_operator airflow.operators.trigger_dagrun", "TriggerDagRunOperator DagRunOrder"),
    ("airflow.operators.dummy airflow.operators.dummy_operator", "DummyOperator"),
    ("airflow.operators.email airflow.operators.email_operator", "EmailOperator"),
    ("airflow.operators.empty", "EmptyOperator"),
    ("airflow.operators.latest_only airflow.operators.latest_only_operator", "LatestOnlyOperator"),
    ("airflow.operators.python airflow.operators.python_operator", _PYTHON),
    ("airflow.operators.datetime airflow.providers.standard.operators.datetime", "BranchDateTimeOperator"),
    (
        "airflow.operators.weekday airflow.contrib.operators.weekday airflow.providers.standard.operators.weekday",
        "BranchDayOfWeekOperator",
    ),
    ("airflow.operators.sensors", _SENSORS),
    # Sensors of 1.x and 2.x.
    ("airflow.sensors", _SENSORS),
    ("airflow.sensors.base airflow.sensors.base_sensor_operator", "BaseSensorOperator PokeReturnValue"),
    ("airflow.sensors.bash airflow.contrib.sensors.bash_sensor", "BashSensor"),
    ("airflow.sensors.date_time airflow.sensors.date_time_sensor", "DateTimeSensor DateTimeSensorAsync"),
    ("airflow.sensors.external_task airflow.sensors.external_task_sensor", _EXTERNAL),
    ("airflow.sensors.filesystem airflow.contrib.sensors.file_sensor", "FileSensor"),
    ("airflow.sensors.python airflow.contrib.sensors.python_sensor", "PythonSensor"),
    ("airflow.sensors.sql airflow.sensors.sql_sensor", "SqlSensor"),
    ("airflow.sensors.time_delta airflow.sensors.time_delta_sensor", "TimeDeltaSensor TimeDeltaSensorAsync"),
    ("airflow.sensors.time_sensor", "TimeSensor TimeSensorAsync"),
    (
        "airflow.sensors.weekday airflow.contrib.sensors.weekday_sensor airflow.providers.standard.sensors.weekday",
        "DayOfWeekSensor",
    ),
    # Hooks.
    ("airflow.hooks", "BaseHook DbApiHook SqliteHook"),
    ("airflow.hooks.base airflow.hooks.base_hook", "BaseHook"),
    ("airflow.hooks.dbapi airflow.hooks.dbapi_hook airflow.providers.common.sql.hooks.sql", "DbApiHook"),
    ("airflow.hooks.filesystem airflow.contrib.hooks.fs_hook", "FSHook"),
    ("airflow.hooks.sqlite_hook airflow.providers.sqlite.hooks.sqlite", "SqliteHook"),
    # Providers.
    ("airflow.providers.standard.operators.bash", "BashOperator"),
    ("airflow.providers.standard.operators.branch", "BaseBranchOperator"),
    ("airflow.providers.standard.operators.empty", "EmptyOperator"),
    ("airflow.providers.standard.operators.latest_only", "LatestOnlyOperator"),
    ("airflow.providers.standard.operators.python", _PYTHON),
    ("airflow.providers.standard.operators.trigger_dagrun", "TriggerDagRunOperator"),
    ("airflow.providers.standard.sensors.bash", "BashSensor"),
    ("airflow.providers.standard.sensors.date_time", "DateTimeSensor DateTimeSensorAsync"),
    ("airflow.providers.standard.sensors.external_task", _EXTERNAL),
    ("airflow.providers.standard.sensors.filesystem", "FileSensor"),
    ("airflow.providers.standard.sensors.python", "PythonSensor"),
    ("airflow.providers.standard.sensors.time", "TimeSensor TimeSensorAsync"),
    ("airflow.providers.standard.sensors.time_delta", "TimeDeltaSensor TimeDeltaSensorAsync"),
    ("airflow.providers.standard.hooks.filesystem", "FSHook"),
    ("airflow.providers.common.sql.sensors.sql", "SqlSensor"),
    ("airflow.providers.smtp.operators.smtp", "EmailOperator"),
    ("airflow.providers.smtp.notifications.smtp", "SmtpNotifier"),
    ("airflow.notifications.basenotifier", "BaseNotifier"),
    # Timetables.
    ("airflow.timetables", ""),
    ("airflow.timetables.base", "Timetable"),
    ("airflow.timetables.events", "EventsTimetable"),
    ("airflow.timetables.interval", "CronDataIntervalTimetable DeltaDataIntervalTimetable"),
    ("airflow.timetables.trigger", "CronTriggerTimetable DeltaTriggerTimetable"),
    # Tools.
    ("airflow.utils", "apply_defaults"),
    ("airflow.utils.context", "Context"),
    ("airflow.utils.dates", "days_ago"),
    ("airflow.utils.db airflow.utils.session", "NEW_SESSION create_session provide_session"),
    ("airflow.utils.decorators", "apply_defaults"),
    ("airflow.utils.edgemodifier", "Label EdgeModifier"),
    ("airflow.utils.email", "send_email"),
    ("airflow.utils.helpers", "chain cross_downstream"),
    ("airflow.utils.log.logging_mixin", "LoggingMixin"),
    ("airflow.utils.log.secrets_masker airflow.sdk.log", "mask_secret"),
    ("airflow.utils.module_loading", "import_string"),
    ("airflow.utils.operator_helpers", "context_to_airflow_vars determine_kwargs"),
    ("airflow.utils.state", "DagRunState State TaskInstanceState"),
    ("airflow.utils.strings", "to_boolean"),
    ("airflow.utils.task_group", "TaskGroup"),
    ("airflow.utils.timezone airflow.sdk.timezone", _TIMEZONE),
    ("airflow.utils.trigger_rule", "TriggerRule"),
    ("airflow.utils.types", "DagRunType"),
    ("airflow.utils.weekday airflow.providers.standard.utils.weekday", "WeekDay"),
    ("airflow.utils.weight_rule", "WeightRule"),
    # 1.x's contrib, and the login that the notes set up by hand.
    ("airflow.contrib.auth.backends.password_auth", "PasswordUser"),
    # Airflow 3.
    ("airflow.sdk", _SDK),
    ("airflow.providers.common.compat.sdk", f"{_SDK} {_EXCEPTIONS}"),
    ("airflow.sdk.bases.hook", "BaseHook"),
    ("airflow.sdk.bases.notifier", "BaseNotifier"),
    ("airflow.sdk.bases.operator", f"BaseOperator {_ARROWS}"),
    ("airflow.sdk.bases.sensor", "BaseSensorOperator PokeReturnValue"),
    ("airflow.sdk.definitions.connection", "Connection"),
    ("airflow.sdk.definitions.context", "Context get_current_context"),
    ("airflow.sdk.definitions.dag", _SDK_DAG),
    ("airflow.sdk.definitions.edges", "EdgeModifier Label"),
    ("airflow.sdk.definitions.param", "Param ParamsDict DagParam"),
    ("airflow.sdk.definitions.taskgroup", "TaskGroup"),
    ("airflow.sdk.definitions.variable", "Variable"),
    ("airflow.sdk.definitions.xcom_arg", "XComArg"),
    ("airflow.sdk.exceptions", _EXCEPTIONS),
    ("airflow.sdk.types", "DagRunType"),
)


def _paths() -> dict[str, dict[str, str]]:
    """Return the names of each module with their homes; packages on the way have none of their own."""
    found: dict[str, dict[str, str]] = {}
    for modules, names in _LINES:
        for module in modules.split():
            parent = module.rpartition(".")[0]
            while parent:
                found.setdefault(parent, {})
                parent = parent.rpartition(".")[0]
            own = found.setdefault(module, {})
            for entry in names.split():
                name, _, home = entry.partition("=")
                own[name] = home or HOMES[name]
    return found


PATHS: Final[dict[str, dict[str, str]]] = _paths()
