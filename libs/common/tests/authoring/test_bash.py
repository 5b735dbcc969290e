"""Shell commands as tasks."""

import json
import os
import signal
import subprocess
import threading
import time

import pytest

from gale.authoring import surroundings
from gale.authoring.exceptions import TaskError
from gale.core.attempt import Outcome
from gale.hooks.shell import Shell, describe_exit
from gale.operators.bash import BashOperator


@pytest.fixture
def bash(dag, run, services):
    """Return a function that runs a command and gives its end and its result."""

    def run_command(command, **options):
        BashOperator(task_id="t", dag=dag, bash_command=command, **options)
        ended = run(dag)
        return ended, services.pushed("t") if "return_value" in ended.xcoms else None

    return run_command


def test_the_last_line_of_output_is_the_result(bash, caplog):
    caplog.set_level("INFO")
    ended, result = bash("echo one; echo two >&2; printf three")
    assert (ended.outcome, result) == (Outcome.SUCCESS, "three")
    assert [message for message in caplog.messages if message in {"one", "two", "three"}] == ["one", "two", "three"]


def test_a_command_without_output_has_an_empty_result(bash):
    assert bash("true")[1] == ""


@pytest.mark.parametrize(
    ("command", "outcome", "reason"),
    [
        ("exit 3", Outcome.FAILED, "exit code 3"),
        ("exit 99", Outcome.SKIPPED, "exit code 99"),
        ("no_such_command_here", Outcome.FAILED, "exit code 127"),
        ("kill -9 $$", Outcome.FAILED, "signal SIGKILL"),
    ],
)
def test_how_a_command_ends_decides_how_the_task_does(bash, command, outcome, reason):
    ended, _ = bash(command)
    assert ended.outcome is outcome
    assert reason in ended.reason


@pytest.mark.parametrize(
    ("codes", "outcome"), [(7, "skipped"), ([7, 8], "skipped"), (None, "failed"), ([], "failed")], ids=str
)
def test_the_codes_that_mean_skipped_can_be_chosen(bash, codes, outcome):
    ended, _ = bash("exit 7", skip_on_exit_code=codes)
    assert ended.outcome == outcome


def test_no_code_means_skipped_if_none_is_chosen(bash):
    assert bash("exit 99", skip_on_exit_code=None)[0].outcome is Outcome.FAILED


def test_a_command_is_told_what_it_runs_for(bash):
    names = "DAG_ID TASK_ID TRY_NUMBER DAG_RUN_ID EXECUTION_DATE DAG_OWNER"
    command = "echo " + " ".join(f"$AIRFLOW_CTX_{name}" for name in names.split())
    assert bash(command)[1] == "d t 1 r 2026-03-14T00:00:00+00:00 airflow"


def test_variables_replace_those_of_the_process_or_join_them(bash, dag, run, services):
    with surroundings.changed(environ={"PATH": "/usr/bin:/bin", "OUTER": "outer"}):
        assert bash("echo $OUTER-$OWN", env={"OWN": "{{ ds }}"})[1] == "-2026-03-14"
        BashOperator(task_id="u", dag=dag, bash_command="echo $OUTER-$OWN", env={"OWN": "own"}, append_env=True)
        run(dag, "u")
    assert services.pushed("u") == "outer-own"


def test_a_command_runs_in_a_folder_of_its_own_that_is_removed(bash):
    ended, folder = bash("touch x; pwd")
    assert ended.outcome is Outcome.SUCCESS
    assert not os.path.exists(folder)  # noqa: PTH110  a text from the task


def test_a_command_can_run_in_a_folder_that_is_there(bash, tmp_path):
    assert bash("pwd", cwd=str(tmp_path))[1] == str(tmp_path)


def test_a_folder_that_is_not_there_is_told(bash, tmp_path):
    ended, _ = bash("pwd", cwd=str(tmp_path / "missing"))
    assert "which is no folder on this machine" in ended.reason


def test_output_that_is_no_utf_8_is_shown_as_escapes(bash):
    assert bash(r"printf 'a\xffb'")[1] == r"a\xffb"


def test_output_can_have_another_encoding(bash):
    assert bash(r"printf 'gr\xfc\xdfe'", output_encoding="latin-1")[1] == "grüße"


def test_the_result_can_be_made_out_of_the_last_line(bash):
    assert bash("""echo '{"a": [1]}'""", output_processor=json.loads)[1] == {"a": [1]}


def test_a_command_longer_than_an_argument_may_be_runs(bash):
    assert bash(f"x='{'y' * 300_000}'; echo $x | tr -d '\\n' | wc -c")[1].strip() == "300000"


def test_a_line_without_end_is_taken_in_pieces(bash):
    ended, result = bash("head -c 1000000 /dev/zero | tr '\\0' x")
    assert ended.outcome is Outcome.SUCCESS
    assert len(result) < 200_000


def test_a_process_left_in_the_background_does_not_hold_the_task(bash):
    ended, result = bash("sleep 1000 & echo $!")
    os.kill(int(result), signal.SIGKILL)
    assert ended.outcome is Outcome.SUCCESS


def test_a_script_file_beside_the_dag_is_a_template(tmp_path, dag, run, services):
    (tmp_path / "say.sh").write_text("echo from file {{ ds }}")
    dag.template_searchpath = [str(tmp_path)]
    BashOperator(task_id="t", dag=dag, bash_command="say.sh")
    run(dag)
    assert services.pushed("t") == "from file 2026-03-14"


def test_a_command_that_rendered_to_no_text_is_refused(dag, run):
    BashOperator(task_id="t", dag=dag, bash_command=["echo"])
    assert "Give text" in run(dag).reason


def gone(pid):
    """Return whether a process is no more, or a zombie that nobody has buried yet."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not state.strip() or state.startswith("Z")


def test_stopping_a_command_stops_its_whole_process_group():
    """A pipeline whose parts ignore SIGTERM is gone all the same."""
    shell = Shell()
    started = threading.Event()
    pids = []

    def on_line(line):
        pids.extend(map(int, line.split()))
        started.set()

    def run_it():
        command = "trap '' TERM; sleep 1000 & echo $$ $!; wait; sleep 1000"
        results.append(shell.run(command, on_line=on_line))

    results = []
    thread = threading.Thread(target=run_it, daemon=True)
    thread.start()
    assert started.wait(20)
    shell.stop()
    thread.join(20)
    assert results[0].exit_code == -signal.SIGKILL
    assert len(pids) == 2
    deadline = time.monotonic() + 20
    while not all(map(gone, pids)):
        assert time.monotonic() < deadline


def test_stopping_when_nothing_runs_does_nothing():
    Shell().stop()


def test_a_machine_without_bash_is_told_about(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TaskError, match="no bash on this machine"):
        Shell().run("true")


def test_exit_codes_are_told_in_words():
    assert [describe_exit(code) for code in (0, 3, -15, -9, -99)] == [
        "exit code 0", "exit code 3", "signal SIGTERM", "signal SIGKILL", "signal 99",
    ]  # fmt: skip
