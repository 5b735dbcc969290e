"""The only writer of states.

A state changes here and nowhere else: the row is locked (in primary-key order), compared with
what the mover believed it to be, written, and the move is recorded in the event table, all in
the caller's transaction. Where the row says something else, somebody was faster: that move, and
whatever else the mover concluded about that run, is returned as lost, the rows stay as they are,
and the caller looks again.

Several moves of one row in a batch (scheduled, queued, running) become one write and several
events, so that the history is complete and the cost is not.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from gale.core.attempt import AttemptEnded
from gale.core.commands import Command, MoveRun, MoveTask, Notify, refused_runs
from gale.core.facts import RunStatus, TaskFacts
from gale.core.ports import Applied, Writer
from gale.core.states import CLAIMED, RunState, TaskState
from gale.db import tables as t
from gale.db.manners import insert_if_absent, upsert

_CHUNK: Final = 500


def apply(
    connection: Connection, commands: Sequence[Command], writer: Writer, locked: Mapping[str, Any] | None = None
) -> Applied:
    """Carry out the moves and notices among `commands`; the rest is for the scheduler.

    Args:
        connection: An open transaction that writes; the caller commits.
        commands: In the order in which the machine gave them.
        writer: Who writes, and when.
        locked: The task instances' rows by id, if the caller has locked them in this transaction already.
    """
    applied = Applied()
    moves = [c for c in commands if isinstance(c, MoveTask)]
    run_moves = [c for c in commands if isinstance(c, MoveRun)]
    rows = _lock_tasks(connection, sorted({move.before.ti for move in moves})) if locked is None else locked
    states = _lock_runs(connection, sorted({move.before.run for move in run_moves}))
    refused = refused_runs(commands, _mistaken(moves, rows) | _mistaken_runs(run_moves, states))
    for move in moves:
        (applied.lost if move.run in refused else applied.moved).append(move)
    for run_move in run_moves:
        (applied.lost_runs if run_move.before.run in refused else applied.moved_runs).append(run_move)
    _write_tasks(connection, applied.moved, rows, writer)
    _write_runs(connection, applied.moved_runs, writer)
    notices = [c for c in commands if isinstance(c, Notify) and c.run not in refused]
    if notices:
        _insert_notices(connection, notices, writer.now)
    return applied


def _mistaken(moves: Iterable[MoveTask], rows: Mapping[str, Any]) -> set[str]:
    """Return the runs with a move whose row says something else than the mover believed."""
    seen: set[str] = set()
    mistaken: set[str] = set()
    for move in moves:
        believed = move.before
        if believed.ti not in seen:  # the moves after the first one start where that one ends
            seen.add(believed.ti)
            row = rows.get(believed.ti)
            if row is None or row.state != believed.state.value or row.token != believed.token:
                mistaken.add(move.run)
    return mistaken


def _mistaken_runs(moves: Sequence[MoveRun], states: Mapping[str, str]) -> set[str]:
    first = {move.before.run: move.before.state.value for move in reversed(moves)}
    return {run for run, state in first.items() if states.get(run) != state}


# --- task instances ------------------------------------------------------------------------------


def _write_tasks(connection: Connection, moves: Sequence[MoveTask], rows: Mapping[str, Any], writer: Writer) -> None:
    if not moves:
        return
    paths: dict[str, list[MoveTask]] = {}
    for move in moves:
        paths.setdefault(move.before.ti, []).append(move)
    writes: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for ti in sorted(paths):
        path, row = paths[ti], rows[ti]
        writes.append(_task_values(path, path[-1].after, row, writer))
        events.extend(_task_event(move, row, writer) for move in path)
    _update_tasks(connection, writes)
    connection.execute(_INSERT_EVENTS, events)


def _update_tasks(connection: Connection, writes: Sequence[dict[str, Any]]) -> None:
    """Write rows. Those that get the same values are written together: each statement is a trip to the server."""
    alike: dict[tuple[Any, ...], list[str]] = {}
    by_values: dict[tuple[Any, ...], dict[str, Any]] = {}
    for write in writes:
        key = tuple(value for name, value in write.items() if name != "row_id")
        alike.setdefault(key, []).append(write["row_id"])
        by_values[key] = write
    alone = [by_values[key] for key, ids in alike.items() if len(ids) == 1]
    if alone:
        connection.execute(_UPDATE_TASK, alone)
    for key, ids in alike.items():
        if len(ids) > 1:
            connection.execute(_UPDATE_ALIKE, {**by_values[key], "row_ids": ids})


_ti: Final = t.task_instance.c
#: Built once: making a statement anew costs more than running it.
_LOCK_TASKS: Final = (
    select(_ti.id, _ti.state, _ti.token, _ti.dag_id, _ti.run_id, _ti.scheduled_at, _ti.queued_at, _ti.job_id)
    .where(_ti.id.in_(bindparam("ids", expanding=True)))
    .order_by(_ti.id)
    .with_for_update()
)


def _lock_tasks(connection: Connection, ids: Sequence[str]) -> dict[str, Any]:
    """Read what the rows say now and keep anybody else from changing them until the commit."""
    rows: dict[str, Any] = {}
    for start in range(0, len(ids), _CHUNK):
        chunk = connection.execute(_LOCK_TASKS, {"ids": ids[start : start + _CHUNK]})
        rows.update((row.id, row) for row in chunk)
    return rows


_TASK_COLUMNS: Final = (
    "state",
    "try_number",
    "max_tries",
    "infra_losses",
    "token",
    "due_at",
    "lease_until",
    "hostname",
    "start_date",
    "end_date",
    "reason",
    "not_taken",
    "scheduled_at",
    "queued_at",
    "job_id",
    "updated_at",
)

_USE_COLUMNS: Final = ("pid", "cpu_seconds", "max_rss_bytes")

_WRITE_TASKS: Final = (
    update(t.task_instance)
    .where(t.task_instance.c.state == bindparam("row_state"))
    .values(
        {name: bindparam(name) for name in _TASK_COLUMNS}
        # What an attempt used stays until the next one ends.
        | {name: func.coalesce(bindparam(name), t.task_instance.c[name]) for name in _USE_COLUMNS}
    )
)
_UPDATE_TASK: Final = _WRITE_TASKS.where(t.task_instance.c.id == bindparam("row_id"))
_UPDATE_ALIKE: Final = _WRITE_TASKS.where(t.task_instance.c.id.in_(bindparam("row_ids", expanding=True)))


_INSERT_EVENTS: Final = insert(t.task_event)


def _task_values(path: list[MoveTask], last: TaskFacts, row: Any, writer: Writer) -> dict[str, Any]:
    passed = {move.after.state for move in path}
    end = writer.ends.get(last.ti)
    return {
        "pid": None if end is None else end.pid,
        "cpu_seconds": None if end is None else end.cpu_seconds,
        "max_rss_bytes": None if end is None else end.max_rss_bytes,
        "row_id": last.ti,
        "row_state": row.state,
        "state": last.state.value,
        "try_number": last.try_number,
        "max_tries": last.max_tries,
        "infra_losses": last.infra_losses,
        "token": last.token,
        "due_at": last.due_at,
        "lease_until": last.lease_until,
        "hostname": last.hostname,
        "start_date": last.start_date,
        "end_date": last.end_date,
        "reason": last.reason or None,
        "not_taken": msgspec.json.encode(last.not_taken).decode() if last.not_taken else None,
        "scheduled_at": writer.now if TaskState.SCHEDULED in passed else row.scheduled_at,
        "queued_at": writer.now if TaskState.QUEUED in passed else row.queued_at,
        "job_id": writer.job_id if TaskState.RUNNING in passed else (row.job_id if last.state in CLAIMED else None),
        "updated_at": writer.now,
    }


def _task_event(move: MoveTask, row: Any, writer: Writer) -> dict[str, Any]:
    after = move.after
    return {
        "ti": after.ti,
        "dag_id": row.dag_id,
        "run_id": row.run_id,
        "task_id": after.task_id,
        "map_index": after.map_index,
        "try_number": after.try_number,
        "token": after.token or move.before.token,
        "event": move.event,
        "from_state": move.before.state.value,
        "to_state": after.state.value,
        "actor": writer.actor,
        "cause": move.cause,
        "hostname": after.hostname,
        "detail": after.reason or None,
        "at": writer.now,
    }


# --- runs ----------------------------------------------------------------------------------------


_LOCK_RUNS: Final = (
    select(t.dag_run.c.id, t.dag_run.c.state)
    .where(t.dag_run.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(t.dag_run.c.id)
    .with_for_update()
)


def _lock_runs(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    if not ids:
        return {}
    return {row.id: row.state for row in connection.execute(_LOCK_RUNS, {"ids": ids})}


def _write_runs(connection: Connection, moves: Iterable[MoveRun], writer: Writer) -> None:
    for move in sorted(moves, key=lambda move: move.before.run):
        connection.execute(
            update(t.dag_run)
            .where(t.dag_run.c.id == move.before.run, t.dag_run.c.state == move.before.state.value)
            .values(**_run_values(move.after, writer.now))
        )
        connection.execute(insert(t.run_event), [_run_event(move, writer)])


def _run_values(after: RunStatus, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": after.state.value,
        "start_date": after.start_date,
        "end_date": after.end_date,
        "clear_number": after.clear_number,
        "updated_at": now,
    }
    if after.state is RunState.QUEUED:
        values["queued_at"] = now
    return values


def _run_event(move: MoveRun, writer: Writer) -> dict[str, Any]:
    return {
        "run": move.before.run,
        "event": move.event,
        "from_state": move.before.state.value,
        "to_state": move.after.state.value,
        "actor": writer.actor,
        "cause": move.cause,
        "detail": None,
        "at": writer.now,
    }


def _insert_notices(connection: Connection, notices: Iterable[Notify], now: datetime) -> None:
    """Order each mail and callback once: the unique key drops what is there already."""
    rows = [
        {
            "kind": notice.kind,
            "event": notice.event,
            "run": notice.run,
            "ti": notice.ti,
            "try_number": notice.try_number,
            "detail": msgspec.json.encode({"reason": notice.reason}).decode(),
            "created_at": now,
            "due_at": now,
            "attempts": 0,
        }
        for notice in notices
    ]
    insert_if_absent(connection, t.notice, rows)


# --- new rows ------------------------------------------------------------------------------------


def add_run(connection: Connection, values: Mapping[str, Any], writer: Writer) -> None:
    """Insert a run in state queued, with the event that says who asked for it.

    Raises:
        sqlalchemy.exc.IntegrityError: The run id or the logical date is taken.
    """
    row = {**values, "state": RunState.QUEUED.value, "queued_at": writer.now, "updated_at": writer.now}
    connection.execute(insert(t.dag_run), [row])
    event = {
        "run": row["id"],
        "event": "RunCreated",
        "from_state": "",
        "to_state": RunState.QUEUED.value,
        "actor": writer.actor,
        "cause": "",
        "detail": None,
        "at": writer.now,
    }
    connection.execute(insert(t.run_event), [event])


def add_tasks(connection: Connection, rows: Sequence[Mapping[str, Any]], writer: Writer) -> None:
    """Insert task instances in state none; those that are there already stay as they are."""
    fresh = {"state": TaskState.NONE.value, "updated_at": writer.now}
    insert_if_absent(connection, t.task_instance, [{**row, **fresh} for row in rows])


# --- what an attempt leaves behind ---------------------------------------------------------------


def store_results(connection: Connection, ended: Iterable[tuple[AttemptEnded, Any]], now: datetime) -> None:
    """Store XComs and rendered fields of ended attempts, in the commit of their end.

    Args:
        connection: The transaction that also holds the moves of these attempts.
        ended: Each end with the keys of its task instance (dag_id, run_id, task_id, map_index).
        now: The instant on the database's clock.
    """
    xcoms: list[dict[str, Any]] = []
    rendered: list[dict[str, Any]] = []
    for end, keys in ended:
        place = {
            "dag_id": keys.dag_id,
            "run_id": keys.run_id,
            "task_id": keys.task_id,
            "map_index": keys.map_index,
        }
        xcoms.extend({**place, "key": key, "value": value, "timestamp": now} for key, value in end.xcoms.items())
        if end.rendered_fields and end.rendered_fields != "{}":
            rendered.append({"ti": end.ti, "fields": end.rendered_fields})
    if xcoms:
        upsert(connection, t.xcom, xcoms, changing=("value", "timestamp"))
    if rendered:
        upsert(connection, t.rendered_fields, rendered, changing=("fields",))


def clear_xcoms(connection: Connection, keys: Iterable[Any]) -> None:
    """Delete the XComs of task instances that start afresh."""
    for key in keys:
        connection.execute(
            delete(t.xcom).where(
                t.xcom.c.dag_id == key.dag_id,
                t.xcom.c.run_id == key.run_id,
                t.xcom.c.task_id == key.task_id,
                t.xcom.c.map_index == key.map_index,
            )
        )
