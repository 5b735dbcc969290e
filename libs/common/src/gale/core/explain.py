"""Why something is not running: the first thing that holds it back, from the code that decides.

`explain_task` and `explain_run` walk through the causes in the order in which the scheduler
meets them and name the first one that holds. The answer has a sentence in English and one in
Chinese, and the facts that they were made of.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gale.core.facts import RunStatus, TaskFacts
from gale.core.run_machine import RunMachine
from gale.core.slots import Candidate, Limit, SlotLedger
from gale.core.states import RunState, TaskState
from gale.core.trigger_rules import Verdict


class Cause(StrEnum):
    """The causes, in the order in which they are looked at."""

    RUNNING = "running"
    STOPPING = "stopping"
    FINISHED = "finished"
    RUN_FINISHED = "run_finished"
    DAG_MISSING = "dag_missing"
    NO_SCHEDULER = "no_scheduler"
    PAUSED = "paused"
    NO_SCHEDULE = "no_schedule"
    NOT_DUE = "not_due"
    MAX_ACTIVE_RUNS = "max_active_runs"
    UPSTREAM = "upstream"
    PAST = "depends_on_past"
    RETRY_DELAY = "retry_delay"
    RESCHEDULE_DELAY = "reschedule_delay"
    NO_WORKER = "no_worker"
    WORKERS_BUSY = "workers_busy"
    WAITS_FOR_WORKER = "waits_for_worker"
    POOL_MISSING = "pool_missing"
    POOL_TOO_SMALL = "pool_too_small"
    MAX_ACTIVE_TASKS = "max_active_tasks"
    MAX_ACTIVE_TIS = "max_active_tis"
    POOL = "pool"
    PARALLELISM = "parallelism"
    ABOUT_TO_RUN = "about_to_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One answer. `facts` are plain values for those who want to look further."""

    cause: Cause
    sentence: str
    sentence_zh: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeats:
    """A living worker: from which queues it takes tasks, how many at once, how many it has."""

    hostname: str
    queues: frozenset[str]
    slots: int
    taken: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What must be known beside the run: the DAG's switch, the schedulers, the next run.

    `scheduler_seen_at` is the last heartbeat of any living scheduler, None if none lives.
    """

    now: datetime
    scheduler_seen_at: datetime | None = None
    dag_is_active: bool = True
    has_import_error: bool = False
    is_paused: bool = False
    running_runs: int = 0
    max_active_runs: int = 16
    run_after: datetime | None = None
    next_run_after: datetime | None = None
    open_slots: int = 0
    parallelism: int = 0
    workers: tuple[WorkerSeats, ...] = ()


def _answer(cause: Cause, english: str, chinese: str, **facts: object) -> Explanation:
    return Explanation(cause=cause, sentence=english, sentence_zh=chinese, facts=facts)


def explain_dag(around: Surroundings) -> Explanation:
    """Say why a DAG has no run now: the first thing that keeps its next run from being made."""
    held = _held_by_dag(around)
    if held is not None:
        return held
    if around.next_run_after is None:
        return _answer(
            Cause.NO_SCHEDULE,
            "The DAG has no further scheduled run: it has no schedule, or its end_date has passed. Trigger it by hand.",
            "该 DAG 没有后续的计划运行：没有设置调度，或已过 end_date。可以手动触发。",
        )
    if around.next_run_after > around.now:
        return _answer(
            Cause.NOT_DUE,
            f"The next run is due at {_iso(around.next_run_after)}, when its data interval has closed.",
            f"下一次运行将在其数据区间结束后的 {_iso(around.next_run_after)} 创建。",
            next_run_after=_iso(around.next_run_after),
        )
    if around.running_runs >= around.max_active_runs:
        return _max_active_runs(around)
    return _answer(Cause.ABOUT_TO_RUN, "The next run is being created.", "下一次运行正在创建。")


def explain_run(status: RunStatus, around: Surroundings) -> Explanation:
    """Say why a run does not go on."""
    if status.state in {RunState.SUCCESS, RunState.FAILED}:
        return _answer(
            Cause.RUN_FINISHED,
            f"The run has ended: {status.state.value}. Clear tasks of it to run them again.",
            f"该运行已结束：{status.state.value}。清除其中的任务可重新执行。",
            state=status.state.value,
        )
    held = _held_by_dag(around)
    if held is not None:
        return held
    if around.run_after is not None and around.run_after > around.now:
        return _answer(
            Cause.NOT_DUE,
            f"The run is to start at {_iso(around.run_after)}.",
            f"该运行将在 {_iso(around.run_after)} 开始。",
            run_after=_iso(around.run_after),
        )
    if status.state is RunState.QUEUED and around.running_runs >= around.max_active_runs:
        return _max_active_runs(around)
    if status.state is RunState.QUEUED:
        return _answer(Cause.ABOUT_TO_RUN, "The run is about to start.", "该运行即将开始。")
    return _answer(Cause.RUNNING, "The run is under way.", "该运行正在进行。")


def explain_task(
    machine: RunMachine, ti: str, ledger: SlotLedger, candidate: Candidate, around: Surroundings
) -> Explanation:
    """Say why a task instance is not running.

    Args:
        machine: The machine of its run, built from rows.
        ti: The task instance.
        ledger: The book of slots, with all that hold one.
        candidate: The task instance as the ledger would see it.
        around: The rest.
    """
    facts = machine.facts(ti)
    if facts.state is TaskState.RUNNING:
        return _answer(
            Cause.RUNNING,
            f"It is running on {facts.hostname or 'a worker'} since {_iso(facts.start_date)} (attempt "
            f"{facts.try_number}).",
            f"正在 {facts.hostname or '某个 worker'} 上运行，开始于 {_iso(facts.start_date)}"
            f"（第 {facts.try_number} 次尝试）。",
            hostname=facts.hostname,
        )
    if facts.state is TaskState.RESTARTING:
        return _answer(
            Cause.STOPPING,
            "It was cleared while it ran; its processes are being stopped, then it starts again.",
            "运行中被清除；正在停止其进程，随后重新开始。",
        )
    if facts.state not in _WAITING:
        return _explain_ended(facts)
    run = explain_run(machine.status, around)
    if run.cause is not Cause.RUNNING:
        return run
    return _explain_waiting(machine, facts, ledger, candidate, around)


_WAITING = frozenset(
    {
        TaskState.NONE,
        TaskState.SCHEDULED,
        TaskState.QUEUED,
        TaskState.UP_FOR_RETRY,
        TaskState.UP_FOR_RESCHEDULE,
    }
)


def _explain_waiting(
    machine: RunMachine, facts: TaskFacts, ledger: SlotLedger, candidate: Candidate, around: Surroundings
) -> Explanation:
    match facts.state:
        case TaskState.NONE:
            return _explain_dependencies(machine, facts)
        case TaskState.UP_FOR_RETRY:
            return _answer(
                Cause.RETRY_DELAY,
                f"Attempt {facts.try_number} failed ({facts.reason or 'no reason given'}); it is tried again at "
                f"{_iso(facts.due_at)}.",
                f"第 {facts.try_number} 次尝试失败（{facts.reason or '原因未知'}）；将于 {_iso(facts.due_at)} 重试。",
                due_at=_iso(facts.due_at),
                reason=facts.reason,
            )
        case TaskState.UP_FOR_RESCHEDULE:
            return _answer(
                Cause.RESCHEDULE_DELAY,
                f"The sensor asks again at {_iso(facts.due_at)}.",
                f"传感器将于 {_iso(facts.due_at)} 再次检查。",
                due_at=_iso(facts.due_at),
            )
        case TaskState.QUEUED:
            return _explain_queued(machine.task_spec(facts.ti).queue, facts, around)
        case _:
            return _explain_slots(ledger, candidate, around)


def _explain_queued(queue: str, facts: TaskFacts, around: Surroundings) -> Explanation:
    """It has a slot, and its command has been sent: what is there to claim it?"""
    listening = [worker for worker in around.workers if queue in worker.queues]
    if not listening:
        others = ", ".join(sorted({name for worker in around.workers for name in worker.queues}))
        return _answer(
            Cause.NO_WORKER,
            f"No worker is running that takes tasks from queue {queue!r}"
            + (f"; those that run take from {others}." if others else ".")
            + f" Start one with `gale worker -q {queue}`.",
            f"没有正在运行的 worker 监听队列 {queue!r}"
            + (f"（现有 worker 监听：{others}）" if others else "")
            + f"。请用 `gale worker -q {queue}` 启动。",
            queue=queue,
            queues=others,
        )
    slots, taken = sum(worker.slots for worker in listening), sum(worker.taken for worker in listening)
    hosts = ", ".join(worker.hostname for worker in listening[:_NAMED])
    facts_of_it = {"queue": queue, "workers": len(listening), "slots": slots, "taken": taken}
    if taken >= slots:
        return _answer(
            Cause.WORKERS_BUSY,
            f"All {slots} slots of the workers that take from queue {queue!r} are taken ({hosts}). "
            "Start another worker, or raise worker_concurrency.",
            f"监听队列 {queue!r} 的 worker（{hosts}）的 {slots} 个槽位都被占用。"
            "请再启动一个 worker 或调大 worker_concurrency。",
            **facts_of_it,
        )
    return _answer(
        Cause.WAITS_FOR_WORKER,
        f"It has a slot, and its command is on the way to a worker ({hosts}). If none claims it by "
        f"{_iso(facts.due_at)}, it is sent anew.",
        f"已获得槽位，命令正在发往 worker（{hosts}）；若到 {_iso(facts.due_at)} 仍无人领取，将重新发送。",
        **facts_of_it,
    )


def _explain_ended(facts: TaskFacts) -> Explanation:
    because = f" ({facts.reason})" if facts.reason else ""
    return _answer(
        Cause.FINISHED,
        f"It has ended: {facts.state.value}{because}. Clear it to run it again.",
        f"已结束：{facts.state.value}{because}。清除后可重新执行。",
        state=facts.state.value,
        reason=facts.reason,
    )


def _held_by_dag(around: Surroundings) -> Explanation | None:
    if not around.dag_is_active:
        return _answer(
            Cause.DAG_MISSING,
            "The DAG is no longer in its file. Put it back, or delete it here.",
            "该 DAG 已不在其文件中。请恢复文件，或在此删除该 DAG。",
        )
    if around.scheduler_seen_at is None:
        return _answer(
            Cause.NO_SCHEDULER,
            "No scheduler is running. Start one with `gale scheduler` (or `make run`).",
            "没有正在运行的调度器。请用 `gale scheduler`（或 `make run`）启动。",
        )
    if around.is_paused:
        extra = " Its file also has an import error." if around.has_import_error else ""
        return _answer(
            Cause.PAUSED,
            f"The DAG is paused. Switch it on with the toggle beside its name or `gale dags unpause`.{extra}",
            "该 DAG 已暂停。用名称旁的开关或 `gale dags unpause` 打开。",
        )
    return None


def _max_active_runs(around: Surroundings) -> Explanation:
    return _answer(
        Cause.MAX_ACTIVE_RUNS,
        f"{around.running_runs} runs of the DAG are running and max_active_runs is {around.max_active_runs}.",
        f"该 DAG 已有 {around.running_runs} 个运行在进行，max_active_runs 为 {around.max_active_runs}。",
        running=around.running_runs,
        limit=around.max_active_runs,
    )


def _explain_dependencies(machine: RunMachine, facts: TaskFacts) -> Explanation:
    spec = machine.task_spec(facts.ti)
    verdict = machine.verdict(facts.ti)
    if machine.is_excluded(facts.ti) or verdict in {Verdict.SKIP, Verdict.UPSTREAM_FAILED}:
        return _answer(
            Cause.ABOUT_TO_RUN,
            "It will not run: a task before it has decided so, and the scheduler is about to write that down.",
            "它不会运行：上游任务已经决定了这一点，调度器即将记录。",
        )
    if verdict is Verdict.RUN and machine.is_held_by_past(facts.ti):
        return _answer(
            Cause.PAST,
            "It has depends_on_past or wait_for_downstream, and its instance in the previous run has not "
            "succeeded. Clear or mark that one.",
            "设置了 depends_on_past 或 wait_for_downstream，而上一次运行中的对应任务尚未成功。请清除或标记那个任务。",
        )
    if verdict is Verdict.RUN:
        return _answer(Cause.ABOUT_TO_RUN, "It is about to be scheduled.", "即将被调度。")
    waiting = [(other.task_id, other.state.value) for other in machine.waits_for(facts.ti)]
    names = ", ".join(f"{task_id} ({state})" for task_id, state in waiting[:_NAMED])
    more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
    return _answer(
        Cause.UPSTREAM,
        f"Its rule is {spec.trigger_rule.value}, and it waits for {names}{more}.",
        f"触发规则为 {spec.trigger_rule.value}，正在等待上游：{names}{more}。",
        trigger_rule=spec.trigger_rule.value,
        waiting_for=dict(waiting),
    )


#: How many names a sentence lists.
_NAMED = 5


def _explain_slots(ledger: SlotLedger, candidate: Candidate, around: Surroundings) -> Explanation:
    block = ledger.blocked_by(candidate, around.open_slots)
    if block is None:
        return _answer(Cause.ABOUT_TO_RUN, "It is about to get a slot.", "即将获得槽位。")
    limit, holders = block
    held = ", ".join(f"{holder.dag_id}.{holder.task_id}" for holder in holders[:_NAMED])
    names = {holder.ti: f"{holder.dag_id}.{holder.task_id}" for holder in holders[:50]}
    match limit:
        case Limit.POOL_MISSING:
            return _answer(
                Cause.POOL_MISSING,
                f"There is no pool {candidate.pool!r}. Make it, or correct the task's `pool`.",
                f"不存在名为 {candidate.pool!r} 的资源池。请创建，或修改任务的 `pool`。",
                pool=candidate.pool,
            )
        case Limit.POOL_TOO_SMALL:
            return _answer(
                Cause.POOL_TOO_SMALL,
                f"It needs {candidate.pool_slots} slots of pool {candidate.pool!r}, which has fewer in all.",
                f"需要资源池 {candidate.pool!r} 的 {candidate.pool_slots} 个槽位，超过了其总数。",
                pool=candidate.pool,
            )
        case Limit.POOL:
            return _answer(
                Cause.POOL,
                f"Pool {candidate.pool!r} is full or its first in line needs more: its slots are held by {held}.",
                f"资源池 {candidate.pool!r} 没有足够的空闲槽位，占用者：{held}。",
                pool=candidate.pool,
                held_by=names,
            )
        case Limit.PARALLELISM:
            return _answer(
                Cause.PARALLELISM,
                f"All {around.parallelism} slots of the executor are taken (parallelism), by {held} and others.",
                f"执行器的 {around.parallelism} 个槽位（parallelism）都被占用：{held} 等。",
                held_by=names,
            )
        case Limit.DAG:
            return _answer(
                Cause.MAX_ACTIVE_TASKS,
                f"{len(holders)} tasks of the DAG are active and max_active_tasks is {candidate.max_active_tasks}.",
                f"该 DAG 已有 {len(holders)} 个活动任务，max_active_tasks 为 {candidate.max_active_tasks}。",
                held_by=names,
            )
        case _:
            return _answer(
                Cause.MAX_ACTIVE_TIS,
                f"The limit {limit.value} of the task is reached by {held}.",
                f"该任务的 {limit.value} 限制已被 {held} 用满。",
                held_by=names,
            )


def _iso(at: datetime | None) -> str:
    return "unknown" if at is None else at.isoformat(timespec="seconds")
