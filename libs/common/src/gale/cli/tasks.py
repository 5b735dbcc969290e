"""`gale tasks`: what is known of tasks; tests and runs are in modules of their own."""

import click

from gale.cli.names import Entry
from gale.cli.output import output_option, show_rows
from gale.cli.params import find_run
from gale.cli.root import LazyGroup
from gale.cli.session import Session, pass_session

_subdir_hidden = click.option("-sd", "--subdir", "_subdir", hidden=True, expose_value=False)


@click.group(
    cls=LazyGroup,
    entries={
        "test": Entry("gale.cli.task_tests:test", "Run one task here and now, without a trace in the database."),
        "render": Entry("gale.cli.task_tests:render", "Show a task's fields with their templates filled in."),
        "run": Entry("gale.cli.task_runs:run", "Have the scheduler run one task, and follow its log."),
        "clear": Entry("gale.cli.task_runs:clear", "Have task instances run again."),
    },
)
def tasks() -> None:
    """List, test, render, clear and run tasks."""


@tasks.command("list")
@click.argument("dag_id")
@click.option("-t", "--tree", "as_tree", is_flag=True, help="Show how they depend on each other.")
@_subdir_hidden
@output_option
@pass_session
def list_tasks(session: Session, dag_id: str, output: str, *, as_tree: bool) -> None:
    """List the tasks of a DAG, upstream ones first."""
    from gale.cli.dag_pictures import tree
    from gale.db.read.browse_dags import spec_of_dag

    with session.read() as connection:
        spec = spec_of_dag(connection, dag_id)
    if as_tree:
        click.echo("\n".join(tree(spec)))
    elif output == "table":
        for task in spec.tasks:
            click.echo(task.task_id)
    else:
        rows = [
            {
                "task_id": task.task_id,
                "operator": task.operator,
                "upstream": list(task.upstream),
                "trigger_rule": task.trigger_rule,
                "retries": task.retries,
                "pool": task.pool,
                "queue": task.queue,
                "owner": task.owner,
            }
            for task in spec.tasks
        ]
        show_rows(rows, output)


@tasks.command()
@click.argument("dag_id")
@click.argument("task_id")
@click.argument("run")
@click.option("--map-index", type=int, default=-1, help="Which of a mapped task's instances.")
@_subdir_hidden
@pass_session
def state(session: Session, dag_id: str, task_id: str, run: str, *, map_index: int) -> None:
    """Print the state of a task instance. RUN is a run id or a logical date."""
    from gale.db.read.browse_tasks import task_instance_with_id

    with session.read() as connection:
        run_id = find_run(connection, session, dag_id, run).run_id
        click.echo(task_instance_with_id(connection, dag_id, run_id, task_id, map_index).state)


@tasks.command("failed-deps")
@click.argument("dag_id")
@click.argument("task_id")
@click.argument("run")
@click.option("--map-index", type=int, default=-1, help="Which of a mapped task's instances.")
@_subdir_hidden
@pass_session
def failed_deps(session: Session, dag_id: str, task_id: str, run: str, *, map_index: int) -> None:
    """Say what holds a task instance back. RUN is a run id or a logical date."""
    from gale.db.read.why import why_task

    with session.read() as connection:
        run_id = find_run(connection, session, dag_id, run).run_id
        answer = why_task(connection, (dag_id, run_id, task_id), session.limits(), session.now(), map_index)
    click.echo(answer.sentence)


@tasks.command("states-for-dag-run")
@click.argument("dag_id")
@click.argument("run")
@output_option
@pass_session
def states_for_dag_run(session: Session, dag_id: str, run: str, output: str) -> None:
    """List the states of all task instances of a run. RUN is a run id or a logical date."""
    from gale.db.read.cli import task_states_of_run

    with session.read() as connection:
        found = find_run(connection, session, dag_id, run)
        rows = task_states_of_run(connection, found.id)
    show_rows(
        [
            {
                "dag_id": dag_id,
                "logical_date": found.logical_date,
                "task_id": row.task_id,
                "map_index": row.map_index,
                "state": row.state,
                "try_number": row.try_number,
                "start_date": row.start_date,
                "end_date": row.end_date,
            }
            for row in rows
        ],
        output,
    )
