"""The run machine under anything that may happen: random DAGs, random events, dying schedulers.

The rows are a dictionary here, written only by the machine's commands, each by compare-and-set as
the real ones are. After each event the machine is compared with one that is built from the rows.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gale.core import events as e
from gale.core.commands import MoveRun, MoveTask, StopAttempt
from gale.core.facts import RunStatus, TaskFacts
from gale.core.graph import DagSpec, TaskSpec
from gale.core.run_machine import RunMachine
from gale.core.states import CLAIMED, FINISHED, RunState, TaskState
from gale.core.transitions import (
    MARKABLE,
    MAX_INFRA_LOSSES,
    RUN_TRANSITIONS,
    TASK_TRANSITIONS,
    Choice,
    advance,
)
from gale.core.trigger_rules import TriggerRule

MORNING = datetime(2026, 11, 22, 6, tzinfo=UTC)
LEASE = timedelta(minutes=5)
DELAYED = {TaskState.UP_FOR_RETRY, TaskState.UP_FOR_RESCHEDULE}
BAD = {TaskState.FAILED, TaskState.UPSTREAM_FAILED}


@st.composite
def dags(draw):
    """Random DAGs of up to eight tasks with every trigger rule, setups, teardowns, retries and limits."""
    count = draw(st.integers(1, 8))
    rules = st.just(TriggerRule.ALL_SUCCESS) | st.sampled_from(list(TriggerRule))
    tasks = []
    for number in range(count):
        kind = draw(st.sampled_from(["work", "work", "work", "setup", "teardown"]))
        tasks.append(
            TaskSpec(
                task_id=f"t{number}",
                upstream=tuple(sorted(f"t{n}" for n in draw(st.sets(st.integers(0, number - 1), max_size=3))))
                if number
                else (),
                trigger_rule=TriggerRule.ALL_DONE_SETUP_SUCCESS if kind == "teardown" else draw(rules),
                retries=draw(st.integers(0, 2)),
                retry_delay=60.0,
                depends_on_past=draw(st.booleans()),
                is_setup=kind == "setup",
                is_teardown=kind == "teardown",
                on_failure_fail_dagrun=draw(st.booleans()),
            )
        )
    return DagSpec(
        dag_id="random",
        fileloc="random.py",
        tasks=tuple(tasks),
        fail_fast=draw(st.booleans()),
        dagrun_timeout=draw(st.sampled_from([None, None, 3_600.0])),
    )


def seen(machine):
    """Return all that a machine knows."""
    return (
        machine.status,
        {
            ti: (node.facts, node.tally, node.guards, node.exclusions, node.past_met)
            for ti, node in machine._nodes.items()
        },
        machine._unfinished,
    )


class World:
    """The rows, and the scheduler that holds the run's machine."""

    def __init__(self, spec, rows, status, past_met):
        self.spec, self.rows, self.status, self.past_met = spec, dict(rows), status, dict(past_met)
        self.now, self.tokens = MORNING, 0
        self.machine = self.rebuilt()

    @classmethod
    def of(cls, spec, past_met=()):
        rows = {
            f"ti-{task.task_id}": TaskFacts(ti=f"ti-{task.task_id}", task_id=task.task_id, max_tries=task.retries + 1)
            for task in spec.tasks
        }
        return cls(spec, rows, RunStatus(run="r", dag_id=spec.dag_id, run_id="r1"), dict(past_met))

    def copy(self):
        return World(self.spec, self.rows, self.status, self.past_met)

    def rebuilt(self):
        return RunMachine(self.status, self.spec, self.rows.values(), self.past_met)

    def states(self):
        return {facts.task_id: facts.state for facts in self.rows.values()}

    def tis(self, *states):
        return sorted(ti for ti, facts in self.rows.items() if facts.state in states)

    def tell(self, event):
        """Tell the machine and carry out what it says; check each move against the tables and the rows."""
        self.now += timedelta(milliseconds=1)
        before = self.machine.evaluations
        left_out = sum(len(facts.not_taken) for facts in self.machine.task_facts())
        commands = self.machine.handle(event, self.now)
        moves = [command for command in commands if isinstance(command, MoveTask)]
        for command in commands:
            assert not hasattr(command, "cause") or command.cause in {event.cause, ""}
            if isinstance(command, MoveTask):
                self.write(command)
            elif isinstance(command, MoveRun):
                assert command.before == self.status
                check_target(RUN_TRANSITIONS, command)
                self.status = command.after
            elif isinstance(command, StopAttempt):
                assert any(move.before.token == command.token for move in moves if move.before.ti == command.ti)
        left_out += sum(len(facts.not_taken) for facts in self.machine.task_facts())
        self.check_cost(event, moves, self.machine.evaluations - before, left_out)
        return commands

    def write(self, move):
        assert self.rows[move.before.ti] == move.before, "the command says what the row says"
        check_target(TASK_TRANSITIONS, move)
        self.rows[move.after.ti] = move.after

    def by_worker(self, event):
        """Let a worker write the row itself and the scheduler hear of it."""
        facts = self.rows[event.ti]
        self.rows[event.ti] = advance(facts, event, self.task(facts.task_id), self.now)
        return self.tell(e.RowChanged(ti=event.ti, facts=self.rows[event.ti]))

    def task(self, task_id):
        return next((task for task in self.spec.tasks if task.task_id == task_id), TaskSpec(task_id=task_id))

    def check_cost(self, event, moves, evaluations, left_out):
        """At most one look at each end of each edge that was touched, and at what branches leave out."""
        touched = [move.before.ti for move in moves] + ([event.ti] if isinstance(event, e.TaskEvent) else [])
        nodes = [self.machine._nodes[ti] for ti in touched]
        edges = sum(len(node.down) + len(node.guarded) for node in nodes)
        whole = len(self.rows) if isinstance(event, (e.RunStarted, e.RunAdopted)) else 0
        assert evaluations <= whole + edges + len(touched) + left_out

    def adopt(self):
        """Let the scheduler die and another one take the run over."""
        self.machine = self.rebuilt()
        return self.tell(e.RunAdopted(cause="adopted"))

    def token(self):
        self.tokens += 1
        return f"token-{self.tokens}"

    def grant(self, ti):
        return self.tell(e.SlotGranted(ti=ti, token=self.token()))

    def claim(self, ti):
        return e.Started(ti=ti, token=self.rows[ti].token, hostname="host", lease_until=self.now + LEASE)

    def end(self, ti, kind, not_taken=()):
        return {
            "success": lambda **same: e.Succeeded(**same, not_taken=tuple(not_taken)),
            "failed": lambda **same: e.AttemptFailed(**same, reason="exit code 1"),
            "failed for good": lambda **same: e.AttemptFailed(**same, final=True),
            "skipped": e.AttemptSkipped,
            "rescheduled": lambda **same: e.Rescheduled(**same, due_at=self.now + LEASE),
            "lost": e.HeartbeatLost,
        }[kind](ti=ti, token=self.rows[ti].token)

    def let_time_pass(self):
        """Wake the machine at its next timer."""
        due = [facts.due_at for facts in self.rows.values() if facts.state in DELAYED]
        self.now = max(self.now, min(due, default=self.now))
        return self.tell(e.TimePassed(cause="clock"))

    def drive_to_the_end(self, outcome):
        """Let everything happen that must, each attempt ending in `outcome`, and count the events."""
        steps = 0
        while self.status.state in {RunState.QUEUED, RunState.RUNNING}:
            steps += 1
            if self.status.state is RunState.QUEUED:
                self.tell(e.RunStarted())
            elif scheduled := self.tis(TaskState.SCHEDULED):
                self.grant(scheduled[0])
            elif queued := self.tis(TaskState.QUEUED):
                self.tell(self.claim(queued[0]))
            elif claimed := self.tis(*CLAIMED):
                self.tell(self.end(claimed[0], outcome))
            elif self.tis(*DELAYED):
                self.let_time_pass()
            elif held := self.machine.held_by_past():
                self.past_met[held[0]] = True
                self.tell(e.PastMet(ti=f"ti-{held[0]}"))
            else:
                pytest.fail(f"nothing can happen any more, and the run is {self.status.state}: {self.states()}")
            assert steps <= self.most_steps(), self.states()
        return steps

    def most_steps(self):
        """Four events for each attempt that is left to any task, once more if cleared, and one start of the run."""
        tries = sum(task.retries + MAX_INFRA_LOSSES + 2 for task in self.spec.tasks) + len(self.rows)
        return 2 + 10 * tries


