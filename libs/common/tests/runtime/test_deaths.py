"""When a part of the runtime dies, its attempts end as lost, nothing keeps running, and work goes on."""

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from gale.core.attempt import Outcome
from gale.runtime.parsing import ParseRequest
from gale.runtime.processes import IS_LINUX, children, marked_processes

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not IS_LINUX, reason="finds the processes through /proc"),
]


def descendants(pid):
    found = children(pid)
    return found + [below for child in found for below in descendants(child)]


def alive(pids):
    return {pid for pid in pids if _state(pid) not in {"", "Z", "X"}}


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def count_descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def start_some(rig):
    """Start tasks, one of them with a family of its own; return the orders."""
    orders = [rig.order("wait"), rig.order("bash_family"), rig.order("ignore_sigterm")]
    rig.start(*orders)
    for order, text in zip(orders, ["waiting", "family runs", "waiting"], strict=True):
        rig.wait_for_log(order, text)
    return orders


def test_the_death_of_the_zygote_loses_its_attempts_and_a_new_one_works_on(make_rig):
    rig = make_rig()
    orders = start_some(rig)
    zygote = rig.client.zygote_pid
    below = descendants(zygote)
    os.kill(zygote, signal.SIGKILL)
    for order in orders:
        end = rig.end_of(order)
        assert end.outcome is Outcome.LOST
        assert "zygote" in end.reason
        assert "Attempt 1 ended: lost" in rig.log_of(order)
    assert marked_processes({order.token for order in orders}) == []
    rig.until(lambda: not alive(below))
    assert rig.client.zygote_pid != zygote
    assert rig.run("fine").end.outcome is Outcome.SUCCESS
    assert len(rig.parse("good.py").specs) == 2


def test_hosts_that_hang_when_their_zygote_dies_are_hunted_down(make_rig):
    rig = make_rig()
    orders = start_some(rig)
    below = descendants(rig.client.zygote_pid)
    (host,) = children(rig.client.zygote_pid)
    os.kill(host, signal.SIGSTOP)
    os.kill(rig.client.zygote_pid, signal.SIGKILL)
    for order in orders:
        assert rig.end_of(order).outcome is Outcome.LOST
    assert marked_processes({order.token for order in orders}) == []
    rig.until(lambda: not alive(below))


def test_the_death_of_a_host_loses_only_its_own_attempts(make_rig):
    rig = make_rig()
    other = rig.order("only", dag_id="second", file="good.py")
    orders = start_some(rig)
    zygote = rig.client.zygote_pid
    (host,) = children(zygote)
    below = descendants(host)
    os.kill(host, signal.SIGKILL)
    rig.start(other)
    for order in orders:
        end = rig.end_of(order)
        assert end.outcome is Outcome.LOST
        assert "SIGKILL" in end.reason
    # The end is told only when nothing is left.
    assert alive(below) == set()
    assert marked_processes({order.token for order in orders}) == []
    assert rig.client.zygote_pid == zygote
    assert rig.end_of(other).outcome is Outcome.SUCCESS
    assert rig.run("fine").end.outcome is Outcome.SUCCESS


def test_a_file_that_is_being_read_when_the_zygote_dies_is_read_again(make_rig):
    rig = make_rig()
    found = []
    rig.client.parse(ParseRequest(path=rig.dags / "loops.py", timeout_seconds=2), found.append)
    rig.client.parse(ParseRequest(path=rig.dags / "good.py"), found.append)
    os.kill(rig.client.zygote_pid, signal.SIGKILL)
    rig.until(lambda: len(found) == 2)
    by_name = {result.path.name: result for result in found}
    assert len(by_name["good.py"].specs) == 2
    assert by_name["loops.py"].errors[0].rule == "time limit"


def test_a_host_that_hangs_is_killed_when_it_does_not_stop_its_task(make_rig, monkeypatch):
    # Ten seconds are right for a loaded machine and too long for a test.
    monkeypatch.setattr("gale.runtime.supervisor.HOST_ANSWER_SECONDS", 0.3)
    rig = make_rig(kill_grace_seconds=0.2)
    order = rig.order("wait")
    rig.start(order)
    rig.wait_for_log(order, "waiting")
    (host,) = children(rig.client.zygote_pid)
    os.kill(host, signal.SIGSTOP)
    rig.supervisor.stop(order.ti, order.token, "Marked failed by a user")
    end = rig.end_of(order)
    assert end.outcome is Outcome.FAILED
    assert end.reason == "Marked failed by a user."
    assert marked_processes({order.token}) == []
    assert rig.run("fine").end.outcome is Outcome.SUCCESS


