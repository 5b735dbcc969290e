"""Users and their passwords. Only argon2 hashes are stored.

Plain functions on a connection; whoever opened it commits.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from gale.db import tables as t
from gale.errors import BadRequest, NotFound

#: What a role allows grows from right to left.
ROLES: Final = ("Admin", "Op", "User", "Viewer")
MAX_NAME_LENGTH: Final = 250
#: argon2 works through the whole password; a megabyte of it would be an attack.
MAX_PASSWORD_LENGTH: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user as everybody may see it: without the hash of the password."""

    id: int
    username: str
    role: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    is_active: bool = True
    session_epoch: int = 0
    created_at: datetime
    last_login: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """What a user is made of."""

    username: str
    password: str
    role: str = "Viewer"
    email: str = ""
    first_name: str = ""
    last_name: str = ""


def create_user(connection: Connection, new: NewUser, now: datetime) -> User:
    """Make a user.

    Raises:
        BadRequest: The name is taken or empty, the password empty, the role unknown.
    """
    if not new.username.strip() or len(new.username) > MAX_NAME_LENGTH:
        raise BadRequest(f"A user's name needs 1 to {MAX_NAME_LENGTH} characters. Choose another.")
    if find_user(connection, new.username) is not None:
        raise BadRequest(
            f"There is a user {new.username!r} already. Choose another name, or give that user a new password with "
            f"`gale users reset-password --username {new.username}`."
        )
    values = {
        "username": new.username,
        "email": new.email,
        "first_name": new.first_name,
        "last_name": new.last_name,
        "password_hash": hash_password(new.password),
        "role": check_role(new.role),
        "is_active": True,
        "session_epoch": 0,
        "created_at": now,
    }
    connection.execute(insert(t.user), [values])
    return get_user(connection, new.username)


def find_user(connection: Connection, username: str) -> User | None:
    """Return a user by name, or None if there is none."""
    row = connection.execute(select(t.user).where(t.user.c.username == username)).first()
    return None if row is None else _user(row)


def get_user(connection: Connection, username: str) -> User:
    """Return a user by name.

    Raises:
        NotFound: There is none.
    """
    found = find_user(connection, username)
    if found is None:
        raise NotFound(f"There is no user {username!r}. `gale users list` shows those that there are.")
    return found


def list_users(connection: Connection) -> list[User]:
    """Return all users in the order of their names."""
    return [_user(row) for row in connection.execute(select(t.user).order_by(t.user.c.username)).all()]


def count_users(connection: Connection) -> int:
    """Return how many users there are."""
    return int(connection.execute(select(func.count()).select_from(t.user)).scalar_one())


def check_password(connection: Connection, username: str, password: str, now: datetime) -> User | None:
    """Return the user if name and password belong together and the user is active, else None.

    An unknown name takes as long as a wrong password, so that names cannot be found out by the clock.
    """
    row = connection.execute(select(t.user).where(t.user.c.username == username)).first()
    is_right = password_matches(None if row is None else row.password_hash, password)
    if row is None or not is_right or not row.is_active:
        return None
    changes: dict[str, Any] = {"last_login": now}
    if _hasher().check_needs_rehash(row.password_hash):
        changes["password_hash"] = hash_password(password)
    connection.execute(update(t.user).where(t.user.c.id == row.id).values(**changes))
    return _user(row)


def password_matches(stored: str | None, password: str) -> bool:
    """Tell whether a password belongs to a stored hash; for `None`, the hash of nobody, False after the same time.

    Needs no connection, so that nobody holds a database lock while argon2 does its slow work.
    """
    fits = len(password) <= MAX_PASSWORD_LENGTH and _matches(_hash_of_nobody() if stored is None else stored, password)
    return fits and stored is not None


def set_password(connection: Connection, username: str, password: str) -> User:
    """Give a user a new password and end all of the user's sessions and tokens.

    Raises:
        NotFound: There is no such user.
        BadRequest: The password is empty or too long.
    """
    return _change(connection, username, {"password_hash": hash_password(password)})


def set_role(connection: Connection, username: str, role: str) -> User:
    """Give a user another role and end all of the user's sessions and tokens.

    Raises:
        NotFound: There is no such user.
        BadRequest: There is no such role, or nobody would be left who may do everything.
    """
    user = get_user(connection, username)
    if check_role(role) != "Admin":
        _keep_an_admin(connection, user)
    return _change(connection, username, {"role": check_role(role)})


def delete_user(connection: Connection, username: str) -> User:
    """Delete a user, sessions included.

    Raises:
        NotFound: There is no such user.
        BadRequest: Nobody would be left who may do everything.
    """
    user = get_user(connection, username)
    _keep_an_admin(connection, user)
    connection.execute(delete(t.web_session).where(t.web_session.c.user_id == user.id))
    connection.execute(delete(t.user).where(t.user.c.id == user.id))
    return user


def check_role(role: str) -> str:
    """Return the role in its right spelling.

    Raises:
        BadRequest: There is no such role.
    """
    for known in ROLES:
        if known.lower() == role.lower():
            return known
    raise BadRequest(f"There is no role {role!r}. The roles are {', '.join(ROLES)}.")


def hash_password(password: str) -> str:
    """Return what is stored of a password.

    Raises:
        BadRequest: It is empty or too long.
    """
    if not password or len(password) > MAX_PASSWORD_LENGTH:
        raise BadRequest(f"A password needs 1 to {MAX_PASSWORD_LENGTH} characters. Choose another.")
    return _hasher().hash(password)


def _change(connection: Connection, username: str, values: dict[str, Any]) -> User:
    user = get_user(connection, username)
    statement = update(t.user).where(t.user.c.id == user.id)
    connection.execute(statement.values(**values, session_epoch=t.user.c.session_epoch + 1))
    connection.execute(delete(t.web_session).where(t.web_session.c.user_id == user.id))
    return get_user(connection, username)


def _keep_an_admin(connection: Connection, leaving: User) -> None:
    others = select(t.user.c.id).where(
        t.user.c.role == "Admin", t.user.c.is_active.is_(True), t.user.c.id != leaving.id
    )
    if leaving.role == "Admin" and connection.execute(others.limit(1)).first() is None:
        raise BadRequest(
            f"{leaving.username!r} is the last Admin; without one nobody could manage users on the page. "
            "Make another user Admin first."
        )


def _matches(stored: str, password: str) -> bool:
    try:
        return _hasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _hash_of_nobody() -> str:
    return _hasher().hash("no user has this password")


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        username=row.username,
        role=row.role,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        is_active=row.is_active,
        session_epoch=row.session_epoch,
        created_at=row.created_at,
        last_login=row.last_login,
    )
