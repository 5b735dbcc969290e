"""What users ask for: rows that the scheduler acts on.

The web tier and the command line publish nothing and move nothing. To trigger is to insert a
queued run; to pause is to set a switch; everything else is a row in `request`, which the owner
of the run carries out. Every function writes the audit log in the same transaction; the
caller commits.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import jsonschema
import msgspec
from sqlalchemy import Connection, Row, exc, insert, select, update

from gale.core.graph import DagSpec
from gale.core.ids import RESERVED_RUN_ID_PREFIXES, check_run_id
from gale.core.ports import Writer
from gale.core.timetables import DataInterval, from_spec
from gale.core.transitions import MARKABLE, MARKABLE_RUN
from gale.db import tables as t
from gale.db.apply import add_run
from gale.db.keys import new_key
from gale.errors import BadRequest, InvalidId, NotFound, RunExists

#: The conf of a run travels in every order of its tasks.
MAX_CONF_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRequest:
    """A wish for a run.

    `logical_date` None means now; `interval` None means what the timetable says for a manual run.
    """

    dag_id: str
    run_id: str | None = None
    logical_date: datetime | None = None
    interval: DataInterval | None = None
    conf: Mapping[str, Any] = field(default_factory=dict)
    note: str | None = None
    run_type: str = "manual"
    triggered_by: str = "rest_api"
    user: str = ""


def trigger_run(connection: Connection, wish: TriggerRequest, now: datetime) -> Row[Any]:
    """Insert a queued run and return its row.

    Raises:
        NotFound: There is no such DAG, or its file is gone.
        RunExists: The run id or the logical date is taken.
        BadRequest: The run id or the conf is not allowed.
    """
    spec = _spec_of(connection, wish.dag_id)
    _check_conf(spec, wish.conf)
    logical_date = wish.logical_date or now
    interval = wish.interval or from_spec(spec.timetable).manual_interval(logical_date)
    run_id = _run_id(wish, logical_date)
    values = {
        "id": new_key(now),
        "dag_id": wish.dag_id,
        "run_id": run_id,
        "run_type": wish.run_type,
        "logical_date": logical_date,
        "data_interval_start": interval.start,
        "data_interval_end": interval.end,
        "run_after": max(logical_date, now) if wish.run_type == "manual" else now,
        "conf": json.dumps(dict(wish.conf)),
        "note": wish.note,
        "triggered_by": wish.triggered_by,
        "triggering_user_name": wish.user or None,
    }
    try:
        with connection.begin_nested():
            add_run(connection, values, Writer(actor=wish.user or wish.triggered_by, now=now))
    except exc.IntegrityError:
        raise RunExists(
            f"DAG {wish.dag_id!r} already has a run {run_id!r} or one for the logical date "
            f"{logical_date.isoformat()}. Give another run id and date, or clear the run that is there."
        ) from None
    audit(connection, "trigger", user=wish.user, now=now, dag_id=wish.dag_id, run_id=run_id)
    return connection.execute(select(t.dag_run).where(t.dag_run.c.id == values["id"])).one()


def _run_id(wish: TriggerRequest, logical_date: datetime) -> str:
    if wish.run_id is None:
        return f"{wish.run_type}__{logical_date.isoformat()}"
    try:
        run_id = check_run_id(wish.run_id)
    except InvalidId as error:
        raise BadRequest(str(error)) from None
    if wish.run_type == "manual" and run_id.startswith(RESERVED_RUN_ID_PREFIXES):
        raise BadRequest(
            f"The run id {run_id!r} begins with a prefix that is kept for runs made by the scheduler. "
            "Choose another one, or leave it out."
        )
    return run_id


def _spec_of(connection: Connection, dag_id: str) -> DagSpec:
    query = (
        select(t.dag_version.c.data)
        .join(t.dag, t.dag.c.version_id == t.dag_version.c.id)
        .where(t.dag.c.dag_id == dag_id, t.dag.c.is_active)
    )
    data = connection.execute(query).scalar_one_or_none()
    if data is None:
        raise NotFound(
            f"There is no DAG {dag_id!r}. See `gale dags list`, and `gale dags list-import-errors` "
            "if its file has just been changed."
        )
    try:
        return msgspec.json.decode(data, type=DagSpec)
    except msgspec.DecodeError as error:
        raise NotFound(
            f"The stored version of DAG {dag_id!r} cannot be read ({error}). It is of another Gale's making; "
            "wait until the scheduler has read the DAG's file again."
        ) from None


def _check_conf(spec: DagSpec, conf: Mapping[str, Any]) -> None:
    try:
        size = len(json.dumps(dict(conf)))
    except (TypeError, ValueError) as error:
        raise BadRequest(f"The conf cannot be written as JSON: {error}.") from None
    if size > MAX_CONF_BYTES:
        raise BadRequest(
            f"The conf has {size} bytes; {MAX_CONF_BYTES} are allowed. Store the data elsewhere and pass its address."
        )
    for name, param in spec.params.items():
        schema = param.get("schema") or {}
        if name not in conf and "value" not in param:
            raise BadRequest(f"DAG {spec.dag_id!r} needs the parameter {name!r}: give it in conf.")
        value = conf.get(name, param.get("value"))
        try:
            jsonschema.validate(value, schema)
        except jsonschema.ValidationError as error:
            raise BadRequest(f"The parameter {name!r} is {value!r}, which is refused: {error.message}.") from None
        except jsonschema.SchemaError as error:
            raise BadRequest(f"The schema of parameter {name!r} is broken: {error.message}.") from None


def set_paused(connection: Connection, dag_ids: Sequence[str], *, paused: bool, user: str, now: datetime) -> int:
    """Switch DAGs off or on; return how many there are of those named."""
    done = connection.execute(update(t.dag).where(t.dag.c.dag_id.in_(dag_ids)).values(is_paused=paused))
    for dag_id in dag_ids:
        audit(connection, "pause" if paused else "unpause", user=user, now=now, dag_id=dag_id)
    return done.rowcount


def request_clear(connection: Connection, run: str, tis: Sequence[str], *, user: str, now: datetime) -> str:
    """Ask for task instances of one run to run again; return the request's id."""
    return _request(connection, "clear", run, {"tis": list(tis)}, user=user, now=now)