def test_a_zygote_that_never_starts_is_told_as_an_error_and_not_tried_for_ever(make_rig):
    rig = make_rig(command=(sys.executable, "-c", "import sys; sys.exit(3)"))
    result = rig.parse("good.py")
    assert "exit code 3" in result.errors[0].message
    order = rig.order("fine")
    rig.start(order)
    assert rig.end_of(order).outcome is Outcome.LOST


SERVICE = """
import os, selectors, sys, uuid
from datetime import UTC, datetime
from gale.clock import SystemClock
from gale.core.attempt import AttemptOrder, RunFacts
from gale.runtime.client import ZygoteClient
from gale.runtime.supervisor import Supervisor

file, logs, suffix = sys.argv[1:]
selector = selectors.DefaultSelector()
client = ZygoteClient(selector, os.environ)
supervisor = Supervisor(client, lambda order: None, SystemClock(), logs, 60)
run = RunFacts(dag_id="hostile", run_id="r", logical_date=datetime(2024, 1, 1, tzinfo=UTC))
supervisor.start([
    AttemptOrder(ti=name, token=f"{name}-{suffix}", run=run, task_id=name, file=file)
    for name in ("wait", "bash_family", "ignore_sigterm", "daemon_then_wait")
])
print(client.zygote_pid, flush=True)
while True:
    for key, _ in selector.select(1):
        key.data()
    supervisor.tick()
"""


@pytest.mark.parametrize("also_the_zygote", [False, True])
def test_nothing_survives_a_kill_of_the_service(rig, tmp_path, also_the_zygote):
    suffix = uuid.uuid4().hex
    program = [sys.executable, "-c", SERVICE, str(rig.dags / "hostile.py"), str(tmp_path), suffix]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as service:
        zygote = int(service.stdout.readline())
        rig.until(
            lambda: sum("waiting" in _text(path) or "family runs" in _text(path) for path in logs_in(tmp_path)) == 4
        )
        below = [zygote, *descendants(zygote)]
        assert len(below) >= 10
        service.kill()
        if also_the_zygote:
            os.kill(zygote, signal.SIGKILL)
    rig.until(lambda: not alive(below), 3)
    tokens = {f"{name}-{suffix}" for name in ("wait", "bash_family", "ignore_sigterm", "daemon_then_wait")}
    rig.until(lambda: marked_processes(tokens) == [], 3)


def logs_in(folder):
    return list(folder.rglob("*.log"))


def _text(path):
    return path.read_text(errors="replace")


def test_a_shutdown_stops_everything_and_counts_it_as_lost(make_rig):
    rig = make_rig(kill_grace_seconds=60)
    orders = start_some(rig)
    below = descendants(rig.client.zygote_pid)
    ends = rig.supervisor.shutdown(0.5)
    assert {end.token for end in ends} == {order.token for order in orders}
    assert {end.outcome for end in ends} == {Outcome.LOST}
    assert rig.supervisor.running() == frozenset()
    rig.client.close()
    assert alive(below) == set()


def test_a_closed_client_leaves_no_process_and_no_descriptor(make_rig):
    before = count_descriptors("self")
    rig = make_rig()
    for _ in range(3):
        rig.run("fine")
    rig.parse("good.py")
    below = [rig.client.zygote_pid, *descendants(rig.client.zygote_pid)]
    rig.close()
    assert alive(below) == set()
    assert count_descriptors("self") == before


def test_neither_attempts_nor_readings_leak_descriptors(make_rig):
    rig = make_rig()
    rig.run("fine")
    rig.parse("good.py")
    (host,) = children(rig.client.zygote_pid)

    def count():
        pids = [os.getpid(), rig.client.zygote_pid, host]
        return [count_descriptors(pid) for pid in pids]

    before = count()
    for _ in range(10):
        rig.run("fine")
        rig.parse("good.py")
        rig.run("exit_3")
        rig.run("any", file="nowhere.py")
    assert count() == before
