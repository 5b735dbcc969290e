"""`gale tasks run` and `clear`: what the scheduler is asked to do with task instances."""

import re
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gale.cli.follow import LOOK_SECONDS, warn_if_idle
from gale.cli.params import INSTANT, as_instant, aware, find_run
from gale.cli.session import Session, confirm, pass_session, yes_option
from gale.core.states import FINISHED
from gale.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from gale.core.graph import DagSpec
    from gale.db.read.browse import AnyRow

_ENDED: Final = frozenset(state.value for state in FINISHED)
_FAILED: Final = frozenset({"failed", "upstream_failed"})


@click.command()
@click.argument("dag_id")
@click.argument("task_id")
@click.argument("run_name", metavar="RUN")
@click.option("--map-index", type=int, default=-1, help="Which of a mapped task's instances.")
@click.option("-m", "--mark-success", "--mark_success", is_flag=True, help="Only set its state to success.")
@click.option("-f", "--force", is_flag=True, help="Run it even if it has succeeded.")
@click.option("-A", "--ignore-all-dependencies", "--ignore_all_dependencies", "ignore_all", is_flag=True, hidden=True)
@click.option("-i", "--ignore-dependencies", "--ignore_dependencies", "ignore_some", is_flag=True, hidden=True)
@click.option("-l", "--local", is_flag=True, hidden=True)
@click.option("--raw", is_flag=True, hidden=True)
@click.option("-sd", "--subdir", "_subdir", hidden=True, expose_value=False)
@click.option("--pool", "_pool", hidden=True, expose_value=False)
@pass_session
def run(
    session: Session, /, dag_id: str, task_id: str, run_name: str, *, map_index: int, mark_success: bool, **given: Any
) -> None:
    """Have the scheduler run one task instance, and follow its log until it ends.

    RUN is a run id or a logical date; for a date without a run, one is made. The task waits for what
    is upstream of it; `gale tasks test` does not.
    """
    from gale.db.requests import request_clear, request_mark_tasks

    found, is_new = _run_or_new(session, dag_id, run_name)
    row = _instance(session, dag_id, found.run_id, task_id, map_index)
    if given["ignore_all"] or given["ignore_some"]:
        click.echo("Dependencies are not ignored here: use `gale tasks test` to run a task on its own.", err=True)
    now = session.now()
    with session.write() as connection:
        if mark_success:
            request_mark_tasks(connection, found.id, [row.id], state="success", user=session.user, now=now)
        elif not is_new and row.state in _ENDED and (row.state != "success" or given["force"]):
            request_clear(connection, found.id, [row.id], user=session.user, now=now)
    if row.state == "success" and not is_new and not given["force"] and not mark_success:
        click.echo(f"{dag_id}.{task_id} of {found.run_id} has succeeded already; --force runs it again.")
        return
    with session.read() as connection:
        warn_if_idle(connection, session)
    state = _follow(session, row, is_new=is_new, wants="success" if mark_success else "")
    click.echo(f"{dag_id}.{task_id} of {found.run_id}: {state}")
    if state in _FAILED:
        raise SystemExit(1)


def _run_or_new(session: Session, dag_id: str, named: str) -> "tuple[AnyRow, bool]":
    """Return the run that is named, and whether it had to be made."""
    from gale.db.requests import TriggerRequest, trigger_run

    try:
        with session.read() as connection:
            return find_run(connection, session, dag_id, named), False
    except NotFound:
        instant = as_instant(session, named)
        if instant is None:
            raise
        wish = TriggerRequest(dag_id=dag_id, logical_date=instant, triggered_by="cli", user=session.user)
        with session.write() as connection:
            return trigger_run(connection, wish, session.now()), True


def _instance(session: Session, dag_id: str, run_id: str, task_id: str, map_index: int) -> "AnyRow":
    """Return the task instance; those of a new run are there as soon as the scheduler has taken it."""
    from gale.db.read.browse_dags import spec_of_dag
    from gale.db.read.browse_tasks import task_instance_with_id

    with session.read() as connection:
        if task_id not in {task.task_id for task in spec_of_dag(connection, dag_id).tasks}:
            raise NotFound(f"DAG {dag_id!r} has no task {task_id!r}. See `gale tasks list {dag_id}`.")
    warned = False
    while True:
        try:
            with session.read() as connection:
                return task_instance_with_id(connection, dag_id, run_id, task_id, map_index)
        except NotFound:
            if not warned:
                with session.read() as connection:
                    warn_if_idle(connection, session)
            warned = True
            time.sleep(LOOK_SECONDS)


