"""`gale users`: who may log in."""

import secrets
from dataclasses import asdict
from typing import Any

import click

from gale.cli.output import output_option, show_rows
from gale.cli.root import LazyGroup
from gale.cli.session import Session, confirm, pass_session, yes_option


@click.group(cls=LazyGroup)
def users() -> None:
    """Manage who may log in."""


@users.command("list")
@output_option
@pass_session
def list_users(session: Session, output: str) -> None:
    """List the users."""
    from gale.db import users as stored

    with session.read() as connection:
        found = stored.list_users(connection)
    columns = ("username", "role", "email", "first_name", "last_name", "is_active", "last_login")
    rows: list[dict[str, Any]] = [asdict(user) for user in found]
    show_rows(rows, output, columns=columns)


@users.command()
@click.option("-u", "--username", required=True, help="Name for the login.")
@click.option("-r", "--role", default="Viewer", show_default=True, help="Admin, Op, User or Viewer.")
@click.option("-e", "--email", default="", help="Address for mails.")
@click.option("-f", "--firstname", default="", help="First name.")
@click.option("-l", "--lastname", default="", help="Last name.")
@click.option("-p", "--password", help="Password; without it you are asked.")
@click.option("--use-random-password", is_flag=True, help="Make up a password and print it.")
@pass_session
def create(session: Session, /, *, password: str | None, use_random_password: bool, **given: str) -> None:
    """Make a user."""
    from gale.db import users as stored
    from gale.db.requests import audit

    chosen, tell = _password(password, use_random_password=use_random_password)
    new = stored.NewUser(
        username=given["username"],
        password=chosen,
        role=given["role"],
        email=given["email"],
        first_name=given["firstname"],
        last_name=given["lastname"],
    )
    with session.write() as connection:
        made = stored.create_user(connection, new, session.now())
        extra = {"username": made.username, "role": made.role}
        audit(connection, "user.create", user=session.user, now=session.now(), extra=extra)
    click.echo(f"User {made.username} is made, with the role {made.role}{tell}.")


def _password(given: str | None, *, use_random_password: bool) -> tuple[str, str]:
    """Return the password, and what to tell about it."""
    if use_random_password:
        made = secrets.token_urlsafe(16)
        return made, f" and the password {made}"
    if given is not None:
        return given, ""
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked, ""


@users.command()
@click.option("-u", "--username", required=True, help="Whom to delete.")
@yes_option
@pass_session
def delete(session: Session, username: str, *, yes: bool) -> None:
    """Delete a user."""
    from gale.db import users as stored
    from gale.db.requests import audit

    confirm(f"Delete the user {username}?", yes=yes)
    with session.write() as connection:
        stored.delete_user(connection, username)
        audit(connection, "user.delete", user=session.user, now=session.now(), extra={"username": username})
    click.echo(f"User {username} is deleted.")


@users.command("reset-password")
@click.option("-u", "--username", required=True, help="Whose password to change.")
@click.option("-p", "--password", help="New password; without it you are asked.")
@click.option("--use-random-password", is_flag=True, help="Make up a password and print it.")
@pass_session
def reset_password(session: Session, username: str, password: str | None, *, use_random_password: bool) -> None:
    """Give a user a new password; all logins with the old one end."""
    from gale.db import users as stored
    from gale.db.requests import audit

    with session.read() as connection:
        stored.get_user(connection, username)
    chosen, tell = _password(password, use_random_password=use_random_password)
    with session.write() as connection:
        stored.set_password(connection, username, chosen)
        audit(connection, "user.reset_password", user=session.user, now=session.now(), extra={"username": username})
    click.echo(f"User {username} has a new password{tell.replace(' and the password', ':')}.")


@users.command("set-role")
@click.option("-u", "--username", required=True, help="Whose role to change.")
@click.option("-r", "--role", required=True, help="Admin, Op, User or Viewer.")
@pass_session
def set_role(session: Session, username: str, role: str) -> None:
    """Give a user another role; all logins of the user end."""
    from gale.db import users as stored
    from gale.db.requests import audit

    with session.write() as connection:
        changed = stored.set_role(connection, username, role)
        extra = {"username": username, "role": changed.role}
        audit(connection, "user.set_role", user=session.user, now=session.now(), extra=extra)
    click.echo(f"User {username} now has the role {changed.role}.")


# Airflow's names of the same: a user has one role here.
users.add_command(set_role, "add-role")
