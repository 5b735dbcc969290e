"""Each of these tasks misbehaves in its own way. It harms nobody else, and its log says what happened."""

import json
import signal
from pathlib import Path

import pytest

from gale.core.attempt import Outcome
from gale.runtime.logs import LOG_KEPT_HEAD, LOG_KEPT_TAIL, LOG_LIMIT
from gale.runtime.processes import IS_LINUX, marked_processes

pytestmark = [pytest.mark.integration]
linux = pytest.mark.skipif(not IS_LINUX, reason="needs sub-reapers and /proc, which only Linux has")


@pytest.fixture(autouse=True)
def neighbour(rig):
    """Start a task beside the hostile one, which must live on, and run a well-behaved one afterwards."""
    zygote = rig.client.zygote_pid
    beside = rig.order("wait")
    rig.start(beside)
    rig.wait_for_log(beside, "waiting")
    yield
    assert beside.token not in rig.ends, "the neighbour was harmed"
    assert rig.client.zygote_pid == zygote, "the zygote was harmed"
    assert rig.run("fine").end.outcome is Outcome.SUCCESS
    rig.supervisor.stop(beside.ti, beside.token, "The test is over")
    rig.end_of(beside)


def test_a_segfault_ends_the_attempt_and_its_log_shows_where(rig):
    done = rig.run("segfault")
    assert done.end.outcome is Outcome.FAILED
    assert "SIGSEGV" in done.end.reason
    assert done.end.exit_code == -signal.SIGSEGV
    assert "about to crash" in done.log
    assert "Fatal Python error: Segmentation fault" in done.log
    assert "Attempt 1 ended: failed" in done.log.splitlines()[-1]


def test_an_exit_with_code_zero_but_without_a_word_is_no_success(rig):
    done = rig.run("exit_0")
    assert done.end.outcome is Outcome.FAILED
    assert done.end.exit_code == 0
    assert "without saying how the task ended" in done.end.reason
    assert "leaving at once" in done.log


def test_an_exit_with_another_code_fails_with_that_code(rig):
    done = rig.run("exit_3")
    assert done.end.outcome is Outcome.FAILED
    assert done.end.exit_code == 3
    assert "exit code 3" in done.log.splitlines()[-1]


def test_a_kill_for_lack_of_memory_is_told_as_such(rig):
    done = rig.run("kill_myself")
    assert done.end.outcome is Outcome.FAILED
    assert "out-of-memory" in done.end.reason
    assert "memory is running out" in done.log


@linux
def test_daemons_that_a_task_leaves_behind_are_killed_even_hidden_ones(rig):
    before = _sleepers()
    done = rig.run("daemon")
    assert done.end.outcome is Outcome.SUCCESS
    assert marked_processes({done.order.token}) == []
    assert _sleepers() - before == set()
    assert "Processes that the task left behind were killed: " in done.log


@linux
def test_the_daemons_of_a_running_task_are_let_alone_when_others_end(rig):
    before = _sleepers()
    order = rig.order("daemon_then_wait")
    rig.start(order)
    rig.until(lambda: len(_sleepers() - before) == 2)
    daemons = _sleepers() - before
    for task_id in ("fine", "segfault", "daemon"):
        rig.run(task_id)
    assert _sleepers() - before == daemons
    rig.supervisor.stop(order.ti, order.token, "The test is over")
    rig.end_of(order)
    assert _sleepers() - before == set()


def _sleepers():
    found = set()
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if line.read_bytes() == b"sleep\x0086421\x00":
                found.add(int(line.parent.name))
        except OSError:
            continue
    return found


def test_bytes_that_are_no_text_reach_the_log_as_they_are(rig):
    done = rig.run("strange_bytes")
    assert done.end.outcome is Outcome.SUCCESS
    written = rig.log_path(done.order).read_bytes()
    assert b"before \xff\xfe\x00 after\n" in written
    assert b"\xe4\xf6\xfc\n" in written
    assert "lone surrogate: \\udcff" in done.log


def test_a_log_of_a_hundred_megabytes_is_cut_in_the_middle_and_says_so(rig):
    done = rig.run("long_log")
    assert done.end.outcome is Outcome.SUCCESS
    path = rig.log_path(done.order)
    assert path.stat().st_size < LOG_LIMIT
    assert path.stat().st_size >= LOG_KEPT_HEAD + LOG_KEPT_TAIL // 2
    lines = done.log.splitlines()
    assert "attempt 1 of 1" in lines[0]
    assert any("bytes were cut out here" in line for line in lines)
    assert "the last words" in done.log
    assert "Attempt 1 ended: success" in lines[-1]


@pytest.mark.parametrize("task_id", ["ignore_sigterm", "block_signals", "stop_myself"])
def test_a_task_that_does_not_heed_sigterm_is_killed_after_the_grace_time(rig, task_id):
    order = rig.order(task_id)
    rig.start(order)
    rig.wait_for_log(order, "waiting")
    rig.supervisor.stop(order.ti, order.token, "Marked failed by a user")
    end = rig.end_of(order)
    assert end.outcome is Outcome.FAILED
    assert end.reason == "Marked failed by a user."
    assert end.exit_code == -signal.SIGKILL
    assert "killed by SIGKILL, sent by Gale" in rig.log_of(order)


def test_a_task_that_closes_its_output_still_tells_its_end(rig):
    done = rig.run("close_output")
    assert done.end.outcome is Outcome.SUCCESS
    assert "now it gets dark" in done.log
    assert "Attempt 1 ended: success" in done.log


