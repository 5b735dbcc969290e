"""DAG: tasks, the arrows between them, and when they run.

The era of a DAG decides what its schedule means. `DAG` is of the era "interval" (Gale's own,
and that of Airflow 1.x and 2.x): a run when its interval has closed, one day if no schedule
is given, missed runs made up for. `TriggerDag` is of the era "trigger" (Airflow 3, by way
of `airflow.sdk`): a run at the tick, no default schedule, nothing made up for.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, ClassVar, Final, Self, TypedDict, Unpack, cast

from gale.authoring import arguments, groups, surroundings
from gale.authoring.edges import TaskNode
from gale.authoring.exceptions import GaleAuthoringWarning
from gale.authoring.instants import to_seconds, to_utc, zone_name, zone_of
from gale.authoring.params import ParamsDict
from gale.authoring.timetables import Timetable
from gale.core.graph import TimetableSpec
from gale.core.ids import check_id
from gale.core.timetables import spec_from_schedule
from gale.errors import DagDefinitionError


class DagArguments(TypedDict, total=False):
    """The arguments of a DAG beside its id and description."""

    schedule: Any
    schedule_interval: Any
    timetable: Timetable | None
    start_date: datetime | str | None
    end_date: datetime | str | None
    default_args: Mapping[str, Any] | None
    params: Mapping[str, Any] | None
    catchup: bool | None
    max_active_runs: int | None
    max_active_tasks: int | None
    concurrency: int | None
    max_consecutive_failed_dag_runs: int
    dagrun_timeout: timedelta | float | None
    fail_fast: bool
    fail_stop: bool
    on_success_callback: arguments.Callbacks
    on_failure_callback: arguments.Callbacks
    sla_miss_callback: arguments.Callbacks
    template_searchpath: str | Iterable[str] | None
    template_undefined: Any
    user_defined_macros: Mapping[str, Any] | None
    user_defined_filters: Mapping[str, Callable[..., Any]] | None
    jinja_environment_kwargs: Mapping[str, Any] | None
    render_template_as_native_obj: bool
    tags: Iterable[str] | None
    owner_links: Mapping[str, str] | None
    is_paused_upon_creation: bool | None
    auto_register: bool
    dag_display_name: str | None
    doc_md: str | None
    access_control: Any
    default_view: str
    orientation: str
    full_filepath: str | None
    deadline: Any


_DEFAULTS: Final[dict[str, Any]] = {
    "start_date": None,
    "end_date": None,
    "catchup": None,
    "max_active_runs": None,
    "max_active_tasks": None,
    "max_consecutive_failed_dag_runs": 0,
    "fail_fast": False,
    "on_success_callback": None,
    "on_failure_callback": None,
    "sla_miss_callback": None,
    "template_undefined": None,
    "user_defined_macros": None,
    "user_defined_filters": None,
    "jinja_environment_kwargs": None,
    "render_template_as_native_obj": False,
    "owner_links": None,
    "is_paused_upon_creation": None,
    "auto_register": True,
    "dag_display_name": None,
    "doc_md": None,
}
_RENAMED: Final = {"concurrency": "max_active_tasks", "fail_stop": "fail_fast"}
#: Taken for the sake of old files; the web page and the users' roles say these things now.
_IGNORED: Final = ("access_control", "default_view", "orientation", "full_filepath", "deadline")

#: While a file is loaded, the DAGs that it filled with `with`, in order (see `loading`).
_watchers: list[list[DAG]] = []


def watch(entered: list[DAG]) -> None:
    """Append every DAG that is entered by `with` from now on to `entered`."""
    _watchers.append(entered)


def unwatch() -> None:
    """End the latest `watch`."""
    _watchers.pop()


class DAG:
    """A workflow: tasks and the arrows between them.

    >>> from gale import DAG, BashOperator
    >>> with DAG("hello", schedule="@daily", start_date="2026-01-01") as dag:
    ...     greet = BashOperator(task_id="greet", bash_command="echo hello")
    ...     leave = BashOperator(task_id="leave", bash_command="echo bye")
    ...     _ = greet >> leave
    >>> dag.task_ids
    ['greet', 'leave']

    Args:
        dag_id: Its id, unique in the whole of Gale.
        description: One line for the list of DAGs.
        options: See `DagArguments`.
    """

    era: ClassVar[str] = "interval"
    default_schedule: ClassVar[Any] = timedelta(days=1)

    start_date: datetime | None
    end_date: datetime | None
    max_active_runs: int | None
    max_active_tasks: int | None
    max_consecutive_failed_dag_runs: int
    fail_fast: bool
    on_success_callback: Any
    on_failure_callback: Any
    sla_miss_callback: Any
    template_undefined: Any
    user_defined_macros: Mapping[str, Any] | None
    user_defined_filters: Mapping[str, Callable[..., Any]] | None
    jinja_environment_kwargs: Mapping[str, Any] | None
    render_template_as_native_obj: bool
    is_paused_upon_creation: bool | None
    auto_register: bool
    dag_display_name: str | None
    doc_md: str | None

    def __init__(self, dag_id: str, description: str | None = None, **options: Unpack[DagArguments]) -> None:
        self.dag_id = check_id(dag_id, "dag_id")
        self.description = description
        given = cast("dict[str, Any]", dict(options))
        for old, new in _RENAMED.items():
            if old in given:
                given.setdefault(new, given.pop(old))
        arguments.refuse_unknown(f"DAG({dag_id!r})", given, DagArguments.__annotations__)
        for name in _IGNORED:
            given.pop(name, None)
        self.fileloc, self.lineno = _caller()
        self.default_args: dict[str, Any] = copy.copy(dict(given.pop("default_args", None) or {}))
        params = ParamsDict(self.default_args.pop("params", None))
        self.params = params.merged(ParamsDict(given.pop("params", None)))
        self.tags = sorted(set(given.pop("tags", None) or ()))
        self.template_searchpath = _paths(given.pop("template_searchpath", None))
        self.dagrun_timeout = _span(given.pop("dagrun_timeout", None))
        self._take_dates(given)
        self._take_schedule(given)
        self.__dict__.update({**_DEFAULTS, **given})
        if given.get("catchup") is None:
            self.catchup = surroundings.current().catchup_by_default and self.era == "interval"
        self.edge_labels: dict[tuple[str, str], str] = {}
        self.task_dict: dict[str, Any] = {}
        self.task_group = groups.TaskGroup(None, dag=self)
        for sentence in arguments.misspelt(self.default_args):
            warnings.warn(f"DAG {dag_id!r}: {sentence}", GaleAuthoringWarning, stacklevel=2)

    def _take_dates(self, given: dict[str, Any]) -> None:
        start = given.get("start_date") or self.default_args.get("start_date")
        zone = getattr(start, "tzinfo", None) or surroundings.current().default_timezone
        self.timezone = zone_name(zone)
        self.zone: tzinfo = zone_of(zone)
        for name in ("start_date", "end_date"):
            value = given.get(name) or self.default_args.get(name)
            given[name] = to_utc(value, self.zone, what=f"{name} of DAG {self.dag_id!r}")

    def _take_schedule(self, given: dict[str, Any]) -> None:
        found = [(name, given.pop(name)) for name in ("schedule", "schedule_interval", "timetable") if name in given]
        chosen = [(name, value) for name, value in found if value is not None] or found
        if len(chosen) > 1:
            names = " and ".join(name for name, _ in chosen)
            raise DagDefinitionError(
                f"DAG({self.dag_id!r}) was given {names}. They mean the same thing: give schedule alone."
            )
        self.schedule_interval = chosen[0][1] if chosen else self.default_schedule
        schedule = self.schedule_interval
        if isinstance(schedule, Timetable):
            schedule = schedule.spec
        self.timetable_spec: TimetableSpec = spec_from_schedule(schedule, era=self.era, zone=self.timezone)

    @property
    def schedule(self) -> Any:
        """The schedule as it was given, or the default of the era."""
        return self.schedule_interval

    @property
    def folder(self) -> str:
        """The folder of the DAG's file."""
        return str(Path(self.fileloc).parent)

    @property
    def filepath(self) -> str:
        """Path of the DAG's file."""
        return self.fileloc

    @property
    def tasks(self) -> list[Any]:
        """The tasks, in the order in which they were made."""
        return list(self.task_dict.values())

    @property
    def task_ids(self) -> list[str]:
        """Ids of the tasks, in the order in which they were made."""
        return list(self.task_dict)

    @property
    def roots(self) -> list[Any]:
        """Tasks that nothing comes before."""
        return [task for task in self.tasks if not task.upstream_task_ids]

    @property
    def leaves(self) -> list[Any]:
        """Tasks that nothing comes after."""
        return [task for task in self.tasks if not task.downstream_task_ids]

    @property
    def owner(self) -> str:
        """The owners of the tasks, each once."""
        return ", ".join(dict.fromkeys(task.owner for task in self.tasks))

    def remember(self, task: TaskNode) -> None:
        """Add a task that has joined one of the DAG's groups."""
        self.task_dict[task.task_id] = task

    def add_task(self, task: Any) -> None:
        """Add a task made without a DAG."""
        task.dag = self

    def add_tasks(self, tasks: Iterable[Any]) -> None:
        """Add several tasks made without a DAG."""
        for task in tasks:
            task.dag = self

    def has_task(self, task_id: str) -> bool:
        """Return whether there is a task of that id."""
        return task_id in self.task_dict

    def get_task(self, task_id: str) -> Any:
        """Return the task of that id.

        Raises:
            DagDefinitionError: There is none.
        """
        try:
            return self.task_dict[task_id]
        except KeyError:
            right = arguments.nearest(task_id, self.task_dict)
            hint = f"Did you mean {right!r}?" if right else f"It has {', '.join(self.task_dict) or 'no tasks'}."
            raise DagDefinitionError(f"The DAG {self.dag_id!r} has no task {task_id!r}. {hint}") from None

    def set_dependency(self, upstream_task_id: str, downstream_task_id: str) -> None:
        """Draw an arrow between two tasks, by id."""
        self.get_task(upstream_task_id).set_downstream(self.get_task(downstream_task_id))

    def __enter__(self) -> Self:
        groups.push(self.task_group)
        if _watchers and self.auto_register:
            _watchers[-1].append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        groups.pop()

    def __repr__(self) -> str:
        return f"<DAG: {self.dag_id}>"


class TriggerDag(DAG):
    """A DAG of the era "trigger", as `airflow.sdk` makes them: see the head of this file."""

    era: ClassVar[str] = "trigger"
    default_schedule: ClassVar[Any] = None


def _caller() -> tuple[str, int]:
    """Return file and line of the author's code that is making a DAG: the nearest frame outside Gale."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  `inspect.stack` would read every source file
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in {"gale", "airflow"}:
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return "", 0


def _paths(value: str | Iterable[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(path) for path in value]


def _span(value: Any) -> timedelta | None:
    seconds = to_seconds(value, what="dagrun_timeout")
    return None if seconds is None else timedelta(seconds=seconds)
