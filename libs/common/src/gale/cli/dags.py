"""`gale dags`: list, trigger, pause, delete; the rest is in modules of its own."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from gale.cli.names import Entry
from gale.cli.output import output_option, show_fields, show_rows
from gale.cli.params import INSTANT, JSON, aware
from gale.cli.root import LazyGroup
from gale.cli.session import Session, confirm, pass_session, yes_option
from gale.errors import BadRequest, NotFound


@click.group(
    cls=LazyGroup,
    entries={
        "test": Entry("gale.cli.dag_tests:test", "Run a whole DAG here and now, without a trace in the database."),
        "report": Entry("gale.cli.dag_tests:report", "Show how long each DAG file takes to read."),
        "show": Entry("gale.cli.dag_pictures:show", "Draw a DAG as text or in the DOT language."),
        "list-runs": Entry("gale.cli.dag_runs:list_runs", "List the runs of a DAG."),
        "state": Entry("gale.cli.dag_runs:state", "Print the state of a run."),
        "next-execution": Entry("gale.cli.dag_runs:next_execution", "Print when a DAG runs next."),
        "backfill": Entry("gale.cli.backfill:create", "Make up for runs of the past."),
        "clear": Entry("gale.cli.task_runs:clear", "Have task instances run again."),
    },
)
def dags() -> None:
    """List, trigger, pause, test and show DAGs."""


@dags.command("list")
@click.option("--columns", default="", help="Which columns, separated by commas.")
@click.option("-l", "--local", is_flag=True, help="Read the files now instead of asking the database.")
@click.option("-t", "--tag", "tags", multiple=True, help="Only DAGs with this tag.")
@click.option("--paused/--not-paused", default=None, help="Only those that are (not) switched off.")
@click.option("-v", "--verbose", is_flag=True, hidden=True)
@output_option
@pass_session
def list_(session: Session, /, output: str, *, columns: str, local: bool, **given: Any) -> None:
    """List the DAGs."""
    rows = _local_rows(session) if local else _stored_rows(session, given["tags"], given["paused"])
    chosen = tuple(name.strip() for name in columns.split(",") if name.strip())
    if unknown := set(chosen) - {"dag_id", "fileloc", "owners", "is_paused", "schedule", "tags", "next_run"}:
        raise BadRequest(f"There is no column {', '.join(sorted(unknown))}.")
    show_rows(rows, output, columns=chosen)


def _stored_rows(session: Session, tags: tuple[str, ...], paused: bool | None) -> list[dict[str, Any]]:
    from gale.db.read.browse import Page
    from gale.db.read.browse_dags import DagFilter, dags_matching, tags_of

    wanted = DagFilter(tags=tags, paused=paused)
    with session.read() as connection:
        found = dags_matching(connection, wanted, Page(limit=1_000_000, order_by=("dag_id",))).rows
        tagged = tags_of(connection, [row.dag_id for row in found])
    return [
        {
            "dag_id": row.dag_id,
            "fileloc": row.fileloc,
            "owners": row.owners,
            "is_paused": row.is_paused,
            "schedule": row.timetable_summary,
            "tags": list(tagged.get(row.dag_id, ())),
            "next_run": row.next_run_after,
        }
        for row in found
    ]


def _local_rows(session: Session) -> list[dict[str, Any]]:
    from gale.authoring.serialization import dag_to_spec
    from gale.cli.dag_files import files, load, prepare
    from gale.core.timetables import from_spec

    prepare(session)
    rows = []
    for path in files(session):
        loaded = load(session, path)
        for error in loaded.errors:
            click.echo(str(error), err=True)
        for dag in loaded.dags.values():
            spec = dag_to_spec(dag, str(path))
            rows.append(
                {
                    "dag_id": spec.dag_id,
                    "fileloc": spec.fileloc,
                    "owners": ", ".join(spec.owners),
                    "is_paused": None,
                    "schedule": from_spec(spec.timetable).summary,
                    "tags": list(spec.tags),
                    "next_run": None,
                }
            )
    return sorted(rows, key=lambda row: str(row["dag_id"]))


@click.command("list_dags", hidden=True)
@click.option("-sd", "--subdir", type=click.Path(path_type=Path), hidden=True)
@click.option("-r", "--report", "wants_report", is_flag=True, hidden=True)
@pass_session
@click.pass_context
def list_dags(ctx: click.Context, session: Session, *, subdir: Path | None, wants_report: bool) -> None:
    """List the ids of the DAGs in the files, as Airflow 1.x does."""
    del subdir
    if wants_report:
        from gale.cli.dag_tests import report

        ctx.invoke(report, output="table")
        return
    for row in _local_rows(session):
        click.echo(row["dag_id"])


@dags.command()
@click.argument("dag_id")
@output_option
@pass_session
def details(session: Session, dag_id: str, output: str) -> None:
    """Show everything that is known of a DAG."""
    import dataclasses

    from gale.db.read.browse_dags import dag_with_id, spec_of_dag

    with session.read() as connection:
        row = dag_with_id(connection, dag_id)
        spec = spec_of_dag(connection, dag_id)
    fields = {**row._mapping, **dataclasses.asdict(spec)}  # noqa: SLF001 - SQLAlchemy's public name
    fields["tasks"] = [task.task_id for task in spec.tasks]
    fields["schedule"] = row.timetable_summary
    show_fields({name: value for name, value in fields.items() if value is not None}, output)


@dags.command("list-import-errors")
@click.option("-l", "--local", is_flag=True, help="Read the files now instead of asking the database.")
@output_option
@pass_session
def list_import_errors(session: Session, output: str, *, local: bool) -> None:
    """List the mistakes in DAG files; exit with 1 if there are any and --local is given."""
    if local:
        from gale.cli.dag_files import files, load, prepare

        prepare(session)
        rows = [
            {"filepath": path, "error": str(error)} for path in files(session) for error in load(session, path).errors
        ]
    else:
        from gale.db.read.browse import Page
        from gale.db.read.browse_dags import import_errors_matching

        with session.read() as connection:
            found = import_errors_matching(connection, page=Page(limit=1_000_000)).rows
        rows = [{"filepath": row.filename, "error": row.stacktrace} for row in found]
    show_rows(rows, output)
    if rows and local:
        raise SystemExit(1)


@dags.command()
@click.argument("dag_id")
@click.option("-r", "--run-id", "--run_id", help="Id of the run; default: made from the date.")
@click.option("-c", "--conf", type=JSON, default="{}", help="What the run is given, as a JSON object.")
@click.option("-l", "-e", "--logical-date", "--exec-date", "--exec_date", "date", type=INSTANT, help="Default: now.")
@click.option("--note", help="A remark for people.")
@click.option("-w", "--wait", is_flag=True, help="Wait until the run has ended; exit with 1 if it fails.")
@click.option("--no-replace-microseconds", is_flag=True, hidden=True)
@click.option("-sd", "--subdir", hidden=True)
@output_option
@pass_session
def trigger(
    session: Session, /, dag_id: str, output: str, *, conf: dict[str, Any], date: datetime | None, **given: Any
) -> None:
    """Start a run of a DAG."""
    from gale.cli.follow import follow_runs, warn_if_idle
    from gale.db.read.browse_dags import dag_with_id
    from gale.db.requests import TriggerRequest, trigger_run

    wish = TriggerRequest(
        dag_id=dag_id,
        run_id=given["run_id"],
        logical_date=None if date is None else aware(session, date),
        conf=conf,
        note=given["note"],
        triggered_by="cli",
        user=session.user,
    )
    with session.write() as connection:
        run = trigger_run(connection, wish, session.now())
        is_paused = dag_with_id(connection, dag_id).is_paused
    names = ("dag_id", "run_id", "state", "logical_date", "data_interval_start", "data_interval_end", "conf")
    show_rows([{name: getattr(run, name) for name in names}], output)
    if is_paused:
        click.echo(f"DAG {dag_id} is paused, so the run waits. Switch it on: `gale dags unpause {dag_id}`.", err=True)
    with session.read() as connection:
        warn_if_idle(connection, session)
    if given["wait"] and set(follow_runs(session, {run.id: run.run_id}).values()) != {"success"}:
        raise SystemExit(1)


def _switch(session: Session, dag_id: str, *, paused: bool, as_regex: bool, yes: bool) -> None:
    from gale.db.read.cli import dag_ids_known
    from gale.db.requests import set_paused

    with session.read() as connection:
        known = dag_ids_known(connection)
    chosen = _matching(dag_id, known) if as_regex else [name for name in known if name == dag_id]
    if not chosen:
        raise NotFound(f"There is no DAG {dag_id!r}. `gale dags list` shows those that there are.")
    if as_regex:
        confirm(f"{'Pause' if paused else 'Unpause'} {len(chosen)} DAGs: {', '.join(chosen)}?", yes=yes)
    with session.write() as connection:
        set_paused(connection, chosen, paused=paused, user=session.user, now=session.now())
    for name in chosen:
        click.echo(f"DAG {name} is {'paused: no new task of it starts' if paused else 'switched on'}.")


def _matching(pattern: str, known: list[str]) -> list[str]:
    try:
        return [name for name in known if re.search(pattern, name)]
    except re.error as error:
        raise BadRequest(f"{pattern!r} is no regular expression: {error}.") from None


_regex_option = click.option("--treat-dag-id-as-regex", "as_regex", is_flag=True, help="DAG_ID is a pattern.")
_subdir_hidden = click.option("-sd", "--subdir", "_subdir", hidden=True, expose_value=False)


@dags.command()
@click.argument("dag_id")
@_regex_option
@_subdir_hidden
@yes_option
@pass_session
def pause(session: Session, dag_id: str, *, as_regex: bool, yes: bool) -> None:
    """Switch a DAG off: nothing new of it starts; what runs goes on."""
    _switch(session, dag_id, paused=True, as_regex=as_regex, yes=yes)


@dags.command()
@click.argument("dag_id")
@_regex_option
@_subdir_hidden
@yes_option
@pass_session
def unpause(session: Session, dag_id: str, *, as_regex: bool, yes: bool) -> None:
    """Switch a DAG on."""
    _switch(session, dag_id, paused=False, as_regex=as_regex, yes=yes)


@dags.command()
@click.argument("dag_id")
@yes_option
@pass_session
def delete(session: Session, dag_id: str, *, yes: bool) -> None:
    """Delete a DAG's runs, history and row; if its file stays, it comes back empty."""
    from gale.cli.follow import warn_if_idle
    from gale.db.requests import request_delete_dag

    with session.read() as connection:
        from gale.db.read.browse_dags import dag_with_id

        dag_with_id(connection, dag_id)
    confirm(f"Delete all runs and the history of DAG {dag_id}?", yes=yes)
    with session.write() as connection:
        request_delete_dag(connection, dag_id, user=session.user, now=session.now())
    click.echo(f"DAG {dag_id} is to be deleted; the scheduler stops what runs of it first.")
    with session.read() as connection:
        warn_if_idle(connection, session)


@dags.command("list-jobs")
@click.option("--state", help="Only jobs in this state.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Most that are listed.")
@output_option
@pass_session
def list_jobs(session: Session, output: str, *, state: str | None, limit: int) -> None:
    """List the processes that run DAGs."""
    from gale.db.read.browse import Page
    from gale.db.read.browse_admin import JobFilter, jobs_matching

    with session.read() as connection:
        rows = jobs_matching(connection, JobFilter(state=state), Page(limit=limit, order_by=("-start_date",))).rows
    names = ("id", "state", "job_type", "start_date", "end_date", "hostname", "pid")
    show_rows([{name: getattr(row, name) for name in names} for row in rows], output)


@dags.command(hidden=True)
def reserialize() -> None:
    """Say that there is nothing to do."""
    click.echo("The scheduler reads each file by itself when it changes; nothing has to be done.")
