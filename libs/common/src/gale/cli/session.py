"""What a command works with: settings, database, key, user. Each is made when it is first asked for."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

import click

from gale.clock import SystemClock
from gale.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from gale.db.read.why import Defaults
    from gale.secrets import FernetBox

T = TypeVar("T")


class Session:
    """One run of the command line."""

    def __init__(self) -> None:
        self.clock: Final = SystemClock()

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once."""
        return Settings.load()

    @cached_property
    def bare_engine(self) -> "Engine":
        """The database, whatever its schema."""
        from gale.db.engine import open_engine

        engine = open_engine(self.settings.database.sql_alchemy_conn)
        click.get_current_context().find_root().call_on_close(engine.dispose)
        return engine

    @cached_property
    def engine(self) -> "Engine":
        """The database, if it has the schema that this program needs.

        Raises:
            StoreError: It has not, or cannot be used.
        """
        from gale.db.engine import open_engine
        from gale.db.schema import check_schema

        engine = open_engine(self.settings.database.sql_alchemy_conn, must_exist=True)
        click.get_current_context().find_root().call_on_close(engine.dispose)
        check_schema(engine)
        return engine

    @contextmanager
    def read(self) -> Iterator["Connection"]:
        """Open a transaction that only reads."""
        from gale.db.engine import reading

        with reading(self.engine) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator["Connection"]:
        """Open a transaction that writes and commits at the end of the block."""
        from gale.db.engine import writing

        with writing(self.engine) as connection:
            yield connection

    @cached_property
    def box(self) -> "FernetBox":
        """What encrypts and decrypts secrets in the database."""
        from gale.secrets import FernetBox

        return FernetBox(self.settings.core.fernet_key)

    @cached_property
    def user(self) -> str:
        """Who gives the command, for the audit log."""
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return "cli"

    def now(self) -> datetime:
        """Return this instant."""
        return self.clock.now()

    def limits(self) -> "Defaults":
        """Return the limits of DAGs that set none, for `why`."""
        from gale.db.read.why import Defaults

        core = self.settings.core
        return Defaults(
            parallelism=core.parallelism,
            max_active_tasks=core.max_active_tasks_per_dag,
            max_active_runs=core.max_active_runs_per_dag,
        )


pass_session = click.make_pass_decorator(Session, ensure=True)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is lost; end the command unless the answer is yes.

    Args:
        question: What will happen.
        yes: The user has answered on the command line already.
    """
    if not yes:
        click.confirm(question, abort=True, err=True)


yes_option = click.option("-y", "--yes", "--no-confirm", "yes", is_flag=True, help="Do not ask.")
