"""Run one attempt of one task, or one callback, inside the task process.

The steps: context, templates, `pre_execute`, `execute`, `post_execute`, result. Whatever user
code raises is one of the outcomes below; nothing of it gets out, except what ends the whole
process. All that need not wait for a task is done in `warm_up`, before the process is forked.
"""

from __future__ import annotations

import copy
import json
import math
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, cast

import msgspec

from gale.authoring import masking, services, surroundings, values
from gale.authoring.calling import parameters_of
from gale.authoring.context import Context, entered, make_context
from gale.authoring.dag import DAG
from gale.authoring.exceptions import (
    SensorTimeout,
    TaskError,
    TaskFailedFinal,
    TaskRescheduled,
    TaskSkipped,
)
from gale.authoring.instants import shown
from gale.authoring.operator import BaseOperator, task_log
from gale.authoring.serialization import callbacks_of
from gale.authoring.templates import compile_ahead, render_fields, renderer_of
from gale.authoring.xcom_arg import RETURN_KEY
from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome, RunFacts, TaskServices
from gale.core.graph import CallbackKind

#: Longer rendered fields are cut where they are shown; the task gets them whole.
_LONGEST_FIELD: Final = 8_192
_LONGEST_REASON: Final = 1_000
#: Templates compiled ahead per file; more would make reading a file of thousands of tasks slow.
_COMPILED_AHEAD: Final = 500

_current: BaseOperator | None = None


def warm_up(dags: Iterable[DAG] = ()) -> None:
    """Do ahead of the fork what each task process would have to do: environments, templates, a first run.

    Args:
        dags: The DAGs of the file that this process has loaded; none = what is common to all.
    """
    nowhere = DAG("warm_up", schedule=None)
    _Trial(task_id="trial", dag=nowhere, field="{{ ds }}{% if true %}{{ macros.ds_add(ds, 1) }}{% endif %}")
    epoch = datetime(2026, 1, 1, tzinfo=UTC)
    run = RunFacts(dag_id=nowhere.dag_id, run_id="trial", logical_date=epoch)
    run_task(nowhere, AttemptOrder(ti="", token="", run=run, task_id="trial", file=""), cast("TaskServices", None))
    # The first of these imports pendulum, if the file has imported airflow.
    shown(epoch)
    left = _COMPILED_AHEAD
    for dag in dags:
        renderer_of(dag)
        for task in dag.tasks[:left]:
            compile_ahead(task)
            if callable(function := getattr(task, "python_callable", None)):
                parameters_of(function)
        left -= min(left, len(dag.tasks))


class _Trial(BaseOperator):
    """A task whose run takes every step once, so that the code of each is at hand when it counts."""

    template_fields = ("field",)

    def __init__(self, *, field: str, **options: Any) -> None:
        super().__init__(**options)
        self.field = field

    def execute(self, context: Mapping[str, Any]) -> Any:
        return {"field": self.field, "try": context["try_number"]}


def running_task() -> BaseOperator | None:
    """Return the operator that this process is running, if any."""
    return _current


def kill_running_task() -> None:
    """Let the running operator clean up (`on_kill`), before its process is stopped."""
    if _current is not None:
        try:
            _current.on_kill()
        except Exception:  # noqa: BLE001  user code; the process ends anyway
            task_log.exception("on_kill() of task %s failed; the task is stopped all the same.", _current.task_id)


def run_task(dag: DAG, order: AttemptOrder, task_services: TaskServices, *, alone: bool = False) -> AttemptEnded:
    """Run an attempt and return how it ended. Raises nothing but what ends the whole process.

    Args:
        dag: The DAG as its file made it.
        order: The attempt.
        task_services: What answers questions for variables, connections and XComs.
        alone: Nothing else will be run in this process, so the task itself is rendered instead of a copy.
    """
    began = surroundings.current().now()
    ended = AttemptEnded(ti=order.ti, token=order.token, outcome=Outcome.SUCCESS, start_date=began)
    with services.use(task_services):
        attempt = _Attempt(dag, order, began, alone=alone)
        try:
            result = attempt.run()
            ended = replace(ended, xcoms=attempt.results(result))
        except TaskSkipped as error:
            task_log.info("Skipped: %s", str(error) or "the task asked for it")
            ended = replace(ended, outcome=Outcome.SKIPPED, reason=_reason(error))
        except TaskRescheduled as error:
            task_log.info("To be asked again at %s", error.reschedule_date.isoformat())
            ended = replace(ended, outcome=Outcome.RESCHEDULED, due_at=error.reschedule_date)
        except (TaskFailedFinal, SensorTimeout) as error:
            _log_failure(error)
            ended = replace(ended, outcome=Outcome.FAILED_FINAL, reason=_reason(error))
        except SystemExit as error:
            # sys.exit() and sys.exit(0) are an author's way to say that all is done.
            if error.code not in {None, 0}:
                _log_failure(error)
                ended = replace(
                    ended, outcome=Outcome.FAILED, reason=f"The task's code called sys.exit({error.code!r})."
                )
        except Exception as error:  # noqa: BLE001  user code raises what it likes, and all of it means: failed
            _log_failure(error)
            ended = replace(ended, outcome=Outcome.FAILED, reason=_reason(error))
        finally:
            attempt.leave()
    return replace(
        ended,
        not_taken=attempt.not_taken() if ended.outcome in {Outcome.SUCCESS, Outcome.SKIPPED} else (),
        rendered_fields=attempt.rendered,
        end_date=surroundings.current().now(),
    )


