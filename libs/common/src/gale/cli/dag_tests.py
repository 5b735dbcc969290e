"""`gale dags test` and `report`: whole DAG files here and now.

A test drives the very machine that the scheduler drives, in memory, and runs each attempt in
this process.
"""

import secrets
import time
from dataclasses import replace
from datetime import timedelta
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gale.cli.output import output_option, show_rows, track
from gale.cli.params import JSON
from gale.cli.session import Session, pass_session
from gale.cli.task_tests import rehearsal_of, subdir_option
from gale.core import events as e
from gale.core.attempt import Outcome
from gale.core.attempt_events import event_of
from gale.core.facts import RunStatus, TaskFacts
from gale.core.run_machine import RunMachine
from gale.core.states import RunState, TaskState

if TYPE_CHECKING:
    from gale.cli.rehearsal import Rehearsal

#: Nobody checks this lease: the attempt runs in this very process.
_LEASE: Final = timedelta(days=365)


@click.command()
@click.argument("dag_id")
@click.argument("date", required=False)
@subdir_option
@click.option("-c", "--conf", type=JSON, help="What the run is given, as a JSON object.")
@output_option
@pass_session
def test(
    session: Session, dag_id: str, date: str | None, subdir: Path | None, *, conf: dict[str, Any] | None, output: str
) -> None:
    """Run a whole DAG here and now. States, XComs and logs are not stored.

    Retries come at once instead of after their delay. DATE is a logical date; default: now.
    """
    rehearsal = rehearsal_of(session, dag_id, date, subdir, conf)
    play = _Play(session, rehearsal)
    state = play.run()
    rows = [
        {"task_id": facts.task_id, "state": facts.state, "tries": facts.try_number, "reason": facts.reason}
        for facts in play.machine.task_facts()
    ]
    show_rows(rows, output)
    if state is not RunState.SUCCESS:
        click.echo(f"The run of {dag_id} failed.", err=True)
        raise SystemExit(1)


class _Play:
    """One run, played in memory."""

    def __init__(self, session: Session, rehearsal: "Rehearsal") -> None:
        self._session = session
        self._rehearsal = rehearsal
        spec, run = rehearsal.spec, rehearsal.run
        tasks = [
            TaskFacts(ti=f"test-{task.task_id}", task_id=task.task_id, max_tries=task.retries + 1)
            for task in spec.tasks
        ]
        status = RunStatus(run="test", dag_id=spec.dag_id, run_id=run.run_id)
        self.machine = RunMachine(status, spec, tasks)

    def run(self) -> RunState:
        """Play until the run has ended; return how."""
        self._tell(e.RunStarted())
        while self.machine.status.state is RunState.RUNNING:
            ready = [facts for facts in self.machine.task_facts() if facts.state is TaskState.SCHEDULED]
            if ready:
                self._attempt(ready[0])
            elif not self._wait():
                break
        return self.machine.status.state

    def _tell(self, event: e.TaskEvent | e.RunEvent) -> None:
        self.machine.handle(event, self._session.now())

    def _attempt(self, facts: TaskFacts) -> None:
        from gale.authoring.execution import run_task

        token = secrets.token_hex(16)
        self._tell(e.SlotGranted(ti=facts.ti, token=token))
        until = self._session.now() + _LEASE
        self._tell(e.Started(ti=facts.ti, token=token, hostname="localhost", lease_until=until))
        click.echo(f"--- {facts.task_id}, attempt {facts.try_number}")
        order = self._rehearsal.order(facts.task_id, try_number=max(facts.try_number, 1))
        ended = run_task(self._rehearsal.dag, order, self._rehearsal.services)
        if ended.outcome is Outcome.SUCCESS:
            self._rehearsal.keep(facts.task_id, ended.xcoms)
        self._tell(event_of(replace(ended, ti=facts.ti, token=token), cause=""))

    def _wait(self) -> bool:
        """Let delays pass: retries come at once, sensors are asked again when they want to be."""
        for facts in self.machine.task_facts():
            if facts.state is TaskState.UP_FOR_RETRY:
                self._tell(e.DelayElapsed(ti=facts.ti))
                return True
        waiting = [facts for facts in self.machine.task_facts() if facts.state is TaskState.UP_FOR_RESCHEDULE]
        if not waiting:
            return False
        first = min(waiting, key=lambda facts: facts.due_at or self._session.now())
        if first.due_at is not None:
            time.sleep(max(0.0, (first.due_at - self._session.now()).total_seconds()))
        self._tell(e.DelayElapsed(ti=first.ti))
        return True


@click.command()
@output_option
@pass_session
def report(session: Session, output: str) -> None:
    """Read all DAG files now and show how long each takes and what it holds."""
    from gale.cli.dag_files import files, load, prepare

    prepare(session)
    rows: list[dict[str, Any]] = []
    for path in track(files(session), "Reading"):
        began = session.clock.monotonic()
        loaded = load(session, path)
        rows.append(
            {
                "file": path,
                "seconds": round(session.clock.monotonic() - began, 3),
                "dags": list(loaded.dags),
                "tasks": sum(len(dag.tasks) for dag in loaded.dags.values()),
                "errors": len(loaded.errors),
                "warnings": len(loaded.warnings),
            }
        )
    show_rows(sorted(rows, key=itemgetter("seconds"), reverse=True), output)
