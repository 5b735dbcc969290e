"""What a worker writes: that it has claimed attempts, and how they ended.

Both are compare-and-set on the attempt's token, in batches, through `gale.db.apply` like every
move. A claim takes a queued attempt or loses it to whoever was faster; an end counts only while
the row still says that this worker holds this attempt. What a worker writes of an end is all that
belongs to it (state, history, XComs, rendered fields, ordered mails and callbacks); what follows
from it for the run is the matter of the run's owner.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from gale.core import events as e
from gale.core.attempt import AttemptEnded, AttemptOrder, RunFacts
from gale.core.attempt_events import event_of
from gale.core.commands import Command, MoveTask
from gale.core.facts import TaskFacts
from gale.core.graph import DagSpec, TaskSpec
from gale.core.graph_order import effective_weights
from gale.core.ports import Writer
from gale.core.run_machine import notices_of_end
from gale.core.states import CLAIMED, TaskState
from gale.core.transitions import advance, is_legal
from gale.db import tables as t
from gale.db.apply import apply, clear_xcoms, store_results
from gale.db.file_versions import FileVersions
from gale.db.lease import lease_end
from gale.db.orders import Definition, first_try_of, order_of, run_facts
from gale.db.read import scheduling as ask

#: What is read of a run is used for so long, as far as it can change while tasks of it start.
RUN_SECONDS: Final = 1.0
#: DAG definitions and runs that are kept.
KEPT: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An attempt that a task command names."""

    ti: str
    token: str
    try_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerIdentity:
    """Who claims and writes: its job, its host, its name in the history."""

    job_id: str
    hostname: str
    actor: str


@dataclass(frozen=True, slots=True)
class _Dag:
    """A version of a DAG."""

    spec: DagSpec
    source_digest: str
    tasks: Mapping[str, TaskSpec]
    weights: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Run:
    """A run, as it was read a moment ago."""

    row: Any
    facts: RunFacts
    read_at: datetime


