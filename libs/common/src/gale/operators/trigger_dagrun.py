"""TriggerDagRunOperator: start a run of another DAG."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Unpack

from gale.authoring import services, surroundings
from gale.authoring.arguments import TaskArguments
from gale.authoring.exceptions import TaskError, TaskSkipped
from gale.authoring.instants import to_utc
from gale.authoring.operator import BaseOperator
from gale.errors import RunExists

#: Key of the XCom that holds the id of the run.
RUN_ID_KEY: Final = "trigger_run_id"


class DagRunOrder:
    """What Airflow 1.x's `python_callable` fills in and returns: the run's id and what it gets as `conf`."""

    def __init__(self, run_id: str | None = None, payload: Any = None) -> None:
        self.run_id = run_id
        self.payload = payload


class TriggerDagRunOperator(BaseOperator):
    """Start a run of another DAG, and wait for its end if asked to.

    Args:
        trigger_dag_id: The DAG; templated.
        trigger_run_id: Id of the new run; default: made by Gale. Templated.
        conf: What the run gets; templated.
        logical_date: The date that the run is for (`execution_date` in Airflow 1.x and 2.x); templated.
        reset_dag_run: Whether a run that is there already is cleared and started again.
        wait_for_completion: Whether the task waits for the run's end.
        poke_interval: Seconds between two looks at it.
        allowed_states: States of the run that make this task a success.
        failed_states: States of the run that make it fail.
        skip_when_already_exists: Whether the task is skipped if the run is there already.
        python_callable: Airflow 1.x's form: gets the context and a DagRunOrder, and returns it to start the run.
        options: See `TaskArguments`.
    """

    template_fields: Sequence[str] = ("trigger_dag_id", "trigger_run_id", "logical_date", "conf")
    ui_color = "#ffefeb"

    def __init__(
        self,
        *,
        trigger_dag_id: str,
        trigger_run_id: str | None = None,
        conf: Mapping[str, Any] | None = None,
        logical_date: str | datetime | None = None,
        execution_date: str | datetime | None = None,
        reset_dag_run: bool = False,
        wait_for_completion: bool = False,
        poke_interval: float = 60,
        allowed_states: Collection[str] = ("success",),
        failed_states: Collection[str] = ("failed",),
        skip_when_already_exists: bool = False,
        fail_when_dag_is_paused: bool = False,  # noqa: ARG002  a paused DAG's run waits, as in Airflow's default
        deferrable: bool = False,  # noqa: ARG002  waiting in a slot is what this version does
        python_callable: Callable[..., Any] | None = None,
        **options: Unpack[TaskArguments],
    ) -> None:
        super().__init__(**options)
        self.trigger_dag_id = trigger_dag_id
        self.trigger_run_id = trigger_run_id
        self.conf = conf
        self.logical_date = logical_date or execution_date
        self.reset_dag_run = reset_dag_run
        self.wait_for_completion = wait_for_completion
        self.poke_interval = poke_interval
        self.allowed_states = [str(state) for state in allowed_states]
        self.failed_states = [str(state) for state in failed_states]
        self.skip_when_already_exists = skip_when_already_exists
        self.python_callable = python_callable

    def execute(self, context: Mapping[str, Any]) -> None:
        """Start the run.

        Raises:
            TaskSkipped: It is there already, and that shall mean so.
            TaskError: It cannot be started, or it failed while this task waited for it.
        """
        order = self._order(context)
        if order is None:
            self.log.info("The function did not return the order, so no run is started.")
            return
        try:
            run_id = services.required("TriggerDagRunOperator").trigger_run(
                dag_id=self.trigger_dag_id,
                run_id=order.run_id,
                logical_date=to_utc(self.logical_date, what="logical_date"),
                conf=order.payload or {},
                reset=self.reset_dag_run,
            )
        except RunExists as error:
            if self.skip_when_already_exists:
                raise TaskSkipped(str(error)) from error
            raise
        self.log.info("Started the run %s of %s", run_id, self.trigger_dag_id)
        if not context["test_mode"]:
            context["ti"].xcom_push(RUN_ID_KEY, run_id)
        if self.wait_for_completion:
            self._wait(run_id)

    def _order(self, context: Mapping[str, Any]) -> DagRunOrder | None:
        if self.python_callable is not None:
            order = self.python_callable(context, DagRunOrder(self.trigger_run_id))
            return order or None
        # Rendering may have made anything of it.
        conf: Any = self.conf
        if isinstance(conf, str):
            conf = json.loads(conf)
        if conf is not None and not isinstance(conf, Mapping):
            raise TaskError(f"conf is {conf!r}, a {type(conf).__name__}. Give a dict.")
        return DagRunOrder(self.trigger_run_id, conf)

    def _wait(self, run_id: str) -> None:
        asked = services.required("TriggerDagRunOperator")
        while True:
            state = asked.run_state(dag_id=self.trigger_dag_id, run_id=run_id)
            if state in self.allowed_states:
                self.log.info("The run %s of %s is %s", run_id, self.trigger_dag_id, state)
                return
            if state is None or state in self.failed_states:
                raise TaskError(
                    f"The run {run_id!r} of {self.trigger_dag_id!r}, which this task waited for, is {state}."
                )
            surroundings.current().sleep(self.poke_interval)
