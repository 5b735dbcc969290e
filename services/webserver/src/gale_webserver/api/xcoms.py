"""XComs: what task instances left for others. Values are JSON; nothing is ever made into objects here."""

import json
from http import HTTPStatus
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete

from gale.db.engine import reading, writing
from gale.db.manners import upsert
from gale.db.read import browse_dags, browse_tasks
from gale.db.read.browse import AnyRow
from gale.db.requests import audit
from gale.db.tables import xcom
from gale.errors import BadRequest, NotFound
from gale_webserver.api import shapes
from gale_webserver.api.runs import ALL
from gale_webserver.context import person, services, visible
from gale_webserver.problems import Refused
from gale_webserver.query import PAGE, Query, flag, integer, text
from gale_webserver.routing import Routes

routes: Final = Routes("xcoms", prefix="/api/v2/dags/<dag_id>/dagRuns/<run_id>/taskInstances/<task_id>/xcomEntries")

MAX_KEY: Final = 250
MAX_VALUE_BYTES: Final = 1024 * 1024


def _fields(row: AnyRow, dag_name: str) -> dict[str, Any]:
    return {
        "key": row.key,
        "timestamp": row.timestamp,
        "logical_date": row.logical_date,
        "map_index": row.map_index,
        "task_id": row.task_id,
        "dag_id": row.dag_id,
        "run_id": row.run_id,
        "dag_display_name": dag_name,
        "task_display_name": row.task_id,
    }


@routes.get(
    "",
    query=(
        *PAGE,
        *text("xcom_key", "xcom_key_pattern", "dag_display_name_pattern", "run_id_pattern", "task_id_pattern"),
        *integer("map_index"),
    ),
    answer=shapes.XComCollection,
)
def list_xcoms(dag_id: str, run_id: str, task_id: str, query: Query) -> shapes.XComCollection:
    """List XComs without their values; `~` means all DAGs, all runs or all tasks."""
    wanted = browse_tasks.XComFilter(
        dag_id=None if dag_id == ALL else dag_id,
        run_id=None if run_id == ALL else run_id,
        task_id=None if task_id == ALL else task_id,
        map_index=query.integer("map_index"),
        key=query.text("xcom_key"),
        key_pattern=query.text("xcom_key_pattern"),
        dag_id_pattern=query.text("dag_display_name_pattern"),
        run_id_pattern=query.text("run_id_pattern"),
        task_id_pattern=query.text("task_id_pattern"),
    )
    with reading(services().engine) as conn:
        found = browse_tasks.xcoms_matching(conn, wanted, query.page, visible())
        names = browse_dags.display_names(conn, [row.dag_id for row in found.rows])
    entries = [shapes.XCom(**_fields(row, names.get(row.dag_id, row.dag_id))) for row in found.rows]
    return shapes.XComCollection(xcom_entries=entries, total_entries=found.total)


@routes.get(
    "/<path:xcom_key>",
    query=(*integer("map_index", default=-1), *flag("deserialize", "stringify", default=False)),
    answer=shapes.XComWithValue,
)
def get_xcom(dag_id: str, run_id: str, task_id: str, xcom_key: str, query: Query) -> shapes.XComWithValue:
    """Give one XCom with its value; with `stringify` as JSON text."""
    if query.is_on("deserialize"):
        raise BadRequest("deserialize is true, but the webserver makes no objects out of values. Leave it out.")
    with reading(services().engine) as conn:
        key = (dag_id, run_id, task_id, query.values["map_index"])
        return _one(conn, key, xcom_key, as_text=query.is_on("stringify"))


def _one(
    conn: Connection, key: tuple[str, str, str, int], xcom_key: str, *, as_text: bool = False
) -> shapes.XComWithValue:
    ti = browse_tasks.task_instance_with_id(conn, *key)
    row = browse_tasks.xcom_with_key(conn, ti, xcom_key)
    names = browse_dags.display_names(conn, [row.dag_id])
    value: Any = row.value if as_text else msgspec.Raw(row.value.encode())
    return shapes.XComWithValue(**_fields(row, names.get(row.dag_id, row.dag_id)), value=value)


