"""Old commands whose shape differs from today's, and those that are answered with a hint."""

from importlib.metadata import entry_points
from pathlib import Path

import click

from gale.cli import pools
from gale.cli.session import Session, pass_session
from gale.errors import BadRequest

_ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True}


@click.command(hidden=True, context_settings={"ignore_unknown_options": True})
@click.option("-s", "--set", "new", nargs=3, type=str, help="NAME SLOTS DESCRIPTION")
@click.option("-g", "--get", "name", help="Show a pool.")
@click.option("-x", "--delete", "gone", help="Delete a pool.")
@click.option("-i", "--import", "source", type=click.Path(path_type=Path), help="Import a JSON file.")
@click.option("-e", "--export", "target", type=click.Path(path_type=Path), help="Export to a JSON file.")
@pass_session
def pool(
    session: Session,
    *,
    new: tuple[str, str, str] | None,
    name: str | None,
    gone: str | None,
    source: Path | None,
    target: Path | None,
) -> None:
    """Airflow 1.x's command for pools."""
    if new:
        if not new[1].lstrip("-").isdigit():
            raise BadRequest(f"{new[1]!r} is no number of slots.")
        pools.put(session, new[0], int(new[1]), new[2] or None)
    elif gone:
        pools.remove(session, gone)
    elif source:
        pools.load(session, source)
    elif target:
        pools.store(session, target)
    else:
        pools.show(session, "table", name)


def _service(name: str) -> click.Command | None:
    points = entry_points(group="gale.commands", name=name)
    return next((point.load() for point in points), None)


def _hint(name: str, message: str) -> click.Command:
    """Make a command that refuses, whatever it is called with, and says what to do instead."""

    @click.command(name, hidden=True, context_settings=_ANYTHING, add_help_option=False, help=message)
    def refuse() -> None:
        raise BadRequest(message)

    return refuse


_CLUSTER = (
    "comes with the cluster, which this installation does not have: run `pip install 'gale[celery]'`. "
    "`gale standalone` runs tasks on this machine without one."
)


def of_cluster(name: str) -> click.Command:
    """Return a command of the cluster's services, or what says how to install them."""
    return _service(name) or _hint(name, f"`{name}` {_CLUSTER}")


worker = of_cluster("worker")
flower = of_cluster("flower")
api_server = _service("webserver") or _hint("api-server", "The webserver is not installed: pip install gale-webserver.")
dag_processor = _hint(
    "dag-processor", "There is no DAG processor to start: `gale scheduler` reads the DAG files in child processes."
)
triggerer = _hint("triggerer", "There is no triggerer to start: `gale scheduler` wakes whatever waits.")
serve_logs = _hint("serve_logs", "There is no log server to start: the page reads the logs itself.")
kerberos = _hint("kerberos", "Gale renews no Kerberos tickets. Let `k5start` or a systemd timer do it.")
sync_perm = _hint("sync_perm", "There is nothing to synchronize: what a role may do is part of the program.")
shell = _hint("shell", "Use the shell of your database: `sqlite3` or `mysql`; `gale info` says where it is.")