def check_target(table, move):
    """Check that a move is a row of the table."""
    (row,) = [row for row in table if row[0] is move.before.state and row[1].__name__ == move.event]
    target = table[row]
    assert move.after.state in (target.targets if isinstance(target, Choice) else {target})


class LifeOfARun(RuleBasedStateMachine):
    """Anything may happen at any time; what must hold holds after each of it."""

    @initialize(spec=dags(), data=st.data())
    def a_run_is_made(self, spec, data):
        held = data.draw(st.sets(st.sampled_from([task.task_id for task in spec.tasks])))
        past = {task.task_id: task.task_id not in held for task in spec.tasks if task.depends_on_past}
        self.full = spec
        self.world = World.of(spec, past)

    def any_of(self, data, *states):
        return data.draw(st.sampled_from(self.world.tis(*states)))

    def has(self, *states):
        return bool(self.world.tis(*states))

    def is_running(self):
        return self.world.status.state is RunState.RUNNING

    # --- the ordinary course ---

    @precondition(lambda self: self.world.status.state is RunState.QUEUED)
    @rule()
    def the_run_is_started(self):
        self.world.tell(e.RunStarted(cause="start"))

    @precondition(lambda self: self.is_running() and self.has(TaskState.SCHEDULED))
    @rule(data=st.data())
    def a_slot_is_granted(self, data):
        self.world.grant(self.any_of(data, TaskState.SCHEDULED))

    @precondition(lambda self: self.has(TaskState.QUEUED))
    @rule(data=st.data(), by_worker=st.booleans())
    def an_attempt_is_claimed(self, data, by_worker):
        event = self.world.claim(self.any_of(data, TaskState.QUEUED))
        (self.world.by_worker if by_worker else self.world.tell)(event)

    @precondition(lambda self: self.has(TaskState.QUEUED))
    @rule(data=st.data())
    def a_dispatch_expires(self, data):
        self.world.tell(e.DispatchExpired(ti=self.any_of(data, TaskState.QUEUED)))

    @precondition(lambda self: self.has(*CLAIMED))
    @rule(
        data=st.data(),
        kind=st.sampled_from(["success", "success", "failed", "failed for good", "skipped", "rescheduled", "lost"]),
        by_worker=st.booleans(),
    )
    def an_attempt_ends(self, data, kind, by_worker):
        ti = self.any_of(data, *CLAIMED)
        task_id = self.world.rows[ti].task_id
        down = sorted(task.task_id for task in self.world.spec.tasks if task_id in task.upstream)
        not_taken = data.draw(st.sets(st.sampled_from(down))) if down else ()
        event = self.world.end(ti, kind, sorted(not_taken))
        (self.world.by_worker if by_worker else self.world.tell)(event)

    @precondition(lambda self: self.has(*DELAYED))
    @rule()
    def a_delay_is_over(self):
        self.world.let_time_pass()

    @rule(minutes=st.integers(0, 50))
    def time_passes(self, minutes):
        self.world.now += timedelta(minutes=minutes)
        self.world.tell(e.TimePassed(cause="clock"))

    @precondition(lambda self: self.world.machine.held_by_past())
    @rule(data=st.data())
    def the_previous_run_lets_a_task_go(self, data):
        task_id = data.draw(st.sampled_from(self.world.machine.held_by_past()))
        self.world.past_met[task_id] = True
        self.world.tell(e.PastMet(ti=f"ti-{task_id}"))

    # --- users and new versions ---

    @precondition(lambda self: self.has(*(state for state in TaskState if state is not TaskState.REMOVED)))
    @rule(data=st.data())
    def a_user_clears_a_task(self, data):
        ti = self.any_of(data, *(state for state in TaskState if state is not TaskState.REMOVED))
        self.world.tell(e.Cleared(ti=ti, cause="user"))

    @precondition(lambda self: self.has(*(state for state in TaskState if state is not TaskState.REMOVED)))
    @rule(data=st.data(), state=st.sampled_from(sorted(MARKABLE)))
    def a_user_marks_a_task(self, data, state):
        ti = self.any_of(data, *(state for state in TaskState if state is not TaskState.REMOVED))
        self.world.tell(e.Marked(ti=ti, state=state, cause="user"))

    @rule(data=st.data())
    def a_new_version_has_other_tasks(self, data):
        """Some tasks vanish from the DAG, or return to it."""
        ids = [task.task_id for task in self.full.tasks]
        kept = data.draw(st.sets(st.sampled_from(ids)))
        tasks = tuple(
            replace(task, upstream=tuple(up for up in task.upstream if up in kept))
            for task in self.full.tasks
            if task.task_id in kept
        )
        self.world.spec = replace(self.full, tasks=tasks)
        self.world.adopt()

    # --- death ---

    @rule()
    def a_scheduler_dies_and_another_adopts_the_run(self):
        moves = [command for command in self.world.adopt() if isinstance(command, (MoveTask, MoveRun))]
        assert moves == [], "a machine that has settled leaves nothing to be made up for"

    @precondition(lambda self: self.has(*CLAIMED))
    @rule(data=st.data(), kind=st.sampled_from(["success", "failed", "failed for good", "skipped"]))
    def an_attempt_ends_while_no_scheduler_lives(self, data, kind):
        """What the one that adopts the run makes of the row is what the dead one would have made of the news."""
        event = self.world.end(self.any_of(data, *CLAIMED), kind)
        heard = self.world.copy()
        heard.now = self.world.now
        heard.by_worker(event)
        facts = self.world.rows[event.ti]
        self.world.rows[event.ti] = advance(facts, event, self.world.task(facts.task_id), self.world.now)
        self.world.adopt()
        assert self.world.rows == heard.rows
        assert self.world.status == heard.status

    # --- what must hold ---

    @invariant()
    def a_machine_built_from_the_rows_knows_the_same(self):
        assert seen(self.world.rebuilt()) == seen(self.world.machine)

    @invariant()
    def a_running_run_has_something_left_to_do(self):
        unfinished = [facts for facts in self.world.rows.values() if facts.state not in FINISHED]
        assert self.world.status.state is not RunState.RUNNING or unfinished

    @invariant()
    def a_task_that_has_vanished_gets_no_new_attempt(self):
        known = {task.task_id for task in self.world.spec.tasks}
        for facts in self.world.rows.values():
            if facts.task_id not in known and self.is_running():
                assert facts.state not in {TaskState.NONE, TaskState.SCHEDULED, TaskState.QUEUED}

    @invariant()
    def every_delay_has_its_timer(self):
        timers = set(self.world.machine._timers)
        for ti in self.world.tis(*DELAYED):
            assert (self.world.rows[ti].due_at, ti) in timers

    @invariant()
    def a_run_that_fails_fast_does_not_go_on_after_a_failure(self):
        status = self.world.status
        if self.world.spec.fail_fast and self.is_running():
            failures = [self.world.rows[ti].end_date for ti in self.world.tis(TaskState.FAILED)]
            assert all(failed_at <= status.start_date for failed_at in failures)

    def teardown(self):
        """Every run ends, whether all attempts from now on succeed, fail, are skipped or are lost."""
        for outcome in ("success", "failed", "skipped", "lost"):
            world = self.world.copy()
            world.now = self.world.now
            world.adopt()
            world.drive_to_the_end(outcome)
            if world.status.end_date != self.world.status.end_date and not self.is_overdue(world):
                assert (world.status.state is RunState.FAILED) == self.a_deciding_task_is_bad(world)

    @staticmethod
    def is_overdue(world):
        limit = world.spec.dagrun_timeout
        return limit is not None and world.status.end_date - world.status.start_date >= timedelta(seconds=limit)

    @staticmethod
    def a_deciding_task_is_bad(world):
        """Leaves decide; teardowns only if they are told to; with fail_fast, all tasks do."""
        states = world.states()
        not_last = {up for task in world.spec.tasks if not task.is_teardown for up in task.upstream}
        before_any = {up for task in world.spec.tasks for up in task.upstream}
        return any(
            states.get(task.task_id) in BAD
            for task in world.spec.tasks
            if world.spec.fail_fast
            or (not task.is_teardown and task.task_id not in not_last)
            or (task.is_teardown and task.on_failure_fail_dagrun and task.task_id not in before_any)
        )


TestLifeOfARun = LifeOfARun.TestCase
TestLifeOfARun.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
