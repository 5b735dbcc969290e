"""Who is asking: by the session's cookie, by a token, or by name and password.

One answer for everything of Gale that people reach, so that one login serves the page and Flower.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, select

from gale import telemetry
from gale.access import sessions
from gale.access.roles import Permission, permissions_of
from gale.access.sessions import NewSession
from gale.access.throttle import Throttle
from gale.access.tokens import Tokens
from gale.clock import Clock
from gale.db.engine import reading, writing
from gale.db.read.browse import AnyRow
from gale.db.requests import audit
from gale.db.tables import user
from gale.db.users import MAX_NAME_LENGTH, password_matches
from gale.errors import StoreError
from gale.settings import Settings

COOKIE: Final = "gale_session"
logger: Final = logging.getLogger(__name__)
#: A page that polls must not write a row for each request.
KEEP_ALIVE_EVERY: Final = timedelta(minutes=10)
SLOT_SECONDS: Final = 5.0
#: argon2 takes 64 MB and a core; more at once would starve everybody else.
_slots: Final = threading.BoundedSemaphore(2)


class LoginRefused(Exception):
    """Nobody is let in: the name or the password is wrong, in the same words whatever it was."""


class TooManyLogins(Exception):
    """Passwords are tried too often; `seconds` is how long to wait."""

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail)
        self.seconds = max(1, round(seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is asking, as the session or the token proved."""

    user_id: int
    username: str
    role: str
    #: Digest of the session's cookie; empty for a token.
    session: str = ""
    csrf_token: str = ""
    #: Claims of the token; empty for a session.
    claims: Mapping[str, Any] = field(default_factory=dict)

    def permissions(self) -> frozenset[Permission]:
        """Return all that the person may do."""
        return permissions_of(self.role)

    def may(self, permission: Permission) -> bool:
        """Return True if the person's role has the permission."""
        return permission in self.permissions()


def is_secure(settings: Settings) -> bool:
    """Return True if users reach the page over TLS, so that cookies may insist on it."""
    web = settings.webserver
    return web.cookie_secure or bool(web.web_server_ssl_cert) or web.base_url.lower().startswith("https://")


def cookie_name(*, secure: bool) -> str:
    """Return the cookie's name; under TLS with the prefix that makes browsers insist on its attributes."""
    return f"__Host-{COOKIE}" if secure else COOKIE


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorkeeper:
    """Knows people by what they show."""

    engine: Engine
    clock: Clock
    tokens: Tokens
    throttle: Throttle
    #: How long a session lives without a request.
    lifetime: timedelta

    def by_cookie(self, cookie: str, address: str) -> Person | None:
        """Return whose session a cookie belongs to, and let the session live on."""
        if not cookie:
            return None
        now = self.clock.now()
        with reading(self.engine) as conn:
            row = sessions.session_with_cookie(conn, cookie, now)
        if row is None:
            logger.warning("%s address=%s", telemetry.ACCESS_BAD_SESSION, address)
            return None
        self._keep_alive(row.id, row.expires_at, now)
        return Person(
            user_id=row.user_id, username=row.username, role=row.role, session=row.id, csrf_token=row.csrf_token
        )

    def by_token(self, token: str, address: str) -> Person | None:
        """Return whom a bearer token speaks for."""
        claims = self.tokens.read(token, self.clock.now())
        if claims is None:
            logger.warning("%s address=%s", telemetry.ACCESS_BAD_TOKEN, address)
            return None
        with reading(self.engine) as conn:
            account = sessions.account_of_token(
                conn, user_id=int(claims["sub"]), epoch=claims["epoch"], jti=str(claims["jti"])
            )
        if account is None:
            return None
        return Person(user_id=account.id, username=account.username, role=account.role, claims=claims)

    def by_password(self, username: str, password: str, address: str) -> AnyRow:
        """Return the account of a name and its password.

        Raises:
            LoginRefused: They do not belong together, or the account is switched off.
            TooManyLogins: This name from this address, or all of them, must wait.
        """
        name = username[:MAX_NAME_LENGTH]
        wait = self.throttle.seconds_to_wait(name, address)
        if wait > 0:
            detail = f"Too many failed logins from this address. Wait {wait:.0f} seconds and try again."
            raise TooManyLogins(detail, wait)
        account = self.account_with_name(name)
        if not _slots.acquire(timeout=SLOT_SECONDS):
            raise TooManyLogins("Too many people sign in just now. Try again.", 2)
        try:
            fits = password_matches(None if account is None else account.password_hash, password)
        finally:
            _slots.release()
        if account is None or not fits or not account.is_active:
            self.throttle.failed(name, address)
            with writing(self.engine) as conn:
                audit(conn, "login_failed", user=name, now=self.clock.now())
            raise LoginRefused("The user name or the password is wrong.")
        self.throttle.succeeded(name, address)
        return account

    def account_with_name(self, name: str) -> AnyRow | None:
        """Return the row of a user; None if there is none."""
        with reading(self.engine) as conn:
            return conn.execute(select(user).where(user.c.username == name)).one_or_none()

    def open_session(self, account: AnyRow, old_cookie: str) -> NewSession:
        """Open a session. One from before is ended, never taken over."""
        now = self.clock.now()
        with writing(self.engine) as conn:
            sessions.close_session(conn, old_cookie)
            new = sessions.open_session(conn, account, now, self.lifetime)
            audit(conn, "login", user=account.username, now=now)
        return new

    def close_session(self, cookie: str, username: str) -> None:
        """End a session."""
        with writing(self.engine) as conn:
            sessions.close_session(conn, cookie)
            audit(conn, "logout", user=username, now=self.clock.now())

    def _keep_alive(self, session: str, expires_at: datetime, now: datetime) -> None:
        if now + self.lifetime - expires_at < min(KEEP_ALIVE_EVERY, self.lifetime / 4):
            return
        try:
            with writing(self.engine) as conn:
                sessions.keep_alive(conn, session, now, self.lifetime)
        except StoreError as error:  # the session is valid all the same; the next request tries again
            logger.warning("%s %s", telemetry.SESSION_NOT_RENEWED, error)


def doorkeeper(settings: Settings, engine: Engine, clock: Clock, tokens: Tokens) -> Doorkeeper:
    """Make the doorkeeper that the settings describe."""
    return Doorkeeper(
        engine=engine,
        clock=clock,
        tokens=tokens,
        throttle=Throttle(clock.monotonic),
        lifetime=timedelta(minutes=settings.webserver.session_lifetime_minutes),
    )
