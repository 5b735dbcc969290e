"""What user code sees of its run and of its own attempt: `dag_run` and `ti`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from gale.authoring import services, values
from gale.authoring.instants import shown
from gale.authoring.operator import BaseOperator, task_log
from gale.authoring.xcom_arg import RETURN_KEY
from gale.core.attempt import AttemptOrder, RunFacts

_ABSENT: Final = object()


class DagRun:
    """The run that a task belongs to, to be read."""

    def __init__(self, facts: RunFacts) -> None:
        self._facts = facts
        self.dag_id = facts.dag_id
        self.run_id = facts.run_id
        self.run_type = facts.run_type
        self.state = facts.state
        self.conf: Mapping[str, Any] = facts.conf
        self.external_trigger = facts.run_type not in {"scheduled", "backfill"}

    @property
    def logical_date(self) -> Any:
        """The date that the run is for: the start of its interval, as a rule."""
        return shown(self._facts.logical_date)

    @property
    def execution_date(self) -> Any:
        """Airflow 1.x's name of `logical_date`."""
        return shown(self._facts.logical_date or self._facts.run_after)

    @property
    def data_interval_start(self) -> Any:
        """Start of the data that the run is for."""
        return shown(self._facts.data_interval_start)

    @property
    def data_interval_end(self) -> Any:
        """End of the data that the run is for."""
        return shown(self._facts.data_interval_end)

    @property
    def run_after(self) -> Any:
        """The moment from which the run could start."""
        return shown(self._facts.run_after)

    @property
    def start_date(self) -> Any:
        """When the run started."""
        return shown(self._facts.start_date)

    def get_state(self) -> str:
        """Return the state of the run when the attempt began."""
        return self.state

    def __repr__(self) -> str:
        return f"<DagRun {self.dag_id} @ {self.run_id}>"


class TaskInstance:
    """The task instance whose attempt is running, or whose callback is."""

    def __init__(self, order: AttemptOrder, task: BaseOperator, start_date: datetime) -> None:
        self.order = order
        self.task = task
        self.dag_id = order.run.dag_id
        self.run_id = order.run.run_id
        self.task_id = order.task_id
        self.map_index = order.map_index
        self.try_number = order.try_number
        self.max_tries = order.max_tries - 1
        self.state = order.state
        self.hostname = order.hostname
        self.queue = order.queue
        self.pool = order.pool
        self.priority_weight = order.priority_weight
        self.operator = task.task_type
        self.test_mode = order.test_mode
        self.id = order.ti
        #: What a branch or short circuit has left out; travels with the end of the attempt.
        self.not_taken: list[str] = []
        self._start_date = start_date

    @property
    def start_date(self) -> Any:
        """When the attempt began."""
        return shown(self._start_date)

    @property
    def logical_date(self) -> Any:
        """The date that the run is for."""
        return shown(self.order.run.logical_date)

    @property
    def execution_date(self) -> Any:
        """Airflow 1.x's name of `logical_date`."""
        return shown(self.order.run.logical_date or self.order.run.run_after)

    @property
    def dag_run(self) -> DagRun:
        """The run."""
        return DagRun(self.order.run)

    def get_dagrun(self) -> DagRun:
        """Return the run (Airflow 2's name)."""
        return self.dag_run

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """What names the attempt: DAG, task, run, try, map index."""
        return self.dag_id, self.task_id, self.run_id, self.try_number, self.map_index

    @property
    def log(self) -> logging.Logger:
        """The logger whose lines stand in the attempt's log."""
        return task_log

    @property
    def is_eligible_to_retry(self) -> bool:
        """Whether a failure now would be followed by another try."""
        return self.try_number < self.order.max_tries

    def xcom_push(self, key: str, value: Any, execution_date: Any = None) -> None:  # noqa: ARG002  Airflow 1.x's form
        """Hand a value on to other tasks, at once.

        Raises:
            TaskError: It cannot be stored as JSON.
        """
        text = values.to_json(value, f"XCom {key!r} of task {self.task_id!r}")
        services.required("Pushing an XCom").set_xcom(
            dag_id=self.dag_id,
            run_id=self.run_id,
            task_id=self.task_id,
            map_index=self.map_index,
            key=key,
            value=text,
        )

    def xcom_pull(
        self,
        task_ids: str | Iterable[str] | None = None,
        dag_id: str | None = None,
        key: str | None = RETURN_KEY,
        include_prior_dates: bool = False,
        *,
        map_indexes: int | None = None,
        default: Any = None,
        run_id: str | None = None,
    ) -> Any:
        """Return what other tasks handed on.

        Args:
            task_ids: One task (its value is returned), several (a list is), or None: the nearest task before this
                one that has such an XCom, looked for upwards from the direct ones; its own in a DAG of Airflow 3.
            dag_id: Another DAG, whose run of the same id is meant.
            key: Its name; None = the newest of any name.
            include_prior_dates: Whether earlier runs count where this one has none.
            map_indexes: Of a mapped task.
            default: What stands for an XCom that is not there.
            run_id: Another run.
        """
        where = {"dag_id": dag_id or self.dag_id, "run_id": run_id or self.run_id}
        index = -1 if map_indexes is None else map_indexes
        if isinstance(task_ids, str):
            return self._pull_one(where, task_ids, key, index, default, prior=include_prior_dates)
        if task_ids is not None:
            return [
                self._pull_one(where, task_id, key, index, default, prior=include_prior_dates) for task_id in task_ids
            ]
        for task_id in self._sources():
            found = self._pull_one(where, task_id, key, index, _ABSENT, prior=include_prior_dates)
            if found is not _ABSENT:
                return found
        return default

    def _sources(self) -> list[str]:
        """Return where an XCom of no named task is looked for."""
        if self.task.dag.era == "trigger":
            return [self.task_id]
        near = list(self.task.upstream_task_ids)
        far = self.task.get_flat_relative_ids(upstream=True)
        return [*near, *sorted(far - set(near)), self.task_id]

    def _pull_one(
        self, where: Mapping[str, str], task_id: str, key: str | None, index: int, default: Any, *, prior: bool
    ) -> Any:
        source = services.required("Pulling an XCom")
        text = source.get_xcom(**where, task_id=task_id, map_index=index, key=key)
        date = self.order.run.logical_date
        if text is None and prior and date is not None:
            text = source.get_prior_xcom(dag_id=where["dag_id"], before=date, task_id=task_id, key=key)
        return default if text is None else values.from_json(text)

    def __repr__(self) -> str:
        return f"<TaskInstance: {self.dag_id}.{self.task_id} {self.run_id} [{self.state}]>"
