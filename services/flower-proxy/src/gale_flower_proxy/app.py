"""The application: one door for all of Flower's addresses."""

import logging
import secrets
from http import HTTPStatus
from typing import Final

from flask import Flask, Response, request
from sqlalchemy import Engine
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from gale import telemetry
from gale.access.people import doorkeeper, is_secure
from gale.access.tokens import tokens_of
from gale.clock import Clock
from gale.db.engine import writing
from gale.db.requests import audit
from gale.errors import StoreError
from gale.settings import Settings
from gale_flower_proxy import forward, guard, headers, login
from gale_flower_proxy.basic import BasicLogins
from gale_flower_proxy.broker import prefix_of
from gale_flower_proxy.child import FlowerChild
from gale_flower_proxy.context import EXTENSION, Services, services
from gale_flower_proxy.pages import page, sentence, texts, wants_page
from gale_flower_proxy.policy import BadAddress, Need, Verdict, canonical, decide, need_of

_CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
#: Pages of our own, under the prefix.
_LOGIN, _LOGOUT, _HEALTH = "/login", "/logout", "/healthcheck"
logger: Final = logging.getLogger(__name__)


def create_app(settings: Settings, engine: Engine, clock: Clock, flower: FlowerChild) -> Flask:
    """Make the application.

    Raises:
        ConfigError: A setting would leave the door open, or cannot work.
    """
    app = Flask(__name__, static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=forward.MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=8192,
        MAX_FORM_PARTS=0,
        PROPAGATE_EXCEPTIONS=False,
        DEBUG=False,
        TESTING=False,
    )
    keeper = doorkeeper(settings, engine, clock, tokens_of(settings))
    app.extensions[EXTENSION] = Services(
        doorkeeper=keeper,
        basic=BasicLogins(keeper),
        flower=flower,
        client=forward.make_client(settings.webserver.threads),
        prefix=prefix_of(settings),
        secure=is_secure(settings),
    )
    # No routes: Flask would decode, merge and judge addresses by rules of its own before anybody is asked for.
    app.before_request(door)
    app.after_request(headers.add)
    app.register_error_handler(guard.Refused, lambda refused: refused.response)
    app.register_error_handler(StoreError, _store_failed)
    app.register_error_handler(HTTPException, _of_werkzeug)
    app.register_error_handler(Exception, _unexpected)
    if settings.webserver.enable_proxy_fix:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    return app


def door() -> Response:
    """Let a request through to Flower, answer it, or refuse it."""
    if "websocket" in request.headers.get("Upgrade", "").lower():
        return _refuse_upgrade()
    try:
        whole = canonical(request.environ.get("RAW_URI", request.full_path).partition("?")[0])
    except BadAddress as error:
        return sentence(HTTPStatus.BAD_REQUEST, f"{error} Flower has no such address.")
    prefix = services().prefix
    if whole == _HEALTH:
        return _health()
    if whole in {"/", prefix}:
        whole = f"{prefix}/"
        if request.path != whole and request.method == "GET":
            return Response(status=HTTPStatus.PERMANENT_REDIRECT, headers={"Location": whole})
    if not whole.startswith(f"{prefix}/"):
        return _nothing_here()
    return _inside(whole, whole.removeprefix(prefix))


def _inside(whole: str, path: str) -> Response:
    if path == _HEALTH:
        return _health()
    if path == _LOGIN:
        return login.log_in() if request.method == "POST" else login.ask(HTTPStatus.OK)
    asking = guard.visitor()
    if asking is None:
        return guard.sign_in_first()
    person = asking.person
    if path == _LOGOUT:
        if request.method != "POST":
            return login.ask_log_out(person.username, person.role)
        guard.check_meant(asking)
        return login.log_out(person.username)
    if decide(request.method, path, person.role) is not Verdict.ALLOW:
        return guard.deny(person)
    if request.method in _CHANGING:
        guard.check_meant(asking)
    if need_of(request.method, path) is Need.ACT:
        _write_down(person.username, path)
    return forward.forward(whole)


def _refuse_upgrade() -> Response:
    if guard.visitor() is None:
        return guard.sign_in_first()
    return sentence(HTTPStatus.BAD_REQUEST, "Flower has no WebSockets.")


def _health() -> Response:
    """Tell whether Flower answers, and nothing else: this needs no login."""
    if forward.answers():
        return sentence(HTTPStatus.OK, "OK")
    return sentence(HTTPStatus.SERVICE_UNAVAILABLE, "Flower does not answer.")


def _nothing_here() -> Response:
    told = texts()
    said = told["not_found"].format(prefix=services().prefix)
    if wants_page():
        return page(HTTPStatus.NOT_FOUND, told["not_found_title"], said=said)
    return sentence(HTTPStatus.NOT_FOUND, said)


def _write_down(username: str, path: str) -> None:
    """Keep who did what: workers know only that Flower did."""
    keeper = services().doorkeeper
    with writing(keeper.engine) as conn:
        audit(conn, "flower", user=username, now=keeper.clock.now(), extra={"path": path})
    logger.info("%s user=%s path=%s", telemetry.FLOWER_USED, username, path)


def _store_failed(error: StoreError) -> Response:
    logger.error("%s %s", telemetry.DATABASE_ERROR, error)
    return sentence(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Gale's database cannot be used at the moment, so nobody can be let in. Try again.",
    )


def _of_werkzeug(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    return sentence(status, error.description or status.phrase)


def _unexpected(error: Exception) -> Response:
    error_id = secrets.token_hex(8)
    logger.error("request.failed id=%s method=%s", error_id, request.method, exc_info=error)
    return sentence(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        f"Something went wrong inside Gale. The server's log tells what, under the id {error_id}.",
    )