def request_mark_tasks(
    connection: Connection, run: str, tis: Sequence[str], *, state: str, user: str, now: datetime
) -> str:
    """Ask for task instances of one run to be set to success, failed or skipped.

    Raises:
        BadRequest: The state cannot be set by hand.
    """
    if state not in {markable.value for markable in MARKABLE}:
        raise BadRequest(f"A task instance cannot be set to {state!r}: only success, failed and skipped can.")
    return _request(connection, "mark_tasks", run, {"tis": list(tis), "state": state}, user=user, now=now)


def request_mark_run(connection: Connection, run: str, *, state: str, user: str, now: datetime) -> str:
    """Ask for a run, with what is unfinished in it, to be set to success or failed.

    Raises:
        BadRequest: The state cannot be set by hand.
    """
    if state not in {markable.value for markable in MARKABLE_RUN}:
        raise BadRequest(f"A run cannot be set to {state!r}: only success and failed can; clear it to run it again.")
    return _request(connection, "mark_run", run, {"state": state}, user=user, now=now)


def request_delete_run(connection: Connection, run: str, *, user: str, now: datetime) -> str:
    """Ask for a run and all its rows to be deleted; what runs is stopped first."""
    return _request(connection, "delete_run", run, {}, user=user, now=now)


def request_delete_dag(connection: Connection, dag_id: str, *, user: str, now: datetime) -> str:
    """Ask for a DAG with all its runs and history to be deleted. If its file stays, the DAG comes back empty.

    Raises:
        NotFound: There is no such DAG.
    """
    if connection.execute(select(t.dag.c.dag_id).where(t.dag.c.dag_id == dag_id)).first() is None:
        raise NotFound(f"There is no DAG {dag_id!r}. See `gale dags list`.")
    return _insert(connection, "delete_dag", dag_id, None, {}, user=user, now=now)


def _request(
    connection: Connection, kind: str, run: str, payload: Mapping[str, Any], *, user: str, now: datetime
) -> str:
    row = connection.execute(select(t.dag_run.c.dag_id, t.dag_run.c.run_id).where(t.dag_run.c.id == run)).first()
    if row is None:
        raise NotFound(f"There is no run with the id {run!r}. It may have been deleted; look at the DAG's runs.")
    audit(connection, kind, user=user, now=now, dag_id=row.dag_id, run_id=row.run_id, extra=payload)
    return _insert(connection, kind, row.dag_id, run, payload, user=user, now=now)


def _insert(
    connection: Connection,
    kind: str,
    dag_id: str,
    run: str | None,
    payload: Mapping[str, Any],
    *,
    user: str,
    now: datetime,
) -> str:
    key = new_key(now)
    values = {
        "id": key,
        "kind": kind,
        "dag_id": dag_id,
        "run": run,
        "payload": json.dumps(dict(payload)),
        "requested_by": user,
        "created_at": now,
    }
    connection.execute(insert(t.request), [values])
    return key


def audit(
    connection: Connection,
    event: str,
    *,
    user: str,
    now: datetime,
    dag_id: str | None = None,
    run_id: str | None = None,
    task_id: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write down who did what. `extra` must hold no secret."""
    values = {
        "dttm": now,
        "event": event,
        "owner": user or "anonymous",
        "dag_id": dag_id,
        "run_id": run_id,
        "task_id": task_id,
        "extra": json.dumps(dict(extra)) if extra else None,
    }
    connection.execute(insert(t.log), [values])
