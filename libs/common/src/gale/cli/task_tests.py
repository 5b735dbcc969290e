"""`gale tasks test` and `render`: one task, here and now, without a trace in the database."""

import json
import logging
import pdb  # noqa: T100 - `--post-mortem` asks for it
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gale.cli.output import output_option, show_fields
from gale.cli.params import JSON
from gale.cli.session import Session, pass_session

if TYPE_CHECKING:
    from gale.cli.rehearsal import Rehearsal

task_log = logging.getLogger("gale.task")

subdir_option = click.option(
    "-S",
    "-sd",
    "--subdir",
    "--dagfile-path",
    "subdir",
    type=click.Path(path_type=Path),
    help="File or folder to look in.",
)
map_index_option = click.option("--map-index", type=int, default=-1, help="Which of a mapped task's instances.")


def rehearsal_of(
    session: Session, dag_id: str, named: str | None, subdir: Path | None, conf: dict[str, Any] | None = None
) -> "Rehearsal":
    """Find the DAG's file, read it, and make ready what a task needs."""
    from gale.authoring.execution import warm_up
    from gale.cli.dag_files import find_dag
    from gale.cli.rehearsal import rehearse
    from gale.runtime.task_output import prepare_logging, prepare_output

    prepare_output()
    prepare_logging(session.settings.logging.logging_level)
    warm_up()
    dag, file = find_dag(session, dag_id, subdir)
    return rehearse(session, dag, file, named, conf)


@click.command()
@click.argument("dag_id")
@click.argument("task_id")
@click.argument("date", required=False)
@subdir_option
@map_index_option
@click.option("-n", "-dr", "--dry-run", "--dry_run", is_flag=True, help="Only show the rendered fields.")
@click.option("-t", "-tp", "--task-params", "--task_params", "params", type=JSON, help="Params of the task, as JSON.")
@click.option("--conf", "-c", type=JSON, help="The run's conf, as JSON.")
@click.option("--env-vars", type=JSON, help="Environment variables for the task, as JSON.")
@click.option("-m", "-pm", "--post-mortem", is_flag=True, help="Open the debugger when the task fails.")
@pass_session
def test(
    session: Session,
    /,
    dag_id: str,
    task_id: str,
    date: str | None,
    subdir: Path | None,
    *,
    map_index: int,
    dry_run: bool,
    **given: Any,
) -> None:
    """Run one task here and now. Its state, XComs and log are not stored.

    DATE is a logical date or the id of a run; default: now. What is upstream is not run.
    """
    from gale.authoring import surroundings
    from gale.authoring.execution import run_task
    from gale.core.attempt import Outcome

    rehearsal = rehearsal_of(session, dag_id, date, subdir, given["conf"])
    surroundings.current().environ.update({name: str(value) for name, value in (given["env_vars"] or {}).items()})
    if dry_run:
        _show_rendered(rehearsal, task_id, map_index, "table")
        return
    order = rehearsal.order(task_id, map_index=map_index, task_params=given["params"] or {})
    with _debugger(wanted=given["post_mortem"]):
        ended = run_task(rehearsal.dag, order, rehearsal.services)
    if ended.outcome in {Outcome.FAILED, Outcome.FAILED_FINAL}:
        click.echo(f"{dag_id}.{task_id} failed: {ended.reason}", err=True)
        raise SystemExit(1)
    said = f": {ended.reason}" if ended.reason else ""
    click.echo(f"{dag_id}.{task_id} ended with {ended.outcome.value}{said}. Nothing was stored.")


class _PostMortem(logging.Handler):
    """Opens the debugger where the task's code failed: the log record of the failure carries its traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        """Open pdb if the record is about an exception."""
        if record.exc_info and record.exc_info[2]:
            pdb.post_mortem(record.exc_info[2])


@contextmanager
def _debugger(*, wanted: bool) -> Iterator[None]:
    handler = _PostMortem()
    if wanted:
        task_log.addHandler(handler)
    try:
        yield
    finally:
        task_log.removeHandler(handler)


@click.command()
@click.argument("dag_id")
@click.argument("task_id")
@click.argument("date", required=False)
@subdir_option
@map_index_option
@output_option
@pass_session
def render(
    session: Session,
    dag_id: str,
    task_id: str,
    date: str | None,
    subdir: Path | None,
    *,
    map_index: int,
    output: str,
) -> None:
    """Show a task's fields with their templates filled in; nothing is run."""
    _show_rendered(rehearsal_of(session, dag_id, date, subdir), task_id, map_index, output)


def _show_rendered(rehearsal: "Rehearsal", task_id: str, map_index: int, output: str) -> None:
    fields = rehearsal.rendered(task_id, map_index)
    if output == "table":
        for name, value in fields.items():
            click.echo(
                f"# {name}\n{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)}\n"
            )
    else:
        show_fields(fields, output)
