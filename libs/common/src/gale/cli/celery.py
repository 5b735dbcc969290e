"""`gale celery`: Airflow 2's names of what makes a cluster."""

import click

from gale.cli.names import Entry
from gale.cli.root import LazyGroup
from gale.cli.session import Session, pass_session
from gale.errors import NotFound


@click.group(
    cls=LazyGroup,
    entries={
        "worker": Entry("gale.cli.flat:worker", "Start a worker (`gale worker`)."),
        "flower": Entry("gale.cli.flat:flower", "Start Flower behind Gale's login (`gale flower`)."),
    },
)
def celery() -> None:
    """Start and stop what makes a cluster."""


@celery.command()
@click.option("--hostname", help="The machine whose workers shall end; default: this one.")
@click.option("--all", "everywhere", is_flag=True, help="All workers on all machines.")
@pass_session
def stop(session: Session, hostname: str | None, *, everywhere: bool) -> None:
    """Have workers end when their tasks have ended."""
    from gale.db.engine import writing
    from gale.db.lease import ask_to_end
    from gale.runtime.identity import host_name

    where = None if everywhere else hostname or host_name(session.settings.core.hostname_callable)
    with writing(session.engine) as connection:
        asked = ask_to_end(connection, job_type="worker", hostname=where, now=session.now())
    if not asked:
        raise NotFound(f"No worker runs {'anywhere' if where is None else f'on {where}'}; `gale jobs list` shows all.")
    names = ", ".join(f"{hostname} (pid {pid})" for hostname, pid in asked)
    click.echo(f"Asked to end: {names}. They take no more tasks within seconds, and end when theirs have ended.")
