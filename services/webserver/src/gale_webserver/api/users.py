"""Users, for Admins: the paths and fields follow Airflow's FAB API. A password goes in and never comes out."""

from http import HTTPStatus
from typing import Final

import msgspec

from gale.db import users
from gale.db.engine import reading, writing
from gale.db.requests import audit
from gale.errors import BadRequest
from gale_webserver.api import shapes
from gale_webserver.context import person, services
from gale_webserver.query import Query, words
from gale_webserver.routing import Routes

routes: Final = Routes("users", prefix="/api/v2/users")

MIN_PASSWORD: Final = 8


class UserCollection(shapes.Answer, kw_only=True):
    """All users."""

    users: list[shapes.User]
    total_entries: int


class UserBody(shapes.Body, kw_only=True):
    """A new user."""

    username: str
    password: str
    role: str = "Viewer"
    email: str = ""
    first_name: str = ""
    last_name: str = ""


class UserPatch(shapes.Body, kw_only=True):
    """What can be changed of a user. Every change ends the user's sessions and tokens."""

    role: str | None = None
    password: str | None = None


def _shown(user: users.User) -> shapes.User:
    return shapes.User(**{name: getattr(user, name) for name in shapes.User.__struct_fields__})


def _check_password(password: str) -> None:
    if len(password) < MIN_PASSWORD:
        raise BadRequest(f"The password has {len(password)} characters; at least {MIN_PASSWORD} are needed.")


@routes.get("", answer=UserCollection)
def list_users() -> UserCollection:
    """List users."""
    with reading(services().engine) as conn:
        found = [_shown(user) for user in users.list_users(conn)]
    return UserCollection(users=found, total_entries=len(found))


@routes.post("", body=UserBody, answer=shapes.User, status=HTTPStatus.CREATED)
def create_user(body: UserBody) -> shapes.User:
    """Make a user."""
    _check_password(body.password)
    used = services()
    now = used.clock.now()
    new = users.NewUser(**msgspec.structs.asdict(body))
    with writing(used.engine) as conn:
        made = users.create_user(conn, new, now)
        told = {"username": made.username, "role": made.role}
        audit(conn, "create_user", user=person().username, now=now, extra=told)
    return _shown(made)


@routes.get("/<username>", answer=shapes.User)
def get_user(username: str) -> shapes.User:
    """Give one user."""
    with reading(services().engine) as conn:
        return _shown(users.get_user(conn, username))


@routes.patch("/<username>", query=words("update_mask"), body=UserPatch, answer=shapes.User)
def patch_user(username: str, query: Query, body: UserPatch) -> shapes.User:
    """Give a user another role or a new password."""
    mask = query.words("update_mask")
    if body.role is None and body.password is None:
        raise BadRequest("There is nothing to change: give role or password.")
    if body.password is not None:
        _check_password(body.password)
    used = services()
    with writing(used.engine) as conn:
        changed = users.get_user(conn, username)
        for field in ("role", "password"):
            value = getattr(body, field)
            if value is None or (mask and field not in mask):
                continue
            change = users.set_role if field == "role" else users.set_password
            changed = change(conn, username, value)
            audit(conn, f"set_{field}", user=person().username, now=used.clock.now(), extra={"username": username})
    return _shown(changed)


@routes.delete("/<username>")
def delete_user(username: str) -> None:
    """Delete a user with all sessions."""
    used = services()
    with writing(used.engine) as conn:
        users.delete_user(conn, username)
        audit(conn, "delete_user", user=person().username, now=used.clock.now(), extra={"username": username})