class Claims:
    """Claims attempts for one worker and writes their ends. Not for several threads at once.

    Args:
        worker: Who this is.
        files: Where the versions of DAG files are.
    """

    def __init__(self, worker: WorkerIdentity, files: FileVersions) -> None:
        self._worker = worker
        self._files = files
        self._dags: OrderedDict[str, _Dag] = OrderedDict()
        self._runs: OrderedDict[str, _Run] = OrderedDict()

    # --- claims ----------------------------------------------------------------------------------

    def claim(self, connection: Connection, wanted: Sequence[Wanted], now: datetime) -> list[AttemptOrder]:
        """Claim what is still to be had; return the orders of what was won.

        Args:
            connection: A transaction that writes; the caller commits it, and only then starts the orders.
            wanted: Attempts that commands named.
            now: The instant on the database's clock.
        """
        tokens = {want.ti: want for want in wanted}
        rows = _lock(connection, tokens.keys())
        moves: list[Command] = []
        orders: list[AttemptOrder] = []
        for ti, row in rows.items():
            want = tokens[ti]
            if (row.state, row.token, row.try_number) != (TaskState.QUEUED.value, want.token, want.try_number):
                continue
            claimed = self._claim_one(connection, row, now)
            if claimed is not None:
                moves.append(claimed[0])
                orders.append(claimed[1])
        apply(connection, moves, self._writer(now), locked=rows)
        return orders

    def won_before(self, connection: Connection, wanted: Sequence[Wanted], now: datetime) -> list[AttemptOrder]:
        """Return the orders of what this worker has claimed already: a commit that seemed to fail may have lasted.

        Args:
            connection: A transaction.
            wanted: Attempts that commands named, and none that runs here.
            now: The instant on the database's clock.
        """
        tokens = {want.ti: want.token for want in wanted}
        running, mine = TaskState.RUNNING.value, self._worker.job_id
        orders: list[AttemptOrder] = []
        for ti, row in _lock(connection, tokens.keys()).items():
            if (row.state, row.token, row.job_id) == (running, tokens[ti], mine):
                orders += self._order_again(connection, row, now)
        return orders

    def _claim_one(self, connection: Connection, row: Any, now: datetime) -> tuple[MoveTask, AttemptOrder] | None:
        found = self._definition(connection, row, now)
        if found is None:
            return None
        run, definition = found
        before = ask.facts_of(row)
        cause = f"claim:{row.token[:8]}"
        until = lease_end(now)
        started = e.Started(ti=row.id, token=row.token, hostname=self._worker.hostname, lease_until=until, cause=cause)
        after = advance(before, started, definition.task, now)
        again = first_try_of(before)
        if after.try_number > 1 and again is None:
            clear_xcoms(connection, [row])
        return _move(row.run, before, after, started), order_of(after, run.facts, definition, first_try_at=again)

    def _order_again(self, connection: Connection, row: Any, now: datetime) -> list[AttemptOrder]:
        found = self._definition(connection, row, now)
        facts = ask.facts_of(row)
        # Whether it was asked for before in reschedule mode is no longer known; it is as old as its row says.
        return [] if found is None else [order_of(facts, found[0].facts, found[1], first_try_at=facts.start_date)]

    def _definition(self, connection: Connection, row: Any, now: datetime) -> tuple[_Run, Definition] | None:
        """Return a task instance's run and task; None if a new version lacks the task or cannot be read.

        The run's owner acts on that.
        """
        run = self._run(connection, row.run, now)
        dag = None if run is None else self._dag(connection, run.row)
        task = None if dag is None else dag.tasks.get(row.task_id)
        if run is None or dag is None or task is None:
            return None
        return run, Definition(
            task=task,
            weight=dag.weights.get(task.task_id, task.priority_weight),
            file=self._files.file_for(connection, run.row.fileloc, dag.source_digest),
            source_digest=dag.source_digest,
        )

    # --- ends ------------------------------------------------------------------------------------

    def finish(self, connection: Connection, ends: Sequence[AttemptEnded], now: datetime) -> list[str]:
        """Write the ends of attempts that this worker still holds; return their task instances.

        The other attempts were taken from it meanwhile (cleared, marked, lost its lease): nothing is written of them.

        Args:
            connection: A transaction that writes; the caller commits.
            ends: How attempts ended.
            now: The instant on the database's clock.
        """
        by_ti = {end.ti: end for end in ends}
        rows = _lock(connection, by_ti.keys())
        commands: list[Command] = []
        accepted: list[tuple[AttemptEnded, Any]] = []
        for ti, row in rows.items():
            end = by_ti[ti]
            if row.token != end.token or row.job_id != self._worker.job_id or row.state not in _CLAIMED:
                continue
            event = event_of(end, f"end:{end.token[:8]}")
            before = ask.facts_of(row)
            if not is_legal(before, event):
                continue
            task = self._task(connection, row, now)
            after = advance(before, event, task, now)
            commands.append(_move(row.run, before, after, event))
            if before.state is TaskState.RUNNING:
                commands += notices_of_end(after, task, row.run, event.cause)
            accepted.append((end, row))
        writer = replace(self._writer(now), ends={end.ti: end for end, _ in accepted})
        apply(connection, commands, writer, locked=rows)
        store_results(connection, accepted, now)
        return [end.ti for end, _ in accepted]

    def held(self, connection: Connection) -> dict[tuple[str, str], str]:
        """Return (ti, token) to state of what the rows say that this worker holds."""
        table = t.task_instance.c
        query = select(table.id, table.token, table.state).where(
            table.job_id == self._worker.job_id, table.state.in_(_CLAIMED)
        )
        return {(row.id, row.token): row.state for row in connection.execute(query)}

    # --- what is kept ----------------------------------------------------------------------------

    def _writer(self, now: datetime) -> Writer:
        return Writer(actor=self._worker.actor, now=now, job_id=self._worker.job_id)

    def _task(self, connection: Connection, row: Any, now: datetime) -> TaskSpec:
        """Return the task's definition; one that says nothing for a task that is no longer in the DAG."""
        run = self._run(connection, row.run, now)
        dag = None if run is None else self._dag(connection, run.row)
        known = None if dag is None else dag.tasks.get(row.task_id)
        return known or TaskSpec(task_id=row.task_id)

    def _run(self, connection: Connection, run: str, now: datetime) -> _Run | None:
        known = self._runs.get(run)
        if known is not None and timedelta(0) <= now - known.read_at < timedelta(seconds=RUN_SECONDS):
            return known
        rows = ask.runs_with_ids(connection, [run])
        if not rows:
            return None
        row = rows[0]
        fresh = _Run(row, run_facts(row, ask.last_success_before(connection, row)), now)
        _keep(self._runs, run, fresh)
        return fresh

    def _dag(self, connection: Connection, run: Any) -> _Dag | None:
        version = run.newest_version or run.version_id
        if version is None:
            return None
        known = self._dags.get(version)
        if known is None:
            data = ask.version_data(connection, version)
            if data is None:
                return None
            spec, digest = data
            known = _Dag(spec, digest, {task.task_id: task for task in spec.tasks}, effective_weights(spec.tasks))
            _keep(self._dags, version, known)
        return known


_CLAIMED: Final = sorted(state.value for state in CLAIMED)
_LOCK: Final = (
    select(t.task_instance)
    .where(t.task_instance.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(t.task_instance.c.id)
    .with_for_update()
)


def _lock(connection: Connection, ids: Any) -> dict[str, Any]:
    if not ids:
        return {}
    return {row.id: row for row in connection.execute(_LOCK, {"ids": sorted(ids)})}


def _move(run: str, before: TaskFacts, after: TaskFacts, event: e.TaskEvent) -> MoveTask:
    return MoveTask(cause=event.cause, run=run, before=before, after=after, event=type(event).__name__)


def _keep(kept: OrderedDict[str, Any], key: str, value: Any) -> None:
    """Keep a value, and forget the one that was kept first when there are too many."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > KEPT:
        kept.popitem(last=False)
