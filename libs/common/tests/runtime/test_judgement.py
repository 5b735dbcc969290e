"""Each way in which an attempt can end, and what is made of it."""

import signal
from datetime import UTC, datetime, timedelta

import pytest

from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome, RunFacts
from gale.runtime.judgement import Judgement, judge
from gale.runtime.messages import TaskGone

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = AttemptOrder(ti="ti", token="token", run=RunFacts(dag_id="d", run_id="r"), task_id="t", file="f", try_number=2)
OK, EXIT_1, SEGV, KILL = 0, 1 << 8, signal.SIGSEGV, signal.SIGKILL


def gone(status, **more):
    values = {"number": 1, "pid": 99, "cpu_seconds": 0.5, "max_rss_bytes": 20_000_000, "strays": 0, **more}
    return TaskGone(status=status, **values)


def said(outcome, **more):
    return AttemptEnded(ti="x", token="forged", outcome=outcome, **more)


def ended(status, **known):
    told = None if status is None else gone(status)
    return judge(Judgement(order=ORDER, began=NOON, **known), told, NOON + timedelta(seconds=3))


@pytest.mark.parametrize(
    ("status", "known", "outcome", "words"),
    [
        (OK, {"said": said(Outcome.SUCCESS)}, Outcome.SUCCESS, ""),
        (OK, {"said": said(Outcome.FAILED, reason="ValueError: x")}, Outcome.FAILED, "ValueError: x"),
        (OK, {"said": said(Outcome.SKIPPED)}, Outcome.SKIPPED, ""),
        (OK, {"said": said(Outcome.RESCHEDULED)}, Outcome.RESCHEDULED, ""),
        (OK, {}, Outcome.FAILED, "without saying how the task ended"),
        (EXIT_1, {}, Outcome.FAILED, "exit code 1"),
        (SEGV, {}, Outcome.FAILED, "SIGSEGV"),
        (KILL, {}, Outcome.FAILED, "out-of-memory"),
        # What was said does not count if the process then failed, unless it was we who ended it.
        (EXIT_1, {"said": said(Outcome.SUCCESS)}, Outcome.FAILED, "said 'success', but then"),
        (KILL, {"said": said(Outcome.SUCCESS)}, Outcome.FAILED, "said 'success', but then"),
        (KILL, {"said": said(Outcome.SUCCESS), "killed": True}, Outcome.SUCCESS, ""),
        # A stop that was asked for is the reason, however the process took it.
        (KILL, {"stopped": "Cleared", "killed": True}, Outcome.FAILED, "Cleared."),
        (OK, {"stopped": "Cleared", "said": said(Outcome.FAILED, reason="exit 143")}, Outcome.FAILED, "Cleared."),
        (None, {"stopped": "Cleared"}, Outcome.FAILED, "Cleared."),
        (KILL, {"stopped": "Shut down", "stopped_as": Outcome.LOST}, Outcome.LOST, "Shut down."),
        (OK, {"broken": "it sent nonsense"}, Outcome.FAILED, "it sent nonsense"),
        (None, {"refused": "The import failed"}, Outcome.FAILED, "The import failed."),
        (None, {"lost": "The host died"}, Outcome.LOST, "The host died."),
    ],
)
def test_the_end_follows_from_what_is_known(status, known, outcome, words):
    end, lines = ended(status, **known)
    assert end.outcome is outcome
    assert words in end.reason
    assert (end.ti, end.token) == ("ti", "token"), "a forged name counts for nothing"
    assert f"Attempt 2 ended: {outcome.value}" in lines.splitlines()[-1]


def test_an_end_carries_what_the_kernel_says_of_the_process():
    end, lines = ended(SEGV)
    assert (end.pid, end.exit_code, end.cpu_seconds, end.max_rss_bytes) == (99, -11, 0.5, 20_000_000)
    assert "CPU 0.50 s; memory 20 MB" in lines


def test_results_are_kept_only_with_the_end_that_holds():
    result = said(Outcome.SUCCESS, xcoms={"return_value": "1"}, not_taken=("b",))
    assert ended(OK, said=result)[0].xcoms == {"return_value": "1"}
    assert ended(OK, said=result)[0].not_taken == ("b",)
    assert ended(SEGV, said=result)[0].xcoms == {}
    assert ended(OK, said=result, stopped="Cleared")[0].xcoms == {}


def test_a_process_that_could_not_be_forked_is_lost_and_not_failed():
    end, _ = judge(Judgement(order=ORDER, began=NOON), gone(0, pid=0, error="No more processes."), NOON)
    assert (end.outcome, end.reason, end.pid) == (Outcome.LOST, "No more processes.", None)


def test_what_an_attempt_left_behind_is_told_in_its_log():
    _, lines = judge(Judgement(order=ORDER, began=NOON), gone(0, strays=3), NOON)
    assert "left behind were killed: 3" in lines


def test_a_reason_of_several_lines_takes_one_line_in_the_log():
    _, lines = ended(OK, said=said(Outcome.FAILED, reason="first\nsecond"))
    assert len(lines.splitlines()) == 1
