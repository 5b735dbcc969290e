"""The OpenAPI 3.1 document, made from what the routes declared of themselves."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from flask import Flask, Response

from gale.access.roles import Permission
from gale_webserver.auth.table import PERMISSION_OF
from gale_webserver.problems import PROBLEM_TYPE, Problem
from gale_webserver.query import MAX_INTEGER, Param
from gale_webserver.routing import JSON_TYPE, Declared, Routes
from gale_webserver.version import version

ADDRESS: Final = "/api/v2/openapi.json"
ENDPOINT: Final = "openapi.describe"
_VARIABLE: Final = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")
_KINDS: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "string", "maxLength": 1000},
    "integer": {"type": "integer", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "instant": {"type": "string", "format": "date-time"},
}
_REFUSALS: Final = {
    "400": "What was sent does not fit.",
    "401": "Nobody is signed in.",
    "403": "The role may not do this.",
    "404": "There is no such thing.",
    "405": "This address does not know that method.",
    "409": "It clashes with what is there.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "429": "Too often.",
    "503": "The database or the server is busy.",
}


def install(app: Flask, groups: Sequence[Routes]) -> None:
    """Serve the description of the routes of `groups`."""
    made: list[bytes] = []

    def describe() -> Response:
        if not made:  # at the first request: the start of the server need not wait for it
            made.append(msgspec.json.encode(document(groups)))
        return Response(made[0], content_type=JSON_TYPE)

    app.add_url_rule(ADDRESS, endpoint=ENDPOINT, view_func=describe, methods=["GET"], provide_automatic_options=False)


def document(groups: Sequence[Routes]) -> dict[str, Any]:
    """Return the description of all public routes of `groups`."""
    told = ("/api/", "/auth/", "/health")
    routes = [route for group in groups for route in group.declared if route.rule.startswith(told)]
    kinds = {kind for route in routes for kind in (route.body, route.answer) if kind is not None} | {Problem}
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    schemas, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        address = _VARIABLE.sub(lambda found: f"{{{found['name']}}}", route.rule)
        paths.setdefault(address, {})[route.method.lower()] = _operation(route, schema_of.__getitem__)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gale",
            "version": version(),
            "description": "Paths and bodies of Airflow 3's REST API. Get a token from POST /auth/token.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(route: Declared, schema_of: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
    summary, _, more = (route.view.__doc__ or "").strip().partition("\n")
    permission = PERMISSION_OF[route.endpoint]
    operation: dict[str, Any] = {
        "operationId": route.endpoint.replace(".", "_"),
        "tags": [route.endpoint.partition(".")[0]],
        "summary": summary,
        "description": f"{' '.join(more.split())} Needs the permission `{permission.value}`.".strip(),
        "security": [] if permission is Permission.PUBLIC else [{"bearer": []}],
        "parameters": [*_path_parameters(route.rule), *(_query_parameter(param) for param in route.query)],
        "responses": _responses(route, schema_of),
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON_TYPE: {"schema": schema_of(route.body)}}}
    return operation


def _path_parameters(rule: str) -> list[dict[str, Any]]:
    found = []
    for variable in _VARIABLE.finditer(rule):
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 250}
        if variable["kind"] in {"number", "index"}:
            schema = {"type": "integer", "minimum": 0 if variable["kind"] == "number" else -1, "maximum": MAX_INTEGER}
        found.append({"name": variable["name"], "in": "path", "required": True, "schema": schema})
    return found


def _query_parameter(param: Param) -> dict[str, Any]:
    schema = dict(_KINDS[param.kind])
    if param.choices:
        schema = {"type": "string", "enum": list(param.choices)}
    if param.many:
        schema = {"type": "array", "items": schema, "maxItems": 200}
    elif param.default is not None:
        schema["default"] = param.default
    described: dict[str, Any] = {"name": param.name, "in": "query", "required": False, "schema": schema}
    return described | ({"description": param.about} if param.about else {})


def _responses(route: Declared, schema_of: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if route.answer is not None:
        done["content"] = {JSON_TYPE: {"schema": schema_of(route.answer)}}
    refused = {"content": {PROBLEM_TYPE: {"schema": schema_of(Problem)}}}
    refusals = {code: {"description": words, **refused} for code, words in _REFUSALS.items()}
    return {str(int(route.status)): done, **refusals}
