"""The context of a task: every name that Airflow 1.x, 2.x and 3.x give to templates and callables.

Most tasks use two or three of the sixty names, and a task may take less time than it would to
work all of them out. So a value is made when it is asked for, by the one table below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import datetime, timedelta
from typing import Any, Final

from gale.authoring import services, surroundings, values
from gale.authoring.connection import Connection
from gale.authoring.dag import DAG
from gale.authoring.exceptions import MissingEntry, TaskError
from gale.authoring.instants import shown
from gale.authoring.macros import macros
from gale.authoring.operator import BaseOperator
from gale.authoring.task_instance import DagRun, TaskInstance
from gale.authoring.variable import Variable
from gale.core.attempt import AttemptOrder
from gale.core.timetables import from_spec


class Context(MutableMapping[str, Any]):
    """Names and values, each worked out when it is first asked for."""

    __slots__ = ("_values", "order")

    def __init__(self, order: AttemptOrder, known: Mapping[str, Any]) -> None:
        self.order = order
        self._values: dict[str, Any] = dict(known)

    def __getitem__(self, key: str) -> Any:
        try:
            return self._values[key]
        except KeyError:
            value = self._values[key] = _LAZY[key](self)
            return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values or key in _LAZY

    def __iter__(self) -> Iterator[str]:
        yield from self._values
        yield from (key for key in list(_LAZY) if key not in self._values)

    def __len__(self) -> int:
        return len(self._values.keys() | _LAZY.keys())

    def copy(self) -> Context:
        """Return a context with the same values, to be changed on its own."""
        return Context(self.order, self._values)

    def __repr__(self) -> str:
        return f"<Context of {self.order.run.dag_id}.{self.order.task_id}>"


def make_context(order: AttemptOrder, dag: DAG, task: BaseOperator | None, start: datetime) -> Context:
    """Return the context of an attempt, or of a DAG's callback (without a task)."""
    ti = TaskInstance(order, task, start) if task is not None else None
    return Context(
        order,
        {"dag": dag, "task": task, "ti": ti, "task_instance": ti, "run_id": order.run.run_id, "exception": None},
    )


# --- the current context -----------------------------------------------------------------------------

_running: list[Context] = []


class entered:  # noqa: N801 - used as a function; a generator would touch more memory, which each task process must copy
    """Let `get_current_context` find `context` inside a `with` block."""

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> Context:
        _running.append(self._context)
        return self._context

    def __exit__(self, *error: object) -> None:
        _running.pop()


def get_current_context() -> Context:
    """Return the context of the task that is running.

    Raises:
        TaskError: None is.
    """
    if not _running:
        raise TaskError(
            "get_current_context() was called while no task is running. Call it inside a task's function, not at the "
            "top of the DAG file."
        )
    return _running[-1]


# --- values ------------------------------------------------------------------------------------------


def _date(context: Context) -> datetime:
    """Return the logical date, or what stands for it in a run that has none."""
    run = context.order.run
    return run.logical_date or run.run_after or surroundings.current().now()


def _day(offset: int = 0, form: str = "%Y-%m-%d") -> Callable[[Context], str]:
    return lambda context: (_date(context) + timedelta(days=offset)).strftime(form)


def _neighbour(context: Context, step: int) -> datetime:
    """Return the logical date of the run before or after; a run by hand has none, and stands for itself."""
    date = _date(context)
    timetable = from_spec(context["dag"].timetable_spec)
    if not timetable.periodic or context.order.run.run_type == "manual":
        return date
    if step < 0:
        return timetable.back(date, 1)
    return context.order.run.data_interval_end or timetable.manual_interval(date).end


def _neighbour_day(step: int, form: str) -> Callable[[Context], str]:
    return lambda context: _neighbour(context, step).strftime(form)


def _params(context: Context) -> dict[str, Any]:
    task = context["task"]
    params = task.params if task is not None else context["dag"].params
    known = params.resolved({**context.order.run.conf, **context.order.task_params})
    # `gale tasks test -t` may bring params that nobody declared.
    return {**known, **{name: value for name, value in context.order.task_params.items() if name not in known}}


class VariableAccess:
    """`var.value.name` and `var.json.name` of templates."""

    def __init__(self, *, deserialize_json: bool) -> None:
        self._json = deserialize_json

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Variable.get(name, deserialize_json=self._json)

    def __getitem__(self, name: str) -> Any:
        return Variable.get(name, deserialize_json=self._json)

    def get(self, name: str, default_var: Any = None) -> Any:
        """Return the variable, or the default."""
        return Variable.get(name, default_var, deserialize_json=self._json)


class ConnectionAccess:
    """`conn.name.host` of templates."""

    def __getattr__(self, name: str) -> Connection:
        if name.startswith("__"):
            raise AttributeError(name)
        return Connection.get(name)

    def __getitem__(self, name: str) -> Connection:
        return Connection.get(name)

    def get(self, name: str, default_conn: Any = None) -> Any:
        """Return the connection, or the default."""
        try:
            return Connection.get(name)
        except MissingEntry:
            return default_conn


