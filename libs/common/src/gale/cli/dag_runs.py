"""The commands of `gale dags` about runs: list-runs, state, next-execution."""

from datetime import datetime
from typing import Any

import click

from gale.cli.output import output_option, show_rows
from gale.cli.params import INSTANT, aware, find_run
from gale.cli.session import Session, pass_session

COLUMNS = ("dag_id", "run_id", "state", "run_type", "logical_date", "run_after", "start_date", "end_date")


def run_rows(session: Session, dag_id: str | None, **wanted: Any) -> list[dict[str, Any]]:
    """Return runs as rows, newest first.

    Args:
        session: The database.
        dag_id: Only of this DAG.
        wanted: `states`, `run_types`, `start`, `end` (instants), `limit`.
    """
    from gale.db.read.browse import Page
    from gale.db.read.browse_dags import dag_with_id
    from gale.db.read.browse_runs import RunFilter, runs_matching

    limits = (("logical_date_gte", wanted.get("start")), ("logical_date_lte", wanted.get("end")))
    chosen = RunFilter(
        dag_ids=(dag_id,) if dag_id else (),
        states=tuple(wanted.get("states") or ()),
        run_types=tuple(wanted.get("run_types") or ()),
        ranges={name: aware(session, value) for name, value in limits if value is not None},
    )
    with session.read() as connection:
        if dag_id:
            dag_with_id(connection, dag_id)
        page = Page(limit=wanted.get("limit") or 100, order_by=("-run_after",))
        found = runs_matching(connection, chosen, page).rows
    return [{name: getattr(row, name) for name in COLUMNS} for row in found]


@click.command("list-runs")
@click.argument("dag_id_argument", metavar="[DAG_ID]", required=False)
@click.option("-d", "--dag-id", "--dag_id", help="Only runs of this DAG.")
@click.option("--state", "states", multiple=True, help="Only runs in this state.")
@click.option("--no-backfill", "--no_backfill", is_flag=True, help="Leave out runs of backfills.")
@click.option("-s", "--start-date", "--start_date", "start", type=INSTANT, help="Only logical dates from this one on.")
@click.option("-e", "--end-date", "--end_date", "end", type=INSTANT, help="Only logical dates up to this one.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Most runs that are listed.")
@output_option
@pass_session
def list_runs(
    session: Session,
    /,
    dag_id_argument: str | None,
    dag_id: str | None,
    output: str,
    *,
    states: tuple[str, ...],
    no_backfill: bool,
    start: datetime | None,
    end: datetime | None,
    limit: int,
) -> None:
    """List runs, newest first."""
    types = ("scheduled", "manual", "operator_triggered") if no_backfill else ()
    rows = run_rows(
        session, dag_id or dag_id_argument, states=states, run_types=types, start=start, end=end, limit=limit
    )
    show_rows(rows, output, columns=COLUMNS)


@click.command()
@click.argument("dag_id")
@click.argument("run")
@click.option("-sd", "--subdir", "_subdir", hidden=True, expose_value=False)
@pass_session
def state(session: Session, dag_id: str, run: str) -> None:
    """Print the state of a run, named by its id or its logical date."""
    with session.read() as connection:
        click.echo(find_run(connection, session, dag_id, run).state)


@click.command("next-execution")
@click.argument("dag_id")
@click.option("-n", "--num-executions", type=click.IntRange(1), default=1, show_default=True, help="How many.")
@click.option("-t", "--table", "as_table", is_flag=True, help="Show intervals and dates.")
@click.option("-sd", "--subdir", "_subdir", hidden=True, expose_value=False)
@output_option
@pass_session
def next_execution(session: Session, dag_id: str, output: str, *, num_executions: int, as_table: bool) -> None:
    """Print the logical dates of the next runs."""
    from gale.core.timetables import DataInterval, Limits, NextRun, from_spec
    from gale.db.read.browse_dags import dag_with_id, spec_of_dag

    with session.read() as connection:
        row, spec = dag_with_id(connection, dag_id), spec_of_dag(connection, dag_id)
    found: list[NextRun] = []
    if row.next_run_after is not None:
        interval = DataInterval(row.next_interval_start, row.next_interval_end)
        found.append(NextRun(row.next_logical_date, interval, row.next_run_after))
    timetable = from_spec(spec.timetable)
    limits = Limits(earliest=spec.start_date, latest=spec.end_date, catchup=spec.catchup)
    while found and len(found) < num_executions:
        later = timetable.next_run(found[-1].interval, limits, session.now())
        if later is None:
            break
        found.append(later)
    if row.is_paused:
        click.echo(f"DAG {dag_id} is paused, so none of these starts before it is switched on.", err=True)
    if not found:
        click.echo("None")
    elif as_table or output != "table":
        rows = [
            {
                "logical_date": run.logical_date,
                "data_interval_start": run.interval.start,
                "data_interval_end": run.interval.end,
                "run_after": run.run_after,
            }
            for run in found
        ]
        show_rows(rows, output)
    else:
        for run in found:
            click.echo(run.logical_date.isoformat())
