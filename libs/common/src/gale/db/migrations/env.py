"""What Alembic asks for: how to reach the database, and how to write down our column types.

`gale.db.migrate` hands in the open connection; this file never opens one of its own.
"""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import String
from sqlalchemy.dialects import mysql

from gale.db import tables
from gale.db.schema import VERSION_TABLE

_NAMED = {id(getattr(tables, name)): name for name in ("Id", "Key", "LongBlob", "LongText", "Serial", "Word")}


def _render(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own types by their names in `tables.py`."""
    if kind != "type":
        return False
    if isinstance(item, tables.Instant):
        autogen.imports.add("from gale.db.tables import Instant")
        return "Instant()"
    if id(item) in _NAMED:
        name = _NAMED[id(item)]
        autogen.imports.add(f"from gale.db.tables import {name}")
        return name
    variant = item._variant_mapping.get("mysql") if isinstance(item, String) else None  # noqa: SLF001 - no public way
    if isinstance(variant, mysql.VARCHAR):
        name = "ascii_text" if variant.charset == "ascii" else "exact_text"
        autogen.imports.add(f"from gale.db.tables import {name}")
        return f"{name}({variant.length})"
    return False


def run() -> None:
    """Run the migrations on the connection that was handed in."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=tables.metadata,
        version_table=VERSION_TABLE,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=_render,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
