"""`gale pools`: slots that tasks share."""

from pathlib import Path
from typing import Any

import click

from gale.cli.files import read_entries, write_entries
from gale.cli.output import output_option, show_rows
from gale.cli.root import LazyGroup
from gale.cli.session import Session, pass_session
from gale.errors import BadRequest


@click.group(cls=LazyGroup)
def pools() -> None:
    """Manage pools of slots that tasks share."""


def _row(use: Any) -> dict[str, Any]:
    pool = use.pool
    return {
        "pool": pool.name,
        "slots": pool.slots,
        "running": use.running,
        "queued": use.queued,
        "scheduled": use.scheduled,
        "open": "unlimited" if use.open is None else use.open,
        "description": pool.description,
        "include_deferred": pool.include_deferred,
    }


def show(session: Session, output: str, name: str | None = None) -> None:
    """Print all pools or one, with what is taken of them."""
    from gale.db import registry

    with session.read() as connection:
        uses = registry.use_of_pools(connection)
    chosen = [use for use in uses if name is None or use.pool.name == name]
    registry.require(chosen or None, "pool", name or "", [use.pool.name for use in uses])
    show_rows([_row(use) for use in chosen], output)


def put(session: Session, name: str, slots: int, description: str | None, *, include_deferred: bool = False) -> None:
    """Create or replace a pool and say so."""
    from gale.db import registry
    from gale.db.requests import audit

    with session.write() as connection:
        registry.set_pool(
            connection,
            registry.Pool(name=name, slots=slots, description=description, include_deferred=include_deferred),
        )
        audit(connection, "pool.set", user=session.user, now=session.now(), extra={"pool": name, "slots": slots})
    click.echo(f"Pool {name} has {'no limit' if slots < 0 else f'{slots} slots'}.")


def remove(session: Session, name: str) -> None:
    """Delete a pool and say so."""
    from gale.db import registry
    from gale.db.requests import audit

    with session.write() as connection:
        there = [pool.name for pool in registry.list_pools(connection)]
        registry.require(registry.delete_pool(connection, name), "pool", name, there)
        audit(connection, "pool.delete", user=session.user, now=session.now(), extra={"pool": name})
    click.echo(f"Pool {name} is deleted. Tasks that name it wait until there is one of that name again.")


@pools.command("list")
@output_option
@pass_session
def list_(session: Session, output: str) -> None:
    """List the pools and what is taken of them."""
    show(session, output)


@pools.command()
@click.argument("name")
@output_option
@pass_session
def get(session: Session, name: str, output: str) -> None:
    """Show one pool."""
    show(session, output, name)


@pools.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("slots", type=int)
@click.argument("description", required=False)
@click.option("--include-deferred/--no-include-deferred", default=False, help="Count deferred tasks too.")
@pass_session
def set_(session: Session, name: str, slots: int, description: str | None, *, include_deferred: bool) -> None:
    """Create a pool or change it; -1 slots = without limit."""
    put(session, name, slots, description, include_deferred=include_deferred)


@pools.command()
@click.argument("name")
@pass_session
def delete(session: Session, name: str) -> None:
    """Delete a pool."""
    remove(session, name)


@pools.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def import_(session: Session, file: Path) -> None:
    """Create or change pools from a JSON or YAML file."""
    load(session, file)


@pools.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def export(session: Session, file: Path) -> None:
    """Write all pools to a JSON or YAML file ('-' = print JSON)."""
    store(session, file)


def load(session: Session, file: Path) -> None:
    """Create or change the pools of a file, all or none."""
    from gale.db import registry
    from gale.db.requests import audit

    entries = read_entries(file)
    made = []
    for name, given in entries.items():
        if not isinstance(given, dict) or not isinstance(given.get("slots"), int):
            raise BadRequest(f"{file}: pool {name!r} needs a whole number of slots. Nothing was imported.")
        made.append(
            registry.Pool(
                name=name,
                slots=given["slots"],
                description=given.get("description"),
                include_deferred=bool(given.get("include_deferred", False)),
            )
        )
    with session.write() as connection:
        for pool in made:
            registry.set_pool(connection, pool)
        audit(connection, "pool.import", user=session.user, now=session.now(), extra={"pools": list(entries)})
    click.echo(f"{len(made)} pools imported.")


def store(session: Session, file: Path) -> None:
    """Write all pools to a file."""
    from gale.db import registry

    with session.read() as connection:
        found = registry.list_pools(connection)
    entries = {
        pool.name: {
            "slots": pool.slots,
            "description": pool.description,
            "include_deferred": pool.include_deferred,
        }
        for pool in found
    }
    write_entries(file, entries)
    click.echo(f"{len(found)} pools exported to {file}.", err=True)
