"""The one thing that the notes do with a database session: make a user with a password.

    user = PasswordUser(models.User())
    user.username = 'test'
    user.password = 'test'
    session = settings.Session()
    session.add(user)
    session.commit()

Gale keeps its database to itself, so a session takes users and nothing else, and none is to be
had inside a task.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, NoReturn, Self

from gale.authoring import services
from gale.authoring.exceptions import TaskError
from gale.clock import SystemClock
from gale.db.engine import open_engine, writing
from gale.db.schema import check_schema
from gale.db.users import NewUser, create_user
from gale.errors import BadRequest
from gale.settings import Settings

#: What functions take as `session` when nobody gives them one.
NEW_SESSION: Final = None


class User:
    """A user to be: a name, an address, and whether all is allowed."""

    def __init__(self, username: str = "", email: str = "", superuser: bool = False) -> None:
        self.username = username
        self.email = email
        self.superuser = superuser


class PasswordUser:
    """A user to be, with a password. Only its hash is stored."""

    def __init__(self, user: User) -> None:
        self.username = user.username
        self.email = user.email
        self.superuser = user.superuser
        self.password = ""


class Session:
    """Takes users and stores them on `commit`."""

    def __init__(self) -> None:
        if services.current() is not None:
            raise TaskError("A task has no database session in Gale. Use variables, XComs or a connection of your own.")
        self._new: list[PasswordUser] = []

    def add(self, instance: Any) -> None:
        """Take a user.

        Raises:
            BadRequest: It is none.
        """
        if not isinstance(instance, PasswordUser):
            raise BadRequest(
                f"session.add() got a {type(instance).__name__}. Gale's database takes only PasswordUser this way; "
                "use the command `gale` or the REST API for anything else."
            )
        self._new.append(instance)

    def commit(self) -> None:
        """Store what was added."""
        if not self._new:
            return
        engine = open_engine(Settings.load().database.sql_alchemy_conn, must_exist=True)
        try:
            check_schema(engine)
            with writing(engine) as connection:
                for user in self._new:
                    # Airflow 1.x knew two kinds of users; these are their rights under Gale's roles.
                    role = "Admin" if user.superuser else "User"
                    new = NewUser(username=user.username, password=user.password, role=role, email=user.email)
                    create_user(connection, new, SystemClock().now())
        finally:
            engine.dispose()
        self._new.clear()

    def rollback(self) -> None:
        """Forget what was added."""
        self._new.clear()

    close = rollback
    flush = commit

    def query(self, *_: Any) -> NoReturn:
        """Refuse.

        Raises:
            BadRequest: Always.
        """
        raise BadRequest("Gale's database cannot be queried from Python. Use the command `gale` or the REST API.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def create_session() -> Iterator[Session]:
    """Give a session, and commit at the end of the block."""
    with Session() as session:
        yield session
        session.commit()


def provide_session(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function a session as `session`, unless it gets one."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("session") is not None:
            return function(*args, **kwargs)
        with create_session() as session:
            return function(*args, **{**kwargs, "session": session})

    return wrapped
