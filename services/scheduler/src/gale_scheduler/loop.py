"""The scheduler's loop: one thread, one selector, one transaction a round.

A round takes everything that has happened since the last one (ended attempts, elapsed delays,
users' requests, new runs), asks the machines what follows, grants the free slots, writes all of
it in one commit, and only then starts and stops processes. Nothing is done per task that can be
done per batch; nothing waits for a timer that can be woken.

Beside the rounds run chores at their own pace: looking for changes that others made, the
sweep of each second, and the loop of the notes with its heartbeat, whose every tenth turn scans
the DAG folder.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from gale import telemetry
from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome
from gale.core.attempt_events import event_of
from gale.core.commands import Command, StopAttempt
from gale.core.ports import Applied, JobAnswer, Writer
from gale.core.states import RunState
from gale.db.apply import apply, store_results
from gale.db.engine import reading, writing
from gale.db.lease import give_up_claims
from gale.db.read import scheduling as ask
from gale.errors import GaleError, StoreError
from gale_scheduler.consecutive_failures import pause_failing
from gale_scheduler.lookout import Lookout
from gale_scheduler.owned_run import OwnedRun
from gale_scheduler.parts import Pace, Parts
from gale_scheduler.relay import Grants

log = structlog.get_logger()

#: How often the database is asked whether others have changed anything.
LOOK_SECONDS: Final = 0.1
SWEEP_SECONDS: Final = 1.0
#: When attempts are stopped because of the lease, the last of them is killed so long before it ends.
KILL_MARGIN_SECONDS: Final = 2.0
#: The DAG folder is scanned on every tenth loop (the notes).
LOOPS_PER_SCAN: Final = 10
_ENDED_RUN: Final = frozenset({RunState.SUCCESS, RunState.FAILED})


@dataclass(slots=True)
class _Round:
    """What one round gathers before it is written."""

    writer: Writer
    looked: bool = False
    commands: list[Command] = field(default_factory=list)
    results: list[tuple[AttemptEnded, Any]] = field(default_factory=list)
    #: Tokens of attempts whose ends nobody here waits for any more.
    orphans: list[str] = field(default_factory=list)
    grants: Grants = field(default_factory=Grants)
    applied: Applied = field(default_factory=Applied)


class SchedulerLoop:
    """Turns rounds until it is told to stop."""

    def __init__(self, parts: Parts, pace: Pace) -> None:
        self._p = parts
        self._pace = pace
        self._ended: list[AttemptEnded] = []
        #: Task instances of which workers say that their rows have changed.
        self._must_read: set[str] = set()
        self._must_look = True
        self._lookout = Lookout(parts, pace)
        #: Tokens of attempts that were stopped because the lease was about to end.
        self._given_up: set[str] = set()
        #: After trouble with the database: when it is asked again (monotonic).
        self._resume_at = 0.0
        #: Slots of the executor that nobody in line could use when they were handed out last.
        self._left_open = 0
        self._stop_reason = ""
        self._mark: int | None = None
        self._look_soon = False
        self._loops = 0
        now = parts.clock.monotonic()
        self._began = self._next_look = self._next_sweep = self._next_loop = now

    # --- from outside ----------------------------------------------------------------------------

    def look(self) -> None:
        """Have the next round look for what others changed in the database."""
        self._must_look = True

    def stop(self, reason: str) -> None:
        """End after the current round."""
        self._stop_reason = self._stop_reason or reason

    def run(self) -> str:
        """Turn rounds until stopped; return the reason. Runs and attempts are handed back cleanly."""
        p = self._p
        with writing(p.engine) as connection:
            p.job.open(connection, p.clock.now())
        log.info(telemetry.SCHEDULER_START, job_id=p.job.id, executor=type(p.executor).__name__, slots=p.executor.slots)
        state = "failed"
        try:
            p.dag_files.scan()
            while not self._stop_reason:
                self._turn()
            state = "success"
        finally:
            self._close(state)
        return self._stop_reason

    def _turn(self) -> None:
        p = self._p
        ready = p.selector.select(self._patience())
        try:
            for key, _ in ready:
                key.data()
            p.executor.tick()
            if p.clock.monotonic() >= self._resume_at:
                self._chores()
                if not self._stop_reason:  # or it would start what must be stopped at once
                    self._round()
        except StoreError as error:
            log.error(telemetry.DATABASE_ERROR, error=str(error), next="waits, then goes on from the rows")  # noqa: TRY400
            self._resume_at = p.clock.monotonic() + SWEEP_SECONDS
            self._start_over()
        self._guard_lease()

    def _start_over(self) -> None:
        """Forget what is in memory, which may be ahead of the rows, and begin from the rows again."""
        self._p.book.drop_all()
        self._lookout.must_rebuild = True
        self._must_look = True

    def _patience(self) -> float:
        """Return for how many seconds there is nothing to do unless something happens."""
        p = self._p
        now = p.clock.monotonic()
        pause = self._resume_at - now
        if pause <= 0 and (self._must_look or self._ended or self._must_read):
            return 0.0
        waits = [pause if pause > 0 else self._next_look - now]
        deadline = p.executor.next_deadline()
        if deadline is not None:
            waits.append(deadline - now)
        due = p.book.next_due()
        if due is not None and pause <= 0:
            waits.append((due - p.clock.now()).total_seconds())
        return max(0.0, min(waits))

    # --- chores ----------------------------------------------------------------------------------

    def _chores(self) -> None:
        now = self._p.clock.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            self._notice_changes()
        if now >= self._next_loop or self._p.job.must_stop_work:  # the lease before anything else
            self._next_loop = now + self._pace.heartbeat_seconds
            self._beat()
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            self._must_look = True
            self._p.relay.recount()

    def _notice_changes(self) -> None:
        with reading(self._p.engine) as connection:
            mark = ask.change_mark(connection)
        if mark != self._mark or self._look_soon:
            self._mark, self._look_soon = mark, False
            self._must_look = True

    def _beat(self) -> None:
        """One loop of the notes: heartbeat, the word that ends the process, every tenth time the scan."""
        p = self._p
        with writing(p.engine) as connection:
            now = p.clock.now()
            answer = p.job.renew(connection, self._alive(), now)
            if p.rescuer.bury(connection, self._writer(now)):
                self._must_look = True
        match answer:
            case JobAnswer.SHUTDOWN:
                self.stop("its job row was set to shutdown")
            case JobAnswer.LOST:
                self.stop("its job row says that it is dead")
            case JobAnswer.LAPSED:
                # Others may have taken our runs meanwhile (or the machine was asleep, and nobody has).
                self._start_over()
        self._given_up &= self._alive()
        self._lookout.must_check_claims = True
        self._loops += 1
        if self._loops % LOOPS_PER_SCAN == 0:
            p.dag_files.scan()
        if 0 < self._pace.max_loops <= self._loops:
            self.stop(f"num_runs: {self._loops} loops are done")
        if 0 <= self._pace.max_seconds <= p.clock.monotonic() - self._began:
            self.stop("run_duration has passed")

    def _alive(self) -> set[str]:
        """Return the tokens of the attempts that run here or whose ends are not written yet."""
        return {token for _, token in self._p.executor.running()} | {end.token for end in self._ended}

    def _guard_lease(self) -> None:
        if not self._p.job.must_stop_work:
            return
        p = self._p
        running = [(ti, token) for ti, token in p.executor.running() if token not in self._given_up]
        if not running:
            return
        log.error(telemetry.LEASE_ENDING, next="all attempts are stopped, because others may start them again")
        within = max(0.0, p.job.seconds_left - KILL_MARGIN_SECONDS)
        for ti, token in running:
            self._given_up.add(token)
            p.executor.stop(ti, token, "The scheduler could not renew its lease in the database", within)
        # Until they are gone nothing may hold up the loop; waiting for the database might.
        self._resume_at = p.clock.monotonic() + within

    # --- rounds ----------------------------------------------------------------------------------

    def _writer(self, now: datetime) -> Writer:
        return Writer(actor=self._p.job.actor, now=now, job_id=self._p.job.id)

    def _round(self) -> None:
        p = self._p
        self._ended += p.notices.keep_own(p.executor.ended())
        self._must_look |= p.notices.has_news
        now = p.clock.now()
        due = p.book.next_due()
        if hinted := p.hints.take():
            self._must_read |= hinted
            p.executor.settle(hinted)
        has_work = self._must_look or self._ended or self._must_read or (due is not None and due <= now)
        can_grant = p.book.ledger.wanted() and p.executor.open_slots() > self._left_open
        if not has_work and not can_grant:
            return
        must_look, self._must_look = self._must_look, False
        this = _Round(writer=self._writer(now), looked=must_look)
        with writing(p.engine) as connection:
            this.commands += self._lookout.read_rows(connection, None if must_look else self._must_read, now)
            if must_look:
                self._look_around(connection, this)
            self._take_ends(this)
            this.commands += p.book.due(now)
            this.grants = p.relay.grant(connection, now)
            this.commands += this.grants.commands
            this.writer = replace(this.writer, ends={end.ti: end for end, _ in this.results})
            this.applied = apply(connection, this.commands, this.writer)
            store_results(connection, _accepted(this), now)
            p.requests.finish(connection, this.applied, this.writer)
            if this.orphans:
                give_up_claims(connection, p.job.id, this.orphans, now)
            pause_failing(connection, this.applied, p.book, this.writer)
        self._ended.clear()
        self._must_read.clear()
        self._after_commit(this)

    def _look_around(self, connection: Connection, this: _Round) -> None:
        seen = self._lookout.look(connection, self._alive(), this.writer)
        this.commands += seen.commands
        self._must_look |= seen.look_again
        self._look_soon |= seen.look_soon

    def _take_ends(self, this: _Round) -> None:
        for end in self._ended:
            owned = self._p.book.run_of(end.ti)
            facts = owned.machine.facts(end.ti) if owned is not None else None
            if owned is None or facts is None or facts.token != end.token:
                # Cleared, marked or given up meanwhile: the row has moved on without this attempt,
                # or the whole run has, and its new owner shall not wait for the end of the lease.
                this.orphans.append(end.token)
                log.info(telemetry.TASK_LATE_END, ti=end.ti, outcome=end.outcome.value, reason=end.reason)
                continue
            event = event_of(_fair(end, self._given_up), f"end:{end.token[:8]}")
            this.commands += self._p.book.handle(owned.row.id, event, this.writer.now)
            if owned.row.id in self._p.book.runs:
                this.results.append((end, _keys(owned, end)))

    def _after_commit(self, this: _Round) -> None:
        p = self._p
        self._handle_lost(this.applied)
        lost = {move.before.ti for move in this.applied.lost}
        orders: list[AttemptOrder] = [order for order in this.grants.orders if order.ti not in lost]
        if not p.executor.claims_here:
            orders += p.relay.unsent()
        if orders:
            p.executor.start(orders)
        for command in this.commands:
            # Whether what a lost move wanted stopped must be stopped, is seen when its run is read again.
            if isinstance(command, StopAttempt) and command.ti not in lost:
                p.executor.stop(command.ti, command.token, command.reason)
        _log_moves(this.applied)
        p.notices.start()
        self._left_open = p.executor.open_slots()
        if this.looked or any(move.after.state in _ENDED_RUN for move in this.applied.moved_runs):
            self._must_look = bool(p.book.drop_finished()) or self._must_look

    def _handle_lost(self, applied: Applied) -> None:
        """Somebody else moved a row of ours: drop what we believed about its run and read it again."""
        runs = {move.run for move in applied.lost} | {move.before.run for move in applied.lost_runs}
        for move in applied.lost:
            log.info(telemetry.TASK_LOST_RACE, ti=move.before.ti, task_id=move.before.task_id, event_name=move.event)
        if runs:
            self._p.book.drop(runs)
            self._lookout.must_rebuild = True
            self._must_look = True

    # --- the end ---------------------------------------------------------------------------------

    def _close(self, state: str) -> None:
        """Stop what runs, record how it ended, give up the runs."""
        p = self._p
        log.info(telemetry.SCHEDULER_STOP, reason=self._stop_reason, running=len(p.executor.running()))
        self._ended += p.notices.keep_own(p.executor.shutdown(self._pace.shutdown_seconds))
        p.notices.close()
        try:
            if not p.job.must_stop_work:
                self._must_look = False
                self._give_back()
            with writing(p.engine) as connection:
                p.notices.write_ends(connection, p.clock.now())
                p.job.close(connection, state=state, now=p.clock.now())
        except GaleError as error:
            log.error(telemetry.SCHEDULER_NOT_CLOSED, error=str(error), next="its lease ends by itself")  # noqa: TRY400

    def _give_back(self) -> None:
        """Write the ends of what was stopped with us: it is tried again and loses no retry."""
        this = _Round(writer=self._writer(self._p.clock.now()))
        with writing(self._p.engine) as connection:
            self._take_ends(this)
            this.applied = apply(connection, this.commands, this.writer)
            store_results(connection, _accepted(this), this.writer.now)


def _fair(end: AttemptEnded, given_up: set[str]) -> AttemptEnded:
    """An attempt that was stopped because of our lease is lost, through no fault of its own."""
    if end.token in given_up and end.outcome is Outcome.FAILED:
        return replace(end, outcome=Outcome.LOST)
    return end


def _accepted(this: _Round) -> list[tuple[AttemptEnded, Any]]:
    """Return the ends whose moves were written."""
    lost = {move.before.ti for move in this.applied.lost}
    return [(end, keys) for end, keys in this.results if end.ti not in lost]


@dataclass(frozen=True, slots=True)
class _Keys:
    dag_id: str
    run_id: str
    task_id: str
    map_index: int


def _keys(owned: OwnedRun, end: AttemptEnded) -> _Keys:
    facts = owned.machine.facts(end.ti)
    return _Keys(owned.row.dag_id, owned.row.run_id, facts.task_id, facts.map_index)


def _log_moves(applied: Applied) -> None:
    for move in applied.moved_runs:
        run = move.after
        log.info(telemetry.RUN_MOVED, state=run.state.value, dag_id=run.dag_id, run_id=run.run_id, cause=move.cause)
    for task in applied.moved:
        if task.after.state.value in {"failed", "up_for_retry"}:
            log.warning(
                telemetry.TASK_FAILED,
                state=task.after.state.value,
                task_id=task.after.task_id,
                run=task.run,
                attempt=task.after.try_number,
                reason=task.after.reason,
                cause=task.cause,
            )
