"""Pools: how many slots they have, and who holds them."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from gale.core.states import TaskState
from gale.db import registry
from gale.db.engine import reading, writing
from gale.db.read import browse_admin
from gale.db.requests import audit
from gale.errors import BadRequest
from gale_webserver.api import shapes
from gale_webserver.api.dags import check_mask
from gale_webserver.context import person, services
from gale_webserver.problems import Refused
from gale_webserver.query import MAX_INTEGER, PAGE, Query, text, words
from gale_webserver.routing import Routes

routes: Final = Routes("pools", prefix="/api/v2/pools")

_FIELDS: Final = ("slots", "description", "include_deferred")


def _shown(conn: Connection, pools: list[registry.Pool]) -> list[shapes.Pool]:
    used = browse_admin.slots_in_use(conn, [pool.name for pool in pools])
    return [_body(pool, used[pool.name]) for pool in pools]


def _body(pool: registry.Pool, used: Any) -> shapes.Pool:
    running = used.get(TaskState.RUNNING, 0) + used.get(TaskState.RESTARTING, 0)
    queued = used.get(TaskState.QUEUED, 0)
    return shapes.Pool(
        name=pool.name,
        slots=pool.slots,
        description=pool.description,
        include_deferred=pool.include_deferred,
        occupied_slots=running + queued,
        running_slots=running,
        queued_slots=queued,
        scheduled_slots=used.get(TaskState.SCHEDULED, 0),
        open_slots=-1 if pool.slots == registry.UNLIMITED else pool.slots - running - queued,
        deferred_slots=0,
    )


def _found(conn: Connection, name: str) -> registry.Pool:
    pool = registry.get_pool(conn, name)
    registry.require(pool, "pool", name)
    return pool  # type: ignore[return-value]  # `require` has raised if it is None


def _one(conn: Connection, name: str) -> shapes.Pool:
    (found,) = _shown(conn, [_found(conn, name)])
    return found


def _audit(conn: Connection, event: str, name: str) -> None:
    audit(conn, event, user=person().username, now=services().clock.now(), extra={"pool": name})


def _checked(pool: registry.Pool) -> registry.Pool:
    if pool.slots > MAX_INTEGER:
        raise BadRequest(f"slots is {pool.slots}; {MAX_INTEGER} is the most. For no limit say -1.")
    return pool


@routes.get("", query=(*PAGE, *text("pool_name_pattern")), answer=shapes.PoolCollection)
def list_pools(query: Query) -> shapes.PoolCollection:
    """List pools."""
    with reading(services().engine) as conn:
        found = browse_admin.pools_matching(conn, query.text("pool_name_pattern"), query.page)
        pools = [
            registry.Pool(
                name=row.pool, slots=row.slots, description=row.description, include_deferred=row.include_deferred
            )
            for row in found.rows
        ]
        return shapes.PoolCollection(pools=_shown(conn, pools), total_entries=found.total)


@routes.post("", body=shapes.PoolBody, answer=shapes.Pool, status=HTTPStatus.CREATED)
def create_pool(body: shapes.PoolBody) -> shapes.Pool:
    """Make a pool."""
    pool = registry.Pool(
        name=body.name, slots=body.slots, description=body.description, include_deferred=body.include_deferred
    )
    with writing(services().engine) as conn:
        if registry.get_pool(conn, body.name) is not None:
            raise Refused(HTTPStatus.CONFLICT, f"There is a pool {body.name!r} already. Change it with PATCH.")
        registry.set_pool(conn, _checked(pool))
        _audit(conn, "create_pool", body.name)
        return _one(conn, body.name)


@routes.get("/<pool_name>", answer=shapes.Pool)
def get_pool(pool_name: str) -> shapes.Pool:
    """Give one pool."""
    with reading(services().engine) as conn:
        return _one(conn, pool_name)


@routes.patch("/<pool_name>", query=words("update_mask"), body=shapes.PoolPatch, answer=shapes.Pool)
def patch_pool(pool_name: str, query: Query, body: shapes.PoolPatch) -> shapes.Pool:
    """Change the slots or the description of a pool."""
    mask = query.words("update_mask")
    check_mask(mask, "name", "pool", *_FIELDS)
    if (body.name or body.pool or pool_name) != pool_name:
        raise BadRequest("name differs from the address. A pool cannot be renamed: make a new one and delete this one.")
    changes = {name: getattr(body, name) for name in _FIELDS if not mask or name in mask}
    changes = {name: value for name, value in changes.items() if value is not msgspec.UNSET}
    with writing(services().engine) as conn:
        registry.set_pool(conn, _checked(replace(_found(conn, pool_name), **changes)))
        _audit(conn, "patch_pool", pool_name)
        return _one(conn, pool_name)


@routes.delete("/<pool_name>")
def delete_pool(pool_name: str) -> None:
    """Delete a pool."""
    with writing(services().engine) as conn:
        registry.require(registry.delete_pool(conn, pool_name), "pool", pool_name)
        _audit(conn, "delete_pool", pool_name)
