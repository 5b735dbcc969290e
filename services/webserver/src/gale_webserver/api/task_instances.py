"""Task instances: lists, one, its tries, why it waits; mark and clear."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from gale.core.states import CLAIMED, TaskState
from gale.db.engine import reading, writing
from gale.db.read import browse_dags, browse_runs, browse_tasks
from gale.db.read.browse import AnyRow, Page
from gale.db.read.browse_choice import Choice, chosen_task_instances
from gale.db.read.why import why_task
from gale.db.requests import request_clear, request_mark_tasks
from gale.errors import BadRequest, NotFound
from gale_webserver.api import shapes, to_tasks
from gale_webserver.api.batch import page_of, ranges_of, states_of
from gale_webserver.api.dags import check_mask
from gale_webserver.api.notes import check_note, write_task_notes
from gale_webserver.api.runs import ALL, aware
from gale_webserver.asking import wait_for
from gale_webserver.context import limits_of_all, person, services, visible
from gale_webserver.problems import Refused
from gale_webserver.query import PAGE, Query, integer, ranges, text, words
from gale_webserver.routing import Routes

routes: Final = Routes("task_instances", prefix="/api/v2/dags/<dag_id>")

_RUN: Final = "/dagRuns/<run_id>/taskInstances"
_TI: Final = f"{_RUN}/<task_id>"
_MAPPED: Final = f"{_TI}/<index:map_index>"
_LIST: Final = (
    *PAGE,
    *words("state", "pool", "queue", "operator"),
    *integer("try_number", "map_index", many=True),
    *text("task_display_name_pattern", "task_id_pattern", "dag_run_id_pattern", "task_id"),
    *ranges("run_after", "logical_date", "start_date", "end_date", "updated_at"),
)
#: The causes that `why` gives for what is held back by nothing.
_HELD_BY_NOTHING: Final = frozenset({"running", "finished", "about_to_run"})


def _listed(dag_id: str, run_id: str, query: Query, task_id: str | None = None) -> shapes.TaskInstanceCollection:
    task_id = task_id or query.text("task_id")
    wanted = browse_tasks.TaskInstanceFilter(
        dag_ids=() if dag_id == ALL else (dag_id,),
        run_ids=() if run_id == ALL else (run_id,),
        states=states_of(query.words("state"), TaskState),
        pools=query.words("pool"),
        queues=query.words("queue"),
        operators=query.words("operator"),
        try_numbers=query.integers("try_number"),
        task_id_pattern=query.text("task_id_pattern") or query.text("task_display_name_pattern"),
        run_id_pattern=query.text("dag_run_id_pattern"),
        ranges=query.ranges(),
        task_ids=(task_id,) if task_id else (),
        map_indexes=query.integers("map_index"),
    )
    with reading(services().engine) as conn:
        if ALL not in {dag_id, run_id}:
            browse_runs.run_with_id(conn, dag_id, run_id)
        return _page(conn, wanted, query.page)


def _page(conn: Connection, wanted: browse_tasks.TaskInstanceFilter, page: Page) -> shapes.TaskInstanceCollection:
    found = browse_tasks.task_instances_matching(conn, wanted, page, visible())
    return shapes.TaskInstanceCollection(
        task_instances=to_tasks.task_instances(conn, found.rows), total_entries=found.total
    )


@routes.get(_RUN, query=_LIST, answer=shapes.TaskInstanceCollection)
def list_task_instances(dag_id: str, run_id: str, query: Query) -> shapes.TaskInstanceCollection:
    """List the task instances of a run; `~` means all DAGs or all runs."""
    return _listed(dag_id, run_id, query)


@routes.post(f"{_RUN}/list", body=shapes.TaskInstancesBatch, answer=shapes.TaskInstanceCollection)
def list_by_body(dag_id: str, run_id: str, body: shapes.TaskInstancesBatch) -> shapes.TaskInstanceCollection:
    """List task instances by a filter too long for an address; both ids in it must be `~`."""
    if not dag_id == run_id == ALL:
        raise BadRequest("DAGs and runs stand in the body, as dag_ids and dag_run_ids; write ~ for both above.")
    if body.executor:
        raise BadRequest("executor is no filter here: one Gale has one executor.")
    wanted = browse_tasks.TaskInstanceFilter(
        dag_ids=tuple(body.dag_ids or ()),
        run_ids=tuple(body.dag_run_ids or ()),
        task_ids=tuple(body.task_ids or ()),
        states=states_of(body.state, TaskState),
        pools=tuple(body.pool or ()),
        queues=tuple(body.queue or ()),
        ranges=ranges_of(body),
    )
    with reading(services().engine) as conn:
        return _page(conn, wanted, page_of(body.page_limit, body.page_offset, body.order_by))


@routes.get(_TI, answer=shapes.TaskInstance)
def get_task_instance(dag_id: str, run_id: str, task_id: str) -> shapes.TaskInstance:
    """Give a task instance with its rendered fields."""
    return get_mapped(dag_id, run_id, task_id, -1)


@routes.get(_MAPPED, answer=shapes.TaskInstance)
def get_mapped(dag_id: str, run_id: str, task_id: str, map_index: int) -> shapes.TaskInstance:
    """Give one instance of a mapped task."""
    with reading(services().engine) as conn:
        row = browse_tasks.task_instance_with_id(conn, dag_id, run_id, task_id, map_index)
        return to_tasks.task_instance(conn, row)


@routes.get(f"{_TI}/listMapped", query=_LIST, answer=shapes.TaskInstanceCollection)
def list_mapped(dag_id: str, run_id: str, task_id: str, query: Query) -> shapes.TaskInstanceCollection:
    """List the instances of a mapped task."""
    found = _listed(dag_id, run_id, query, task_id)
    if not found.total_entries and not query.values["offset"]:
        with reading(services().engine) as conn:
            if not browse_tasks.is_task_in_run(conn, dag_id, run_id, task_id):
                raise NotFound(f"The run {run_id!r} of the DAG {dag_id!r} has no task {task_id!r}.")
    return found


@routes.get(f"{_TI}/tries", query=integer("map_index", default=-1), answer=shapes.AttemptCollection)
def list_tries(dag_id: str, run_id: str, task_id: str, query: Query) -> shapes.AttemptCollection:
    """List the tries of a task instance, the first one first."""
    return list_mapped_tries(dag_id, run_id, task_id, query.values["map_index"])


@routes.get(f"{_MAPPED}/tries", answer=shapes.AttemptCollection)
def list_mapped_tries(dag_id: str, run_id: str, task_id: str, map_index: int) -> shapes.AttemptCollection:
    """List the tries of one instance of a mapped task."""
    with reading(services().engine) as conn:
        row = browse_tasks.task_instance_with_id(conn, dag_id, run_id, task_id, map_index)
        found = to_tasks.attempts(conn, row)
    return shapes.AttemptCollection(task_instances=found, total_entries=len(found))


@routes.get(f"{_TI}/tries/<number:try_number>", query=integer("map_index", default=-1), answer=shapes.Attempt)
def get_try(dag_id: str, run_id: str, task_id: str, try_number: int, query: Query) -> shapes.Attempt:
    """Give one try of a task instance."""
    return get_mapped_try(dag_id, run_id, task_id, query.values["map_index"], try_number)


@routes.get(f"{_MAPPED}/tries/<number:try_number>", answer=shapes.Attempt)
def get_mapped_try(dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int) -> shapes.Attempt:
    """Give one try of one instance of a mapped task."""
    for attempt in list_mapped_tries(dag_id, run_id, task_id, map_index).task_instances:
        if attempt.try_number == try_number:
            return attempt
    raise NotFound(f"The task instance {task_id!r} of the run {run_id!r} has no try {try_number}.")


@routes.get(f"{_TI}/dependencies", query=integer("map_index", default=-1), answer=shapes.DependencyCollection)
def get_dependencies(dag_id: str, run_id: str, task_id: str, query: Query) -> shapes.DependencyCollection:
    """Say what holds a task instance back; nothing if it runs, has ended or is about to run."""
    return get_mapped_dependencies(dag_id, run_id, task_id, query.values["map_index"])


@routes.get(f"{_MAPPED}/dependencies", answer=shapes.DependencyCollection)
def get_mapped_dependencies(dag_id: str, run_id: str, task_id: str, map_index: int) -> shapes.DependencyCollection:
    """Say what holds one instance of a mapped task back."""
    used = services()
    with reading(used.engine) as conn:
        browse_tasks.task_instance_with_id(conn, dag_id, run_id, task_id, map_index)
        answer = why_task(conn, (dag_id, run_id, task_id), limits_of_all(used), used.clock.now(), map_index)
    if answer.cause.value in _HELD_BY_NOTHING:
        return shapes.DependencyCollection(dependencies=[])
    return shapes.DependencyCollection(
        dependencies=[shapes.Dependency(name=answer.cause.value, reason=answer.sentence)]
    )


@routes.get(f"{_TI}/links", query=integer("map_index", default=-1))
def get_links(dag_id: str, run_id: str, task_id: str, query: Query) -> dict[str, Any]:
    """Give the extra links of a task instance: Gale has none."""
    with reading(services().engine) as conn:
        browse_tasks.task_instance_with_id(conn, dag_id, run_id, task_id, query.values["map_index"])
    return {"extra_links": {}, "total_entries": 0}


# --- mark ---------------------------------------------------------------------------------------------


def _patch(
    key: tuple[str, str, str], map_index: int | None, body: shapes.TaskInstancePatch, *, dry_run: bool
) -> shapes.TaskInstanceCollection:
    dag_id, run_id, task_id = key
    choice = Choice(
        run_id=run_id,
        task_ids=(task_id,),
        map_indexes=None if map_index is None else {task_id: frozenset({map_index})},
        upstream=body.include_upstream,
        downstream=body.include_downstream,
        future=body.include_future,
        past=body.include_past,
    )
    state = body.new_state
    if state is msgspec.UNSET and body.note is msgspec.UNSET:
        raise BadRequest("There is nothing to change: give new_state (success, failed or skipped) or note.")
    if state is None:
        raise BadRequest("new_state is null; it must be success, failed or skipped. To run a task again, clear it.")
    used = services()
    requests: list[str] = []
    with writing(used.engine) as conn:
        chosen = chosen_task_instances(conn, dag_id, browse_dags.spec_of_dag(conn, dag_id), choice)
        mine = [ti for ti in chosen if ti.task_id == task_id and ti.run_id == run_id]
        if not mine:
            raise NotFound(f"The run {run_id!r} of the DAG {dag_id!r} has no such task instance of {task_id!r}.")
        if body.note is not msgspec.UNSET and not dry_run:
            write_task_notes(conn, mine, body.note, user=person().username, now=used.clock.now())
        if isinstance(state, str):
            chosen = [ti for ti in chosen if ti.state != state]
            requests = _mark(conn, chosen, state.lower(), dry_run=dry_run)
    wait_for(requests)
    return _seen([ti.id for ti in (chosen if isinstance(state, str) else mine)])


def _mark(conn: Connection, tis: Sequence[AnyRow], state: str, *, dry_run: bool) -> list[str]:
    if dry_run:
        return []
    now = services().clock.now()

    def ask(run: str, ids: list[str]) -> str:
        return request_mark_tasks(conn, run, ids, state=state, user=person().username, now=now)

    if not tis:  # the state is checked even if nothing is left to do
        check_markable(state)
    return _per_run(tis, ask)


def check_markable(state: str) -> None:
    """Check a state that somebody wants to set.

    Raises:
        BadRequest: It cannot be set by hand.
    """
    if state not in {TaskState.SUCCESS, TaskState.FAILED, TaskState.SKIPPED}:
        raise BadRequest(f"A task instance cannot be set to {state[:60]!r}: only success, failed and skipped can.")


def _per_run(tis: Sequence[AnyRow], ask: Callable[[str, list[str]], str]) -> list[str]:
    by_run: defaultdict[str, list[str]] = defaultdict(list)
    for ti in tis:
        by_run[ti.run].append(ti.id)
    return [ask(run, ids) for run, ids in by_run.items()]


def _seen(ids: list[str]) -> shapes.TaskInstanceCollection:
    with reading(services().engine) as conn:
        rows = browse_tasks.task_instances_with_keys(conn, ids)
        return shapes.TaskInstanceCollection(
            task_instances=to_tasks.task_instances(conn, rows), total_entries=len(rows)
        )


@routes.patch(
    _TI,
    query=(*integer("map_index"), *words("update_mask")),
    body=shapes.TaskInstancePatch,
    answer=shapes.TaskInstanceCollection,
)
def patch_task_instance(
    dag_id: str, run_id: str, task_id: str, query: Query, body: shapes.TaskInstancePatch
) -> shapes.TaskInstanceCollection:
    """Set a task instance to success, failed or skipped, or change its note."""
    check_mask(query.words("update_mask"), "new_state", "note")
    return _patch((dag_id, run_id, task_id), query.integer("map_index"), _masked(query, body), dry_run=False)


def _masked(query: Query, body: shapes.TaskInstancePatch) -> shapes.TaskInstancePatch:
    mask = query.words("update_mask")
    for name in ("new_state", "note"):
        if mask and name not in mask:
            setattr(body, name, msgspec.UNSET)
    return body


@routes.patch(_MAPPED, query=words("update_mask"), body=shapes.TaskInstancePatch, answer=shapes.TaskInstanceCollection)
def patch_mapped(
    dag_id: str, run_id: str, task_id: str, map_index: int, *, query: Query, body: shapes.TaskInstancePatch
) -> shapes.TaskInstanceCollection:
    """Set one instance of a mapped task to success, failed or skipped, or change its note."""
    check_mask(query.words("update_mask"), "new_state", "note")
    return _patch((dag_id, run_id, task_id), map_index, _masked(query, body), dry_run=False)


@routes.patch(
    f"{_TI}/dry_run",
    query=(*integer("map_index"), *words("update_mask")),
    body=shapes.TaskInstancePatch,
    answer=shapes.TaskInstanceCollection,
)
def patch_dry_run(
    dag_id: str, run_id: str, task_id: str, query: Query, body: shapes.TaskInstancePatch
) -> shapes.TaskInstanceCollection:
    """Tell which task instances a change of state would be about."""
    return _patch((dag_id, run_id, task_id), query.integer("map_index"), body, dry_run=True)


@routes.patch(
    f"{_MAPPED}/dry_run",
    query=words("update_mask"),
    body=shapes.TaskInstancePatch,
    answer=shapes.TaskInstanceCollection,
)
def patch_mapped_dry_run(
    dag_id: str, run_id: str, task_id: str, map_index: int, *, query: Query, body: shapes.TaskInstancePatch
) -> shapes.TaskInstanceCollection:
    """Tell which task instances a change of state of one mapped instance would be about."""
    check_mask(query.words("update_mask"), "new_state", "note")
    return _patch((dag_id, run_id, task_id), map_index, body, dry_run=True)


# --- clear --------------------------------------------------------------------------------------------


@routes.post("/clearTaskInstances", body=shapes.ClearTaskInstances, answer=shapes.TaskInstanceCollection)
def clear(dag_id: str, body: shapes.ClearTaskInstances) -> shapes.TaskInstanceCollection:
    """Make task instances run again; with `dry_run`, which is the default, only tell which ones these would be."""
    choice = _choice(body)
    used = services()
    requests: list[str] = []
    with writing(used.engine) as conn:
        chosen = chosen_task_instances(conn, dag_id, browse_dags.spec_of_dag(conn, dag_id), choice)
        if body.prevent_running_task and (running := [ti.task_id for ti in chosen if ti.state in CLAIMED]):
            raise Refused(
                HTTPStatus.CONFLICT,
                f"The task {running[0]!r} is running, and prevent_running_task is set. Wait for its end, or leave "
                "that out.",
            )
        if not body.dry_run:
            now, user = used.clock.now(), person().username
            if body.note is not None:
                write_task_notes(conn, list(chosen), body.note, user=user, now=now)
            requests = _per_run(chosen, lambda run, ids: request_clear(conn, run, ids, user=user, now=now))
    if body.dry_run:
        with reading(used.engine) as conn:
            tis = to_tasks.task_instances(conn, chosen)
        return shapes.TaskInstanceCollection(task_instances=tis, total_entries=len(tis))
    wait_for(requests)
    return _seen([ti.id for ti in chosen])


def _choice(body: shapes.ClearTaskInstances) -> Choice:
    if body.only_failed and body.only_running:
        raise BadRequest("only_failed and only_running exclude each other. Set one of them to false.")
    if body.dag_run_id is not None and (body.start_date or body.end_date):
        raise BadRequest("Give either dag_run_id or start_date and end_date, not both.")
    if body.dag_run_id is None and (body.include_future or body.include_past):
        raise BadRequest("include_future and include_past need dag_run_id: future and past of which run?")
    if body.task_ids is not None and not body.task_ids:
        raise BadRequest("task_ids is empty: name at least one task, or leave it out to mean all of them.")
    if not body.reset_dag_runs:
        raise BadRequest(
            "reset_dag_runs is false, but the tasks of a run that has ended would never run then. "
            "Leave it out: the runs are set back to work together with their tasks."
        )
    check_note(body.note)
    start = None if body.start_date is None else aware("start_date", body.start_date)
    end = None if body.end_date is None else aware("end_date", body.end_date)
    if start and end and start > end:
        raise BadRequest("start_date lies after end_date. Swap them.")
    names, indexes = _tasks(body.task_ids)
    return Choice(
        run_id=body.dag_run_id,
        start=start,
        end=end,
        task_ids=names,
        map_indexes=indexes,
        upstream=body.include_upstream,
        downstream=body.include_downstream,
        future=body.include_future,
        past=body.include_past,
        only_failed=body.only_failed,
        only_running=body.only_running,
    )


def _tasks(given: list[str | list[Any]] | None) -> tuple[tuple[str, ...] | None, dict[str, frozenset[int]]]:
    """Return the task ids of a body, and the map indexes of those that came as [task_id, map_index]."""
    if given is None:
        return None, {}
    indexes: defaultdict[str, set[int]] = defaultdict(set)
    whole: list[str] = []
    for item in given:
        match item:
            case str():
                whole.append(item)
            case [str() as name, int() as index] if not isinstance(index, bool):
                indexes[name].add(index)
            case _:
                raise BadRequest(f"task_ids holds {str(item)[:60]!r}; each entry is a task id or [task id, map index].")
    names = tuple(dict.fromkeys([*whole, *indexes]))
    return names, {name: frozenset(found) for name, found in indexes.items() if name not in whole}
