"""What stands before every route: who is asking, may they, and did they mean it.

A route that the table does not name is refused to everybody, so that forgetting an entry
closes a door instead of opening one.
"""

import hmac
import logging
from http import HTTPStatus
from typing import Final

from flask import Flask, g, request

from gale.access.people import Person, cookie_name
from gale.access.roles import Permission
from gale.db.engine import reading
from gale.db.read.browse_dags import dag_with_id
from gale_webserver.auth.table import PERMISSION_OF
from gale_webserver.context import services, visible
from gale_webserver.problems import Refused

CSRF_HEADER: Final = "X-CSRF-Token"
_CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
logger: Final = logging.getLogger(__name__)


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
    header = request.headers.get("Authorization", "")
    found = _by_token(header) if header else _by_cookie()
    if found is None:
        raise Refused(
            HTTPStatus.UNAUTHORIZED,
            "You are not signed in, or no longer. Sign in on the page, or get a token from POST /auth/token "
            "and send it as Authorization: Bearer TOKEN.",
            {"WWW-Authenticate": 'Bearer realm="gale"'},
        )
    return found


def _by_token(header: str) -> Person | None:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    return services().doorkeeper.by_token(token.strip(), request.remote_addr or "")


def _by_cookie() -> Person | None:
    used = services()
    cookie = request.cookies.get(cookie_name(secure=used.secure), "")
    found = used.doorkeeper.by_cookie(cookie, request.remote_addr or "")
    if found is not None and request.method in _CHANGING and not _meant(found.csrf_token):
        raise Refused(
            HTTPStatus.FORBIDDEN,
            f"The header {CSRF_HEADER} is missing or not this session's, so the request may come from another site. "
            "GET /ui/me tells the right value.",
        )
    return found


def _meant(csrf_token: str) -> bool:
    given = request.headers.get(CSRF_HEADER, "")
    return hmac.compare_digest(given.encode("utf-8", "replace"), csrf_token.encode())


def _check_dag() -> None:
    """Hide DAGs that the person may not know of behind the same 404 as DAGs that do not exist."""
    dag_id = (request.view_args or {}).get("dag_id")
    seen = visible()
    if dag_id is None or dag_id == "~" or seen.owner is None:
        return
    with reading(services().engine) as conn:
        dag_with_id(conn, dag_id, seen)
