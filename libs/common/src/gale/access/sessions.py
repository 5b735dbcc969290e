"""Sessions of the browser: rows in `web_session`, found by the digest of the cookie's value.

Who reads the database cannot become anybody: the digest does not give the cookie back.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from gale.db.read.browse import AnyRow
from gale.db.tables import revoked_token, user, web_session


@dataclass(frozen=True, slots=True)
class NewSession:
    """What the browser gets: the cookie's value, and the token for its X-CSRF-Token header."""

    cookie: str
    csrf_token: str


def digest(cookie: str) -> str:
    """Return what is stored of a cookie's value."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()


def open_session(conn: Connection, account: AnyRow, now: datetime, lifetime: timedelta) -> NewSession:
    """Store a new session for an account and sweep out sessions and revocations that have ended."""
    conn.execute(delete(web_session).where(web_session.c.expires_at < now))
    conn.execute(delete(revoked_token).where(revoked_token.c.expires_at < now))
    new = NewSession(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    values = {
        "id": digest(new.cookie),
        "user_id": account.id,
        "csrf_token": new.csrf_token,
        "epoch": account.session_epoch,
        "created_at": now,
        "expires_at": now + lifetime,
    }
    conn.execute(insert(web_session), [values])
    conn.execute(update(user).where(user.c.id == account.id).values(last_login=now))
    return new


def session_with_cookie(conn: Connection, cookie: str, now: datetime) -> AnyRow | None:
    """Return the session of a cookie with its account; None if it has ended or the account changed since."""
    statement = (
        select(
            web_session.c.id,
            web_session.c.csrf_token,
            web_session.c.expires_at,
            user.c.id.label("user_id"),
            user.c.username,
            user.c.role,
        )
        .join(user, user.c.id == web_session.c.user_id)
        .where(
            web_session.c.id == digest(cookie),
            web_session.c.expires_at > now,
            web_session.c.epoch == user.c.session_epoch,
            user.c.is_active.is_(True),
        )
    )
    return conn.execute(statement).one_or_none()


def keep_alive(conn: Connection, session: str, now: datetime, lifetime: timedelta) -> None:
    """Let a session end only `lifetime` from now."""
    conn.execute(update(web_session).where(web_session.c.id == session).values(expires_at=now + lifetime))


def close_session(conn: Connection, cookie: str) -> None:
    """End the session of a cookie."""
    conn.execute(delete(web_session).where(web_session.c.id == digest(cookie)))


def account_of_token(conn: Connection, *, user_id: int, epoch: int, jti: str) -> AnyRow | None:
    """Return the account that a token speaks for; None if the token or the account is void."""
    is_revoked = select(revoked_token.c.jti).where(revoked_token.c.jti == jti).exists()
    statement = select(user.c.id, user.c.username, user.c.role).where(
        user.c.id == user_id, user.c.session_epoch == epoch, user.c.is_active.is_(True), ~is_revoked
    )
    return conn.execute(statement).one_or_none()


def revoke(conn: Connection, jti: str, expires_at: datetime) -> None:
    """Make a token void before its time."""
    if conn.execute(select(revoked_token.c.jti).where(revoked_token.c.jti == jti)).first() is None:
        conn.execute(insert(revoked_token), [{"jti": jti, "expires_at": expires_at}])
