"""Variables. The value of one whose key says that it is a secret is never given back."""

import json
from http import HTTPStatus
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from gale.db import registry
from gale.db.engine import reading, writing
from gale.db.read import browse_admin
from gale.db.requests import audit
from gale.errors import BadRequest, ConfigError, NotFound
from gale_webserver.api import shapes
from gale_webserver.api.dags import check_mask
from gale_webserver.context import person, services
from gale_webserver.masking import MASK, masked_text
from gale_webserver.problems import Refused
from gale_webserver.query import PAGE, Query, text, words
from gale_webserver.routing import Routes

routes: Final = Routes("variables", prefix="/api/v2/variables")


def _shown(row: Any) -> shapes.Variable:
    used = services()
    value: str | None = row.value
    if row.is_encrypted:
        try:
            value = used.box.decrypt(row.value, what=f"Variable {row.key!r}")
        except ConfigError:  # stored with a key that is gone: it can still be listed, replaced and deleted
            value = None
    return shapes.Variable(
        key=row.key,
        value=masked_text(row.key, value, used.settings),
        description=row.description,
        is_encrypted=row.is_encrypted,
    )


def _row(conn: Connection, key: str) -> Any:
    row = browse_admin.variable_with_key(conn, key)
    if row is None:
        raise NotFound(f"There is no variable {key!r}.")
    return row


def as_text(value: Any) -> str:
    """Return a value as it is stored: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)


@routes.get("", query=(*PAGE, *text("variable_key_pattern")), answer=shapes.VariableCollection)
def list_variables(query: Query) -> shapes.VariableCollection:
    """List variables."""
    with reading(services().engine) as conn:
        found = browse_admin.variable_keys_matching(conn, query.text("variable_key_pattern"), query.page)
    return shapes.VariableCollection(variables=[_shown(row) for row in found.rows], total_entries=found.total)


@routes.post("", body=shapes.VariableBody, answer=shapes.Variable, status=HTTPStatus.CREATED)
def create_variable(body: shapes.VariableBody) -> shapes.Variable:
    """Make a variable."""
    used = services()
    with writing(used.engine) as conn:
        if browse_admin.variable_with_key(conn, body.key) is not None:
            raise Refused(HTTPStatus.CONFLICT, f"There is a variable {body.key!r} already. Change it with PATCH.")
        registry.set_variable(conn, used.box, body.key, as_text(body.value), description=body.description)
        _audit(conn, "create_variable", body.key)
        return _shown(_row(conn, body.key))


def _audit(conn: Connection, event: str, key: str) -> None:
    audit(conn, event, user=person().username, now=services().clock.now(), extra={"key": key})


@routes.get("/<path:variable_key>", answer=shapes.Variable)
def get_variable(variable_key: str) -> shapes.Variable:
    """Give one variable."""
    with reading(services().engine) as conn:
        return _shown(_row(conn, variable_key))


@routes.patch("/<path:variable_key>", query=words("update_mask"), body=shapes.VariablePatch, answer=shapes.Variable)
def patch_variable(variable_key: str, query: Query, body: shapes.VariablePatch) -> shapes.Variable:
    """Change a variable. A value of *** leaves the old one: it is what a masked value looks like."""
    mask = query.words("update_mask")
    check_mask(mask, "key", "value", "description")
    if body.key is not None and body.key != variable_key:
        raise BadRequest(
            "key differs from the address. A variable cannot be renamed: make another and delete this one."
        )
    used = services()
    with writing(used.engine) as conn:
        row = _row(conn, variable_key)
        takes_value = body.value is not msgspec.UNSET and body.value != MASK and (not mask or "value" in mask)
        value = as_text(body.value) if takes_value else registry.get_variable(conn, used.box, variable_key) or ""
        takes_words = body.description is not msgspec.UNSET and (not mask or "description" in mask)
        description = body.description if takes_words else row.description
        registry.set_variable(conn, used.box, variable_key, value, description=description or "")
        _audit(conn, "patch_variable", variable_key)
        return _shown(_row(conn, variable_key))


@routes.delete("/<path:variable_key>")
def delete_variable(variable_key: str) -> None:
    """Delete a variable."""
    with writing(services().engine) as conn:
        registry.require(registry.delete_variable(conn, variable_key), "variable", variable_key)
        _audit(conn, "delete_variable", variable_key)
