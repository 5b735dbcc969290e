"""`gale why`: the first thing that holds something back."""

import click

from gale.cli.output import FORMATS, show_fields
from gale.cli.params import find_run
from gale.cli.session import Session, pass_session
from gale.settings import environment


@click.command()
@click.argument("dag_id")
@click.argument("run", required=False)
@click.argument("task_id", required=False)
@click.option("--map-index", type=int, default=-1, help="Which of a mapped task's instances.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Default: by LANG.")
@click.option("-o", "--output", type=click.Choice(FORMATS), default="plain", help="json and yaml show the facts too.")
@pass_session
def why(
    session: Session,
    dag_id: str,
    run: str | None,
    task_id: str | None,
    *,
    map_index: int,
    lang: str | None,
    output: str,
) -> None:
    """Say why a DAG has no new run, why a run does not go on, or why a task is not running.

    RUN is a run id or a logical date.
    """
    from gale.db.read import why as ask

    with session.read() as connection:
        now = session.now()
        if run is None:
            answer = ask.why_dag(connection, dag_id, session.limits(), now)
        else:
            run_id = find_run(connection, session, dag_id, run).run_id
            if task_id is None:
                answer = ask.why_run(connection, dag_id, run_id, session.limits(), now)
            else:
                key = (dag_id, run_id, task_id)
                answer = ask.why_task(connection, key, session.limits(), now, map_index)
    chinese = lang == "zh" or (lang is None and environment("LANG").startswith("zh"))
    if output in {"json", "yaml"}:
        show_fields(
            {
                "cause": answer.cause,
                "sentence": answer.sentence,
                "sentence_zh": answer.sentence_zh,
                "facts": answer.facts,
            },
            output,
        )
    else:
        click.echo(answer.sentence_zh if chinese else answer.sentence)
