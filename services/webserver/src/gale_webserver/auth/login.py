"""Signing in and out: of the page by cookie, of the REST API by token."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import msgspec
from flask import Response, request

from gale.access import sessions
from gale.access.people import LoginRefused, TooManyLogins, cookie_name
from gale.access.redirects import local_path
from gale.db.engine import writing
from gale.db.read.browse import AnyRow
from gale.db.requests import audit
from gale_webserver.context import Services, person, services
from gale_webserver.problems import Refused
from gale_webserver.query import Query, text
from gale_webserver.routing import JSON_TYPE, Routes, answer
from gale_webserver.version import version

routes = Routes("auth")

CLI_TOKEN_SECONDS: Final = 3600


class Credentials(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A user name and a password."""

    username: str
    password: str


class TokenAnswer(msgspec.Struct, kw_only=True):
    """A new bearer token."""

    access_token: str


class SignedIn(msgspec.Struct, kw_only=True):
    """What the page learns at login."""

    user: str
    username: str
    role: str
    csrf_token: str


class Me(msgspec.Struct, kw_only=True):
    """Who is asking, and what they may do."""

    username: str
    role: str
    permissions: list[str]
    csrf_token: str
    version: str
    instance_name: str


def _check(credentials: Credentials) -> AnyRow:
    """Return the account, or refuse in the same words and time whatever was wrong."""
    try:
        return services().doorkeeper.by_password(credentials.username, credentials.password, request.remote_addr or "")
    except TooManyLogins as refused:
        headers = {"Retry-After": str(refused.seconds)}
        raise Refused(HTTPStatus.TOO_MANY_REQUESTS, str(refused), headers) from None
    except LoginRefused as refused:
        raise Refused(HTTPStatus.UNAUTHORIZED, str(refused)) from None


def _cookie(used: Services) -> str:
    return request.cookies.get(cookie_name(secure=used.secure), "")


def _set_cookie(response: Response, used: Services, value: str, lifetime: timedelta) -> None:
    name = cookie_name(secure=used.secure)
    response.set_cookie(name, value, max_age=lifetime, httponly=True, samesite="Lax", secure=used.secure, path="/")


@routes.post("/ui/login", body=Credentials, answer=SignedIn)
def login(body: Credentials) -> Response:
    """Sign in and get a session cookie. A session from before is ended, never taken over."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise Refused(HTTPStatus.FORBIDDEN, "Another site tried to sign you in. Sign in on Gale's own page.")
    account = _check(body)
    used = services()
    new = used.doorkeeper.open_session(account, _cookie(used))
    signed_in = SignedIn(user=account.username, username=account.username, role=account.role, csrf_token=new.csrf_token)
    response = answer(signed_in)
    _set_cookie(response, used, new.cookie, used.doorkeeper.lifetime)
    return response


@routes.post("/ui/logout", status=HTTPStatus.NO_CONTENT)
def logout() -> Response:
    """End the session."""
    used = services()
    used.doorkeeper.close_session(_cookie(used), person().username)
    response = Response(status=HTTPStatus.NO_CONTENT)
    _set_cookie(response, used, "", timedelta(0))
    return response


@routes.get("/ui/me", answer=Me)
def me() -> Me:
    """Tell who is asking, what they may do, and the token for the X-CSRF-Token header."""
    asking = person()
    granted = sorted(p.value for p in asking.permissions())
    return Me(
        username=asking.username,
        role=asking.role,
        permissions=granted,
        csrf_token=asking.csrf_token,
        version=version(),
        instance_name=services().settings.webserver.instance_name,
    )


def _new_token(body: Credentials, lifetime_seconds: int | None = None) -> TokenAnswer:
    account = _check(body)
    used = services()
    now = used.clock.now()
    with writing(used.engine) as conn:
        audit(conn, "token_made", user=account.username, now=now)
    made = used.tokens.make(user_id=account.id, epoch=account.session_epoch, now=now, lifetime_seconds=lifetime_seconds)
    return TokenAnswer(access_token=made)


@routes.post("/auth/token", body=Credentials, answer=TokenAnswer, status=HTTPStatus.CREATED)
def create_token(body: Credentials) -> TokenAnswer:
    """Get a bearer token for the REST API."""
    return _new_token(body)


@routes.post("/auth/token/cli", body=Credentials, answer=TokenAnswer, status=HTTPStatus.CREATED)
def create_cli_token(body: Credentials) -> TokenAnswer:
    """Get a bearer token that lives for an hour only."""
    lifetime = services().settings.api_auth.jwt_expiration_time
    return _new_token(body, min(CLI_TOKEN_SECONDS, lifetime))


@routes.delete("/auth/token")
def revoke_token() -> None:
    """Make the bearer token of this request void."""
    claims = person().claims
    if not claims:
        raise Refused(HTTPStatus.BAD_REQUEST, "This request was made with a session, no token. Use POST /ui/logout.")
    used = services()
    with writing(used.engine) as conn:
        sessions.revoke(conn, str(claims["jti"]), datetime.fromtimestamp(claims["exp"], UTC))
        audit(conn, "token_revoked", user=person().username, now=used.clock.now())


@routes.get("/api/v2/auth/login", query=text("next"), status=HTTPStatus.TEMPORARY_REDIRECT)
def login_redirect(query: Query) -> Response:
    """Send the browser to the login page."""
    return _redirect("/login?" + urlencode({"next": local_path(query.text("next"))}))


@routes.get("/api/v2/auth/logout", status=HTTPStatus.TEMPORARY_REDIRECT)
def logout_redirect() -> Response:
    """Send the browser to the page that signs out. A GET ends nothing by itself: any site could cause one."""
    return _redirect("/logout")


def _redirect(path: str) -> Response:
    return Response(status=HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": path}, content_type=JSON_TYPE)
