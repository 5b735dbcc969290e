"""`gale backfill`: make up for runs of the past, and follow them."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from gale.cli.follow import follow_runs, warn_if_idle
from gale.cli.output import show_rows
from gale.cli.params import INSTANT, JSON, aware
from gale.cli.session import Session, pass_session
from gale.errors import BadRequest

if TYPE_CHECKING:
    from gale.core.graph import DagSpec
    from gale.core.timetables import NextRun
    from gale.db.read.browse import AnyRow

#: More at once is surely a slip of the keyboard.
MAX_RUNS: Final = 10_000
_BEHAVIOURS: Final = ("none", "failed", "completed")


class _BackfillGroup(click.Group):
    """Takes Airflow 1.x's form too, where the DAG's id follows at once: `backfill ct1 -s … -e …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the subcommand where it is left out."""
        if args and args[0] not in {*self.commands, "-h", "--help"}:
            args = ["create", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_BackfillGroup)
def backfill() -> None:
    """Make up for runs of the past."""


@backfill.command()
@click.argument("dag_id_argument", metavar="[DAG_ID]", required=False)
@click.option("--dag-id", help="Which DAG.")
@click.option("-s", "--from-date", "--start-date", "--start_date", "start", type=INSTANT, help="First logical date.")
@click.option("-e", "--to-date", "--end-date", "--end_date", "end", type=INSTANT, help="Last logical date.")
@click.option("-c", "--conf", "--dag-run-conf", "conf", type=JSON, default="{}", help="What the runs are given.")
@click.option("--run-backwards", "-B", "backwards", is_flag=True, help="Newest first.")
@click.option(
    "--reprocess-behavior",
    type=click.Choice(_BEHAVIOURS),
    default="none",
    show_default=True,
    help="Which runs that are there already run again: none, those that failed, or all that have ended.",
)
@click.option("--reset-dagruns", "--reset_dagruns", "reset", is_flag=True, help="Run again what has ended.")
@click.option(
    "--rerun-failed-tasks", "--rerun_failed_tasks", "rerun_failed", is_flag=True, help="Run again what failed."
)
@click.option("-n", "--dry-run", "--dry_run", is_flag=True, help="Only show which runs there would be.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow the runs until they have ended.")
@click.option("-m", "--mark-success", is_flag=True, hidden=True)
@click.option("-l", "--local", is_flag=True, hidden=True)
@click.option("-x", "--donot-pickle", "--donot_pickle", is_flag=True, hidden=True)
@click.option("-i", "--ignore-dependencies", "--ignore_dependencies", is_flag=True, hidden=True)
@click.option("-I", "--ignore-first-depends-on-past", "--ignore_first_depends_on_past", is_flag=True, hidden=True)
@click.option("-y", "--yes", "--reset-confirm", is_flag=True, hidden=True)
@click.option("--max-active-runs", type=click.IntRange(1), hidden=True)
@click.option("-sd", "--subdir", hidden=True)
@click.option("--pool", hidden=True)
@click.option("-v", "--verbose", is_flag=True, hidden=True)
@pass_session
def create(
    session: Session, /, dag_id_argument: str | None, dag_id: str | None, *, start: datetime | None, **given: Any
) -> None:
    """Create runs for all intervals between two dates, and follow them."""
    from gale.db.read.browse_dags import dag_with_id, spec_of_dag

    name = dag_id or dag_id_argument
    begins, ends = start or given["end"], given["end"] or start
    if name is None or begins is None or ends is None:
        raise BadRequest("Say which DAG and which dates: gale backfill create DAG_ID --from-date … --to-date …")
    first, last = aware(session, begins), aware(session, ends)
    with session.read() as connection:
        row, spec = dag_with_id(connection, name), spec_of_dag(connection, name)
    planned = plan(spec, first, last, session.now())
    if given["backwards"]:
        planned.reverse()
    if given["dry_run"]:
        show_rows(
            [{"logical_date": run.logical_date, "data_interval_end": run.interval.end} for run in planned], "table"
        )
        return
    if row.is_paused:
        click.echo(f"DAG {name} is paused, so the runs wait. Switch it on: `gale dags unpause {name}`.", err=True)
    behaviour = "completed" if given["reset"] else "failed" if given["rerun_failed"] else given["reprocess_behavior"]
    made = _make(session, name, planned, conf=given["conf"], behaviour=behaviour)
    with session.read() as connection:
        warn_if_idle(connection, session)
    if given["wait"] and made:
        states = list(follow_runs(session, {run.id: run.run_id for run in made}).values())
        click.echo(f"{states.count('success')} of {len(states)} runs succeeded.")
        if states.count("success") < len(states):
            raise SystemExit(1)


def plan(spec: "DagSpec", first: datetime, last: datetime, now: datetime) -> "list[NextRun]":
    """Return the runs that the DAG's timetable has between two logical dates, both included.

    Raises:
        BadRequest: There is none, or there are absurdly many.
    """
    from gale.core.timetables import Limits, from_spec

    timetable = from_spec(spec.timetable)
    limits = Limits(earliest=first, latest=last, catchup=True)
    found: list[NextRun] = []
    run = timetable.next_run(None, limits, now)
    while run is not None and run.logical_date <= last:
        found.append(run)
        if len(found) > MAX_RUNS:
            raise BadRequest(f"That would be more than {MAX_RUNS} runs. Choose dates that are closer together.")
        run = timetable.next_run(run.interval, limits, now)
    if not found:
        raise BadRequest(
            f"DAG {spec.dag_id!r} ({timetable.summary}) has no interval between {first.isoformat()} and "
            f"{last.isoformat()}. Choose other dates, or trigger a run for a date: `gale dags trigger -l DATE`."
        )
    return found


def _make(
    session: Session, dag_id: str, planned: "Sequence[NextRun]", *, conf: dict[str, Any], behaviour: str
) -> "list[AnyRow]":
    """Create the runs that are not there, and have those run again that are to; return both."""
    made: list[AnyRow] = []
    kept = 0
    with session.write() as connection:
        for run in planned:
            row = _one(session, connection, dag_id, run, conf=conf, behaviour=behaviour)
            kept += row is None
            made += [] if row is None else [row]
    click.echo(f"{len(made)} runs are to run{f', {kept} are there already and stay as they are' if kept else ''}.")
    return made


def _one(
    session: Session, connection: Any, dag_id: str, run: "NextRun", *, conf: dict[str, Any], behaviour: str
) -> "AnyRow | None":
    from gale.db.read.cli import run_with_logical_date, task_states_of_run
    from gale.db.requests import TriggerRequest, request_clear, trigger_run

    there = run_with_logical_date(connection, dag_id, run.logical_date)
    if there is None:
        wish = TriggerRequest(
            dag_id=dag_id,
            logical_date=run.logical_date,
            interval=run.interval,
            conf=conf,
            run_type="backfill",
            triggered_by="backfill",
            user=session.user,
        )
        return trigger_run(connection, wish, session.now())
    again = {"failed": {"failed"}, "completed": {"failed", "success"}}.get(behaviour, set())
    if there.state not in again:
        return None
    found = task_states_of_run(connection, there.id)
    tis = [ti.id for ti in found if behaviour == "completed" or ti.state in {"failed", "upstream_failed"}]
    request_clear(connection, there.id, tis, user=session.user, now=session.now())
    return there
