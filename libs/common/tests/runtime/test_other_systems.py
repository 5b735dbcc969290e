"""The runtime where the kernel offers less than Linux does, such as on macOS: played on Linux.

The zygote is started with Linux's means switched off: no sub-reaper, no signal at the parent's death,
no descriptors of processes, no /proc. What remains are sockets, sessions and process groups.
"""

import os
import signal
import sys

import pytest

from gale.core.attempt import Outcome

pytestmark = [pytest.mark.integration]

POORER = """
import os, runpy
from gale.runtime import processes
processes.IS_LINUX = False
del os.pidfd_open
runpy.run_module("gale.runtime.zygote", run_name="__main__")
"""


@pytest.fixture
def rig(make_rig):
    return make_rig(kill_grace_seconds=0.5, command=(sys.executable, "-c", POORER))


def test_tasks_run_fail_crash_and_are_read_as_ever(rig):
    assert rig.run("fine").end.outcome is Outcome.SUCCESS
    assert "SIGSEGV" in rig.run("segfault").end.reason
    assert rig.run("exit_0").end.outcome is Outcome.FAILED
    assert len(rig.parse("good.py").specs) == 2
    assert rig.parse("loops.py", timeout_seconds=0.3).errors[0].rule == "time limit"


def test_what_stays_in_the_group_of_a_task_is_killed_with_it(rig):
    order = rig.order("ignore_sigterm")
    rig.start(order)
    rig.wait_for_log(order, "waiting")
    rig.supervisor.stop(order.ti, order.token, "Marked failed by a user")
    assert rig.end_of(order).exit_code == -signal.SIGKILL


def test_the_end_of_the_service_is_the_end_of_its_tasks(rig):
    order = rig.order("processes_then_wait")
    rig.start(order)
    log = rig.wait_for_log(order, "my pid is")
    pid = int(log.split("my pid is ")[1].split()[0])
    rig.client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
