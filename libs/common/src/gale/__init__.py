"""Gale: workflows written as Python DAGs. This module is for the authors of DAG files.

    from gale import DAG, BashOperator

Each name is imported when it is first used, because the command line imports this package
too and has to answer at once; even `typing` would take longer than all of this. What a type
checker needs stands in `__init__.pyi`. Gale's own code imports from the defining modules.
"""

__version__ = "0.1.0"

_HOMES = {
    "gale.authoring.context": ("XCom", "get_current_context"),
    "gale.authoring.connection": ("Connection",),
    "gale.authoring.dag": ("DAG",),
    "gale.authoring.decorators": ("dag", "task_group"),
    "gale.authoring.edges": ("Label", "chain", "chain_linear", "cross_downstream"),
    "gale.authoring.exceptions": (
        "InvalidParams",
        "MissingEntry",
        "SensorTimeout",
        "TaskError",
        "TaskFailedFinal",
        "TaskRescheduled",
        "TaskSkipped",
    ),
    "gale.authoring.groups": ("TaskGroup",),
    "gale.authoring.macros": ("macros",),
    "gale.authoring.masking": ("mask_secret",),
    "gale.authoring.operator": ("BaseOperator",),
    "gale.authoring.params": ("Param", "ParamsDict"),
    "gale.authoring.timetables": (
        "CronDataIntervalTimetable",
        "CronTriggerTimetable",
        "DeltaDataIntervalTimetable",
        "DeltaTriggerTimetable",
        "EventsTimetable",
    ),
    "gale.authoring.variable": ("Variable",),
    "gale.authoring.xcom_arg": ("XComArg",),
    "gale.authoring.weekdays": ("WeekDay",),
    "gale.core.trigger_rules": ("TriggerRule",),
    "gale.hooks.base": ("BaseHook",),
    "gale.hooks.dbapi": ("DbApiHook", "SqliteHook"),
    "gale.notifiers.base": ("BaseNotifier",),
    "gale.notifiers.smtp": ("SmtpNotifier",),
    "gale.operators.bash": ("BashOperator",),
    "gale.operators.branch": ("BaseBranchOperator",),
    "gale.operators.calendar": ("BranchDateTimeOperator", "BranchDayOfWeekOperator"),
    "gale.operators.email": ("EmailOperator",),
    "gale.operators.empty": ("DummyOperator", "EmptyOperator"),
    "gale.operators.latest_only": ("LatestOnlyOperator",),
    "gale.operators.python": ("BranchPythonOperator", "PythonOperator", "ShortCircuitOperator"),
    "gale.operators.taskflow": ("setup", "task", "teardown"),
    "gale.operators.trigger_dagrun": ("TriggerDagRunOperator",),
    "gale.sensors.base": ("BaseSensorOperator", "PokeReturnValue"),
    "gale.sensors.bash": ("BashSensor",),
    "gale.sensors.clock": ("DateTimeSensor", "DayOfWeekSensor", "TimeDeltaSensor", "TimeSensor"),
    "gale.sensors.external_task": ("ExternalTaskMarker", "ExternalTaskSensor"),
    "gale.sensors.filesystem": ("FileSensor",),
    "gale.sensors.python": ("PythonSensor",),
    "gale.sensors.sql": ("SqlSensor",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]  # noqa: PLE0604  the names are texts, in a table


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        message = f"module 'gale' has no name {name!r}"
        raise AttributeError(message)
    from importlib import import_module  # noqa: PLC0415  3 ms that `gale version` shall not pay

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