class SettingAccess:
    """`conf.get("section", "key")` of templates: what the environment says, for a task has no `gale.cfg`."""

    def get(self, section: str, key: str, fallback: Any = None) -> Any:
        """Return the setting, or the fallback."""
        environ = surroundings.current().environ
        name = f"{section.upper()}__{key.upper()}"
        return environ.get(f"GALE__{name}", environ.get(f"AIRFLOW__{name}", fallback))


class _Var:
    value = VariableAccess(deserialize_json=False)
    json = VariableAccess(deserialize_json=True)


_VAR: Final = _Var()
_CONN: Final = ConnectionAccess()
_CONF: Final = SettingAccess()

_LAZY: Final[Mapping[str, Callable[[Context], Any]]] = {
    # The run and its dates.
    "dag_run": lambda c: DagRun(c.order.run),
    "logical_date": lambda c: shown(_date(c)),
    "execution_date": lambda c: shown(_date(c)),
    "data_interval_start": lambda c: shown(c.order.run.data_interval_start),
    "data_interval_end": lambda c: shown(c.order.run.data_interval_end),
    "run_after": lambda c: shown(c.order.run.run_after),
    "ds": _day(),
    "ds_nodash": _day(form="%Y%m%d"),
    "ts": lambda c: _date(c).isoformat(),
    "ts_nodash": _day(form="%Y%m%dT%H%M%S"),
    "ts_nodash_with_tz": lambda c: _date(c).isoformat().replace("-", "").replace(":", ""),
    "yesterday_ds": _day(-1),
    "yesterday_ds_nodash": _day(-1, "%Y%m%d"),
    "tomorrow_ds": _day(1),
    "tomorrow_ds_nodash": _day(1, "%Y%m%d"),
    "latest_date": _day(),
    "end_date": _day(),
    "END_DATE": _day(),
    "prev_execution_date": lambda c: shown(_neighbour(c, -1)),
    "next_execution_date": lambda c: shown(_neighbour(c, 1)),
    "prev_ds": _neighbour_day(-1, "%Y-%m-%d"),
    "prev_ds_nodash": _neighbour_day(-1, "%Y%m%d"),
    "next_ds": _neighbour_day(1, "%Y-%m-%d"),
    "next_ds_nodash": _neighbour_day(1, "%Y%m%d"),
    # The last scheduled run that succeeded.
    "prev_start_date_success": lambda c: shown(c.order.run.prev_success_start),
    "prev_end_date_success": lambda c: shown(c.order.run.prev_success_end),
    "prev_execution_date_success": lambda c: shown(c.order.run.prev_success_interval_start),
    "prev_data_interval_start_success": lambda c: shown(c.order.run.prev_success_interval_start),
    "prev_data_interval_end_success": lambda c: shown(c.order.run.prev_success_interval_end),
    # The attempt.
    "try_number": lambda c: c.order.try_number,
    "test_mode": lambda c: c.order.test_mode,
    "task_instance_key_str": lambda c: f"{c.order.run.dag_id}__{c.order.task_id}__{c['ds_nodash']}",
    "reason": lambda c: c.order.callback_reason or None,
    "map_index_template": lambda c: c["task"].map_index_template,
    "expanded_ti_count": lambda _: None,
    "task_reschedule_count": lambda _: 0,
    "templates_dict": lambda c: getattr(c["task"], "templates_dict", None),
    "inlets": lambda c: c["task"].inlets or [],
    "outlets": lambda c: c["task"].outlets or [],
    # What is shared.
    "params": _params,
    "var": lambda _: _VAR,
    "conn": lambda _: _CONN,
    "conf": lambda _: _CONF,
    "macros": lambda _: macros,
    "tables": lambda _: None,
    "triggering_asset_events": lambda _: {},
    "triggering_dataset_events": lambda _: {},
}


def environment_of(context: Mapping[str, Any]) -> dict[str, str]:
    """Return what a shell command of the task is told about it, under Airflow's names."""
    ti: TaskInstance = context["ti"]
    date = ti.order.run.logical_date or ti.order.run.run_after
    told = {
        "DAG_ID": ti.dag_id,
        "TASK_ID": ti.task_id,
        "EXECUTION_DATE": date.isoformat() if date else "",
        "LOGICAL_DATE": date.isoformat() if date else "",
        "TRY_NUMBER": str(ti.try_number),
        "DAG_RUN_ID": ti.run_id,
        "DAG_OWNER": ti.task.owner,
        "DAG_EMAIL": ",".join(ti.task.email),
    }
    return {f"AIRFLOW_CTX_{name}": value for name, value in told.items() if value}


class XCom:
    """Airflow's class of stored values, to be read and written by address."""

    @classmethod
    def get_value(cls, *, dag_id: str, run_id: str, task_id: str, key: str | None = None, map_index: int = -1) -> Any:
        """Return one value, or None."""
        text = services.required("Reading an XCom").get_xcom(
            dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index, key=key
        )
        return None if text is None else values.from_json(text)

    @classmethod
    def set(cls, key: str, value: Any, *, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> None:
        """Store one value."""
        services.required("Storing an XCom").set_xcom(
            dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index, key=key, value=values.to_json(value)
        )


def context_names() -> frozenset[str]:
    """Return every name that a context has, and so a function's parameter may bear to get it."""
    return _NAMES


_NAMES: Final = frozenset(_LAZY) | {"dag", "task", "ti", "task_instance", "run_id", "exception", "context"}