def _checked(value: Any) -> str:
    text_of_value = json.dumps(value, ensure_ascii=False, allow_nan=False)
    size = len(text_of_value.encode("utf-8", "surrogatepass"))
    if size > MAX_VALUE_BYTES:
        raise BadRequest(
            f"The value has {size} bytes; {MAX_VALUE_BYTES} are allowed. Store the data elsewhere and pass its address."
        )
    return text_of_value


def _store(conn: Connection, ti: AnyRow, xcom_key: str, value: str, event: str) -> None:
    now = services().clock.now()
    row = {
        "dag_id": ti.dag_id,
        "run_id": ti.run_id,
        "task_id": ti.task_id,
        "map_index": ti.map_index,
        "key": xcom_key,
        "value": value,
        "timestamp": now,
    }
    upsert(conn, xcom, [row], changing=("value", "timestamp"))
    _audit(conn, ti, xcom_key, event)


def _audit(conn: Connection, ti: AnyRow, xcom_key: str, event: str) -> None:
    audit(
        conn,
        event,
        user=person().username,
        now=services().clock.now(),
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        extra={"key": xcom_key, "map_index": ti.map_index},
    )


@routes.post("", body=shapes.XComNew, answer=shapes.XComWithValue, status=HTTPStatus.CREATED)
def create_xcom(dag_id: str, run_id: str, task_id: str, body: shapes.XComNew) -> shapes.XComWithValue:
    """Store a new XCom for a task instance."""
    if not body.key or len(body.key) > MAX_KEY or not body.key.isascii() or not body.key.isprintable():
        raise BadRequest(f"key must be 1 to {MAX_KEY} printable ASCII characters.")
    value = _checked(body.value)
    key = (dag_id, run_id, task_id, body.map_index)
    with writing(services().engine) as conn:
        ti = browse_tasks.task_instance_with_id(conn, *key)
        try:
            browse_tasks.xcom_with_key(conn, ti, body.key)
        except NotFound:
            _store(conn, ti, body.key, value, "create_xcom")
        else:
            raise Refused(HTTPStatus.CONFLICT, f"There is an XCom {body.key!r} already. Change it with PATCH.")
        return _one(conn, key, body.key)


@routes.patch("/<path:xcom_key>", body=shapes.XComPatch, answer=shapes.XComWithValue)
def patch_xcom(dag_id: str, run_id: str, task_id: str, xcom_key: str, body: shapes.XComPatch) -> shapes.XComWithValue:
    """Replace the value of an XCom."""
    value = _checked(body.value)
    key = (dag_id, run_id, task_id, body.map_index)
    with writing(services().engine) as conn:
        ti = browse_tasks.task_instance_with_id(conn, *key)
        browse_tasks.xcom_with_key(conn, ti, xcom_key)
        _store(conn, ti, xcom_key, value, "patch_xcom")
        return _one(conn, key, xcom_key)


@routes.delete("/<path:xcom_key>", query=integer("map_index", default=-1))
def delete_xcom(dag_id: str, run_id: str, task_id: str, xcom_key: str, query: Query) -> None:
    """Delete an XCom."""
    with writing(services().engine) as conn:
        ti = browse_tasks.task_instance_with_id(conn, dag_id, run_id, task_id, query.values["map_index"])
        browse_tasks.xcom_with_key(conn, ti, xcom_key)
        conn.execute(
            delete(xcom).where(
                xcom.c.dag_id == dag_id,
                xcom.c.run_id == run_id,
                xcom.c.task_id == task_id,
                xcom.c.map_index == ti.map_index,
                xcom.c.key == xcom_key,
            )
        )
        _audit(conn, ti, xcom_key, "delete_xcom")
