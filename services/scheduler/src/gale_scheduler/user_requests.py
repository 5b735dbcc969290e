"""Carries out what users asked for: clear, mark, delete.

A request belongs to a run; whoever owns the run acts on it. A finished run that nobody owns is
taken first. What cannot be done any more is written into the request's outcome, not dropped.
"""

import json
from typing import Any

import structlog
from sqlalchemy import Connection, delete, select

from gale import telemetry
from gale.core import events as e
from gale.core.commands import Command, StopAttempt
from gale.core.ports import Applied, Writer
from gale.core.selection import relatives
from gale.core.states import CLAIMED, FINISHED, RunState, TaskState
from gale.core.transitions import is_legal
from gale.db import tables as t
from gale.db.lease import take_run
from gale.db.read import scheduling as ask
from gale_scheduler.book import RunBook
from gale_scheduler.owned_run import OwnedRun

log = structlog.get_logger()
_BLOCKED = frozenset({TaskState.FAILED, TaskState.UPSTREAM_FAILED})


class UserRequests:
    """Acts on the rows of `request`."""

    def __init__(self, book: RunBook, job_id: str) -> None:
        self._book = book
        self._job_id = job_id
        #: (request, run) of what was done in this round.
        self._acted: list[tuple[str, str]] = []

    def act(self, connection: Connection, writer: Writer) -> list[Command]:
        """Carry out the requests for runs that are ours or nobody's; return what must be written."""
        self._acted.clear()
        commands: list[Command] = []
        for row in ask.pending_requests(connection):
            commands += self._act_on(connection, row, writer)
        return commands

    def finish(self, connection: Connection, applied: Applied, writer: Writer) -> None:
        """Tick off what `act` has done, now that it is written.

        Where somebody else was faster at a row of the run, the request stays and is done again from the rows.
        """
        lost = {move.run for move in applied.lost} | {move.before.run for move in applied.lost_runs}
        for request, run in self._acted:
            if run not in lost:
                ask.finish_request(connection, request, outcome="done", now=writer.now)
        self._acted.clear()

    def _act_on(self, connection: Connection, row: Any, writer: Writer) -> list[Command]:
        if row.kind == "delete_dag":
            return self._delete_dag(connection, row, writer)
        missing = [] if row.run in self._book.runs else self._take(connection, row, writer)
        if missing is None:
            return []
        owned = self._book.runs.get(row.run)
        if row.run in self._book.aside:  # it makes trouble; once it can be read, the request is done
            return missing
        if owned is None:
            ask.finish_request(connection, row.id, outcome="The run is gone.", now=writer.now)
            return missing
        payload = json.loads(row.payload)
        cause = f"user:{row.requested_by}:{row.id[-8:]}"
        match row.kind:
            case "clear":
                commands = self._clear(owned, payload["tis"], cause, writer)
            case "mark_tasks":
                commands = self._mark_tasks(owned, payload["tis"], TaskState(payload["state"]), cause, writer)
            case "mark_run":
                commands = self._mark_run(owned, RunState(payload["state"]), cause, writer)
            case "delete_run":
                commands = self._delete_run(connection, owned, cause)
            case _:
                ask.finish_request(connection, row.id, outcome=f"Unknown kind {row.kind!r}.", now=writer.now)
                return missing
        self._acted.append((row.id, row.run))
        log.info(telemetry.REQUEST_DONE, kind=row.kind, dag_id=row.dag_id, cause=cause, moves=len(commands))
        return commands if row.kind == "delete_run" else missing + commands

    def _take(self, connection: Connection, row: Any, writer: Writer) -> list[Command] | None:
        """Own the request's run and return what its rows lack; None if a living scheduler owns it and will act."""
        runs = ask.runs_with_ids(connection, [row.run])
        if not runs:
            ask.finish_request(connection, row.id, outcome="The run has been deleted.", now=writer.now)
            return None
        if not take_run(connection, self._job_id, row.run, writer.now):
            return None
        return self._book.load(connection, runs, writer)

    def _clear(self, owned: OwnedRun, tis: list[str], cause: str, writer: Writer) -> list[Command]:
        commands: list[Command] = []
        for ti in tis:
            event = e.Cleared(ti=ti, cause=cause)
            if ti in owned.tis and is_legal(owned.machine.facts(ti), event):
                commands += self._book.handle(owned.row.id, event, writer.now)
        return commands

    def _mark_tasks(
        self, owned: OwnedRun, tis: list[str], state: TaskState, cause: str, writer: Writer
    ) -> list[Command]:
        """Set the outcome; what waited below for a success that now is there gets another chance."""
        commands: list[Command] = []
        marked: list[str] = []
        for ti in tis:
            event = e.Marked(ti=ti, state=state, cause=cause)
            if ti in owned.tis and is_legal(owned.machine.facts(ti), event):
                marked.append(owned.machine.facts(ti).task_id)
                commands += self._book.handle(owned.row.id, event, writer.now)
        if state is TaskState.FAILED:
            return commands
        below = set(relatives(owned.spec, marked, downstream=True)) - set(marked)
        for task_id in below:
            facts = owned.machine.by_task(task_id)
            if facts is not None and facts.state in _BLOCKED:
                commands += self._book.handle(owned.row.id, e.Cleared(ti=facts.ti, cause=cause), writer.now)
        return commands

    def _mark_run(self, owned: OwnedRun, state: RunState, cause: str, writer: Writer) -> list[Command]:
        """A run set to success takes its tasks along; one set to failed stops what has not ended."""
        commands: list[Command] = []
        for facts in owned.machine.task_facts():
            outcome = _outcome(facts.state, state)
            event = e.Marked(ti=facts.ti, state=outcome, cause=cause) if outcome else None
            if event is not None and is_legal(owned.machine.facts(facts.ti), event):
                commands += self._book.handle(owned.row.id, event, writer.now)
        if owned.machine.status.state is not state:
            commands += self._book.handle(owned.row.id, e.RunMarked(state=state, cause=cause), writer.now)
        return commands

    def _delete_run(self, connection: Connection, owned: OwnedRun, cause: str) -> list[Command]:
        stops: list[Command] = [
            StopAttempt(cause=cause, ti=facts.ti, token=facts.token, reason="Its run has been deleted")
            for facts in owned.machine.task_facts()
            if facts.state in CLAIMED and facts.token
        ]
        run, dag_id, run_id = owned.row.id, owned.row.dag_id, owned.row.run_id
        self._book.drop([run])
        _delete_rows(connection, run, dag_id, run_id)
        return stops

    def _delete_dag(self, connection: Connection, row: Any, writer: Writer) -> list[Command]:
        runs = connection.execute(
            select(t.dag_run.c.id, t.dag_run.c.run_id).where(t.dag_run.c.dag_id == row.dag_id)
        ).all()
        commands: list[Command] = []
        for run in runs:
            owned = self._book.runs.get(run.id)
            if owned is None and not take_run(connection, self._job_id, run.id, writer.now):
                return commands  # a living scheduler still works on it: it will get to this request
            if owned is not None:
                commands += self._delete_run(connection, owned, f"user:{row.requested_by}")
            else:
                _delete_rows(connection, run.id, row.dag_id, run.run_id)
        for table in (t.dag_version, t.dag_tag, t.dag_warning, t.sla_miss, t.dag):
            connection.execute(delete(table).where(table.c.dag_id == row.dag_id))
        ask.finish_request(connection, row.id, outcome="done", now=writer.now)
        return commands


def _outcome(now: TaskState, run: RunState) -> TaskState | None:
    """What becomes of a task instance when its run is set to `run` by hand."""
    if run is RunState.SUCCESS:
        return None if now in {TaskState.SUCCESS, TaskState.SKIPPED} else TaskState.SUCCESS
    if now in FINISHED:
        return None
    return TaskState.FAILED if now in {TaskState.RUNNING, TaskState.RESTARTING} else TaskState.SKIPPED


def _delete_rows(connection: Connection, run: str, dag_id: str, run_id: str) -> None:
    place = (t.xcom.c.dag_id == dag_id, t.xcom.c.run_id == run_id)
    connection.execute(delete(t.xcom).where(*place))
    connection.execute(delete(t.notice).where(t.notice.c.run == run))
    connection.execute(delete(t.sla_miss).where(t.sla_miss.c.run == run))
    connection.execute(delete(t.task_instance).where(t.task_instance.c.run == run))
    connection.execute(delete(t.dag_run).where(t.dag_run.c.id == run))
