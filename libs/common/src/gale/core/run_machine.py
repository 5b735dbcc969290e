"""One DAG run as a machine: an event goes in, commands come out.

The machine holds a node for each task instance (`run_graph`), with a tally of how its direct
upstream tasks ended. An event changes one node; only the nodes downstream of a node whose *ending*
changed are looked at again, so that the cost of an event is proportional to the edges it touches,
however large the DAG is.

It can be rebuilt from rows at any time: all that it knows beside the rows follows from them.
`RunAdopted` makes up for whatever a scheduler that died had not yet written.

A command is an order to write; the machine has already made the move in its own memory. If the
write is refused (another scheduler was faster), the owner drops the machine and rebuilds it.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gale.core import events as e
from gale.core.commands import Command, MoveRun, MoveTask, Notify, StopAttempt, WakeAt
from gale.core.facts import RunStatus, TaskFacts
from gale.core.graph import CallbackKind, DagSpec, TaskSpec
from gale.core.run_graph import Node, RunGraph
from gale.core.states import CLAIMED, FINISHED, RunState, TaskState
from gale.core.transitions import advance, is_legal, next_run_state
from gale.core.trigger_rules import Verdict

#: What happens to a task instance when its `due_at` has come.
_AT_DUE: Final[Mapping[TaskState, type[e.TaskEvent]]] = {
    TaskState.UP_FOR_RETRY: e.DelayElapsed,
    TaskState.UP_FOR_RESCHEDULE: e.DelayElapsed,
    TaskState.QUEUED: e.DispatchExpired,
}
#: Events that the worker which holds the attempt reports itself: nothing is left to be stopped.
_BY_WORKER: Final = (e.AttemptEvent,)


class RunMachine(RunGraph):
    """The decisions of one DAG run: a graph that is told what happens. It is made as a `RunGraph` is."""

    def __init__(
        self,
        status: RunStatus,
        spec: DagSpec,
        tasks: Iterable[TaskFacts],
        past_met: Mapping[str, bool] | None = None,
    ) -> None:
        super().__init__(status, spec, tasks, past_met)
        #: How often a trigger rule was evaluated: the measure of cost in the property tests.
        self.evaluations = 0
        self._timers: list[tuple[datetime, str]] = []
        self._failing_fast = False

    # --- the one door --------------------------------------------------------------------------

    def handle(self, event: e.TaskEvent | e.RunEvent, now: datetime) -> list[Command]:
        """Take in what has happened; return what must be done, in this order.

        Raises:
            IllegalTransition: The event cannot happen in this state; nothing was changed.
        """
        out: list[Command] = []
        if isinstance(event, e.RunEvent):
            self._handle_run(event, now, out)
        else:
            self._handle_task(event, now, out)
        self._settle(event.cause, now, out)
        return out

    def _handle_task(self, event: e.TaskEvent, now: datetime, out: list[Command]) -> None:
        node = self._nodes[event.ti]
        match event:
            case e.RowChanged():
                self._replace(node, event.facts, out, event.cause)
                self._retire(node, event.cause, now, out)
            case e.PastMet():
                node.past_met = True
                self._dirty.append(node)
            case _:
                self._move(node, event, now, out)
                if isinstance(event, (e.Cleared, e.Marked)):
                    self._reopen(event.cause, now, out)

    def _handle_run(self, event: e.RunEvent, now: datetime, out: list[Command]) -> None:
        match event:
            case e.RunAdopted():
                self._adopt(event.cause, now, out)
            case e.TimePassed():
                self._pass_time(event.cause, now, out)
            case e.RunStarted():
                self._move_run(event, now, out)
                self._dirty.extend(self._nodes.values())
                self._watch_timeout(out)
            case e.RunOverdue():
                self._move_run(event, now, out, reason="it took longer than dagrun_timeout")
                self._abort_rest(event.cause, now, out)
            case _:
                self._move_run(event, now, out)

    def _adopt(self, cause: str, now: datetime, out: list[Command]) -> None:
        for node in self._nodes.values():
            self._retire(node, cause, now, out)
            state = node.facts.state
            if node.facts.task_id not in self._gone and state is TaskState.REMOVED:
                self._move(node, e.TaskReturned(ti=node.facts.ti, cause=cause), now, out)
            elif state in _AT_DUE:
                self._set_timer(node, out)
        self._failing_fast = self.spec.fail_fast and any(map(self._has_just_failed, self._nodes.values()))
        self._dirty.extend(self._nodes.values())
        if self.status.state is RunState.RUNNING:
            self._watch_timeout(out)

    # --- moving --------------------------------------------------------------------------------

    def _move(self, node: Node, event: e.TaskEvent, now: datetime, out: list[Command]) -> None:
        before = node.facts
        after = advance(before, event, node.spec, now)
        move = MoveTask(cause=event.cause, run=self.status.run, before=before, after=after, event=type(event).__name__)
        out.append(move)
        self._replace(node, after, out, event.cause)
        if before.state in CLAIMED and before.token and not isinstance(event, _BY_WORKER):
            reason = f"{type(event).__name__}: the task instance is now {after.state.value}"
            out.append(StopAttempt(cause=event.cause, ti=before.ti, token=before.token, reason=reason))
        self._retire(node, event.cause, now, out)

    def _retire(self, node: Node, cause: str, now: datetime, out: list[Command]) -> None:
        """Remove a task that is no longer in the DAG, as soon as no worker holds it, instead of starting it anew."""
        vanished = e.TaskVanished(ti=node.facts.ti, cause=cause)
        if node.facts.task_id in self._gone and is_legal(node.facts, vanished):
            self._move(node, vanished, now, out)

    def _replace(self, node: Node, after: TaskFacts, out: list[Command], cause: str) -> None:
        """Take in the new facts of a node, and all that follows from them at once."""
        was, is_now = node.facts.state, after.state
        self._take_in(node, after)
        if is_now is TaskState.FAILED and self.spec.fail_fast:
            self._failing_fast |= was is not is_now or self._has_just_failed(node)
        if was is is_now:
            return
        if is_now in _AT_DUE:
            self._set_timer(node, out)
        if was is TaskState.RUNNING:
            out.extend(notices_of_end(after, node.spec, self.status.run, cause))

    def _settle(self, cause: str, now: datetime, out: list[Command]) -> None:
        """Decide every node whose surroundings have changed, then the run itself."""
        if self.status.state is not RunState.RUNNING:
            self._dirty.clear()
            self._failing_fast = False
            return
        if self._failing_fast:
            self._failing_fast = False
            self._abort_rest(cause, now, out)
        while self._dirty:
            node = self._dirty.pop()
            if node.facts.state is TaskState.NONE:
                self._decide(node, cause, now, out)
        if not self._unfinished:
            self._move_run(e.RunEnded(cause=cause, failed=self._has_failed()), now, out)

    def _decide(self, node: Node, cause: str, now: datetime, out: list[Command]) -> None:
        ti = node.facts.ti
        if node.exclusions:
            self._move(node, e.BranchNotTaken(ti=ti, cause=cause), now, out)
            return
        self.evaluations += 1
        match self.verdict(ti):
            case Verdict.RUN if node.past_met:
                self._move(node, e.DependenciesMet(ti=ti, cause=cause), now, out)
            case Verdict.SKIP:
                self._move(node, e.UpstreamSkipped(ti=ti, cause=cause), now, out)
            case Verdict.UPSTREAM_FAILED:
                self._move(node, e.UpstreamFailed(ti=ti, cause=cause), now, out)

    # --- the run -------------------------------------------------------------------------------

    def _move_run(self, event: e.RunEvent, now: datetime, out: list[Command], reason: str = "") -> None:
        before = self.status
        state = next_run_state(before, event)
        if state is before.state:
            return
        match state:
            case RunState.RUNNING:
                after = replace(before, state=state, start_date=now, end_date=None)
            case RunState.QUEUED:
                again = before.clear_number + 1
                after = replace(before, state=state, start_date=None, end_date=None, clear_number=again)
            case _:
                after = replace(before, state=state, end_date=now)
        self.status = after
        out.append(MoveRun(cause=event.cause, before=before, after=after, event=type(event).__name__))
        callback = {RunState.SUCCESS: CallbackKind.SUCCESS, RunState.FAILED: CallbackKind.FAILURE}.get(state)
        if callback in self.spec.callbacks and callback is not None:
            # A run that is cleared may end again, and this is told again.
            notice = Notify(cause=event.cause, kind="callback", event=callback.value, run=before.run, reason=reason)
            out.append(replace(notice, try_number=after.clear_number))

    def _reopen(self, cause: str, now: datetime, out: list[Command]) -> None:
        if self.status.state in {RunState.SUCCESS, RunState.FAILED}:
            self._move_run(e.RunReopened(cause=cause), now, out)

    def _abort_rest(self, cause: str, now: datetime, out: list[Command]) -> None:
        for node in self._nodes.values():
            if node.facts.state not in FINISHED:
                self._move(node, e.RunAborted(ti=node.facts.ti, cause=cause), now, out)

    # --- time ----------------------------------------------------------------------------------

    def _set_timer(self, node: Node, out: list[Command]) -> None:
        if node.facts.due_at is not None:
            heapq.heappush(self._timers, (node.facts.due_at, node.facts.ti))
            out.append(WakeAt(run=self.status.run, at=node.facts.due_at))

    def _timeout_at(self) -> datetime | None:
        if self.spec.dagrun_timeout is None or self.status.start_date is None:
            return None
        return self.status.start_date + timedelta(seconds=self.spec.dagrun_timeout)

    def _watch_timeout(self, out: list[Command]) -> None:
        timeout_at = self._timeout_at()
        if timeout_at is not None:
            out.append(WakeAt(run=self.status.run, at=timeout_at))

    def _pass_time(self, cause: str, now: datetime, out: list[Command]) -> None:
        timeout_at = self._timeout_at()
        if self.status.state is RunState.RUNNING and timeout_at is not None and timeout_at <= now:
            self._handle_run(e.RunOverdue(cause=cause), now, out)
            return
        while self._timers and self._timers[0][0] <= now:
            _, ti = heapq.heappop(self._timers)
            facts = self._nodes[ti].facts
            if facts.state in _AT_DUE and facts.due_at is not None and facts.due_at <= now:
                self._handle_task(_AT_DUE[facts.state](ti=ti, cause=cause), now, out)


def notices_of_end(facts: TaskFacts, spec: TaskSpec, run: str, cause: str) -> Iterator[Notify]:
    """Return the mails and callbacks that the end of a running attempt calls for; `facts` are those after it."""
    match facts.state:
        case TaskState.SUCCESS:
            callback, mail = CallbackKind.SUCCESS, ""
        case TaskState.SKIPPED:
            callback, mail = CallbackKind.SKIPPED, ""
        case TaskState.UP_FOR_RETRY:
            callback, mail = CallbackKind.RETRY, "email_on_retry" if spec.email_on_retry else ""
        case TaskState.FAILED:
            callback, mail = CallbackKind.FAILURE, "email_on_failure" if spec.email_on_failure else ""
        case _:
            return
    wanted = [("callback", callback.value)] if callback in spec.callbacks else []
    if mail and spec.email:
        wanted.append(("mail", mail))
    for kind, event in wanted:
        yield Notify(
            cause=cause,
            kind=kind,
            event=event,
            run=run,
            ti=facts.ti,
            try_number=facts.try_number,
            reason=facts.reason,
        )


def past_is_met(
    spec: TaskSpec, previous: Mapping[str, TaskState] | None, downstream: Callable[[str], Iterable[str]]
) -> bool:
    """Tell whether the previous run lets a task go.

    Args:
        spec: The task.
        previous: Task id to state in the previous run; None if there is no previous run.
        downstream: The ids of a task's direct downstream tasks.
    """
    if not (spec.depends_on_past or spec.wait_for_downstream) or previous is None:
        return True
    if spec.task_id not in previous:
        # A run without any task instances has not begun. In one that has, the task is new: nothing to wait for.
        return bool(previous)
    good = {TaskState.SUCCESS, TaskState.SKIPPED}
    if previous[spec.task_id] not in good:
        return False
    if not spec.wait_for_downstream:
        return True
    return all(previous.get(task_id, TaskState.SUCCESS) in good for task_id in downstream(spec.task_id))