class _Attempt:
    """The steps of one attempt."""

    def __init__(self, dag: DAG, order: AttemptOrder, began: datetime, *, alone: bool) -> None:
        self._dag = dag
        self._alone = alone
        self._order = order
        self._began = began
        self._task: BaseOperator | None = None
        self._context: Context | None = None
        self.rendered = ""

    def run(self) -> Any:
        """Take all steps and return the task's result."""
        global _current  # noqa: PLW0603  one process runs one task
        task = self._dag.get_task(self._order.task_id)
        if not self._alone:
            # Rendering replaces fields, and `gale tasks test` runs many tasks of one DAG in one process.
            task = copy.copy(task)
        self._task = _current = task
        context = self._context = make_context(self._order, self._dag, task, self._began)
        with entered(context):
            if task.params:
                # Wrong params shall fail here and not in the middle of the work.
                context["params"]
            try:
                self._show(render_fields(task, context))
            except Exception:
                self._show({field: getattr(task, field, None) for field in task.template_fields})
                raise
            _call_each(task.on_execute_callback, "on_execute_callback", context)
            task.pre_execute(context)
            result = task.execute(context)
            task.post_execute(context, result)
        return result

    def _show(self, fields: Mapping[str, Any]) -> None:
        if fields:
            self.rendered = _as_json({name: _presentable(value) for name, value in fields.items()})

    def results(self, result: Any) -> dict[str, str]:
        """Return what the result adds to the task's XComs, as JSON.

        Raises:
            TaskError: The result cannot be stored, or is no dict where several outputs were promised.
        """
        task = self._task
        if result is None or task is None or not task.do_xcom_push:
            return {}
        what = f"result of task {task.task_id!r}"
        found = {}
        if task.multiple_outputs:
            if not isinstance(result, Mapping):
                raise TaskError(
                    f"The {what} is a {type(result).__name__}, but multiple_outputs=True promises a dict. "
                    "Return a dict with text keys, or set multiple_outputs=False."
                )
            for key, value in result.items():
                if not isinstance(key, str):
                    raise TaskError(f"The {what} has the key {key!r}. With multiple_outputs=True keys must be text.")
                found[key] = values.to_json(value, f"{key!r} of the {what}")
        found[RETURN_KEY] = values.to_json(result, what)
        return found

    def not_taken(self) -> tuple[str, ...]:
        """Return what the task's branch left out."""
        return tuple(self._context["ti"].not_taken) if self._context is not None else ()

    def leave(self) -> None:
        """Forget the running task."""
        global _current  # noqa: PLW0603  see `run`
        _current = None


def _as_json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, msgspec.MsgspecError, OverflowError, RecursionError):
        return json.dumps(value, ensure_ascii=False)


def run_callback(dag: DAG, order: AttemptOrder, task_services: TaskServices) -> AttemptEnded:
    """Call the functions of `order.callback`, each even if one before it failed.

    An order without a task id means the DAG's own callback.
    """
    began = surroundings.current().now()
    failures: list[str] = []
    with services.use(task_services):
        try:
            task = dag.get_task(order.task_id) if order.task_id else None
            context = make_context(order, dag, task, began)
            if order.callback_reason:
                context["exception"] = TaskError(order.callback_reason)
            functions = getattr(task if task is not None else dag, CallbackKind(order.callback).value)
            with entered(context):
                failures = _call_each(functions, order.callback, context)
        except Exception as error:  # noqa: BLE001  as in run_task
            _log_failure(error)
            failures = [_reason(error)]
    return AttemptEnded(
        ti=order.ti,
        token=order.token,
        outcome=Outcome.FAILED if failures else Outcome.SUCCESS,
        reason="; ".join(failures)[:_LONGEST_REASON],
        start_date=began,
        end_date=surroundings.current().now(),
    )


def _call_each(functions: Any, kind: str, context: Context) -> list[str]:
    """Call callbacks and return what went wrong; a broken callback spoils neither the task nor the next one."""
    failures = []
    for function in callbacks_of(functions):
        name = getattr(function, "__qualname__", repr(function))
        try:
            if kind == CallbackKind.SLA_MISS:
                # Airflow's form: dag, late tasks, tasks that hold them up, the misses, and the latter's instances.
                function(context["dag"], context["reason"] or "", "", [], [])
            else:
                function(context)
        except Exception as error:  # noqa: BLE001  user code
            task_log.exception("The %s %s failed.", kind, name)
            failures.append(f"{name}: {_reason(error)}")
    return failures


def _log_failure(error: BaseException) -> None:
    """Log a traceback that begins in the author's code."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_next is not None and _is_ours(trace):
        trace = trace.tb_next
    with suppress(Exception):
        text = "".join(traceback.format_exception(type(error), error, trace))
        task_log.error("The task failed with %s\n%s", _reason(error), masking.mask(text.rstrip()))


def _is_ours(trace: TracebackType) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__")).startswith("gale.")


def _reason(error: BaseException) -> str:
    """Return an exception as one line."""
    name = type(error).__name__
    try:
        said = str(error).strip()
    except Exception:  # noqa: BLE001  a broken __str__ is user code too
        said = "(its message cannot be shown)"
    text = said if isinstance(error, TaskError) and said else f"{name}: {said}" if said else name
    return masking.mask(" ".join(text.split()))[:_LONGEST_REASON]


def _presentable(value: Any) -> Any:
    """Return a rendered field as people shall see it: secrets masked, long texts cut, code by name."""
    if isinstance(value, str):
        text = masking.mask(value)
        return text if len(text) <= _LONGEST_FIELD else f"{text[:_LONGEST_FIELD]}… ({len(text)} characters)"
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, dict):
        return {
            str(key): masking.MASK if isinstance(item, str) and masking.is_telling(str(key)) else _presentable(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_presentable(item) for item in list(value)[:1000]]
    if callable(value):
        return f"<{getattr(value, '__qualname__', type(value).__name__)}>"
    return _presentable(str(value))
