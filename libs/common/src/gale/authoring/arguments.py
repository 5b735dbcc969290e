"""The arguments that every task and every DAG takes, their defaults, and the hunt for misspelt ones.

`default_args` are the one place where Airflow says nothing to a wrong name: the notes' own
DAG has `retries_delay`, and its retries waited five minutes instead of one. So names are
compared with all that any loaded operator takes, and the nearest right one is named.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Required, TypedDict

from gale.errors import UnknownArgument

#: What a callback argument takes.
Callbacks = Callable[..., Any] | Iterable[Callable[..., Any]] | None


class CommonArguments(TypedDict, total=False):
    """The arguments that every operator takes beside its own and its id."""

    dag: Any
    task_group: Any
    default_args: Mapping[str, Any] | None
    owner: str
    email: str | Iterable[str] | None
    email_on_retry: bool
    email_on_failure: bool
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: bool | float
    max_retry_delay: timedelta | float | None
    start_date: datetime | str | None
    end_date: datetime | str | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_past_depends_before_skipping: bool
    wait_for_downstream: bool
    params: Mapping[str, Any] | None
    priority_weight: int
    weight_rule: str
    queue: str
    pool: str | None
    pool_slots: int
    sla: timedelta | float | None
    execution_timeout: timedelta | float | None
    on_execute_callback: Callbacks
    on_failure_callback: Callbacks
    on_success_callback: Callbacks
    on_retry_callback: Callbacks
    on_skipped_callback: Callbacks
    pre_execute: Callable[..., Any] | None
    post_execute: Callable[..., Any] | None
    trigger_rule: str
    executor: str | None
    executor_config: Mapping[str, Any] | None
    resources: Mapping[str, Any] | None
    run_as_user: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    do_xcom_push: bool
    multiple_outputs: bool
    map_index_template: str | None
    render_template_as_native_obj: bool | None
    inlets: Any
    outlets: Any
    task_display_name: str | None
    doc: str | None
    doc_md: str | None
    doc_json: str | None
    doc_yaml: str | None
    doc_rst: str | None
    on_failure_fail_dagrun: bool
    # Names of Airflow 1.x and 2.x, mapped or ignored in `modern_names`.
    task_concurrency: int | None
    xcom_push: bool
    provide_context: bool
    adhoc: bool
    allow_nested_operators: bool
    logger_name: str | None


class TaskArguments(CommonArguments, total=False):
    """The arguments that every operator takes beside its own, for the signatures of operators."""

    task_id: Required[str]


TASK_DEFAULTS: Final[CommonArguments] = {
    "email": None,
    "email_on_retry": True,
    "email_on_failure": True,
    "retry_delay": timedelta(minutes=5),
    "retry_exponential_backoff": False,
    "max_retry_delay": None,
    "start_date": None,
    "end_date": None,
    "depends_on_past": False,
    "ignore_first_depends_on_past": True,
    "wait_for_past_depends_before_skipping": False,
    "wait_for_downstream": False,
    "priority_weight": 1,
    "weight_rule": "downstream",
    "pool": "default_pool",
    "pool_slots": 1,
    "sla": None,
    "execution_timeout": None,
    "on_execute_callback": None,
    "on_failure_callback": None,
    "on_success_callback": None,
    "on_retry_callback": None,
    "on_skipped_callback": None,
    "trigger_rule": "all_success",
    "executor": None,
    "executor_config": None,
    "resources": None,
    "run_as_user": None,
    "max_active_tis_per_dag": None,
    "max_active_tis_per_dagrun": None,
    "do_xcom_push": True,
    "multiple_outputs": False,
    "map_index_template": None,
    "render_template_as_native_obj": None,
    "inlets": None,
    "outlets": None,
    "task_display_name": None,
    "doc": None,
    "doc_md": None,
    "doc_json": None,
    "doc_yaml": None,
    "doc_rst": None,
    "on_failure_fail_dagrun": False,
}

#: Old name to new one; None = taken and ignored, because Gale does what it asked for anyway.
RENAMED: Final[Mapping[str, str | None]] = {
    "task_concurrency": "max_active_tis_per_dag",
    "xcom_push": "do_xcom_push",
    "provide_context": None,
    "adhoc": None,
    "allow_nested_operators": None,
    "logger_name": None,
}

TASK_ARGUMENTS: Final = TaskArguments.__optional_keys__ | TaskArguments.__required_keys__

#: Every argument name of every operator class that has been defined in this process.
_known: set[str] = set(TASK_ARGUMENTS)


def parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the parameters that can be given by keyword, without `self`."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = list(inspect.signature(function).parameters.values())
    return tuple(parameter.name for parameter in parameters[1:] if parameter.kind in kinds)


def know(names: Iterable[str]) -> None:
    """Remember argument names, so that they are right in `default_args`."""
    _known.update(names)


def modern_names(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments under today's names."""
    for old in RENAMED.keys() & arguments.keys():
        value = arguments.pop(old)
        new = RENAMED[old]
        if new is not None:
            arguments.setdefault(new, value)
    return arguments


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that `name` was most likely meant to be."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return found[0] if found else None


def misspelt(default_args: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each key of `default_args` that no operator takes."""
    sentences = []
    for key in default_args:
        if key not in _known:
            right = nearest(key, _known)
            hint = f"Did you mean {right!r}?" if right else "Remove it or correct the name."
            sentences.append(f"default_args has {key!r}, which no operator takes, so it has no effect. {hint}")
    return sentences


def refuse_unknown(what: str, given: Iterable[str], known: Collection[str]) -> None:
    """Refuse argument names that are not known.

    Raises:
        UnknownArgument: There is one; the message names the nearest right one.
    """
    for name in given:
        if name not in known:
            right = nearest(name, known)
            hint = f"Did you mean {right!r}?" if right else "Remove it."
            raise UnknownArgument(f"{what} was given the argument {name!r}, which it does not know. {hint}")
