"""Which schema a database has and which one this program needs.

Alembic is not needed to know that, and loading it would double the start of the command line.
"""

from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from gale.db.engine import reading
from gale.errors import SchemaOutdated, SchemaTooNew, StoreError

#: Alembic's own default is taken by Airflow, whose database may be the one that is named.
VERSION_TABLE: Final = "gale_schema_version"
#: Every revision in order; the last one is what this program needs. A test compares it with the scripts.
REVISIONS: Final = ("0001",)
NEEDED: Final = REVISIONS[-1]
#: Tables by which a database of Airflow is recognised that is not ours.
_FOREIGN: Final = ("alembic_version", "dag_run", "task_instance")


def current_revision(connection: Connection) -> str | None:
    """Return the revision of the database, None if it has no schema of ours yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()  # noqa: S608 - a constant
    return found


def check_schema(engine: Engine) -> None:
    """Return if the database has the schema that this program needs.

    Raises:
        SchemaOutdated: It is older, or empty.
        SchemaTooNew: It was made by a newer Gale.
        StoreError: It holds another program's tables, or cannot be used at all.
    """
    with reading(engine) as connection:
        revision = current_revision(connection)
        where = engine.url.render_as_string(hide_password=True)
        if revision == NEEDED:
            return
        if revision is None:
            refuse_foreign(connection)
            raise SchemaOutdated(f"The database {where} is empty. Run `gale db migrate` to make its tables.")
        refuse_newer(revision, where)
        raise SchemaOutdated(
            f"The database {where} has schema {revision}, but this Gale needs {NEEDED}. "
            "Stop all services and run `gale db migrate`."
        )


def refuse_newer(revision: str, where: str) -> None:
    """Raise `SchemaTooNew` if this program does not know the revision."""
    if revision not in REVISIONS:
        raise SchemaTooNew(
            f"The database {where} has schema {revision!r}, made by a newer Gale than this one (which knows up to "
            f"{NEEDED}). Install that newer version, or go back with its `gale db downgrade --to-revision {NEEDED}`."
        )


def refuse_foreign(connection: Connection) -> None:
    """Raise `StoreError` if the database holds tables of Airflow, which ours would clash with."""
    names = set(inspect(connection).get_table_names())
    found = [name for name in _FOREIGN if name in names]
    if found and VERSION_TABLE not in names:
        where = connection.engine.url.render_as_string(hide_password=True)
        raise StoreError(
            f"The database {where} holds tables of another program, probably Airflow ({', '.join(found)}). "
            "Gale needs a database of its own: create an empty one and name it in [database] sql_alchemy_conn."
        )
