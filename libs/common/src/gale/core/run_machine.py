"""One DAG run as a machine: an event goes in, commands come out.

The machine holds a node for each task instance, with a tally of how its direct upstream tasks
ended. An event changes one node; only the nodes downstream of a node whose *ending* changed are
looked at again, so that the cost of an event is proportional to the edges it touches, however
large the DAG is.

It can be rebuilt from rows at any time: all that it knows beside the rows follows from them.
`RunAdopted` makes up for whatever a scheduler that died had not yet written.

A command is an order to write; the machine has already made the move in its own memory. If the
write is refused (another scheduler was faster), the owner drops the machine and rebuilds it.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gale.core import events as e
from gale.core.commands import Command, MoveRun, MoveTask, Notify, StopAttempt, WakeAt
from gale.core.facts import RunStatus, TaskFacts
from gale.core.graph import CallbackKind, DagSpec, TaskSpec
from gale.core.graph_order import guards
from gale.core.states import CLAIMED, FINISHED, RunState, TaskState
from gale.core.transitions import advance, is_legal, next_run_state
from gale.core.trigger_rules import Tally, Verdict, evaluate

_DELAYED: Final = frozenset({TaskState.UP_FOR_RETRY, TaskState.UP_FOR_RESCHEDULE})
_BAD: Final = frozenset({TaskState.FAILED, TaskState.UPSTREAM_FAILED})
#: Events that the worker which holds the attempt reports itself: nothing is left to be stopped.
_BY_WORKER: Final = (e.AttemptEvent,)


class _Node:
    """A task instance in its place in the graph."""

    __slots__ = ("down", "exclusions", "facts", "guarded", "guards", "past_met", "spec", "tally")

    def __init__(self, spec: TaskSpec, facts: TaskFacts, *, past_met: bool) -> None:
        self.spec = spec
        self.facts = facts
        self.past_met = past_met
        self.down: list[_Node] = []
        self.tally = Tally()
        #: Setups and work further up that hold this task back beside its rule, and those that it holds back.
        self.guards = Tally()
        self.guarded: list[_Node] = []
        #: How many branches upstream have chosen not to run this task.
        self.exclusions = 0


class RunMachine:
    """The decisions of one DAG run.

    Args:
        status: The run's row.
        spec: The version of the DAG that the run follows.
        tasks: The task instances' rows. A task of the DAG without a row is not part of the run.
        past_met: For tasks with `depends_on_past` or `wait_for_downstream`: whether the previous
            run lets them go. A task that is not named is not held back.
    """

    def __init__(
        self,
        status: RunStatus,
        spec: DagSpec,
        tasks: Iterable[TaskFacts],
        past_met: Mapping[str, bool] | None = None,
    ) -> None:
        self.status = status
        self.spec = spec
        #: How often a trigger rule was evaluated: the measure of cost in the property tests.
        self.evaluations = 0
        past = past_met or {}
        specs = {task.task_id: task for task in spec.tasks}
        self._nodes: dict[str, _Node] = {}
        self._by_task: dict[str, _Node] = {}
        for facts in tasks:
            known = specs.get(facts.task_id)
            node = _Node(known or TaskSpec(task_id=facts.task_id), facts, past_met=past.get(facts.task_id, True))
            self._nodes[facts.ti] = node
            self._by_task[facts.task_id] = node
        self._gone = frozenset(node.facts.task_id for node in self._nodes.values()) - frozenset(specs)
        self._unfinished = sum(node.facts.state not in FINISHED for node in self._nodes.values())
        self._timers: list[tuple[datetime, str]] = []
        self._dirty: list[_Node] = []
        self._failing_fast = False
        self._link()

    # --- what others may look at ---------------------------------------------------------------

    def facts(self, ti: str) -> TaskFacts:
        """Return the facts of one task instance of this run."""
        return self._nodes[ti].facts

    def task_facts(self) -> list[TaskFacts]:
        """Return the facts of all task instances of this run."""
        return [node.facts for node in self._nodes.values()]

    def by_task(self, task_id: str) -> TaskFacts | None:
        """Return the facts of a task's instance, or None if the run has none."""
        node = self._by_task.get(task_id)
        return None if node is None else node.facts

    def task_spec(self, ti: str) -> TaskSpec:
        """Return the definition of the task of which `ti` is an instance."""
        return self._nodes[ti].spec

    def held_by_past(self) -> list[str]:
        """Return the ids of the tasks that only their previous run still holds back."""
        return [
            node.facts.task_id
            for node in self._nodes.values()
            if not node.past_met and node.facts.state is TaskState.NONE
        ]

    def verdict(self, ti: str) -> Verdict:
        """Return what the trigger rule of `ti` says now."""
        node = self._nodes[ti]
        return evaluate(node.spec.trigger_rule, node.tally, node.guards, is_teardown=node.spec.is_teardown)

    def waits_for(self, ti: str) -> list[TaskFacts]:
        """Return the unfinished task instances on which the verdict of `ti` depends."""
        node = self._nodes[ti]
        return [
            other.facts
            for other in self._nodes.values()
            if other.facts.state not in FINISHED and (node in other.down or node in other.guarded)
        ]

    def is_excluded(self, ti: str) -> bool:
        """Tell whether a branch upstream chose not to run this task."""
        return self._nodes[ti].exclusions > 0

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

    # --- building ------------------------------------------------------------------------------

    def _link(self) -> None:
        for node in self._nodes.values():
            for upstream_id in node.spec.upstream:
                upstream = self._by_task.get(upstream_id)
                if upstream is None:
                    continue
                upstream.down.append(node)
                node.tally.total += 1
                node.tally.setups += upstream.spec.is_setup
                node.tally.add(upstream.facts.state, is_setup=upstream.spec.is_setup)
        self._link_guards()
        for node in self._nodes.values():
            self._count_exclusions(node.facts, by=1)

    def _link_guards(self) -> None:
        for task_id, guarding in guards(self.spec.tasks).items():
            node = self._by_task.get(task_id)
            for guard in (self._by_task.get(guard_id) for guard_id in guarding if node is not None):
                if node is not None and guard is not None:
                    guard.guarded.append(node)
                    node.guards.total += 1
                    node.guards.add(guard.facts.state, is_setup=guard.spec.is_setup)

    def _count_exclusions(self, branch: TaskFacts, by: int) -> None:
        for task_id in branch.not_taken:
            node = self._by_task.get(task_id)
            if node is not None:
                node.exclusions += by
                self._dirty.append(node)

    def _adopt(self, cause: str, now: datetime, out: list[Command]) -> None:
        for node in self._nodes.values():
            self._retire(node, cause, now, out)
            state = node.facts.state
            if node.facts.task_id not in self._gone and state is TaskState.REMOVED:
                self._move(node, e.TaskReturned(ti=node.facts.ti, cause=cause), now, out)
            elif state in _DELAYED:
                self._set_timer(node, out)
        self._failing_fast = self.spec.fail_fast and any(map(self._has_just_failed, self._nodes.values()))
        self._dirty.extend(self._nodes.values())
        if self.status.state is RunState.RUNNING:
            self._watch_timeout(out)

    def _has_just_failed(self, node: _Node) -> bool:
        """Tell whether a task failed since the run began: whoever had the run died before he acted on it."""
        began, failed_at = self.status.start_date, node.facts.end_date
        return (
            node.facts.state is TaskState.FAILED and began is not None and failed_at is not None and failed_at > began
        )

    # --- moving --------------------------------------------------------------------------------

    def _move(self, node: _Node, event: e.TaskEvent, now: datetime, out: list[Command]) -> None:
        before = node.facts
        after = advance(before, event, node.spec, now)
        move = MoveTask(cause=event.cause, run=self.status.run, before=before, after=after, event=type(event).__name__)
        out.append(move)
        self._replace(node, after, out, event.cause)
        if before.state in CLAIMED and before.token and not isinstance(event, _BY_WORKER):
            reason = f"{type(event).__name__}: the task instance is now {after.state.value}"
            out.append(StopAttempt(cause=event.cause, ti=before.ti, token=before.token, reason=reason))
        self._retire(node, event.cause, now, out)

    def _retire(self, node: _Node, cause: str, now: datetime, out: list[Command]) -> None:
        """Remove a task that is no longer in the DAG, as soon as no worker holds it, instead of starting it anew."""
        vanished = e.TaskVanished(ti=node.facts.ti, cause=cause)
        if node.facts.task_id in self._gone and is_legal(node.facts, vanished):
            self._move(node, vanished, now, out)

    def _replace(self, node: _Node, after: TaskFacts, out: list[Command], cause: str) -> None:
        """Take in the new facts of a node, and all that follows from them at once."""
        before, node.facts = node.facts, after
        was, is_now = before.state, after.state
        if before.not_taken != after.not_taken:
            self._count_exclusions(before, by=-1)
            self._count_exclusions(after, by=1)
        if is_now is TaskState.FAILED and self.spec.fail_fast:
            self._failing_fast |= was is not is_now or self._has_just_failed(node)
        if was is is_now:
            return
        self._unfinished += (was in FINISHED) - (is_now in FINISHED)
        if was in FINISHED or is_now in FINISHED:
            for downstream in node.down:
                downstream.tally.add(was, is_setup=node.spec.is_setup, by=-1)
                downstream.tally.add(is_now, is_setup=node.spec.is_setup)
                self._dirty.append(downstream)
            for guarded in node.guarded:
                guarded.guards.add(was, is_setup=node.spec.is_setup, by=-1)
                guarded.guards.add(is_now, is_setup=node.spec.is_setup)
                self._dirty.append(guarded)
        if is_now is TaskState.NONE:
            self._dirty.append(node)
        if is_now in _DELAYED:
            self._set_timer(node, out)
        self._notify(node, was, cause, out)

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

    def _decide(self, node: _Node, cause: str, now: datetime, out: list[Command]) -> None:
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

    def _notify(self, node: _Node, was: TaskState, cause: str, out: list[Command]) -> None:
        """Ask for the mails and callbacks that the end of a running attempt calls for."""
        if was is not TaskState.RUNNING:
            return
        facts, spec = node.facts, node.spec
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
        out.extend(
            Notify(
                cause=cause,
                kind=kind,
                event=event,
                run=self.status.run,
                ti=facts.ti,
                try_number=facts.try_number,
                reason=facts.reason,
            )
            for kind, event in wanted
        )

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
                after = replace(before, state=state, start_date=None, end_date=None)
            case _:
                after = replace(before, state=state, end_date=now)
        self.status = after
        out.append(MoveRun(cause=event.cause, before=before, after=after, event=type(event).__name__))
        callback = {RunState.SUCCESS: CallbackKind.SUCCESS, RunState.FAILED: CallbackKind.FAILURE}.get(state)
        if callback in self.spec.callbacks and callback is not None:
            out.append(Notify(cause=event.cause, kind="callback", event=callback.value, run=before.run, reason=reason))

    def _reopen(self, cause: str, now: datetime, out: list[Command]) -> None:
        if self.status.state in {RunState.SUCCESS, RunState.FAILED}:
            self._move_run(e.RunReopened(cause=cause), now, out)

    def _has_failed(self) -> bool:
        """A run fails when one of its leaf tasks did, or (fail fast) any task did. Vanished tasks do not count."""
        bad = [
            node for node in self._nodes.values() if node.facts.state in _BAD and node.facts.task_id not in self._gone
        ]
        return bool(bad) if self.spec.fail_fast else any(map(_decides_run, bad))

    def _abort_rest(self, cause: str, now: datetime, out: list[Command]) -> None:
        for node in self._nodes.values():
            if node.facts.state not in FINISHED:
                self._move(node, e.RunAborted(ti=node.facts.ti, cause=cause), now, out)

    # --- time ----------------------------------------------------------------------------------

    def _set_timer(self, node: _Node, out: list[Command]) -> None:
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
            if facts.state in _DELAYED and facts.due_at is not None and facts.due_at <= now:
                self._handle_task(e.DelayElapsed(ti=ti, cause=cause), now, out)


def _decides_run(node: _Node) -> bool:
    """Tell whether the run's outcome depends on this task: a leaf, teardowns not counted.

    Source: Airflow's setup and teardown: a teardown decides only with `on_failure_fail_dagrun`.
    """
    if node.spec.is_teardown:
        return node.spec.on_failure_fail_dagrun and not node.down
    return all(down.spec.is_teardown for down in node.down)


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
