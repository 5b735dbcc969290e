"""`gale variables`: named values for tasks."""

import json
from pathlib import Path
from typing import Any

import click

from gale.cli.files import read_entries, write_entries
from gale.cli.output import output_option, show_rows
from gale.cli.root import LazyGroup
from gale.cli.session import Session, pass_session
from gale.errors import BadRequest


@click.group(cls=LazyGroup, invoke_without_command=True)
@click.option("-g", "--get", "get_key", hidden=True, help="Airflow 1.x: print a variable.")
@click.option("-s", "--set", "set_pair", nargs=2, hidden=True, help="Airflow 1.x: set a variable.")
@click.option("-x", "--delete", "delete_key", hidden=True, help="Airflow 1.x: delete a variable.")
@click.option("-i", "--import", "import_file", type=click.Path(path_type=Path), hidden=True)
@click.option("-e", "--export", "export_file", type=click.Path(path_type=Path), hidden=True)
@click.option("-j", "--json", "as_json", is_flag=True, hidden=True)
@click.option("-d", "--default", hidden=True)
@click.pass_context
def variables(ctx: click.Context, /, **old: Any) -> None:
    """Manage named values for tasks."""
    if ctx.invoked_subcommand is not None:
        return
    if old["get_key"]:
        ctx.invoke(get, key=old["get_key"], as_json=old["as_json"], default=old["default"])
    elif old["set_pair"]:
        key, value = old["set_pair"]
        ctx.invoke(set_, key=key, value=value, as_json=old["as_json"])
    elif old["delete_key"]:
        ctx.invoke(delete, key=old["delete_key"])
    elif old["import_file"]:
        ctx.invoke(import_, file=old["import_file"], action="overwrite")
    elif old["export_file"]:
        ctx.invoke(export, file=old["export_file"])
    else:
        ctx.invoke(list_, output="table")


@variables.command("list")
@click.option("--show-values", is_flag=True, help="Show values too; secrets stay hidden.")
@click.option("--hide-sensitive", is_flag=True, hidden=True, help="Airflow 3's option: always on.")
@output_option
@pass_session
def list_(session: Session, output: str, *, show_values: bool = False, hide_sensitive: bool = False) -> None:
    """List the variables."""
    from gale.db import registry
    from gale.secrets import MASK, is_sensitive_name

    del hide_sensitive
    with session.read() as connection:
        found = registry.list_variables(connection, session.box)
    extra = session.settings.core.sensitive_var_conn_names
    rows = []
    for variable in found:
        value = MASK if is_sensitive_name(variable.key, extra) else variable.value
        shown = {"key": variable.key, "description": variable.description, "is_encrypted": variable.is_encrypted}
        rows.append({"key": variable.key, "value": value, **shown} if show_values else shown)
    show_rows(rows, output)


@variables.command()
@click.argument("key")
@click.option("-j", "--json", "as_json", is_flag=True, help="Check that it is JSON and print it indented.")
@click.option("-d", "--default", help="Printed if there is no such variable.")
@pass_session
def get(session: Session, key: str, default: str | None = None, *, as_json: bool = False) -> None:
    """Print a variable."""
    from gale.db import registry

    with session.read() as connection:
        value = registry.get_variable(connection, session.box, key)
        if value is None:
            known = [] if default is not None else [v.key for v in registry.list_variables(connection, session.box)]
    if value is None:
        registry.require(default, "variable", key, known)
        value = default or ""
    click.echo(json.dumps(_parsed(key, value), indent=2, ensure_ascii=False) if as_json else value)


def _parsed(key: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadRequest(f"The value of variable {key!r} is no JSON: {error}.") from None


@variables.command("set")
@click.argument("key")
@click.argument("value")
@click.option("-j", "--json", "as_json", is_flag=True, help="Check that the value is JSON.")
@click.option("--description", help="What it is for.")
@pass_session
def set_(session: Session, key: str, value: str, description: str | None = None, *, as_json: bool = False) -> None:
    """Create a variable or replace its value."""
    from gale.db import registry
    from gale.db.requests import audit

    if as_json:
        _parsed(key, value)
    with session.write() as connection:
        registry.set_variable(connection, session.box, key, value, description=description)
        audit(connection, "variable.set", user=session.user, now=session.now(), extra={"key": key})
    click.echo(f"Variable {key} is set.")


@variables.command()
@click.argument("key")
@pass_session
def delete(session: Session, key: str) -> None:
    """Delete a variable."""
    from gale.db import registry
    from gale.db.requests import audit

    with session.write() as connection:
        registry.require(registry.delete_variable(connection, key), "variable", key)
        audit(connection, "variable.delete", user=session.user, now=session.now(), extra={"key": key})
    click.echo(f"Variable {key} is deleted.")


@variables.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-a",
    "--action-on-existing-key",
    "action",
    type=click.Choice(["overwrite", "fail", "skip"]),
    default="overwrite",
    show_default=True,
    help="What happens to variables that are there already.",
)
@pass_session
def import_(session: Session, file: Path, action: str) -> None:
    """Set variables from a JSON, YAML or .env file."""
    from gale.db import registry
    from gale.db.requests import audit

    entries = read_entries(file)
    with session.write() as connection:
        there = {variable.key for variable in registry.list_variables(connection, session.box)}
        clash = sorted(there & set(entries))
        if clash and action == "fail":
            raise BadRequest(f"These variables are there already: {', '.join(clash)}. Nothing was imported.")
        chosen = {key: value for key, value in entries.items() if action != "skip" or key not in there}
        for key, given in chosen.items():
            value, description = given, None
            if isinstance(given, dict) and set(given) <= {"value", "description"} and "value" in given:
                value, description = given["value"], given.get("description")
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            registry.set_variable(connection, session.box, key, text, description=description)
        audit(connection, "variable.import", user=session.user, now=session.now(), extra={"keys": sorted(chosen)})
    click.echo(f"{len(chosen)} of {len(entries)} variables imported.")


@variables.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def export(session: Session, file: Path) -> None:
    """Write all variables, secrets included, to a JSON, YAML or .env file ('-' = print JSON)."""
    from gale.db import registry

    with session.read() as connection:
        found = registry.list_variables(connection, session.box)
    write_entries(file, {variable.key: _as_entry(variable.value) for variable in found})
    click.echo(f"{len(found)} variables exported to {file}.", err=True)


def _as_entry(text: str) -> Any:
    """Return objects and lists as such, so that the file reads well; all else as text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict | list) else text
