"""What a first start needs: tables and somebody who may log in. For `gale standalone` and `gale db prepare`."""

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gale.cli.session import Session
from gale.settings import environment

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

ADMIN: Final = "admin"
PASSWORD_FILE: Final = "admin-password"  # noqa: S105 - the name of a file
PASSWORD_VARIABLE: Final = "GALE_ADMIN_PASSWORD"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What may be told about the first user."""

    username: str
    #: Where the password stands that was made or given.
    file: Path
    #: The password that was made up; empty if somebody has chosen another.
    password: str


def make_tables(session: Session, engine: "Engine") -> None:
    """Make or renew the tables, if they are not those of this version already."""
    from gale.db.schema import check_schema
    from gale.errors import SchemaOutdated

    try:
        check_schema(engine)
    except SchemaOutdated:
        from gale.db.migrate import migrate

        migrate(engine, default_pool_slots=session.settings.core.default_pool_task_slot_count)


def ensure_admin(session: Session, engine: "Engine") -> Login:
    """Make the user `admin` if there is no user yet; a password that is given in the environment is set every time."""
    from gale.db import users
    from gale.db.engine import writing

    given = environment(PASSWORD_VARIABLE)
    file = session.settings.home / PASSWORD_FILE
    kept = read_password(session.settings.home)
    with writing(engine) as connection:
        if users.count_users(connection) == 0:
            kept = given or secrets.token_urlsafe(12)
            users.create_user(connection, users.NewUser(username=ADMIN, password=kept, role="Admin"), session.now())
            _write_private(file, kept)
        elif given and kept != given and users.find_user(connection, ADMIN) is not None:
            kept = given
            users.set_password(connection, ADMIN, kept)
            _write_private(file, kept)
        may_tell = kept != given and _is_still_right(connection, kept)
    return Login(username=ADMIN, file=file, password=kept if may_tell else "")


def read_password(home: Path) -> str:
    """Return the password that the first start has kept; empty if there is none."""
    try:
        return (home / PASSWORD_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _is_still_right(connection: "Connection", password: str) -> bool:
    """Tell whether nobody has changed the password since."""
    from sqlalchemy import select

    from gale.db import tables as t
    from gale.db.users import password_matches

    wanted = select(t.user.c.password_hash).where(t.user.c.username == ADMIN)
    return bool(password) and password_matches(connection.execute(wanted).scalar_one_or_none(), password)


def _write_private(file: Path, text: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        file.unlink()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(f"{text}\n")
