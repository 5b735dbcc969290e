"""What stands before every route: who is asking, may they, and did they mean it.

A route that the table does not name is refused to everybody, so that forgetting an entry
closes a door instead of opening one.
"""

import hmac
import logging
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from flask import Flask, g, request

from gale.db.engine import reading, writing
from gale.db.read.browse_dags import dag_with_id
from gale.errors import StoreError
from gale_webserver.access import sessions
from gale_webserver.access.roles import Permission
from gale_webserver.access.table import PERMISSION_OF
from gale_webserver.context import Person, Services, services, visible
from gale_webserver.problems import Refused

COOKIE: Final = "gale_session"
CSRF_HEADER: Final = "X-CSRF-Token"
#: A page that polls must not write a row for each request.
KEEP_ALIVE_EVERY: Final = timedelta(minutes=10)
_CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
logger: Final = logging.getLogger(__name__)


def cookie_name() -> str:
    """Return the cookie's name; under TLS with the prefix that makes browsers insist on its attributes."""
    return f"__Host-{COOKIE}" if services().secure else COOKIE


def install(app: Flask) -> None:
    """Put the guard before every route of `app`."""
    app.before_request(check)


def check() -> None:
    """Let the request through or refuse it.

    Raises:
        Refused: 401 for nobody, 403 for somebody who may not.
    """
    if request.endpoint is None:  # no such address or method: Flask says so itself
        return
    permission = PERMISSION_OF.get(request.endpoint)
    if permission is None:
        logger.error("access.unlisted endpoint=%s", request.endpoint)
        raise Refused(HTTPStatus.FORBIDDEN, "This address is not in the table of permissions, so nobody may use it.")
    if permission is Permission.PUBLIC:
        return
    g.person = _who_asks()
    if not g.person.may(permission):
        raise Refused(
            HTTPStatus.FORBIDDEN,
            f"The role {g.person.role} may not do this; it needs the permission {permission.value}. Ask an Admin.",
        )
    _check_dag()


def _who_asks() -> Person:
    now = services().clock.now()
    header = request.headers.get("Authorization", "")
    found = _by_token(header, now) if header else _by_cookie(request.cookies.get(cookie_name(), ""), now)
    if found is None:
        raise Refused(
            HTTPStatus.UNAUTHORIZED,
            "You are not signed in, or no longer. Sign in on the page, or get a token from POST /auth/token "
            "and send it as Authorization: Bearer TOKEN.",
            {"WWW-Authenticate": 'Bearer realm="gale"'},
        )
    return found


def _by_token(header: str, now: datetime) -> Person | None:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    used = services()
    claims = used.tokens.read(token.strip(), now)
    if claims is None:
        logger.warning("access.bad_token address=%s", request.remote_addr)
        return None
    with reading(used.engine) as conn:
        account = sessions.account_of_token(
            conn, user_id=int(claims["sub"]), epoch=claims["epoch"], jti=str(claims["jti"])
        )
    if account is None:
        return None
    return Person(user_id=account.id, username=account.username, role=account.role, claims=claims)


def _by_cookie(cookie: str, now: datetime) -> Person | None:
    if not cookie:
        return None
    used = services()
    with reading(used.engine) as conn:
        row = sessions.session_with_cookie(conn, cookie, now)
    if row is None:
        logger.warning("access.bad_session address=%s", request.remote_addr)
        return None
    if request.method in _CHANGING and not _meant(row.csrf_token):
        raise Refused(
            HTTPStatus.FORBIDDEN,
            f"The header {CSRF_HEADER} is missing or not this session's, so the request may come from another site. "
            "GET /ui/me tells the right value.",
        )
    _keep_alive(used, row.id, row.expires_at, now)
    return Person(user_id=row.user_id, username=row.username, role=row.role, session=row.id, csrf_token=row.csrf_token)


def _meant(csrf_token: str) -> bool:
    given = request.headers.get(CSRF_HEADER, "")
    return hmac.compare_digest(given.encode("utf-8", "replace"), csrf_token.encode())


def _keep_alive(used: Services, session: str, expires_at: datetime, now: datetime) -> None:
    lifetime = timedelta(minutes=used.settings.webserver.session_lifetime_minutes)
    if now + lifetime - expires_at < min(KEEP_ALIVE_EVERY, lifetime / 4):
        return
    try:
        with writing(used.engine) as conn:
            sessions.keep_alive(conn, session, now, lifetime)
    except StoreError as error:  # the session is valid all the same; the next request tries again
        logger.warning("session.not_renewed %s", error)


def _check_dag() -> None:
    """Hide DAGs that the person may not know of behind the same 404 as DAGs that do not exist."""
    dag_id = (request.view_args or {}).get("dag_id")
    seen = visible()
    if dag_id is None or dag_id == "~" or seen.owner is None:
        return
    with reading(services().engine) as conn:
        dag_with_id(conn, dag_id, seen)
