"""Mails and callbacks that transitions asked for, and SLA misses.

A notice is a row, made in the transaction of the move that called for it, so that it is neither
forgotten when a process dies nor made twice (its key is unique). Here notices are taken, sent
and ticked off. A mail server that does not answer is asked again later, ever less often.

Callbacks are user code: they run in a process of their own like a task, never in this one.
"""

import json
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Connection, select, update

from gale import telemetry
from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome
from gale.core.commands import Notify
from gale.core.graph import CallbackKind, DagSpec
from gale.core.ports import Executor, Writer
from gale.db import tables as t
from gale.db.apply import apply
from gale.db.file_versions import FileVersions
from gale.db.keys import new_token
from gale.db.manners import insert_if_absent
from gale.db.orders import run_facts
from gale.db.read import scheduling as ask
from gale_scheduler.mails import Mail, compose

log = structlog.get_logger()

#: A notice is tried this often before it is given up.
MAX_TRIES: Final = 5
#: While one scheduler works on a notice, others leave it alone for so long.
TRY_SECONDS: Final = 60.0
#: Mails that are handed to the mail server's threads, and callbacks that run, at the same time.
MAILS_AT_ONCE: Final = 50
CALLBACKS_AT_ONCE: Final = 4
#: How long a scheduler that ends waits for mails that are on their way.
CLOSE_SECONDS: Final = 5.0
SLA_SECONDS: Final = 5.0
_NOT_SENT: Final = ConnectionAbortedError("It was not sent before the scheduler ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeOptions:
    """What notices need to know of the settings."""

    files: FileVersions
    base_url: str
    check_slas: bool = True


class Notices:
    """Sends what is due.

    Args:
        executor: Runs callbacks.
        job_id: The scheduler's job.
        send: Sends one mail, raising OSError if that fails; None if mail is switched off.
        options: Settings.
    """

    def __init__(
        self,
        executor: Executor,
        job_id: str,
        send: Callable[[Mail], None] | None,
        options: NoticeOptions,
    ) -> None:
        self._executor = executor
        self._job_id = job_id
        self._send = send
        self._options = options
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="mail")
        self._mails: list[tuple[int, Mail]] = []
        self._orders: list[tuple[int, AttemptOrder]] = []
        self._sending: dict[int, Future[None]] = {}
        self._calling: dict[str, int] = {}
        #: How notices went. The first `_ticked` of them are written, but perhaps not committed.
        self._done: deque[tuple[int, str]] = deque()
        self._ticked = 0
        self._next_sla: datetime | None = None
        self._next_hold: datetime | None = None

    # --- in the round's transaction ----------------------------------------------------------------

    def look(self, connection: Connection, now: datetime) -> None:
        """Tick off what is done, note SLA misses, take the notices that are due.

        What is taken is begun, and what is ticked off is forgotten, by `start`: after the commit. If there
        is none, the next look does all of it again.
        """
        self._mails.clear()
        self._orders.clear()
        self._tick_off_done(connection, now)
        self._hold(connection, now)
        if self._options.check_slas and (self._next_sla is None or now >= self._next_sla):
            self._next_sla = now + timedelta(seconds=SLA_SECONDS)
            note_sla_misses(connection, Writer(actor="sla", now=now), now)
        for kind, room in (
            ("mail", MAILS_AT_ONCE - len(self._sending)),
            ("callback", CALLBACKS_AT_ONCE - len(self._calling)),
        ):
            for row in _take(connection, self._job_id, now, kind=kind, except_for=self._on_the_way(), limit=room):
                self._prepare(connection, row, now)

    def _on_the_way(self) -> set[int]:
        """Return the notices that are being sent, or whose ends are not written yet."""
        return {*self._sending, *self._calling.values(), *(notice for notice, _ in self._done)}

    def _tick_off_done(self, connection: Connection, now: datetime) -> None:
        self._collect_sent()
        for notice, error in self._done:
            _tick_off(connection, notice, error, now)
        self._ticked = len(self._done)

    def _hold(self, connection: Connection, now: datetime) -> None:
        """Keep others from what takes long: a slow mail server, a slow callback."""
        if self._next_hold is not None and now < self._next_hold:
            return
        self._next_hold = now + timedelta(seconds=TRY_SECONDS / 3)
        mine = t.notice.c.id.in_([*self._sending, *self._calling.values()])
        later = now + timedelta(seconds=TRY_SECONDS)
        connection.execute(update(t.notice).where(mine, t.notice.c.done_at.is_(None)).values(due_at=later))

    def _prepare(self, connection: Connection, row: Any, now: datetime) -> None:
        known = _run_and_spec(connection, row.run)
        if known is None:
            _tick_off(connection, row.id, "The run or its DAG is gone.", now, is_final=True)
            return
        run, spec, digest = known
        task = connection.execute(select(t.task_instance).where(t.task_instance.c.id == row.ti)).first()
        reason = json.loads(row.detail).get("reason", "")
        if row.kind == "callback":
            file = self._options.files.file_for(connection, run.fileloc, digest)
            order = _callback_order(row, run, task, (file, digest), reason)
            self._orders.append((row.id, order))
            return
        mail = compose(row, run, task, spec, reason=reason, base_url=self._options.base_url)
        if mail is None or self._send is None:
            why = "" if mail is None else "Mail is switched off: smtp_host is empty."
            _tick_off(connection, row.id, why, now, is_final=True)
            return
        self._mails.append((row.id, mail))

    # --- after the commit --------------------------------------------------------------------------

    def start(self) -> None:
        """Send the mails and start the callbacks that the last `look` took, now that this is committed."""
        for _ in range(self._ticked):
            self._done.popleft()
        self._ticked = 0
        mails, self._mails = self._mails, []
        for notice, mail in mails:
            if self._send is not None:
                self._sending[notice] = self._pool.submit(self._send, mail)
        orders, self._orders = self._orders, []
        for notice, order in orders:
            self._calling[order.token] = notice
            self._executor.start([order])

    @property
    def has_news(self) -> bool:
        """Whether notices have ended of which this is not written yet."""
        return bool(self._done)

    def is_callback(self, token: str) -> bool:
        """Tell whether the attempt with this token is a callback of ours."""
        return token in self._calling

    def keep_own(self, ended: Sequence[AttemptEnded]) -> list[AttemptEnded]:
        """Keep the ends of callbacks; return the others."""
        others: list[AttemptEnded] = []
        for end in ended:
            notice = self._calling.pop(end.token, None)
            if notice is None:
                others.append(end)
            else:
                self._done.append((notice, "" if end.outcome is Outcome.SUCCESS else end.reason or end.outcome.value))
        return others

    def _collect_sent(self) -> None:
        for notice in [notice for notice, future in self._sending.items() if future.done()]:
            future = self._sending.pop(notice)
            error = _NOT_SENT if future.cancelled() else future.exception()
            if error is None:
                log.info(telemetry.MAIL_SENT, notice=notice)
            else:
                log.error(telemetry.MAIL_FAILED, notice=notice, error=str(error), next="it is tried again later")
            self._done.append((notice, "" if error is None else str(error) or type(error).__name__))

    def close(self) -> None:
        """Let mails that are being sent end; the rest stays due."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        wait(self._sending.values(), CLOSE_SECONDS)

    def write_ends(self, connection: Connection, now: datetime) -> None:
        """Tick off what is done, as the last thing before the process ends."""
        self._tick_off_done(connection, now)


def _callback_order(row: Any, run: Any, task: Any, source: tuple[Path, str], reason: str) -> AttemptOrder:
    return AttemptOrder(
        ti=row.ti or f"run:{row.run}",
        token=new_token(),
        run=run_facts(run),
        task_id="" if task is None else task.task_id,
        map_index=-1 if task is None else task.map_index,
        try_number=max(1, row.try_number),
        max_tries=1 if task is None else task.max_tries,
        file=str(source[0]),
        source_digest=source[1],
        callback=row.event,
        callback_reason=reason,
        state=run.state if task is None else task.state,
        hostname="" if task is None else task.hostname,
    )


def _take(
    connection: Connection, job_id: str, now: datetime, *, kind: str, except_for: Collection[int], limit: int
) -> list[Any]:
    """Take notices that are due, so that no other scheduler sends them as well."""
    if limit <= 0:
        return []
    table = t.notice
    due = (table.c.done_at.is_(None), table.c.due_at <= now, table.c.kind == kind, table.c.id.not_in(list(except_for)))
    query = select(table).where(*due).order_by(table.c.id).limit(limit).with_for_update(skip_locked=True)
    rows = list(connection.execute(query).all())
    if rows:
        connection.execute(
            update(table)
            .where(table.c.id.in_([row.id for row in rows]))
            .values(owner_job_id=job_id, attempts=table.c.attempts + 1, due_at=now + timedelta(seconds=TRY_SECONDS))
        )
    return rows


def _tick_off(connection: Connection, notice: int, error: str, now: datetime, *, is_final: bool = False) -> None:
    """Write down how a notice went: done, to be tried again, or given up (at once, if that is final)."""
    table = t.notice
    row = connection.execute(select(table.c.attempts, table.c.kind).where(table.c.id == notice)).first()
    if row is None:
        return
    values: dict[str, Any] = {"error": error or None}
    # A callback that failed has run: trying again would call it twice. A mail has not been sent.
    if not error or is_final or row.kind == "callback" or row.attempts >= MAX_TRIES:
        values["done_at"] = now
    else:
        values["due_at"] = now + timedelta(seconds=5.0 * 4 ** (row.attempts - 1))
    connection.execute(update(table).where(table.c.id == notice).values(**values))


def _run_and_spec(connection: Connection, run: str) -> tuple[Any, DagSpec, str] | None:
    rows = ask.runs_with_ids(connection, [run])
    if not rows or rows[0].newest_version is None:
        return None
    known = ask.version_data(connection, rows[0].newest_version)
    return None if known is None else (rows[0], *known)


# --- SLA -----------------------------------------------------------------------------------------


def note_sla_misses(connection: Connection, writer: Writer, now: datetime) -> int:
    """Note task instances that have not succeeded in time, and order the mails; return how many.

    In time means: until the end of the data interval plus the task's `sla` (the notes: "如果 task 在
    配置的预计执行完成日期没有执行成功，会发邮件通知").
    """
    query = select(t.dag.c.dag_id, t.dag.c.version_id).where(t.dag.c.has_sla, t.dag.c.is_active, ~t.dag.c.is_paused)
    specs: dict[str, DagSpec] = {}
    for dag in connection.execute(query).all():
        known = ask.version_data(connection, dag.version_id)
        if known is not None:
            specs[dag.dag_id] = known[0]
    if not specs:
        return 0
    missed = 0
    watched = {task.task_id for spec in specs.values() for task in spec.tasks if task.sla is not None}
    for row in ask.missed_slas(connection, specs.keys(), watched, now):
        missed += _note_miss(connection, row, specs[row.dag_id], writer)
    return missed


def _note_miss(connection: Connection, row: Any, spec: DagSpec, writer: Writer) -> int:
    task = next((task for task in spec.tasks if task.task_id == row.task_id), None)
    if task is None or task.sla is None or row.data_interval_end + timedelta(seconds=task.sla) > writer.now:
        return 0
    values = {
        "dag_id": row.dag_id,
        "task_id": row.task_id,
        "run": row.run,
        "logical_date": row.logical_date,
        "timestamp": writer.now,
        "description": f"It was {row.state} when its SLA of {task.sla:g} s after the interval's end had passed.",
    }
    insert_if_absent(connection, t.sla_miss, [values])
    notices = [Notify(kind="mail", event="sla_miss", run=row.run, ti=row.ti, reason=str(values["description"]))]
    if CallbackKind.SLA_MISS in spec.callbacks:
        notices.append(Notify(kind="callback", event=CallbackKind.SLA_MISS.value, run=row.run, reason=row.task_id))
    apply(connection, notices if task.email else notices[1:], writer)
    log.warning(telemetry.SLA_MISSED, dag_id=row.dag_id, run_id=row.run_id, task_id=row.task_id, state=row.state)
    return 1
