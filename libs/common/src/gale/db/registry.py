"""Variables, connections and pools: what users keep in the database for their tasks.

Plain functions on a connection; whoever opened it commits. Values are encrypted with the
`FernetBox` that is passed in. Users are in `users.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, delete, func, select, update

from gale.core.attempt import ConnectionData
from gale.core.ids import check_id
from gale.core.states import OCCUPYING, TaskState
from gale.db import tables as t
from gale.db.manners import insert_if_absent, upsert
from gale.errors import BadRequest, NotFound
from gale.secrets import FernetBox

MAX_KEY_LENGTH: Final = 250
DEFAULT_POOL: Final = "default_pool"
UNLIMITED: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A named text, in clear."""

    key: str
    value: str
    description: str | None = None
    is_encrypted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A number of slots that tasks share; -1 = without limit."""

    name: str
    slots: int
    description: str | None = None
    include_deferred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUse:
    """A pool, and how many of its slots are taken or asked for."""

    pool: Pool
    running: int = 0
    queued: int = 0
    scheduled: int = 0
    deferred: int = 0

    @property
    def open(self) -> int | None:
        """Slots left, None if there is no limit."""
        return None if self.pool.slots == UNLIMITED else self.pool.slots - self.running - self.queued


def ensure_defaults(connection: Connection, *, default_pool_slots: int) -> None:
    """Make what every database needs and does not have yet: the default pool and the lock's row."""
    pool = {"pool": DEFAULT_POOL, "slots": default_pool_slots, "description": "Pool of tasks that name none"}
    insert_if_absent(connection, t.slot_pool, [{**pool, "include_deferred": False}])
    insert_if_absent(connection, t.grant_lock, [{"id": 1, "version": 0}])


# --- variables --------------------------------------------------------------------------------------


def get_variable(connection: Connection, box: FernetBox, key: str) -> str | None:
    """Return a variable's text, or None if there is none.

    Raises:
        ConfigError: It was encrypted with a key that is not there.
    """
    row = connection.execute(select(t.variable).where(t.variable.c.key == key)).first()
    return None if row is None else _variable(row, box).value


def list_variables(connection: Connection, box: FernetBox) -> list[Variable]:
    """Return all variables in the order of their keys, in clear."""
    rows = connection.execute(select(t.variable).order_by(t.variable.c.key)).all()
    return [_variable(row, box) for row in rows]


def set_variable(
    connection: Connection, box: FernetBox, key: str, value: str, *, description: str | None = None
) -> None:
    """Create a variable or replace its value; a description of None keeps the one that is there.

    Raises:
        BadRequest: The key is empty or too long.
    """
    _check_key(key, "variable's key")
    row = {"key": key, "value": box.encrypt(value), "is_encrypted": box.is_on, "description": description}
    changing = ("value", "is_encrypted", *(("description",) if description is not None else ()))
    upsert(connection, t.variable, [row], changing=changing)


def delete_variable(connection: Connection, key: str) -> bool:
    """Delete a variable; False if there was none."""
    return connection.execute(delete(t.variable).where(t.variable.c.key == key)).rowcount > 0


def _variable(row: Row[Any], box: FernetBox) -> Variable:
    value = box.decrypt(row.value, what=f"Variable {row.key!r}") if row.is_encrypted else row.value
    return Variable(key=row.key, value=value, description=row.description, is_encrypted=row.is_encrypted)


# --- connections ------------------------------------------------------------------------------------


def get_connection(connection: Connection, box: FernetBox, conn_id: str) -> ConnectionData | None:
    """Return a connection with its secrets in clear, or None if there is none.

    Raises:
        ConfigError: It was encrypted with a key that is not there.
    """
    row = connection.execute(select(t.connection).where(t.connection.c.conn_id == conn_id)).first()
    return None if row is None else _connection(row, box)


def list_connections(connection: Connection, box: FernetBox) -> list[ConnectionData]:
    """Return all connections in the order of their ids, secrets in clear."""
    rows = connection.execute(select(t.connection).order_by(t.connection.c.conn_id)).all()
    return [_connection(row, box) for row in rows]


def set_connection(connection: Connection, box: FernetBox, data: ConnectionData) -> None:
    """Create a connection or replace the one with its id as a whole.

    Raises:
        BadRequest: Id or type are empty or too long.
    """
    _check_key(data.conn_id, "connection's id")
    if not data.conn_type:
        raise BadRequest(f"Connection {data.conn_id!r} has no type. Give one, for instance mysql, http or generic.")
    row = {
        "conn_id": data.conn_id,
        "conn_type": data.conn_type,
        "description": data.description,
        "host": data.host,
        "schema": data.schema,
        "login": data.login,
        "port": data.port,
        "password": None if data.password is None else box.encrypt(data.password),
        "extra": None if data.extra is None else box.encrypt(data.extra),
        "is_encrypted": box.is_on,
    }
    upsert(connection, t.connection, [row], changing=tuple(name for name in row if name != "conn_id"))


def delete_connection(connection: Connection, conn_id: str) -> bool:
    """Delete a connection; False if there was none."""
    return connection.execute(delete(t.connection).where(t.connection.c.conn_id == conn_id)).rowcount > 0


