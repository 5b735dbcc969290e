"""How a route is declared: what it takes, what it gives back; the rest is done here.

    @routes.get("/dags", query=(*PAGE, *flag("paused")), answer=DagCollection)
    def list_dags(query: Query) -> DagCollection: ...

A route says nothing of permissions: those stand in one table, `auth.table`. The declarations
also make the OpenAPI document, so that it cannot fall behind the code.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.routing import BaseConverter, IntegerConverter, Map

from gale.errors import BadRequest
from gale_webserver.context import services
from gale_webserver.problems import Refused
from gale_webserver.query import MAX_INTEGER, Param, read_query

JSON_TYPE: Final = "application/json"
#: Bodies are JSON: forms and uploads are not taken at all.
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
View = TypeVar("View", bound=Callable[..., Any])
#: Decoders are costly to build and cheap to keep.
_decoder = functools.cache(msgspec.json.Decoder)


class Number(IntegerConverter):
    """A whole number in an address that every database can store. Others match no route."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=MAX_INTEGER)


class Index(IntegerConverter):
    """Like `Number`, but it may be negative: -1 is the map index of a task that is not mapped."""

    signed = True
    regex = r"-?\d+"

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, min=-MAX_INTEGER, max=MAX_INTEGER)


CONVERTERS: Final[dict[str, type[BaseConverter]]] = {"number": Number, "index": Index}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a route said of itself."""

    method: str
    rule: str
    endpoint: str
    query: tuple[Param, ...] = ()
    body: type | None = None
    answer: Any = None
    status: HTTPStatus = HTTPStatus.OK
    view: Callable[..., Any]


class Routes:
    """A group of routes under one prefix."""

    def __init__(self, name: str, prefix: str = "") -> None:
        self.name = name
        self.prefix = prefix
        self.declared: list[Declared] = []

    def get(
        self, rule: str, *, query: tuple[Param, ...] = (), answer: Any = None, status: HTTPStatus = HTTPStatus.OK
    ) -> Callable[[View], View]:
        """Declare a route that only reads."""
        return self._declare("GET", rule, query=query, answer=answer, status=status)

    def post(
        self,
        rule: str,
        *,
        query: tuple[Param, ...] = (),
        body: type | None = None,
        answer: Any = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Callable[[View], View]:
        """Declare a route that makes or does something."""
        return self._declare("POST", rule, query=query, body=body, answer=answer, status=status)

    def patch(
        self, rule: str, *, query: tuple[Param, ...] = (), body: type, answer: Any = None
    ) -> Callable[[View], View]:
        """Declare a route that changes something."""
        return self._declare("PATCH", rule, query=query, body=body, answer=answer)

    def delete(
        self, rule: str, *, query: tuple[Param, ...] = (), status: HTTPStatus = HTTPStatus.NO_CONTENT
    ) -> Callable[[View], View]:
        """Declare a route that deletes something."""
        return self._declare("DELETE", rule, query=query, status=status)

    def _declare(self, method: str, rule: str, **said: Any) -> Callable[[View], View]:
        def remember(view: View) -> View:
            endpoint = f"{self.name}.{view.__name__}"
            self.declared.append(Declared(method=method, rule=self.prefix + rule, endpoint=endpoint, view=view, **said))
            return view

        return remember

    def install(self, app: Flask) -> None:
        """Add the routes to an application. OPTIONS is not answered: no other site may ask."""
        blueprint = Blueprint(self.name, __name__)
        for declared in self.declared:
            blueprint.add_url_rule(
                declared.rule,
                endpoint=declared.endpoint.rpartition(".")[2],
                view_func=_served(declared),
                methods=[declared.method],
                provide_automatic_options=False,
            )
        app.register_blueprint(blueprint)


def _served(declared: Declared) -> Callable[..., Response]:
    @functools.wraps(declared.view)
    def serve(**path: Any) -> Response:
        limits = services().settings.api
        query = read_query(
            request.args, declared.query, max_limit=limits.maximum_page_limit, usual_limit=limits.fallback_page_limit
        )
        arguments = dict(path)
        if declared.query:
            arguments["query"] = query
        if declared.body is not None:
            arguments["body"] = _read_body(declared.body)
        return answer(declared.view(**arguments), declared.status)

    return serve


def answer(result: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return what a view gave as a response: a response as it is, None as no content, the rest as JSON."""
    if isinstance(result, Response):
        return result
    if result is None:
        return Response(status=HTTPStatus.NO_CONTENT)
    return Response(msgspec.json.encode(result), status=status, content_type=JSON_TYPE)


def _read_body(kind: type) -> Any:
    if request.mimetype != JSON_TYPE:
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "This address takes JSON only. Send the header Content-Type: application/json with a JSON body.",
        )
    data = request.get_data(cache=False)
    if len(data) >= MAX_BODY_BYTES:  # werkzeug cuts a body of unknown length there instead of refusing it
        raise RequestEntityTooLarge
    try:
        return _decoder(kind).decode(data)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The body does not fit: {error}. /api/v2/openapi.json describes it.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is no JSON: {error}.") from None
