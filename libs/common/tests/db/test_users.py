"""Users: passwords are hashed, sessions end with them, and one Admin always remains."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, insert, select

from gale.db import tables, users
from gale.db.engine import open_engine
from gale.errors import BadRequest, NotFound

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = open_engine("sqlite://")
    with engine.connect() as opened:
        tables.metadata.create_all(opened)
        yield opened
    engine.dispose()


def make(connection: Connection, username: str = "test", role: str = "Admin") -> users.User:
    new = users.NewUser(username=username, password="test", role=role, email="test@test.com")
    return users.create_user(connection, new, NOW)


def log_in(connection: Connection, user: users.User) -> None:
    session = {"id": "s", "user_id": user.id, "csrf_token": "c", "created_at": NOW, "expires_at": NOW, "epoch": 0}
    connection.execute(insert(tables.web_session), [session])


def test_a_user_of_the_notes_can_log_in_with_the_password(connection: Connection) -> None:
    made = make(connection)
    found = users.check_password(connection, "test", "test", NOW)
    assert found is not None
    assert found.id == made.id
    assert users.get_user(connection, "test").last_login == NOW


@pytest.mark.parametrize(
    ("name", "password"), [("test", "Test"), ("test", ""), ("nobody", "test"), ("test", "x" * 2000)]
)
def test_a_wrong_name_or_password_lets_nobody_in(connection: Connection, name: str, password: str) -> None:
    make(connection)
    assert users.check_password(connection, name, password, NOW) is None


def test_only_an_argon2_hash_of_the_password_is_stored(connection: Connection) -> None:
    make(connection)
    assert connection.execute(select(tables.user.c.password_hash)).scalar_one().startswith("$argon2id$")


def test_a_user_who_is_not_active_cannot_log_in(connection: Connection) -> None:
    make(connection)
    connection.execute(tables.user.update().values(is_active=False))
    assert users.check_password(connection, "test", "test", NOW) is None


def test_a_hash_that_is_no_hash_lets_nobody_in(connection: Connection) -> None:
    make(connection)
    connection.execute(tables.user.update().values(password_hash="!"))
    assert users.check_password(connection, "test", "test", NOW) is None


def test_a_name_that_is_taken_is_refused_with_what_to_do(connection: Connection) -> None:
    make(connection)
    with pytest.raises(BadRequest, match="reset-password --username test"):
        make(connection)


@pytest.mark.parametrize(
    ("username", "password", "role"),
    [("", "x", "Admin"), ("a", "", "Admin"), ("a", "x", "King"), ("a" * 251, "x", "Op")],
)
def test_users_that_cannot_be_are_refused(connection: Connection, username: str, password: str, role: str) -> None:
    with pytest.raises(BadRequest):
        users.create_user(connection, users.NewUser(username=username, password=password, role=role), NOW)


def test_a_new_password_ends_the_sessions_of_the_old_one(connection: Connection) -> None:
    user = make(connection)
    log_in(connection, user)
    changed = users.set_password(connection, "test", "other")
    assert changed.session_epoch == user.session_epoch + 1
    assert connection.execute(select(tables.web_session)).first() is None
    assert users.check_password(connection, "test", "test", NOW) is None
    assert users.check_password(connection, "test", "other", NOW) is not None


def test_the_last_admin_can_be_neither_deleted_nor_demoted(connection: Connection) -> None:
    make(connection)
    make(connection, "viewer", "viewer")
    with pytest.raises(BadRequest, match="last Admin"):
        users.delete_user(connection, "test")
    with pytest.raises(BadRequest, match="last Admin"):
        users.set_role(connection, "test", "Op")


def test_with_a_second_admin_the_first_may_go(connection: Connection) -> None:
    log_in(connection, make(connection))
    make(connection, "second")
    users.delete_user(connection, "test")
    assert [user.username for user in users.list_users(connection)] == ["second"]
    assert connection.execute(select(tables.web_session)).first() is None


def test_another_role_ends_sessions_too(connection: Connection) -> None:
    user = make(connection, "test", "User")
    log_in(connection, user)
    assert users.set_role(connection, "test", "op").role == "Op"
    assert connection.execute(select(tables.web_session)).first() is None


def test_a_user_who_is_not_there_is_told_so(connection: Connection) -> None:
    with pytest.raises(NotFound, match="'ghost'"):
        users.set_password(connection, "ghost", "x")
    assert users.count_users(connection) == 0