def test_threads_that_never_end_do_not_keep_the_attempt_open(rig):
    done = rig.run("threads")
    assert done.end.outcome is Outcome.SUCCESS
    assert "threads run" in done.log


@pytest.mark.parametrize("task_id", ["garbage", "huge_frame", "flood"])
def test_nonsense_on_the_control_socket_fails_only_the_one_who_sent_it(rig, task_id):
    done = rig.run(task_id)
    assert done.end.outcome is Outcome.FAILED
    assert "broke the protocol" in done.end.reason
    assert "broke the protocol" in done.log


def test_a_forged_end_counts_for_nobody_but_the_forger(rig):
    done = rig.run("forged_success")
    assert (done.end.ti, done.end.token) == (done.order.ti, done.order.token)
    assert "other" not in {token for _, token in rig.supervisor.running()}


def test_a_success_that_is_followed_by_a_crash_is_none(rig):
    done = rig.run("said_and_died")
    assert done.end.outcome is Outcome.FAILED
    assert "said 'success', but then" in done.end.reason


def test_a_deep_recursion_fails_with_its_traceback(rig):
    done = rig.run("recursion")
    assert done.end.outcome is Outcome.FAILED
    assert "RecursionError" in done.log


def test_a_recursion_without_limit_crashes_only_its_own_process(rig):
    done = rig.run("deep_c_recursion")
    assert done.end.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("task_id", "outcome", "words"),
    [
        ("leave_text", Outcome.FAILED, "sys.exit('text')"),
        ("leave_3", Outcome.FAILED, "sys.exit(3)"),
        ("leave_0", Outcome.SUCCESS, ""),
        ("interrupt", Outcome.FAILED, "KeyboardInterrupt"),
        ("raise_base", Outcome.FAILED, "Odd: odd"),
    ],
)
def test_whatever_is_raised_ends_only_this_attempt(rig, task_id, outcome, words):
    done = rig.run(task_id)
    assert done.end.outcome is outcome
    assert words in done.end.reason
    assert words in done.log


def test_a_forked_process_cannot_mix_its_questions_with_those_of_the_task(rig):
    done = rig.run("in_a_fork")
    assert done.end.outcome is Outcome.SUCCESS
    assert "in the fork: ServicesUnreachable" in done.log


def test_a_forked_process_that_is_terminated_does_not_call_on_kill(rig):
    done = rig.run("terminate_a_fork")
    assert done.end.xcoms["return_value"] == '"-15"'
    assert "on_kill" not in done.log


def test_a_task_has_a_session_of_its_own_and_its_marker_in_the_environment(rig):
    seen = json.loads(rig.run("processes").end.xcoms["return_value"])
    assert seen["pid"] == seen["sid"] == seen["pgid"]
    done = rig.run("environment")
    environment = json.loads(done.end.xcoms["return_value"])
    assert environment["GALE_ATTEMPT"] == done.order.token
    assert environment["GALE_ATTEMPT_ID"] == f"{done.order.ti}/1"
    assert environment["AIRFLOW_CTX_TASK_ID"] == "environment"
    assert "LD_BIND_NOW" not in environment


def test_a_result_of_five_megabytes_arrives_whole(rig):
    done = rig.run("big_result")
    assert done.end.outcome is Outcome.SUCCESS
    assert len(done.end.xcoms["return_value"]) == 5_000_002


def test_a_conf_of_ten_megabytes_reaches_the_task_whole(rig):
    done = rig.run("conf_size", conf={"big": "x" * 10_000_000})
    assert done.end.xcoms["return_value"] == "10000000"


def test_a_result_beyond_all_measure_fails_with_what_to_do(rig):
    done = rig.run("huge_result")
    assert done.end.outcome is Outcome.FAILED
    assert "Store the value in a file" in done.end.reason


def test_a_conf_beyond_all_measure_fails_before_anything_starts(rig):
    done = rig.run("conf_size", conf={"big": "x" * 70_000_000})
    assert done.end.outcome is Outcome.FAILED
    assert "too large" in done.end.reason


def test_stopping_calls_on_kill_and_unwinds_the_task(rig):
    order = rig.order("guarded")
    rig.start(order)
    rig.wait_for_log(order, "waiting")
    rig.supervisor.stop(order.ti, order.token, "Cleared by a user")
    end = rig.end_of(order)
    log = rig.log_of(order)
    assert end.outcome is Outcome.FAILED
    assert end.reason == "Cleared by a user."
    assert log.index("Cleared by a user") < log.index("on_kill was called") < log.index("finally was reached")


@linux
def test_stopping_a_shell_command_stops_its_whole_family(rig):
    before = _sleepers()
    order = rig.order("bash_family")
    rig.start(order)
    rig.wait_for_log(order, "family runs")
    rig.until(lambda: len(_sleepers() - before) == 2)
    rig.supervisor.stop(order.ti, order.token, "Marked failed by a user")
    assert rig.end_of(order).outcome is Outcome.FAILED
    assert _sleepers() - before == set()
    assert marked_processes({order.token}) == []


def test_the_execution_timeout_stops_a_task_and_names_itself(rig):
    order = rig.order("wait", execution_timeout=0.3)
    rig.start(order)
    end = rig.end_of(order)
    assert end.outcome is Outcome.FAILED
    assert end.reason == "The task ran longer than its execution_timeout of 0.3 s."
    assert "execution_timeout" in rig.log_of(order)
