"""Makes, renews, takes back and empties the schema, by Alembic's scripts in `migrations/`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, MetaData, text

from gale.db import migrations
from gale.db.engine import open_engine, writing
from gale.db.registry import ensure_defaults
from gale.db.schema import NEEDED, REVISIONS, VERSION_TABLE, current_revision, refuse_foreign, refuse_newer
from gale.db.tables import metadata
from gale.errors import BadRequest, StoreLocked

LOCK_NAME: Final = "gale_migrate"
LOCK_SECONDS: Final = 60


def migrate(engine: Engine, *, default_pool_slots: int) -> tuple[str | None, str]:
    """Bring the database to the schema that this program needs; return the revisions before and after.

    Several may call this at once: the first one works, the others wait and find it done.

    Raises:
        SchemaTooNew: The database was made by a newer Gale.
        StoreError: It holds another program's tables, is locked, read-only or cannot be reached.
    """
    with _alone(engine) as connection:
        before = current_revision(connection)
        if before is None:
            refuse_foreign(connection)
        else:
            refuse_newer(before, engine.url.render_as_string(hide_password=True))
        if before != NEEDED:
            command.upgrade(_config(connection), NEEDED)
        ensure_defaults(connection, default_pool_slots=default_pool_slots)
        return before, NEEDED


def downgrade(engine: Engine, revision: str) -> tuple[str | None, str]:
    """Take the schema back to an older revision ("base" = no tables); return the revisions before and after.

    Raises:
        BadRequest: The revision is unknown.
        SchemaTooNew: The database was made by a newer Gale.
        StoreError: The database cannot be used.
    """
    if revision not in (*REVISIONS, "base"):
        raise BadRequest(f"There is no schema {revision!r}. There are: base, {', '.join(REVISIONS)}.")
    with _alone(engine) as connection:
        before = current_revision(connection)
        if before is None:
            raise BadRequest("The database has no schema of Gale, so there is nothing to take back.")
        refuse_newer(before, engine.url.render_as_string(hide_password=True))
        command.downgrade(_config(connection), revision)
        return before, revision


def reset(engine: Engine, *, default_pool_slots: int) -> None:
    """Drop all of our tables, whatever their revision, and make them anew, empty.

    Raises:
        StoreError: The database holds another program's tables or cannot be used.
    """
    with _alone(engine) as connection:
        if current_revision(connection) is None:
            refuse_foreign(connection)
        _drop_ours(connection)
        command.upgrade(_config(connection), NEEDED)
        ensure_defaults(connection, default_pool_slots=default_pool_slots)


def _drop_ours(connection: Connection) -> None:
    """Drop the tables that this program knows; those that a newer Gale added would stay, empty or not."""
    found = MetaData()
    ours = [*metadata.tables, VERSION_TABLE]
    found.reflect(connection, only=lambda name, _: name in ours)
    found.drop_all(connection)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def write_migration(message: str) -> None:
    """Write a migration from the difference between the last one and `tables.py`: for `make migration`."""
    if not message:
        raise BadRequest('Say what the migration does: make migration M="Give runs a colour"')
    with TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/gale.db")
        migrate(engine, default_pool_slots=1)
        with engine.connect() as connection:
            number = f"{int(NEEDED) + 1:04d}"
            command.revision(_config(connection), message=message, autogenerate=True, rev_id=number)
        engine.dispose()


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that no other migration can be in."""
    with writing(engine) as connection:
        if connection.dialect.name == "sqlite":
            # BEGIN IMMEDIATE has taken the write lock already.
            yield connection
            return
        lock = {"name": LOCK_NAME, "seconds": LOCK_SECONDS}
        if connection.execute(text("SELECT GET_LOCK(:name, :seconds)"), lock).scalar() != 1:
            raise StoreLocked(
                f"Another `gale db` command has been at work on the database for over {LOCK_SECONDS} seconds. "
                "Wait for it or end it, and try again."
            )
        try:
            yield connection
        finally:
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": LOCK_NAME})
