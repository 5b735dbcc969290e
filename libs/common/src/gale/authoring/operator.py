"""BaseOperator: what every task is made from.

`default_args` are applied here. Each class's `__init__` is wrapped when the class is made: the
outermost call works out the defaults (DAG, then groups from outside in, then the operator's
own), and each level of `__init__` takes from them what it was not given. That way an
operator of the author's gets its own arguments out of `default_args` too, and one that fixes
an argument for its parent class still has its way.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, ClassVar, NoReturn, Self, Unpack, cast

from gale.authoring import arguments, surroundings
from gale.authoring.arguments import CommonArguments
from gale.authoring.dag import DAG
from gale.authoring.edges import TaskNode
from gale.authoring.groups import TaskGroup, current_group
from gale.authoring.normalize import NORMALIZERS
from gale.authoring.params import ParamsDict
from gale.authoring.templates import Templated
from gale.authoring.xcom_arg import XComArg, refuse_mapping, results_in
from gale.core.ids import check_id
from gale.core.trigger_rules import TriggerRule
from gale.errors import DagDefinitionError

#: Where user code and operators log; the runtime sends it to the attempt's log file.
task_log = logging.getLogger("gale.task")


def _merged_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default arguments that hold for an operator made with `given`."""
    group: TaskGroup | None = given.get("task_group") or current_group()
    dag = given.get("dag")
    if dag is None and group is not None:
        dag = group.dag
    defaults = dict(dag.default_args) if dag is not None else {}
    if group is not None and group.dag is dag:
        defaults.update(group.all_default_args())
    defaults.update(given.get("default_args") or {})
    return defaults


def _takes_defaults(init: Callable[..., None], names: Sequence[str], positional: Sequence[str]) -> Callable[..., None]:
    """Wrap an `__init__` so that it takes what it was not given from the default arguments."""

    @functools.wraps(init)
    def filled(self: BaseOperator, *args: Any, **kwargs: Any) -> None:
        for name, value in zip(positional, args, strict=False):
            if name in kwargs:
                raise DagDefinitionError(f"{type(self).__name__} was given {name!r} twice. Give it once, by name.")
            kwargs[name] = value
        outermost = "_defaults" not in self.__dict__
        if outermost:
            self._defaults = _merged_defaults(kwargs)
        for name in names:
            if name in self._defaults and name not in kwargs:
                kwargs[name] = self._defaults[name]
        init(self, **kwargs)
        if outermost:
            self._finish_construction()

    return filled


