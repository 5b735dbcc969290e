"""Trigger rules: tallies of upstream outcomes in, verdict out.

The thirteen rules of Airflow 3 and the two older names. A rule looks at how many upstream
tasks there are and how those that have ended did so; it never looks at the database.
Rules that speak of "one" fire as soon as one is there; the rest wait until all have ended,
or until the outcome can no longer be otherwise.

Sources: Airflow 3.3's documentation ("Trigger rules" under "Dags", release notes of 3.1 for
`all_done_min_one_success`) and, where that is silent, what Airflow 3.3.2 does. Where these two
disagree, the documentation counts: `all_done_min_one_success` runs beside a skipped task, as
documented, while 3.3.2 skips it. Tasks that have vanished from the DAG count as ended and as
nothing else, so that they neither fail nor block what stood behind them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gale.core.states import TaskState


class TriggerRule(StrEnum):
    """When a task may run, given how its direct upstream tasks ended."""

    ALL_SUCCESS = "all_success"
    ALL_FAILED = "all_failed"
    ALL_DONE = "all_done"
    ALL_DONE_MIN_ONE_SUCCESS = "all_done_min_one_success"
    ALL_DONE_SETUP_SUCCESS = "all_done_setup_success"
    ONE_SUCCESS = "one_success"
    ONE_FAILED = "one_failed"
    ONE_DONE = "one_done"
    NONE_FAILED = "none_failed"
    NONE_FAILED_MIN_ONE_SUCCESS = "none_failed_min_one_success"
    NONE_SKIPPED = "none_skipped"
    ALL_SKIPPED = "all_skipped"
    ALWAYS = "always"
    #: Airflow 1.10's name of NONE_FAILED_MIN_ONE_SUCCESS.
    NONE_FAILED_OR_SKIPPED = "none_failed_or_skipped"
    #: Airflow 1.x's name of ALWAYS.
    DUMMY = "dummy"


class Verdict(StrEnum):
    """What the rule says now."""

    WAIT = "wait"
    RUN = "run"
    SKIP = "skip"
    UPSTREAM_FAILED = "upstream_failed"


@dataclass(slots=True)
class Tally:
    """How many direct upstream task instances there are, and how many ended in which way.

    `total` includes unfinished ones. `setups` count the upstream setup tasks among them.
    The same counts serve for a task's guards, see `evaluate`.
    """

    total: int = 0
    success: int = 0
    failed: int = 0
    upstream_failed: int = 0
    skipped: int = 0
    removed: int = 0
    setups: int = 0
    setup_success: int = 0
    setup_bad: int = 0
    setup_skipped: int = 0

    @property
    def bad(self) -> int:
        """Failed, or not run because of a failure further up."""
        return self.failed + self.upstream_failed

    @property
    def done(self) -> int:
        """Ended in whatever way."""
        return self.success + self.failed + self.upstream_failed + self.skipped + self.removed

    def add(self, state: TaskState, *, is_setup: bool, by: int = 1) -> None:
        """Count an upstream task instance in (`by=1`) or out (`by=-1`); unfinished states count nowhere."""
        match state:
            case TaskState.SUCCESS:
                self.success += by
                self.setup_success += by * is_setup
            case TaskState.FAILED:
                self.failed += by
                self.setup_bad += by * is_setup
            case TaskState.UPSTREAM_FAILED:
                self.upstream_failed += by
                self.setup_bad += by * is_setup
            case TaskState.SKIPPED:
                self.skipped += by
                self.setup_skipped += by * is_setup
            case TaskState.REMOVED:
                self.removed += by
            case _:
                pass


def _all_success(t: Tally) -> Verdict:
    if t.bad:
        return Verdict.UPSTREAM_FAILED
    if t.skipped:
        return Verdict.SKIP
    return Verdict.RUN if t.done == t.total else Verdict.WAIT


def _all_failed(t: Tally) -> Verdict:
    if t.success or t.skipped:
        return Verdict.SKIP
    return Verdict.RUN if t.done == t.total else Verdict.WAIT


def _all_done(t: Tally) -> Verdict:
    return Verdict.RUN if t.done == t.total else Verdict.WAIT


def _all_done_min_one_success(t: Tally) -> Verdict:
    if t.done < t.total:
        return Verdict.WAIT
    if t.success or not t.total:
        return Verdict.RUN
    return Verdict.UPSTREAM_FAILED if t.bad else Verdict.SKIP


def _all_done_setup_success(t: Tally) -> Verdict:
    """The rule of teardown tasks: everything has ended, and a setup has succeeded."""
    if t.done < t.total:
        return Verdict.WAIT
    if t.setups and not t.setup_success:
        return Verdict.UPSTREAM_FAILED if t.setup_bad else Verdict.SKIP
    return Verdict.RUN


def _one_success(t: Tally) -> Verdict:
    if t.success or not t.total:
        return Verdict.RUN
    if t.done < t.total:
        return Verdict.WAIT
    return Verdict.UPSTREAM_FAILED if t.bad else Verdict.SKIP


def _one_failed(t: Tally) -> Verdict:
    if t.bad or not t.total:
        return Verdict.RUN
    return Verdict.SKIP if t.done == t.total else Verdict.WAIT


def _one_done(t: Tally) -> Verdict:
    if t.success or t.failed or not t.total:
        return Verdict.RUN
    return Verdict.SKIP if t.done == t.total else Verdict.WAIT


def _none_failed(t: Tally) -> Verdict:
    if t.bad:
        return Verdict.UPSTREAM_FAILED
    return Verdict.RUN if t.done == t.total else Verdict.WAIT


def _none_failed_min_one_success(t: Tally) -> Verdict:
    if t.bad:
        return Verdict.UPSTREAM_FAILED
    if t.done < t.total:
        return Verdict.WAIT
    return Verdict.RUN if t.success or not t.total else Verdict.SKIP


def _none_skipped(t: Tally) -> Verdict:
    if t.skipped:
        return Verdict.SKIP
    return Verdict.RUN if t.done == t.total else Verdict.WAIT


def _all_skipped(t: Tally) -> Verdict:
    if t.success or t.bad:
        return Verdict.SKIP
    return Verdict.RUN if t.done == t.total else Verdict.WAIT


def _always(_: Tally) -> Verdict:
    return Verdict.RUN


RULES: Final[Mapping[TriggerRule, Callable[[Tally], Verdict]]] = {
    TriggerRule.ALL_SUCCESS: _all_success,
    TriggerRule.ALL_FAILED: _all_failed,
    TriggerRule.ALL_DONE: _all_done,
    TriggerRule.ALL_DONE_MIN_ONE_SUCCESS: _all_done_min_one_success,
    TriggerRule.ALL_DONE_SETUP_SUCCESS: _all_done_setup_success,
    TriggerRule.ONE_SUCCESS: _one_success,
    TriggerRule.ONE_FAILED: _one_failed,
    TriggerRule.ONE_DONE: _one_done,
    TriggerRule.NONE_FAILED: _none_failed,
    TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS: _none_failed_min_one_success,
    TriggerRule.NONE_SKIPPED: _none_skipped,
    TriggerRule.ALL_SKIPPED: _all_skipped,
    TriggerRule.ALWAYS: _always,
    TriggerRule.NONE_FAILED_OR_SKIPPED: _none_failed_min_one_success,
    TriggerRule.DUMMY: _always,
}

_UNGUARDED: Final = frozenset({TriggerRule.ALWAYS, TriggerRule.DUMMY})


def evaluate(rule: TriggerRule, tally: Tally, guards: Tally | None = None, *, is_teardown: bool = False) -> Verdict:
    """Return what `rule` says about a task whose upstream tasks stand as `tally` counts.

    Args:
        rule: The task's trigger rule.
        tally: Its direct upstream tasks, setups among them like any other.
        guards: Tasks further up that hold it back beside its rule (`guards` in `graph_order`). Before work: setups,
            which must all succeed, or the work would run without what it needs. Before a teardown: the work, which
            must have ended in whatever way, or it would lose what it needs while it runs.
        is_teardown: Which of the two kinds of guards it has.
    """
    if guards is None or not guards.total or rule in _UNGUARDED:
        return RULES[rule](tally)
    if is_teardown:
        verdict = RULES[rule](tally)
        return Verdict.WAIT if verdict is Verdict.RUN and guards.done < guards.total else verdict
    if guards.bad:
        return Verdict.UPSTREAM_FAILED
    if guards.skipped:
        return Verdict.SKIP
    return RULES[rule](tally) if guards.done == guards.total else Verdict.WAIT
