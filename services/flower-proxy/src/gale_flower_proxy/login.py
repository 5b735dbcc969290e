"""Signing in and out. The session is that of the web page: browsers share cookies between ports of a host."""

from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlencode

from flask import Response, request

from gale.access.people import LoginRefused, TooManyLogins, cookie_name
from gale.access.redirects import local_path
from gale_flower_proxy.context import services
from gale_flower_proxy.origin import Origin, origin_of
from gale_flower_proxy.pages import language, page, texts


def path_of(name: str) -> str:
    """Return the path of a page of our own."""
    return f"{services().prefix}/{name}"


def ask(status: HTTPStatus, said: str = "", headers: dict[str, str] | None = None) -> Response:
    """Return the page that asks for a name and a password."""
    told = texts()
    asked_for = request.values.get("next") if request.path == path_of("login") else request.full_path.rstrip("?")
    back_to = _home() if local_path(asked_for) == "/" else local_path(asked_for)
    other = {"zh": "en", "en": "zh"}[language()]
    response = page(
        status,
        told["sign_in"],
        title=told["sign_in_title"],
        form="sign_in",
        action=path_of("login"),
        next=back_to,
        other_language=f"{path_of('login')}?{urlencode({'lang': other, 'next': back_to})}",
        said=said,
        alert=True,
    )
    response.headers.update(headers or {})
    return response


def log_in() -> Response:
    """Open a session for who sends the form, and lead back to where that one wanted to go."""
    if origin_of(dict(request.headers), request.host) is not Origin.HERE:
        return ask(HTTPStatus.FORBIDDEN, texts()["from_elsewhere"])
    used = services()
    username, password = request.form.get("username", ""), request.form.get("password", "")
    try:
        account = used.doorkeeper.by_password(username, password, request.remote_addr or "")
    except TooManyLogins as refused:
        return ask(HTTPStatus.TOO_MANY_REQUESTS, str(refused), {"Retry-After": str(refused.seconds)})
    except LoginRefused:
        return ask(HTTPStatus.UNAUTHORIZED, texts()["bad_login"])
    new = used.doorkeeper.open_session(account, _cookie())
    response = _see(local_path(request.form.get("next")))
    _set_cookie(response, new.cookie, used.doorkeeper.lifetime)
    return response


def ask_log_out(username: str, role: str) -> Response:
    """Return the page that signs out. Looking at it ends nothing: any site could cause that."""
    told = texts()
    said = told["signed_in_as"].format(username=username, role=role)
    title = told["sign_out_title"]
    return page(
        HTTPStatus.OK, told["sign_out"], title=title, said=said, form="sign_out", action=path_of("logout"), back=_home()
    )


def log_out(username: str) -> Response:
    """End the session."""
    services().doorkeeper.close_session(_cookie(), username)
    response = _see(path_of("login"))
    _set_cookie(response, "", timedelta(0))
    return response


def _home() -> str:
    return f"{services().prefix}/"


def _see(path: str) -> Response:
    return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": _home() if path == "/" else path})


def _cookie() -> str:
    return request.cookies.get(cookie_name(secure=services().secure), "")


def _set_cookie(response: Response, value: str, lifetime: timedelta) -> None:
    secure = services().secure
    name = cookie_name(secure=secure)
    response.set_cookie(name, value, max_age=lifetime, httponly=True, samesite="Lax", secure=secure, path="/")
