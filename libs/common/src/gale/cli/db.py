"""`gale db`: make, renew, check, take back and reset the database."""

import time

import click

from gale.cli.root import LazyGroup
from gale.cli.session import Session, confirm, pass_session, yes_option
from gale.errors import StoreError, StoreUnreachable


@click.group(cls=LazyGroup)
def db() -> None:
    """Make, renew, check and reset the database."""


def _where(session: Session) -> str:
    return session.bare_engine.url.render_as_string(hide_password=True)


@db.command()
@pass_session
def migrate(session: Session) -> None:
    """Make the tables, or bring them to what this version needs. Nothing is lost."""
    from gale.db.migrate import migrate as run

    before, after = run(session.bare_engine, default_pool_slots=session.settings.core.default_pool_task_slot_count)
    if before == after:
        click.echo(f"The database {_where(session)} has schema {after} already.")
    else:
        click.echo(f"The database {_where(session)} now has schema {after} (before: {before or 'none'}).")


@db.command()
@pass_session
def prepare(session: Session) -> None:
    """Make or renew the tables and the first user, and say how to log in: what a cluster needs before it starts."""
    from gale.cli.first_start import PASSWORD_VARIABLE, ensure_admin, make_tables

    make_tables(session, session.bare_engine)
    login = ensure_admin(session, session.bare_engine)
    click.echo(f"The database {_where(session)} is ready.")
    click.echo(f"Page:      {session.settings.webserver.base_url}")
    click.echo(f"User:      {login.username}")
    if login.password:
        click.echo(f"Password:  {login.password}    (kept in {login.file})")
    else:
        click.echo(f"Password:  the one that you have set, on the page or in {PASSWORD_VARIABLE}")


@db.command()
@yes_option
@pass_session
def reset(session: Session, *, yes: bool) -> None:
    """Delete everything in the database and make its tables anew."""
    from gale.db.migrate import reset as run

    confirm(f"Delete everything in {_where(session)}: runs, history, variables, connections, users?", yes=yes)
    run(session.bare_engine, default_pool_slots=session.settings.core.default_pool_task_slot_count)
    click.echo(f"The database {_where(session)} is empty.")


@db.command()
@click.option("--retry", type=click.IntRange(0), default=0, help="Try so many times more.")
@click.option("--retry-delay", type=click.FloatRange(0), default=1.0, show_default=True, help="Seconds between tries.")
@pass_session
def check(session: Session, retry: int, retry_delay: float) -> None:
    """Check that the database can be reached and has the right schema."""
    for left in range(retry, -1, -1):
        try:
            _check(session)
        except StoreError:
            if not left:
                raise
            time.sleep(retry_delay)
        else:
            return


def _check(session: Session) -> None:
    from gale.db.engine import open_engine
    from gale.db.schema import NEEDED, check_schema

    engine = open_engine(session.settings.database.sql_alchemy_conn, must_exist=True)
    try:
        check_schema(engine)
    finally:
        engine.dispose()
    click.echo(f"The database {engine.url.render_as_string(hide_password=True)} is there and has schema {NEEDED}.")


@db.command("check-migrations")
@click.option(
    "-t",
    "--migration-wait-timeout",
    "seconds",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="Give up after so many seconds.",
)
@pass_session
def check_migrations(session: Session, seconds: float) -> None:
    """Wait until somebody has made or renewed the tables."""
    deadline = session.clock.monotonic() + seconds
    while True:
        try:
            _check(session)
        except StoreError as error:
            if session.clock.monotonic() >= deadline:
                raise StoreUnreachable(f"Waited {seconds:g} s for the database in vain. {error}") from None
            time.sleep(0.5)
        else:
            return


@db.command()
@click.option("-r", "--to-revision", "revision", required=True, help="Schema to go back to; 'base' drops all tables.")
@yes_option
@pass_session
def downgrade(session: Session, revision: str, *, yes: bool) -> None:
    """Take the tables back to an older schema; what that one lacks is lost."""
    from gale.db.migrate import downgrade as run

    confirm(f"Take {_where(session)} back to schema {revision}? What it cannot hold is lost.", yes=yes)
    before, after = run(session.bare_engine, revision)
    click.echo(f"The database {_where(session)} now has schema {after} (before: {before}).")


@click.command("rotate-fernet-key")
@pass_session
def rotate_fernet_key(session: Session) -> None:
    """Encrypt all variables and connections anew with the first key of [core] fernet_key."""
    from gale.db import registry
    from gale.db.requests import audit

    with session.write() as connection:
        count = registry.rotate_keys(connection, session.box)
        audit(connection, "rotate_fernet_key", user=session.user, now=session.now())
    click.echo(f"{count} variables and connections are now encrypted with the first key.")


# The names that Airflow 2 had for `migrate`.
db.add_command(migrate, "init")
db.add_command(migrate, "upgrade")
