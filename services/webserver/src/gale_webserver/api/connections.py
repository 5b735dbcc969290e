"""Connections. Secrets go in and never come out: a password is shown as ***, and *** means "as it was"."""

import json
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from gale.core.attempt import ConnectionData
from gale.db import registry
from gale.db.engine import reading, writing
from gale.db.read import browse_admin
from gale.db.read.browse import AnyRow
from gale.db.requests import audit
from gale.errors import BadRequest, ConfigError
from gale_webserver.api import shapes
from gale_webserver.api.dags import check_mask
from gale_webserver.context import person, services
from gale_webserver.masking import MASK, masked, merged, without_password
from gale_webserver.problems import Refused
from gale_webserver.query import PAGE, Query, text, words
from gale_webserver.routing import Routes

routes: Final = Routes("connections", prefix="/api/v2/connections")

_FIELDS: Final = ("conn_type", "description", "host", "schema", "login", "port", "password", "extra")


def _shown(data: ConnectionData) -> shapes.Connection:
    return shapes.Connection(
        connection_id=data.conn_id,
        conn_type=data.conn_type,
        description=data.description,
        host=None if data.host is None else without_password(data.host),
        login=data.login,
        schema=data.schema,
        port=data.port,
        password=MASK if data.password else None,
        extra=_shown_extra(data.extra),
    )


def _shown_extra(extra: str | None) -> str | None:
    if not extra:
        return extra
    found = _object_in(extra)
    return MASK if found is None else json.dumps(masked(found, services().settings), ensure_ascii=False)


def _object_in(extra: str) -> dict[str, Any] | None:
    """Return the JSON object that `extra` is; None if it is other text, in which anything may be a secret."""
    try:
        found = json.loads(extra)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _checked(data: ConnectionData) -> ConnectionData:
    if data.port is not None and not 0 <= data.port <= 65535:  # noqa: PLR2004 - what a port is
        raise BadRequest(f"port is {data.port}; it must be 0 to 65535.")
    if data.extra and _object_in(data.extra) is None:
        raise BadRequest('extra must be a JSON object as text, for instance {"timeout": 30}.')
    for name in ("conn_type", "host", "schema"):
        value = getattr(data, name)
        if value is not None and len(value) > 500:  # noqa: PLR2004 - what the columns hold
            raise BadRequest(f"{name} has {len(value)} characters; 500 are allowed.")
    return data


def _found(conn: Connection, connection_id: str) -> ConnectionData:
    data = registry.get_connection(conn, services().box, connection_id)
    registry.require(data, "connection", connection_id)
    return data  # type: ignore[return-value]  # `require` has raised if it is None


def _audit(conn: Connection, event: str, connection_id: str) -> None:
    audit(conn, event, user=person().username, now=services().clock.now(), extra={"connection_id": connection_id})


@routes.get("", query=(*PAGE, *text("connection_id_pattern")), answer=shapes.ConnectionCollection)
def list_connections(query: Query) -> shapes.ConnectionCollection:
    """List connections."""
    used = services()
    with reading(used.engine) as conn:
        found = browse_admin.connections_matching(conn, query.text("connection_id_pattern"), None, query.page)
        shown = [_listed(conn, row) for row in found.rows]
    return shapes.ConnectionCollection(connections=shown, total_entries=found.total)


def _listed(conn: Connection, row: AnyRow) -> shapes.Connection:
    try:
        return _shown(_found(conn, row.conn_id))
    except ConfigError:  # stored with a key that is gone: it can still be listed, replaced and deleted
        fields = {name: getattr(row, name) for name in ("conn_type", "description", "host", "schema", "login", "port")}
        return _shown(ConnectionData(conn_id=row.conn_id, **fields, password=MASK if row.has_password else None))


@routes.post("", body=shapes.ConnectionBody, answer=shapes.Connection, status=HTTPStatus.CREATED)
def create_connection(body: shapes.ConnectionBody) -> shapes.Connection:
    """Make a connection."""
    used = services()
    data = _checked(ConnectionData(conn_id=body.connection_id, **{name: getattr(body, name) for name in _FIELDS}))
    with writing(used.engine) as conn:
        if registry.get_connection(conn, used.box, body.connection_id) is not None:
            raise Refused(
                HTTPStatus.CONFLICT, f"There is a connection {body.connection_id!r} already. Change it with PATCH."
            )
        registry.set_connection(conn, used.box, data)
        _audit(conn, "create_connection", body.connection_id)
        return _shown(_found(conn, body.connection_id))


@routes.get("/<path:connection_id>", answer=shapes.Connection)
def get_connection(connection_id: str) -> shapes.Connection:
    """Give one connection."""
    with reading(services().engine) as conn:
        return _shown(_found(conn, connection_id))


@routes.patch(
    "/<path:connection_id>", query=words("update_mask"), body=shapes.ConnectionPatch, answer=shapes.Connection
)
def patch_connection(connection_id: str, query: Query, body: shapes.ConnectionPatch) -> shapes.Connection:
    """Change a connection; what is left out stays as it was."""
    mask = query.words("update_mask")
    check_mask(mask, "connection_id", *_FIELDS)
    if body.connection_id is not None and body.connection_id != connection_id:
        raise BadRequest(
            "connection_id differs from the address. A connection cannot be renamed: make another and delete this one."
        )
    used = services()
    with writing(used.engine) as conn:
        old = _found(conn, connection_id)
        changes = {name: getattr(body, name) for name in _FIELDS if not mask or name in mask}
        changes = {name: value for name, value in changes.items() if value is not msgspec.UNSET}
        registry.set_connection(conn, used.box, _checked(replace(old, **_unmasked(changes, old))))
        _audit(conn, "patch_connection", connection_id)
        return _shown(_found(conn, connection_id))


def _unmasked(changes: dict[str, Any], old: ConnectionData) -> dict[str, Any]:
    """Return the changes with the secrets put back that the client has only seen masked."""
    changes = {name: value for name, value in changes.items() if value != MASK}
    host = changes.get("host")
    if host and old.host and host == without_password(old.host):
        changes["host"] = old.host
    extra = changes.get("extra")
    if extra and old.extra:
        sent, stored = _object_in(extra), _object_in(old.extra)
        if sent is not None and stored is not None:
            changes["extra"] = json.dumps(merged(sent, stored), ensure_ascii=False)
    return changes


@routes.delete("/<path:connection_id>")
def delete_connection(connection_id: str) -> None:
    """Delete a connection."""
    with writing(services().engine) as conn:
        registry.require(registry.delete_connection(conn, connection_id), "connection", connection_id)
        _audit(conn, "delete_connection", connection_id)
