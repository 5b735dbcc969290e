"""`gale connections`: how tasks reach other systems."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gale.cli.files import read_entries, write_entries
from gale.cli.output import output_option, show_fields, show_rows
from gale.cli.root import LazyGroup
from gale.cli.session import Session, pass_session
from gale.errors import BadRequest

if TYPE_CHECKING:
    from gale.core.attempt import ConnectionData

FIELDS = ("conn_type", "description", "host", "schema", "login", "password", "port", "extra")


@click.group(cls=LazyGroup, invoke_without_command=True)
@click.option("-l", "--list", "old_list", is_flag=True, hidden=True, help="Airflow 1.x: list.")
@click.option("-a", "--add", "old_add", is_flag=True, hidden=True, help="Airflow 1.x: add.")
@click.option("-d", "--delete", "old_delete", is_flag=True, hidden=True, help="Airflow 1.x: delete.")
@click.option("--conn_id", hidden=True)
@click.option("--conn_uri", hidden=True)
@click.option("--conn_extra", hidden=True)
@click.option("--conn_type", hidden=True)
@click.option("--conn_host", hidden=True)
@click.option("--conn_login", hidden=True)
@click.option("--conn_password", hidden=True)
@click.option("--conn_schema", hidden=True)
@click.option("--conn_port", type=int, hidden=True)
@click.pass_context
def connections(ctx: click.Context, /, **old: Any) -> None:
    """Manage how tasks reach other systems."""
    if ctx.invoked_subcommand is not None:
        return
    if old["old_add"]:
        given = {name: old[name] for name in old if name.startswith("conn_")}
        ctx.invoke(add, conn_id=given.pop("conn_id") or "", **given)
    elif old["old_delete"]:
        ctx.invoke(delete, conn_id=old["conn_id"] or "")
    else:
        ctx.invoke(list_, output="table")


def _uri(data: "ConnectionData") -> str:
    from gale.authoring.connection import format_uri

    return format_uri(data)


@connections.command("list")
@click.option("--conn-id", help="Only this one.")
@click.option("--show-values", is_flag=True, help="Show host, login and the like too; secrets stay hidden.")
@click.option("--hide-sensitive", is_flag=True, hidden=True, help="Airflow 3's option: always on.")
@output_option
@pass_session
def list_(
    session: Session,
    output: str,
    conn_id: str | None = None,
    *,
    show_values: bool = False,
    hide_sensitive: bool = False,
) -> None:
    """List the connections, without their secrets."""
    from gale.db import registry
    from gale.secrets import MASK

    del hide_sensitive
    with session.read() as connection:
        found = registry.list_connections(connection, session.box)
    rows = []
    for data in found:
        row: dict[str, Any] = {"conn_id": data.conn_id, "conn_type": data.conn_type, "description": data.description}
        if show_values or conn_id:
            row |= {"host": data.host, "schema": data.schema, "login": data.login, "port": data.port}
            row |= {"password": MASK if data.password else None, "extra": MASK if data.extra else None}
        if conn_id in {None, data.conn_id}:
            rows.append(row)
    show_rows(rows, output)


@connections.command()
@click.argument("conn_id")
@output_option
@pass_session
def get(session: Session, conn_id: str, output: str) -> None:
    """Show one connection with its secrets."""
    from gale.db import registry

    with session.read() as connection:
        data = registry.get_connection(connection, session.box, conn_id)
        known = [] if data else [other.conn_id for other in registry.list_connections(connection, session.box)]
    registry.require(data, "connection", conn_id, known)
    if data is not None:
        show_fields({**asdict(data), "uri": _uri(data)}, output)


@connections.command()
@click.argument("conn_id")
@click.option("--conn-uri", help="type://login:password@host:port/schema?key=value")
@click.option("--conn-json", help="All of it as a JSON object.")
@click.option("--conn-type", help="mysql, http, …")
@click.option("--conn-description", help="What it is for.")
@click.option("--conn-host", help="Name of the machine.")
@click.option("--conn-schema", help="Database, path or the like.")
@click.option("--conn-login", help="User name.")
@click.option("--conn-password", help="Password; '-' asks for it.")
@click.option("--conn-port", type=click.IntRange(0, 65535), help="Port.")
@click.option("--conn-extra", help="Whatever else, as a JSON object.")
@click.option("--replace", is_flag=True, help="Replace a connection of that id.")
@pass_session
def add(session: Session, /, conn_id: str, *, replace: bool = False, **given: Any) -> None:
    """Add a connection: by URI, by JSON or field by field."""
    from gale.db import registry
    from gale.db.requests import audit

    data = _given(conn_id, given)
    with session.write() as connection:
        if not replace and registry.get_connection(connection, session.box, conn_id) is not None:
            raise BadRequest(f"There is a connection {conn_id!r} already. Delete it first, or give --replace.")
        registry.set_connection(connection, session.box, data)
        audit(connection, "connection.set", user=session.user, now=session.now(), extra={"conn_id": conn_id})
    click.echo(f"Connection {conn_id} is added.")


def _given(conn_id: str, given: dict[str, Any]) -> "ConnectionData":
    from gale.authoring.connection import parse_text
    from gale.core.attempt import ConnectionData

    whole = given.pop("conn_uri", None), given.pop("conn_json", None)
    fields = {name.removeprefix("conn_"): value for name, value in given.items() if value is not None}
    if sum(map(bool, (*whole, fields))) != 1:
        raise BadRequest("Give exactly one of --conn-uri, --conn-json, or --conn-type with the other fields.")
    if any(whole):
        return parse_text(conn_id, whole[0] or whole[1])
    if fields.get("password") == "-":
        fields["password"] = click.prompt("Password", hide_input=True, err=True)
    _check_extra(conn_id, fields.get("extra"))
    return ConnectionData(conn_id=conn_id, conn_type=fields.pop("type", ""), **fields)


def _check_extra(conn_id: str, extra: str | None) -> None:
    try:
        fine = extra is None or isinstance(json.loads(extra), dict)
    except ValueError:
        fine = False
    if not fine:
        raise BadRequest(f'The extra of connection {conn_id!r} is no JSON object. Write {{"key": "value"}}.')


@connections.command()
@click.argument("conn_id")
@pass_session
def delete(session: Session, conn_id: str) -> None:
    """Delete a connection."""
    from gale.db import registry
    from gale.db.requests import audit

    with session.write() as connection:
        registry.require(registry.delete_connection(connection, conn_id), "connection", conn_id)
        audit(connection, "connection.delete", user=session.user, now=session.now(), extra={"conn_id": conn_id})
    click.echo(f"Connection {conn_id} is deleted.")


@connections.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace connections that are there already.")
@pass_session
def import_(session: Session, file: Path, *, overwrite: bool) -> None:
    """Add connections from a JSON, YAML or .env file."""
    from gale.authoring.connection import parse_text
    from gale.db import registry
    from gale.db.requests import audit

    entries = read_entries(file)
    parsed = [
        parse_text(conn_id, given if isinstance(given, str) else json.dumps(given))
        for conn_id, given in entries.items()
    ]
    with session.write() as connection:
        there = {data.conn_id for data in registry.list_connections(connection, session.box)}
        chosen = [data for data in parsed if overwrite or data.conn_id not in there]
        for data in chosen:
            registry.set_connection(connection, session.box, data)
        names = [data.conn_id for data in chosen]
        audit(connection, "connection.import", user=session.user, now=session.now(), extra={"conn_ids": names})
    kept = len(parsed) - len(chosen)
    click.echo(f"{len(chosen)} connections imported{f', {kept} kept as they were' if kept else ''}.")


@connections.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--file-format", type=click.Choice(["json", "yaml", "env"]), help="Default: by the file's ending.")
@click.option("--format", "old_format", type=click.Choice([".json", ".yaml", ".env"]), hidden=True)
@click.option(
    "--serialization-format",
    type=click.Choice(["uri", "json"]),
    default="uri",
    show_default=True,
    help="How a connection stands in an .env file.",
)
@pass_session
def export(
    session: Session, file: Path, file_format: str | None, old_format: str | None, serialization_format: str
) -> None:
    """Write all connections, secrets included, to a JSON, YAML or .env file ('-' = print JSON)."""
    from gale.db import registry

    with session.read() as connection:
        found = registry.list_connections(connection, session.box)
    kind = file_format or (old_format or "").removeprefix(".") or None
    is_env = kind == "env" or (kind is None and (file.suffix or file.name) == ".env")
    entries: dict[str, Any] = {}
    for data in found:
        fields = {name: getattr(data, name) for name in FIELDS}
        as_text = _uri(data) if serialization_format == "uri" else json.dumps(fields, ensure_ascii=False)
        entries[data.conn_id] = as_text if is_env else fields
    write_entries(file, entries, kind=kind)
    click.echo(f"{len(found)} connections exported to {file}.", err=True)


@connections.command("create-default-connections", hidden=True)
def create_default_connections() -> None:
    """Say that there are none: an empty list is the safer default."""
    click.echo("Gale has no default connections: it makes none that point nowhere. Use `gale connections add`.")
