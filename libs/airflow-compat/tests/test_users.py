"""The notes' way to add a user, and what a session is not for."""

import pytest

from airflow import models, settings
from airflow.contrib.auth.backends.password_auth import PasswordUser
from airflow.utils.db import create_session, provide_session
from gale.authoring import services
from gale.authoring.exceptions import TaskError
from gale.db.engine import open_engine, reading
from gale.db.migrate import migrate
from gale.db.users import check_password, list_users
from gale.errors import BadRequest
from gale.settings import Settings


@pytest.fixture
def users(tmp_path, monkeypatch):
    """Make a home with an empty database, and return a function that lists its users."""
    monkeypatch.setenv("GALE_HOME", str(tmp_path))
    engine = open_engine(Settings.load().database.sql_alchemy_conn)
    migrate(engine, default_pool_slots=128)

    def listed():
        with reading(engine) as connection:
            return list_users(connection)

    listed.engine = engine
    yield listed
    engine.dispose()


def test_a_user_is_added_as_the_notes_say(users):
    user = PasswordUser(models.User())
    user.username = "test"
    user.email = "test@test.com"
    user.password = "test"
    session = settings.Session()
    session.add(user)
    session.commit()
    session.close()
    (made,) = users()
    assert (made.username, made.email, made.role) == ("test", "test@test.com", "User")
    with users.engine.begin() as connection:
        assert check_password(connection, "test", "test", made.created_at) is not None


def test_a_superuser_of_airflow_1_is_an_admin(users):
    with create_session() as session:
        user = PasswordUser(models.User("root", superuser=True))
        user.password = "secret"
        session.add(user)
    assert [(made.username, made.role) for made in users()] == [("root", "Admin")]


def test_a_function_that_wants_a_session_gets_one(users):
    @provide_session
    def add(name, session=None):
        user = PasswordUser(models.User(name))
        user.password = "secret"
        session.add(user)
        return session

    add("one")
    given = settings.Session()
    assert add("two", session=given) is given
    given.rollback()
    given.commit()
    assert [made.username for made in users()] == ["one"]


def test_a_session_takes_nothing_but_users(users):
    session = settings.Session()
    with pytest.raises(BadRequest, match="takes only PasswordUser"):
        session.add(models.Connection("c"))
    with pytest.raises(BadRequest, match="cannot be queried"):
        session.query(models.Variable)


def test_a_task_gets_no_session():
    with services.use(object()), pytest.raises(TaskError, match="no database session"):
        settings.Session()
