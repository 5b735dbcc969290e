"""Run tasks here and now, writing nothing: for `tasks test`, `dags test` and `render`.

The task's code is the real one and may do real things; what it tells Gale (XComs, variables,
runs that it triggers) is kept in memory and forgotten.
"""

import copy
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gale.authoring import masking, services, surroundings
from gale.authoring.context import entered, make_context
from gale.authoring.serialization import dag_to_spec
from gale.authoring.templates import render_fields
from gale.cli.params import as_instant, find_run
from gale.core.attempt import AttemptOrder, ConnectionData, RunFacts, TaskServices
from gale.core.graph import DagSpec
from gale.core.timetables import from_spec
from gale.errors import GaleError, NotFound

if TYPE_CHECKING:
    from gale.authoring.dag import DAG
    from gale.cli.session import Session


@dataclass(slots=True)
class MemoryServices:
    """`TaskServices` that read the database, if there is one, and write to memory.

    Args:
        reads: Answers what memory does not know; None = there is no database.
    """

    reads: TaskServices | None
    xcoms: dict[tuple[str, str, str, int], dict[str, str]] = field(default_factory=dict)
    variables: dict[str, str | None] = field(default_factory=dict)

    def get_variable(self, key: str) -> str | None:
        """Return the variable's text, or None if there is none."""
        if key in self.variables:
            return self.variables[key]
        return self.reads.get_variable(key) if self.reads else None

    def set_variable(self, key: str, value: str, description: str | None = None) -> None:
        """Remember a variable until the end of the test."""
        del description
        self.variables[key] = value

    def delete_variable(self, key: str) -> bool:
        """Hide a variable until the end of the test."""
        was_there = self.get_variable(key) is not None
        self.variables[key] = None
        return was_there

    def get_connection(self, conn_id: str) -> ConnectionData | None:
        """Return the connection, or None if there is none."""
        return self.reads.get_connection(conn_id) if self.reads else None

    def get_xcom(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str | None) -> str | None:
        """Return one XCom of this test, or else of the run in the database."""
        stored = self.xcoms.get((dag_id, run_id, task_id, map_index), {})
        if key is None and stored:
            return list(stored.values())[-1]
        if key is not None and key in stored:
            return stored[key]
        if self.reads is None:
            return None
        return self.reads.get_xcom(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index, key=key)

    def get_prior_xcom(self, *, dag_id: str, before: datetime, task_id: str, key: str | None) -> str | None:
        """Return the newest XCom of the task in earlier runs."""
        return self.reads.get_prior_xcom(dag_id=dag_id, before=before, task_id=task_id, key=key) if self.reads else None

    def set_xcom(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str, value: str) -> None:
        """Remember an XCom until the end of the test."""
        stored = self.xcoms.setdefault((dag_id, run_id, task_id, map_index), {})
        stored.pop(key, None)
        stored[key] = value

    def trigger_run(
        self, *, dag_id: str, run_id: str | None, logical_date: datetime | None, conf: Mapping[str, Any], reset: bool
    ) -> str:
        """Say which run would be triggered."""
        del reset
        name = run_id or f"manual__{logical_date.isoformat() if logical_date else 'now'}"
        click.echo(f"A real run would now trigger {name} of DAG {dag_id} with the conf {dict(conf)}.")
        return name

    def run_state(self, *, dag_id: str, run_id: str) -> str | None:
        """Return the state of a run, or None if there is none."""
        return self.reads.run_state(dag_id=dag_id, run_id=run_id) if self.reads else None

    def count_states(
        self, *, dag_id: str, task_ids: Sequence[str], logical_dates: Sequence[datetime], states: Sequence[str]
    ) -> int:
        """Count task instances or runs in one of the states."""
        if self.reads is None:
            return 0
        return self.reads.count_states(dag_id=dag_id, task_ids=task_ids, logical_dates=logical_dates, states=states)

    def is_latest_run(self, *, dag_id: str, logical_date: datetime) -> bool:
        """Say that this is the latest run, unless the database knows of a later one."""
        return self.reads.is_latest_run(dag_id=dag_id, logical_date=logical_date) if self.reads else True


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """A DAG, a run of it that is not stored, and what its tasks may ask."""

    dag: "DAG"
    file: Path
    spec: DagSpec
    run: RunFacts
    services: MemoryServices

    def order(self, task_id: str, *, try_number: int = 1, map_index: int = -1, **more: Any) -> AttemptOrder:
        """Return the order for one attempt at a task."""
        task = next((task for task in self.spec.tasks if task.task_id == task_id), None)
        if task is None:
            known = ", ".join(task.task_id for task in self.spec.tasks)
            raise NotFound(f"DAG {self.spec.dag_id!r} has no task {task_id!r}. It has: {known}.")
        return AttemptOrder(
            ti=f"test-{task_id}",
            token=secrets.token_hex(16),
            run=self.run,
            task_id=task_id,
            map_index=map_index,
            try_number=try_number,
            max_tries=task.retries + 1,
            file=str(self.file),
            execution_timeout=task.execution_timeout,
            queue=task.queue,
            pool=task.pool,
            priority_weight=task.priority_weight,
            hostname="localhost",
            test_mode=True,
            **more,
        )

    def rendered(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return the fields of a task with their templates filled in, secrets masked."""
        order = self.order(task_id, map_index=map_index)
        task = copy.copy(self.dag.get_task(task_id))
        context = make_context(order, self.dag, task, surroundings.current().now())
        with services.use(self.services), entered(context):
            fields = render_fields(task, context)
        return {name: masking.mask(value) if isinstance(value, str) else value for name, value in fields.items()}

    def keep(self, task_id: str, xcoms: Mapping[str, str], map_index: int = -1) -> None:
        """Keep what an attempt that ended well has returned."""
        for key, value in xcoms.items():
            self.services.set_xcom(
                dag_id=self.run.dag_id,
                run_id=self.run.run_id,
                task_id=task_id,
                map_index=map_index,
                key=key,
                value=value,
            )


def rehearse(
    session: "Session", dag: "DAG", file: Path, named: str | None, conf: Mapping[str, Any] | None = None
) -> Rehearsal:
    """Return a rehearsal of a run.

    Args:
        session: Settings and, if there is one, the database.
        dag: The DAG.
        file: Its file.
        named: A run that is there (run id or logical date), or the date of one that is not; None = now.
        conf: The run's conf; None = that of the run that is there, or none.

    Raises:
        NotFound: What is named is neither a run nor a date.
    """
    spec = dag_to_spec(dag, str(file))
    stored = _stored_run(session, spec.dag_id, named) if named else None
    run = stored or _made_up_run(session, spec, named)
    if conf is not None:
        run = _with_conf(run, conf)
    return Rehearsal(dag=dag, file=file, spec=spec, run=run, services=MemoryServices(_reader(session, run)))


def _with_conf(run: RunFacts, conf: Mapping[str, Any]) -> RunFacts:
    return replace(run, conf=dict(conf))


def _made_up_run(session: "Session", spec: DagSpec, named: str | None) -> RunFacts:
    instant = session.now() if named is None else as_instant(session, named)
    if instant is None:
        raise NotFound(f"{named!r} is neither a run of DAG {spec.dag_id!r} nor a date such as 2016-05-14.")
    interval = from_spec(spec.timetable).manual_interval(instant)
    return RunFacts(
        dag_id=spec.dag_id,
        run_id=f"test__{instant.isoformat()}",
        logical_date=instant,
        data_interval_start=interval.start,
        data_interval_end=interval.end,
        run_after=instant,
        start_date=session.now(),
    )


def _stored_run(session: "Session", dag_id: str, named: str) -> RunFacts | None:
    try:
        with session.read() as connection:
            row = find_run(connection, session, dag_id, named)
    except GaleError:
        return None
    names = ("run_id", "run_type", "state", "logical_date", "data_interval_start", "data_interval_end", "run_after")
    given = {name: getattr(row, name) for name in names}
    return RunFacts(dag_id=dag_id, start_date=row.start_date, conf=json.loads(row.conf), **given)


def _reader(session: "Session", run: RunFacts) -> TaskServices | None:
    from gale.db.task_services import DbTaskServices

    try:
        engine = session.engine
    except GaleError as error:
        click.echo(
            f"Without the database, variables and connections come from the environment only. ({error})", err=True
        )
        return None
    nobody = AttemptOrder(ti="", token="", run=run, task_id="", file="")
    return DbTaskServices(engine, session.box, session.clock, nobody)
