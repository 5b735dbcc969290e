"""The task instances of one run in their places: who waits for whom, and how those ended.

A tally at each node counts how its direct upstream tasks stand, so that a change at one node
touches the edges below it and nothing else. The machine in `run_machine` decides; this counts.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from gale.core.facts import RunStatus, TaskFacts
from gale.core.graph import DagSpec, TaskSpec
from gale.core.graph_order import guards
from gale.core.states import FINISHED, TaskState
from gale.core.trigger_rules import Tally, Verdict, evaluate

_BAD: Final = frozenset({TaskState.FAILED, TaskState.UPSTREAM_FAILED})


class Node:
    """A task instance in its place in the graph."""

    __slots__ = ("down", "exclusions", "facts", "guarded", "guards", "past_met", "spec", "tally")

    def __init__(self, spec: TaskSpec, facts: TaskFacts, *, past_met: bool) -> None:
        self.spec = spec
        self.facts = facts
        self.past_met = past_met
        self.down: list[Node] = []
        self.tally = Tally()
        #: Setups and work further up that hold this task back beside its rule, and those that it holds back.
        self.guards = Tally()
        self.guarded: list[Node] = []
        #: How many branches upstream have chosen not to run this task.
        self.exclusions = 0


class RunGraph:
    """The task instances of one run.

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
        past = past_met or {}
        specs = {task.task_id: task for task in spec.tasks}
        self._nodes: dict[str, Node] = {}
        self._by_task: dict[str, Node] = {}
        for facts in tasks:
            known = specs.get(facts.task_id)
            node = Node(known or TaskSpec(task_id=facts.task_id), facts, past_met=past.get(facts.task_id, True))
            self._nodes[facts.ti] = node
            self._by_task[facts.task_id] = node
        self._gone = frozenset(node.facts.task_id for node in self._nodes.values()) - frozenset(specs)
        #: How many have not ended.
        self._unfinished = sum(node.facts.state not in FINISHED for node in self._nodes.values())
        #: Nodes whose surroundings have changed since they were last decided.
        self._dirty: list[Node] = []
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
        """Return the ids of the tasks that their instance in the previous run holds back."""
        return [node.facts.task_id for ti, node in self._nodes.items() if self.is_held_by_past(ti)]

    def is_held_by_past(self, ti: str) -> bool:
        """Tell whether the task's instance in the previous run holds it back."""
        node = self._nodes[ti]
        return not node.past_met and node.facts.state is TaskState.NONE

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

    # --- counting ------------------------------------------------------------------------------

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

    def _take_in(self, node: Node, after: TaskFacts) -> None:
        """Give a node its new facts and count them at all nodes that depend on it."""
        before, node.facts = node.facts, after
        was, is_now = before.state, after.state
        if before.not_taken != after.not_taken:
            self._count_exclusions(before, by=-1)
            self._count_exclusions(after, by=1)
        if was is is_now:
            return
        self._unfinished += (was in FINISHED) - (is_now in FINISHED)
        if was in FINISHED or is_now in FINISHED:
            is_setup = node.spec.is_setup
            for downstream in node.down:
                downstream.tally.add(was, is_setup=is_setup, by=-1)
                downstream.tally.add(is_now, is_setup=is_setup)
            for guarded in node.guarded:
                guarded.guards.add(was, is_setup=is_setup, by=-1)
                guarded.guards.add(is_now, is_setup=is_setup)
            self._dirty += (*node.down, *node.guarded)
        if is_now is TaskState.NONE:
            self._dirty.append(node)

    def _has_just_failed(self, node: Node) -> bool:
        """Tell whether a task failed since the run began: whoever had the run died before he acted on it."""
        began, failed_at = self.status.start_date, node.facts.end_date
        return (
            node.facts.state is TaskState.FAILED and began is not None and failed_at is not None and failed_at > began
        )

    def _has_failed(self) -> bool:
        """A run fails when one of its leaf tasks did, or (fail fast) any task did. Vanished tasks do not count."""
        bad = [
            node for node in self._nodes.values() if node.facts.state in _BAD and node.facts.task_id not in self._gone
        ]
        return bool(bad) if self.spec.fail_fast else any(map(_decides_run, bad))


def _decides_run(node: Node) -> bool:
    """Tell whether the run's outcome depends on this task: a leaf, teardowns not counted.

    Source: Airflow's setup and teardown: a teardown decides only with `on_failure_fail_dagrun`.
    """
    if node.spec.is_teardown:
        return node.spec.on_failure_fail_dagrun and not node.down
    return all(down.spec.is_teardown for down in node.down)
