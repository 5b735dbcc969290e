"""`gale info` and `gale version`."""

import platform
import sys
from typing import Any

import click

from gale.cli.output import output_option, show_fields
from gale.cli.session import Session, pass_session
from gale.errors import GaleError


@click.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    click.echo(installed("gale-common"))


@click.command()
@output_option
@pass_session
def info(session: Session, output: str) -> None:
    """Show what Gale runs on: versions, folders, database."""
    from importlib.metadata import version as installed

    settings = session.settings
    fields: dict[str, Any] = {
        "version": installed("gale-common"),
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "home": settings.home,
        "dags_folder": settings.core.dags_folder,
        "executor": settings.core.executor,
        "logs": settings.logging.base_log_folder,
        **_database(session),
    }
    show_fields(fields, output)


def _database(session: Session) -> dict[str, Any]:
    """Return what is known of the database, or why nothing is."""
    from gale.db.read.cli import count_rows

    try:
        with session.read() as connection:
            counts = count_rows(connection)
    except GaleError as error:
        return {"database": str(error)}
    return {"database": session.engine.url.render_as_string(hide_password=True), **counts}
