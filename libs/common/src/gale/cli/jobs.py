"""`gale jobs`: the long-lived processes."""

import click

from gale.cli.output import output_option, show_rows
from gale.cli.root import LazyGroup
from gale.cli.session import Session, pass_session
from gale.errors import NotFound


@click.group(cls=LazyGroup)
def jobs() -> None:
    """Check the long-lived processes."""


def _alive(job_type: str | None, hostname: str | None, session: Session) -> list[dict[str, object]]:
    from gale.db.read.browse import Page
    from gale.db.read.browse_admin import JobFilter, jobs_matching

    wanted = JobFilter(job_type=job_type, hostname=hostname, alive_at=session.now())
    with session.read() as connection:
        rows = jobs_matching(connection, wanted, Page(limit=1000, order_by=("-latest_heartbeat",))).rows
    names = ("id", "job_type", "state", "hostname", "pid", "executor", "start_date", "latest_heartbeat")
    return [{name: getattr(row, name) for name in names} for row in rows]


def _word(text: str | None) -> str | None:
    """Return Airflow's name of a kind of job as ours: SchedulerJob is scheduler."""
    return None if text is None else text.removesuffix("Job").lower()


@jobs.command()
@click.option("--job-type", help="scheduler, worker or webserver.")
@click.option("--hostname", help="Only on this machine.")
@click.option("--local", is_flag=True, help="Only on the machine of this command.")
@click.option("--limit", type=click.IntRange(0), default=1, show_default=True, help="Most that may live; 0 = any.")
@click.option("--allow-multiple", is_flag=True, help="More than one may live.")
@pass_session
def check(
    session: Session, job_type: str | None, hostname: str | None, limit: int, *, local: bool, allow_multiple: bool
) -> None:
    """Check that a process lives; exit with 1 if none does."""
    import socket

    found = _alive(_word(job_type), socket.getfqdn() if local else hostname, session)
    what = _word(job_type) or "process"
    if not found:
        raise NotFound(f"No {what} is alive. Start one with `gale {_word(job_type) or 'standalone'}`.")
    if len(found) > 1 and limit == 1 and not allow_multiple:
        click.echo(f"{len(found)} of them are alive, which is fine if you meant it (--allow-multiple).", err=True)
    names = [f"{job['job_type']} {job['pid']}" for job in found[: limit or None]]
    click.echo(f"{len(found)} alive: {', '.join(names)}.")


@jobs.command("list")
@click.option("--job-type", help="scheduler, worker or webserver.")
@output_option
@pass_session
def list_(session: Session, job_type: str | None, output: str) -> None:
    """List the processes that live."""
    show_rows(_alive(_word(job_type), None, session), output)
