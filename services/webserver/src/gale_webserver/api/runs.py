"""DAG runs: list, trigger, change, delete, clear, wait."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec
from flask import Response
from sqlalchemy import Connection

from gale.core.states import ACTIVE_RUN, RunState, TaskState
from gale.core.timetables import DataInterval
from gale.db.engine import reading, writing
from gale.db.read import browse_dags, browse_runs, browse_tasks
from gale.db.read.browse import AnyRow, Page
from gale.db.requests import (
    TriggerRequest,
    request_clear,
    request_delete_run,
    request_mark_run,
    trigger_run,
)
from gale.errors import BadRequest
from gale_webserver.api import shapes, to_dags, to_tasks
from gale_webserver.api.batch import page_of, ranges_of, states_of
from gale_webserver.api.dags import check_mask
from gale_webserver.api.notes import check_note, write_run_note
from gale_webserver.context import Services, person, services, visible
from gale_webserver.problems import Refused
from gale_webserver.query import PAGE, Query, flag, number, ranges, text, words
from gale_webserver.routing import Routes

routes: Final = Routes("runs", prefix="/api/v2/dags/<dag_id>")

ALL: Final = "~"
NEWLINE_JSON: Final = "application/x-ndjson"
_RUN_QUERY: Final = (
    *PAGE,
    *words("state", choices=RunState),
    *words("run_type"),
    *text("run_id_pattern", "triggering_user_name_pattern"),
    *ranges("run_after", "logical_date", "start_date", "end_date", "updated_at"),
)
MAX_WAIT_SECONDS: Final = 3600.0


def _one(conn: Connection, dag_id: str, run_id: str) -> shapes.DagRun:
    (found,) = to_dags.runs(conn, [browse_runs.run_with_id(conn, dag_id, run_id)])
    return found


def _collection(conn: Connection, wanted: browse_runs.RunFilter, page: Page) -> shapes.DagRunCollection:
    found = browse_runs.runs_matching(conn, wanted, page, visible())
    return shapes.DagRunCollection(dag_runs=to_dags.runs(conn, found.rows), total_entries=found.total)


@routes.get("/dagRuns", query=_RUN_QUERY, answer=shapes.DagRunCollection)
def list_runs(dag_id: str, query: Query) -> shapes.DagRunCollection:
    """List the runs of a DAG; `~` as dag_id means all DAGs."""
    wanted = browse_runs.RunFilter(
        dag_ids=() if dag_id == ALL else (dag_id,),
        states=query.words("state"),
        run_types=query.words("run_type"),
        run_id_pattern=query.text("run_id_pattern"),
        triggering_user_name_pattern=query.text("triggering_user_name_pattern"),
        ranges=query.ranges(),
    )
    with reading(services().engine) as conn:
        if dag_id != ALL:
            browse_dags.dag_with_id(conn, dag_id)
        return _collection(conn, wanted, query.page)


@routes.post("/dagRuns/list", body=shapes.DagRunsBatch, answer=shapes.DagRunCollection)
def list_runs_by_body(dag_id: str, body: shapes.DagRunsBatch) -> shapes.DagRunCollection:
    """List runs by a filter too long for an address; dag_id must be `~`."""
    if dag_id != ALL:
        raise BadRequest("The DAGs stand in the body, as dag_ids; write ~ in the address.")
    wanted = browse_runs.RunFilter(
        dag_ids=tuple(body.dag_ids or ()),
        states=states_of(body.states, RunState),
        ranges=ranges_of(body),
    )
    with reading(services().engine) as conn:
        return _collection(conn, wanted, page_of(body.page_limit, body.page_offset, body.order_by))


@routes.post("/dagRuns", body=shapes.Trigger, answer=shapes.DagRun)
def trigger(dag_id: str, body: shapes.Trigger) -> shapes.DagRun:
    """Start a run of the DAG. The scheduler begins it within a moment."""
    interval = None
    if (body.data_interval_start is None) != (body.data_interval_end is None):
        raise BadRequest("Give both data_interval_start and data_interval_end, or neither.")
    if body.data_interval_start is not None and body.data_interval_end is not None:
        start = aware("data_interval_start", body.data_interval_start)
        end = aware("data_interval_end", body.data_interval_end)
        if start > end:
            raise BadRequest("data_interval_start lies after data_interval_end. Swap them.")
        interval = DataInterval(start, end)
    check_note(body.note)
    used = services()
    wish = TriggerRequest(
        dag_id=dag_id,
        run_id=body.dag_run_id,
        logical_date=None if body.logical_date is None else aware("logical_date", body.logical_date),
        interval=interval,
        conf=body.conf or {},
        note=body.note,
        triggered_by="rest_api" if person().claims else "ui",
        user=person().username,
    )
    with writing(used.engine) as conn:
        row = trigger_run(conn, wish, used.clock.now())
        return _one(conn, row.dag_id, row.run_id)


def aware(name: str, value: datetime) -> datetime:
    """Return an instant of a body.

    Raises:
        BadRequest: It names no zone.
    """
    if value.tzinfo is None:
        raise BadRequest(f"{name} names no time zone, so it is no instant. Write it as 2026-01-31T12:00:00Z.")
    return value


@routes.get("/dagRuns/<run_id>", answer=shapes.DagRun)
def get_run(dag_id: str, run_id: str) -> shapes.DagRun:
    """Give one run."""
    with reading(services().engine) as conn:
        return _one(conn, dag_id, run_id)


@routes.patch("/dagRuns/<run_id>", query=words("update_mask"), body=shapes.DagRunPatch, answer=shapes.DagRun)
def patch_run(dag_id: str, run_id: str, query: Query, body: shapes.DagRunPatch) -> shapes.DagRun:
    """Set a run to success or failed, queue it anew, or change its note."""
    mask = query.words("update_mask")
    check_mask(mask, "state", "note")
    state = body.state if not mask or "state" in mask else msgspec.UNSET
    note = body.note if not mask or "note" in mask else msgspec.UNSET
    if state is msgspec.UNSET and note is msgspec.UNSET:
        raise BadRequest("There is nothing to change: give state (success, failed or queued) or note.")
    used = services()
    with writing(used.engine) as conn:
        row = browse_runs.run_with_id(conn, dag_id, run_id)
        if note is not msgspec.UNSET:
            write_run_note(conn, row, note, user=person().username, now=used.clock.now())
        if state is not msgspec.UNSET:
            _set_state(conn, used, row, state)
    with reading(used.engine) as conn:
        return _one(conn, dag_id, run_id)


def _set_state(conn: Connection, used: Services, row: AnyRow, state: str | None) -> None:
    user, now = person().username, used.clock.now()
    match state:
        case RunState.SUCCESS | RunState.FAILED:
            request_mark_run(conn, row.id, state=state, user=user, now=now)
        case RunState.QUEUED:
            tis = [ti.id for ti in browse_tasks.task_instances_of_runs(conn, [row.id])]
            request_clear(conn, row.id, tis, user=user, now=now)
        case _:
            raise BadRequest(f"A run cannot be set to {state!r}: only success, failed and queued (run it again) can.")


@routes.delete("/dagRuns/<run_id>")
def delete_run(dag_id: str, run_id: str) -> None:
    """Ask for a run with all its rows to be deleted. What runs is stopped first."""
    used = services()
    with writing(used.engine) as conn:
        row = browse_runs.run_with_id(conn, dag_id, run_id)
        request_delete_run(conn, row.id, user=person().username, now=used.clock.now())


@routes.post("/dagRuns/<run_id>/clear", body=shapes.DagRunClear)
def clear_run(dag_id: str, run_id: str, body: shapes.DagRunClear) -> shapes.TaskInstanceCollection | shapes.DagRun:
    """Make the tasks of a run run again; with `dry_run` only tell which ones these would be."""
    check_note(body.note)
    used = services()
    with writing(used.engine) as conn:
        row = browse_runs.run_with_id(conn, dag_id, run_id)
        tis = browse_tasks.task_instances_of_runs(conn, [row.id])
        if body.only_failed:
            tis = [ti for ti in tis if ti.state in {TaskState.FAILED, TaskState.UPSTREAM_FAILED}]
        if body.dry_run:
            return shapes.TaskInstanceCollection(
                task_instances=to_tasks.task_instances(conn, tis), total_entries=len(tis)
            )
        if body.note is not None:
            write_run_note(conn, row, body.note, user=person().username, now=used.clock.now())
        if tis:
            request_clear(conn, row.id, [ti.id for ti in tis], user=person().username, now=used.clock.now())
        return _one(conn, dag_id, run_id)


@routes.get("/dagRuns/<run_id>/wait", query=(*number("interval"), *words("result"), *flag("stream")))
def wait_for_run(dag_id: str, run_id: str, query: Query) -> Response:
    """Send a line of JSON for each state of the run until it has ended; the last one has the results asked for."""
    if query.values["interval"] is None:
        raise BadRequest("interval is missing: the seconds between two looks at the run, for instance interval=1.")
    interval = query.number("interval")
    if not 0.1 <= interval <= 60:  # noqa: PLR2004 - the bounds of what is polite and of what keeps the connection alive
        raise BadRequest(f"interval is {interval}; it must be 0.1 to 60 seconds.")
    used = services()
    with reading(used.engine) as conn:
        browse_runs.run_with_id(conn, dag_id, run_id)
    if not used.waiting.acquire(blocking=False):
        raise Refused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Too many clients wait for runs at the moment. Try again later, or ask for the run now and then.",
            {"Retry-After": "10"},
        )
    lines = _Lines(_states(used, dag_id, run_id, interval, query.words("result")), used.waiting.release)
    return Response(lines, content_type=NEWLINE_JSON, headers={"X-Accel-Buffering": "no"})


class _Lines:
    """The lines of one waiting client; gives its place back however the request ends."""

    def __init__(self, lines: Iterator[bytes], leave: Callable[[], None]) -> None:
        self._lines = lines
        self._leave = leave
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        return self._lines

    def close(self) -> None:
        """Called by the server at the end of the request, even if it was never begun."""
        if self._is_open:
            self._is_open = False
            self._leave()


def _states(used: Services, dag_id: str, run_id: str, interval: float, result: tuple[str, ...]) -> Iterator[bytes]:
    end = used.clock.monotonic() + MAX_WAIT_SECONDS
    while True:
        with reading(used.engine) as conn:
            row = browse_runs.run_with_id(conn, dag_id, run_id)
            is_over = row.state not in ACTIVE_RUN
            line: dict[str, Any] = {"state": row.state}
            if is_over and result:
                line["results"] = _results(conn, dag_id, run_id, result)
        yield msgspec.json.encode(line) + b"\n"
        if is_over or used.clock.monotonic() > end:
            return
        time.sleep(interval)


def _results(conn: Connection, dag_id: str, run_id: str, task_ids: tuple[str, ...]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for task_id in task_ids:
        wanted = browse_tasks.XComFilter(dag_id=dag_id, run_id=run_id, task_id=task_id, key="return_value")
        rows = browse_tasks.xcoms_matching(conn, wanted, Page(limit=1000)).rows
        values = [json.loads(row.value) for row in rows]
        results[task_id] = values[0] if len(values) == 1 else (values or None)
    return results