class BaseOperator(Templated):
    """A task of a DAG. Subclasses say in `execute` what it does.

    Args:
        task_id: Its id inside the DAG, without the prefix of its group.
        options: See `arguments.CommonArguments`.
    """

    ui_color: str = "#fff"
    ui_fgcolor: str = "#000"
    #: Set on operators whose result says which way to go: the ids that `execute` chose against.
    inherits_from_empty_operator: ClassVar[bool] = False
    custom_operator_name: ClassVar[str] = ""
    #: The logger whose lines stand in the attempt's log.
    log: ClassVar[logging.Logger] = task_log

    owner: str
    email: list[str]
    email_on_retry: bool
    email_on_failure: bool
    retries: int
    retry_delay: timedelta
    retry_exponential_backoff: float
    max_retry_delay: timedelta | None
    start_date: datetime | None
    end_date: datetime | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_downstream: bool
    params: ParamsDict
    priority_weight: int
    weight_rule: str
    queue: str
    pool: str
    pool_slots: int
    sla: timedelta | None
    execution_timeout: timedelta | None
    on_execute_callback: Any
    on_failure_callback: Any
    on_success_callback: Any
    on_retry_callback: Any
    on_skipped_callback: Any
    trigger_rule: TriggerRule
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    do_xcom_push: bool
    multiple_outputs: bool
    task_display_name: str | None
    on_failure_fail_dagrun: bool
    doc: str | None
    doc_md: str | None
    _defaults: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            names = arguments.parameter_names(cls.__init__)
            arguments.know(names)
            cls.__init__ = _takes_defaults(cls.__init__, names, names)  # type: ignore[method-assign]  # that is the point

    def __init__(self, task_id: str, **options: Unpack[CommonArguments]) -> None:
        super().__init__()
        given = arguments.modern_names(cast("dict[str, Any]", dict(options)))
        arguments.refuse_unknown(f"{type(self).__name__}({task_id!r})", given, arguments.TASK_ARGUMENTS)
        dag: DAG | None = given.pop("dag", None)
        group: TaskGroup | None = given.pop("task_group", None)
        given.pop("default_args", None)
        self._own_params = ParamsDict(given.pop("params", None))
        self._hooks = {name: given.pop(name, None) for name in ("pre_execute", "post_execute")}
        self._dag: DAG | None = None
        self.task_group: TaskGroup | None = None
        self.is_setup = False
        self.is_teardown = False
        self.label = check_id(task_id, "task_id")
        self.task_id = task_id
        inside = group or current_group()
        around = dag or (inside.dag if inside else None)
        self._take(given, around.zone if around else None)
        self._enter(dag, group)

    def _take(self, given: Mapping[str, Any], zone: tzinfo | None) -> None:
        """Set the arguments as attributes, each in its proper type."""
        here = surroundings.current()
        values = {
            **arguments.TASK_DEFAULTS,
            "owner": here.default_owner,
            "queue": here.default_queue,
            "retries": here.default_task_retries,
            **given,
        }
        for name, normalize in NORMALIZERS.items():
            values[name] = normalize(values[name], f"{name} of task {self.task_id!r}", zone)
        self.__dict__.update(values)

    def _enter(self, dag: DAG | None, group: TaskGroup | None) -> None:
        """Join a group and its DAG: the ones given, else the ones being filled."""
        if group is None:
            group = current_group()
            if dag is not None and (group is None or group.dag is not dag):
                group = dag.task_group
        if group is None:
            self.params = self._own_params
            return
        self.task_group = group
        self._dag = cast("DAG", group.dag)
        self.task_id = check_id(group.child_id(self.label), "task_id")
        group.add(self)
        self._dag.remember(self)
        self.params = self._dag.params.merged(self._own_params)

    def _finish_construction(self) -> None:
        """Draw the arrows that follow from results of other tasks in the templated fields."""
        for field in self.template_fields:
            for result in results_in(getattr(self, field, None)):
                if result.operator is not self:
                    self.set_upstream(result)

    def add_edge(self, after: TaskNode, label: str | None) -> None:
        """Let `after` run after this task; a task without a DAG joins the other one's.

        Raises:
            DagDefinitionError: The tasks are in different DAGs, in none, or are one task.
        """
        other = cast("BaseOperator", after)
        if other is self:
            raise DagDefinitionError(
                f"The task {self.task_id!r} was set to run after itself, so it could never start. Remove that arrow."
            )
        if self._dag is None and other.has_dag():
            self.dag = other.dag
        elif self._dag is not None and not other.has_dag():
            other.dag = self._dag
        if self._dag is None or self._dag is not other.dag:
            where = "neither is in a DAG yet" if self._dag is None else "they are in two different DAGs"
            raise DagDefinitionError(
                f"The tasks {self.task_id!r} and {other.task_id!r} cannot depend on each other: {where}. Give both the "
                "same dag=, or make them inside the same `with DAG(...)`. Between DAGs use an ExternalTaskSensor."
            )
        super().add_edge(other, label)
        if label:
            self._dag.edge_labels[self.task_id, other.task_id] = label

    @property
    def dag(self) -> DAG:
        """The DAG that the task is in.

        Raises:
            DagDefinitionError: It is in none yet.
        """
        if self._dag is None:
            raise DagDefinitionError(
                f"The task {self.task_id!r} is in no DAG yet. Give it dag= or make it inside a `with`."
            )
        return self._dag

    @dag.setter
    def dag(self, dag: DAG) -> None:
        if self._dag is None:
            self._enter(dag, dag.task_group)
        elif self._dag is not dag:
            raise DagDefinitionError(
                f"The task {self.task_id!r} is in the DAG {self._dag.dag_id!r} and cannot move to {dag.dag_id!r}. "
                "Make a second operator for the second DAG."
            )

    @property
    def dag_id(self) -> str:
        """Id of the DAG that the task is in."""
        return self.dag.dag_id

    def has_dag(self) -> bool:
        """Return whether the task is in a DAG."""
        return self._dag is not None

    @property
    def output(self) -> XComArg:
        """The task's result, to be given to other tasks."""
        return XComArg(self)

    @property
    def task_type(self) -> str:
        """Class name of the operator, for people."""
        return self.custom_operator_name or type(self).__name__

    def pre_execute(self, context: Mapping[str, Any]) -> None:
        """Do what is to be done just before `execute`; by default call the hook of that name."""
        if self._hooks["pre_execute"] is not None:
            self._hooks["pre_execute"](context)

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Do the task's work; what is returned becomes its result."""
        raise NotImplementedError(f"{type(self).__name__} has no execute(). Write one: it is what the task does.")

    def post_execute(self, context: Mapping[str, Any], result: Any = None) -> None:
        """Do what is to be done just after `execute`; by default call the hook of that name."""
        if self._hooks["post_execute"] is not None:
            self._hooks["post_execute"](context, result)

    def on_kill(self) -> None:
        """Clean up when the task is being stopped: processes, queries, files."""

    def as_setup(self) -> Self:
        """Make this a setup task: what comes after it runs only if it succeeded."""
        self.is_setup, self.is_teardown = True, False
        return self

    def as_teardown(self, *, setups: Any = None, on_failure_fail_dagrun: bool | None = None) -> Self:
        """Make this a teardown task: it runs when all before it has ended and its setups succeeded.

        Args:
            setups: The setup tasks that it cleans up after.
            on_failure_fail_dagrun: Whether the run fails if the teardown does.
        """
        self.is_setup, self.is_teardown = False, True
        self.trigger_rule = TriggerRule.ALL_DONE_SETUP_SUCCESS
        if on_failure_fail_dagrun is not None:
            self.on_failure_fail_dagrun = on_failure_fail_dagrun
        for setup in [] if setups is None else setups if isinstance(setups, list | tuple) else [setups]:
            setup.as_setup()
            setup.set_downstream(self)
        return self

    @classmethod
    def partial(cls, **_: Any) -> NoReturn:
        """Refuse: dynamic mapping."""
        refuse_mapping(f"{cls.__name__}.partial()")

    def __repr__(self) -> str:
        return f"<Task({self.task_type}): {self.task_id}>"


# The class itself is not made by __init_subclass__.
BaseOperator.__init__ = _takes_defaults(  # type: ignore[method-assign]  # see __init_subclass__
    BaseOperator.__init__, sorted(arguments.TASK_ARGUMENTS - {"dag", "task_group", "default_args"}), ("task_id",)
)
