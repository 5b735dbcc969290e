"""`gale runs`: list, show, watch, clear, mark and delete runs."""

import json

import click

from gale.cli.dag_runs import list_runs
from gale.cli.output import output_option, show_fields
from gale.cli.params import find_run
from gale.cli.root import LazyGroup
from gale.cli.session import Session, confirm, pass_session, yes_option
from gale.errors import NotFound


@click.group(cls=LazyGroup)
def runs() -> None:
    """List, show, watch, clear, mark and delete runs."""


runs.add_command(list_runs, "list")


@runs.command()
@click.argument("dag_id")
@click.argument("run", required=False)
@output_option
@pass_session
def show(session: Session, dag_id: str, run: str | None, output: str) -> None:
    """Show a run and how its tasks stand; default: the newest run. RUN is a run id or a logical date."""
    from gale.db.read.browse_tasks import count_task_instances_by_state
    from gale.db.read.cli import newest_run_of
    from gale.db.read.why import why_run

    with session.read() as connection:
        row = newest_run_of(connection, dag_id) if run is None else find_run(connection, session, dag_id, run)
        if row is None:
            raise NotFound(f"DAG {dag_id!r} has no run yet. Start one: `gale dags trigger {dag_id}`.")
        counts = count_task_instances_by_state(connection, [row.id]).get(row.id, {})
        answer = why_run(connection, dag_id, row.run_id, session.limits(), session.now())
    names = ("dag_id", "run_id", "state", "run_type", "logical_date", "data_interval_start", "data_interval_end")
    dates = ("run_after", "queued_at", "start_date", "end_date", "triggered_by", "triggering_user_name", "note")
    fields = {name: getattr(row, name) for name in (*names, *dates)}
    fields |= {"conf": json.loads(row.conf), "tasks": counts, "why": answer.sentence}
    show_fields(fields, output)


@runs.command()
@click.argument("dag_id")
@click.argument("run")
@click.option("--timeout", type=click.FloatRange(0), help="Seconds to wait at most.")
@pass_session
def watch(session: Session, dag_id: str, run: str, *, timeout: float | None) -> None:
    """Wait until a run has ended; exit with 1 unless it succeeds. RUN is a run id or a logical date."""
    from gale.cli.follow import follow_runs, warn_if_idle

    with session.read() as connection:
        row = find_run(connection, session, dag_id, run)
        warn_if_idle(connection, session)
    state = follow_runs(session, {row.id: row.run_id}, limit_seconds=timeout)[row.id]
    click.echo(state)
    if state != "success":
        raise SystemExit(1)


@runs.command()
@click.argument("dag_id")
@click.argument("run")
@click.option("-f", "--only-failed", is_flag=True, help="Only task instances that failed.")
@yes_option
@pass_session
def clear(session: Session, dag_id: str, run: str, *, only_failed: bool, yes: bool) -> None:
    """Have all task instances of a run, or those that failed, run again."""
    from gale.cli.follow import warn_if_idle
    from gale.db.read.cli import task_states_of_run
    from gale.db.requests import request_clear

    with session.read() as connection:
        row = find_run(connection, session, dag_id, run)
        found = task_states_of_run(connection, row.id)
    chosen = [ti.id for ti in found if not only_failed or ti.state in {"failed", "upstream_failed"}]
    if not chosen:
        click.echo("Nothing to clear.")
        return
    confirm(f"Clear {len(chosen)} task instances of {row.run_id}?", yes=yes)
    with session.write() as connection:
        request_clear(connection, row.id, chosen, user=session.user, now=session.now())
        warn_if_idle(connection, session)
    click.echo(f"{len(chosen)} task instances of {row.run_id} are to be cleared.")


@runs.command()
@click.argument("dag_id")
@click.argument("run")
@click.argument("state", type=click.Choice(["success", "failed"]))
@pass_session
def mark(session: Session, dag_id: str, run: str, state: str) -> None:
    """Set a run, with what is unfinished in it, to success or failed."""
    from gale.cli.follow import warn_if_idle
    from gale.db.requests import request_mark_run

    with session.write() as connection:
        row = find_run(connection, session, dag_id, run)
        request_mark_run(connection, row.id, state=state, user=session.user, now=session.now())
        warn_if_idle(connection, session)
    click.echo(f"Run {row.run_id} is to be set to {state}.")


@runs.command()
@click.argument("dag_id")
@click.argument("run")
@yes_option
@pass_session
def delete(session: Session, dag_id: str, run: str, *, yes: bool) -> None:
    """Delete a run with all that belongs to it; what runs is stopped first."""
    from gale.cli.follow import warn_if_idle
    from gale.db.requests import request_delete_run

    with session.read() as connection:
        row = find_run(connection, session, dag_id, run)
    confirm(f"Delete the run {row.run_id} of {dag_id}?", yes=yes)
    with session.write() as connection:
        request_delete_run(connection, row.id, user=session.user, now=session.now())
        warn_if_idle(connection, session)
    click.echo(f"Run {row.run_id} is to be deleted.")
