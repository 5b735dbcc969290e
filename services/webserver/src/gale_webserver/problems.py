"""Every refusal and failure as one JSON body: {title, status, detail, type}.

What is refused on purpose says why and what to do. What fails by mistake gets an id that
also stands in the server's log, and nothing else: no traceback, statement, path or secret.
"""

import logging
import secrets
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from gale.errors import (
    BadRequest,
    ConfigError,
    DagDefinitionError,
    GaleError,
    NotFound,
    RunExists,
    StoreError,
)
from gale.runtime.remote_logs import LogUnreachable
from gale_webserver.context import services

PROBLEM_TYPE: Final = "application/problem+json"
logger: Final = logging.getLogger(__name__)

_STATUS_OF: Final[Mapping[type[GaleError], HTTPStatus]] = {
    NotFound: HTTPStatus.NOT_FOUND,
    RunExists: HTTPStatus.CONFLICT,
    BadRequest: HTTPStatus.BAD_REQUEST,
    DagDefinitionError: HTTPStatus.BAD_REQUEST,
    # A value that the present key does not open, or a setting that is wrong: names settings, never values.
    ConfigError: HTTPStatus.CONFLICT,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    # A worker or a store that answered a moment ago.
    LogUnreachable: HTTPStatus.BAD_GATEWAY,
}
_ADVICE: Final[Mapping[int, str]] = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address. /api/v2/openapi.json lists all addresses.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not know that method. The header Allow lists those it knows.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than this server accepts. Send less at once.",
}


class Refused(Exception):
    """A request that the web tier itself refuses, with the status that says how."""

    def __init__(self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of every answer that is no success (after RFC 9457)."""

    title: str
    status: int
    detail: str
    type: str
    #: Of an error that was not meant to happen: stands in the server's log too.
    error_id: str = ""
    #: Only if `[webserver] expose_stacktrace` is on, and only for people who are signed in.
    stack_trace: str = ""


def problem(status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None, **more: str) -> Response:
    """Return the answer that tells of a refusal or failure; `more` are further fields of `Problem`."""
    kind = status.phrase.lower().replace(" ", "-")
    body = Problem(title=status.phrase, status=status.value, detail=detail, type=f"urn:gale:problem:{kind}", **more)
    response = Response(msgspec.json.encode(body), status=status.value, content_type=PROBLEM_TYPE)
    response.headers.update(headers or {})
    return response


def _refused(error: Refused) -> Response:
    return problem(error.status, error.detail, error.headers)


def _of_gale(error: GaleError) -> Response:
    for kind, status in _STATUS_OF.items():
        if isinstance(error, kind):
            if status is HTTPStatus.SERVICE_UNAVAILABLE:
                logger.error("store.failed %s", error)
                detail = "The database cannot be used at the moment. Try again; the server's log says more."
                return problem(status, detail)
            return problem(status, str(error))
    return _unexpected(error)


def _of_werkzeug(error: HTTPException) -> Response:
    code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    headers = {name: value for name, value in error.get_headers() if name not in {"Content-Type", "Content-Length"}}
    return problem(HTTPStatus(code), _ADVICE.get(code) or error.description or HTTPStatus(code).phrase, headers)


def _unexpected(error: Exception) -> Response:
    error_id = secrets.token_hex(8)
    told = (error_id, request.method, request.endpoint)
    logger.error("request.failed id=%s method=%s endpoint=%s", *told, exc_info=error)
    shown = "".join(traceback.format_exception(error)) if _may_see_stack_traces() else ""
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        f"Something went wrong inside Gale. The server's log tells what, under the id {error_id}.",
        error_id=error_id,
        stack_trace=shown,
    )


def _may_see_stack_traces() -> bool:
    return services().settings.webserver.expose_stacktrace and "person" in g


def install(app: Flask) -> None:
    """Make `app` answer every error with a problem body."""
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(GaleError, _of_gale)
    app.register_error_handler(HTTPException, _of_werkzeug)
    app.register_error_handler(Exception, _unexpected)