def _follow(session: Session, row: "AnyRow", *, is_new: bool, wants: str) -> str:
    """Print the log as it grows, until the task instance has ended anew; return its state.

    Args:
        session: The database.
        row: The task instance as it was before.
        is_new: Every log of it is worth showing, for its run was made for this command.
        wants: Wait for this state; empty = for any in which it has ended.
    """
    from gale.db.read.browse_tasks import task_instance_with_id
    from gale.runtime.logs import log_path, read_chunk

    shown: dict[Path, int] = {}
    was_ended = row.state in _ENDED and not is_new
    while True:
        with session.read() as connection:
            now = task_instance_with_id(connection, row.dag_id, row.run_id, row.task_id, row.map_index)
        path = log_path(
            session.settings.logging.base_log_folder,
            dag_id=row.dag_id,
            run_id=row.run_id,
            task_id=row.task_id,
            try_number=now.try_number,
            map_index=row.map_index,
        )
        if path.exists() and (now.try_number > row.try_number or not was_ended):
            text, shown[path], _ = read_chunk(path, shown.get(path, 0))
            click.echo(text, nl=False)
        has_moved = now.updated_at > row.updated_at or not was_ended
        if now.state in _ENDED and has_moved and (not wants or now.state == wants):
            return str(now.state)
        time.sleep(LOOK_SECONDS)


@click.command()
@click.argument("dag_id")
@click.option("-t", "--task-regex", "--task_regex", help="Only tasks whose id this pattern finds.")
@click.option("-s", "--start-date", "--start_date", "start", type=INSTANT, help="Only runs from this logical date on.")
@click.option("-e", "--end-date", "--end_date", "end", type=INSTANT, help="Only runs up to this logical date.")
@click.option("-r", "--run", "named", help="Only this run, by run id or logical date.")
@click.option("-u", "--upstream", is_flag=True, help="Also what is upstream of the tasks.")
@click.option("-d", "--downstream", is_flag=True, help="Also what is downstream of the tasks.")
@click.option("-f", "--only-failed", "--only_failed", is_flag=True, help="Only task instances that failed.")
@click.option("--only-running", "--only_running", is_flag=True, help="Only task instances that are running.")
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be cleared.")
@click.option("-x", "--exclude-subdags", "-xp", "--exclude-parentdag", is_flag=True, hidden=True)
@click.option("-sd", "--subdir", "_subdir", hidden=True, expose_value=False)
@yes_option
@pass_session
def clear(session: Session, /, dag_id: str, *, named: str | None, yes: bool, dry_run: bool, **given: Any) -> None:
    """Have task instances run again, as if they never had."""
    from gale.db.requests import request_clear

    chosen = _chosen(session, dag_id, named, given)
    count = sum(map(len, chosen.values()))
    if not count:
        click.echo("Nothing to clear.")
        return
    for run_row, rows in chosen.items():
        click.echo(f"{run_row.run_id}: {', '.join(f'{row.task_id} ({row.state})' for row in rows)}")
    if dry_run:
        return
    confirm(f"Clear these {count} task instances?", yes=yes)
    with session.write() as connection:
        for run_row, rows in chosen.items():
            request_clear(connection, run_row.id, [row.id for row in rows], user=session.user, now=session.now())
        warn_if_idle(connection, session)
    click.echo(f"{count} task instances are to be cleared.")


def _chosen(session: Session, dag_id: str, named: str | None, given: dict[str, Any]) -> "dict[AnyRow, list[AnyRow]]":
    from gale.db.read.browse_dags import spec_of_dag
    from gale.db.read.browse_runs import runs_between
    from gale.db.read.browse_tasks import task_instances_of_runs

    with session.read() as connection:
        spec = spec_of_dag(connection, dag_id)
        runs: Sequence[AnyRow]
        if named is not None:
            runs = [find_run(connection, session, dag_id, named)]
        else:
            runs = runs_between(connection, dag_id, _aware(session, given["start"]), _aware(session, given["end"]))
        rows = task_instances_of_runs(connection, [row.id for row in runs], _task_ids(spec, given))
    wanted = _wanted_states(given)
    found = {row: [ti for ti in rows if ti.run == row.id and (not wanted or ti.state in wanted)] for row in runs}
    return {row: tis for row, tis in found.items() if tis}


def _wanted_states(given: dict[str, Any]) -> frozenset[str]:
    states = set(_FAILED) if given["only_failed"] else set()
    return frozenset(states | ({"running"} if given["only_running"] else set()))


def _aware(session: Session, instant: datetime | None) -> datetime | None:
    return None if instant is None else aware(session, instant)


def _task_ids(spec: "DagSpec", given: dict[str, Any]) -> list[str]:
    from gale.core.selection import relatives

    try:
        pattern = re.compile(given["task_regex"] or "")
    except re.error as error:
        raise BadRequest(f"{given['task_regex']!r} is no regular expression: {error}.") from None
    chosen = [task.task_id for task in spec.tasks if pattern.search(task.task_id)]
    return relatives(spec, chosen, upstream=given["upstream"], downstream=given["downstream"])