def _connection(row: Row[Any], box: FernetBox) -> ConnectionData:
    what = f"Connection {row.conn_id!r}"
    secret = {
        name: box.decrypt(value, what=what) if row.is_encrypted and value is not None else value
        for name, value in (("password", row.password), ("extra", row.extra))
    }
    return ConnectionData(
        conn_id=row.conn_id,
        conn_type=row.conn_type,
        description=row.description,
        host=row.host,
        schema=row.schema,
        login=row.login,
        port=row.port,
        **secret,
    )


# --- pools ------------------------------------------------------------------------------------------


def get_pool(connection: Connection, name: str) -> Pool | None:
    """Return a pool, or None if there is none."""
    row = connection.execute(select(t.slot_pool).where(t.slot_pool.c.pool == name)).first()
    return None if row is None else _pool(row)


def list_pools(connection: Connection) -> list[Pool]:
    """Return all pools in the order of their names."""
    return [_pool(row) for row in connection.execute(select(t.slot_pool).order_by(t.slot_pool.c.pool)).all()]


def use_of_pools(connection: Connection) -> list[PoolUse]:
    """Return all pools with the slots that their task instances take or wait for."""
    ti = t.task_instance
    states = (*OCCUPYING, TaskState.SCHEDULED)
    statement = (
        select(ti.c.pool, ti.c.state, func.sum(ti.c.pool_slots).label("slots"))
        .where(ti.c.state.in_(states))
        .group_by(ti.c.pool, ti.c.state)
    )
    taken: dict[tuple[str, str], int] = {
        (row.pool, row.state): int(row.slots) for row in connection.execute(statement).all()
    }
    return [
        PoolUse(
            pool=pool,
            running=taken.get((pool.name, TaskState.RUNNING), 0) + taken.get((pool.name, TaskState.RESTARTING), 0),
            queued=taken.get((pool.name, TaskState.QUEUED), 0),
            scheduled=taken.get((pool.name, TaskState.SCHEDULED), 0),
        )
        for pool in list_pools(connection)
    ]


def set_pool(connection: Connection, pool: Pool) -> None:
    """Create a pool or replace its slots and description.

    Raises:
        InvalidId: Its name is not allowed.
        BadRequest: It has fewer slots than -1 (which means: no limit).
    """
    check_id(pool.name, "pool's name")
    if pool.slots < UNLIMITED:
        raise BadRequest(
            f"Pool {pool.name!r} cannot have {pool.slots} slots. Give a number from 0, or -1 for no limit."
        )
    row = {
        "pool": pool.name,
        "slots": pool.slots,
        "description": pool.description,
        "include_deferred": pool.include_deferred,
    }
    upsert(connection, t.slot_pool, [row], changing=tuple(name for name in row if name != "pool"))


def delete_pool(connection: Connection, name: str) -> bool:
    """Delete a pool; False if there was none.

    Raises:
        BadRequest: It is the default pool, without which no task could run.
    """
    if name == DEFAULT_POOL:
        raise BadRequest("default_pool cannot be deleted: tasks that name no pool run in it. Set its slots instead.")
    return connection.execute(delete(t.slot_pool).where(t.slot_pool.c.pool == name)).rowcount > 0


def _pool(row: Row[Any]) -> Pool:
    return Pool(name=row.pool, slots=row.slots, description=row.description, include_deferred=row.include_deferred)


# --- keys -------------------------------------------------------------------------------------------


def rotate_keys(connection: Connection, box: FernetBox) -> int:
    """Encrypt all variables and connections anew with the first key; return how many there were.

    What was stored in clear before there was a key is encrypted too.

    Raises:
        BadRequest: There is no key.
        ConfigError: A value was encrypted with a key that is not there.
    """
    if not box.is_on:
        raise BadRequest("[core] fernet_key is empty, so there is no key to encrypt with. Set it and try again.")
    variables = connection.execute(select(t.variable)).all()
    connections = connection.execute(select(t.connection)).all()
    for row in variables:
        clear = _variable(row, box)
        _store(connection, t.variable, row.key, {"value": box.encrypt(clear.value)})
    for row in connections:
        data = _connection(row, box)
        set_connection(connection, box, data)
    return len(variables) + len(connections)


def _store(connection: Connection, table: Table, key: str, values: dict[str, Any]) -> None:
    connection.execute(update(table).where(table.c.key == key).values(**values, is_encrypted=True))


def _check_key(key: str, what: str) -> None:
    if not key or len(key) > MAX_KEY_LENGTH:
        shown = key if len(key) <= 40 else f"{key[:37]}..."  # noqa: PLR2004 - what fits into a message
        raise BadRequest(
            f"The {what} {shown!r} has {len(key)} characters, but it needs 1 to {MAX_KEY_LENGTH}. Choose another."
        )


def require(found: object | None, what: str, name: str, others: Sequence[str] = ()) -> None:
    """Raise `NotFound` unless something was found; the message names those that there are."""
    if found is None or found is False:
        known = f" There are: {', '.join(others[:20])}." if others else ""
        raise NotFound(f"There is no {what} {name!r}.{known}")
