"""A scheduler that is killed in the middle: nothing is lost, nothing is claimed twice, nothing is left running."""

import os
import signal
import subprocess
import sys

import pytest
from fault_home import Home, wait_for
from sqlalchemy import select, update

from gale.db import tables as t
from gale.db.engine import reading, writing

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc"),
]

TASKS = 100
HUNDRED = f"""
import time
from datetime import datetime
from gale import DAG, PythonOperator

with DAG("hundred", start_date=datetime(2026, 1, 1), schedule=None, max_active_tasks=1000):
    for number in range({TASKS}):
        PythonOperator(task_id=f"task_{{number}}", python_callable=time.sleep, op_args=[0.05])
"""


@pytest.fixture
def hundred(home: Home) -> Home:
    """A home with a DAG of a hundred tasks."""
    home.write_dag("hundred.py", HUNDRED)
    return home


def _all_have_succeeded(home: Home) -> None:
    assert home.count("success") == TASKS
    home.check()


def test_all_tasks_succeed_after_the_scheduler_was_killed_in_the_middle(hundred: Home) -> None:
    """`kill -9`, start again: every task succeeds, and no attempt was claimed twice."""
    first = hundred.start_scheduler()
    run = hundred.trigger("hundred")
    wait_for("the run to be under way", lambda: hundred.count("success") >= TASKS // 3)
    first.kill()
    first.wait()
    assert hundred.count("success") < TASKS
    wait_for("its zygote and tasks to vanish", lambda: not hundred.processes())
    hundred.start_scheduler()
    wait_for("the run to end", lambda: hundred.has_ended(run))
    _all_have_succeeded(hundred)


def test_a_run_survives_one_kill_after_the_other(hundred: Home) -> None:
    """Each scheduler is killed when it has got some way, wherever it happens to be."""
    run = ""
    for kills in range(5):
        scheduler = hundred.start_scheduler()
        run = run or hundred.trigger("hundred")
        wait_for(f"some way before kill {kills}", lambda goal=15 * (kills + 1): hundred.count("success") >= goal)
        scheduler.kill()
        scheduler.wait()
    hundred.start_scheduler()
    wait_for("the run to end", lambda: hundred.has_ended(run))
    _all_have_succeeded(hundred)


def test_the_other_scheduler_takes_over_when_one_of_two_is_killed(hundred: Home) -> None:
    """Two schedulers on one database, the owner of the run dies: the other adopts it."""
    both = [hundred.start_scheduler(), hundred.start_scheduler()]
    run = hundred.trigger("hundred")
    wait_for("the run to be under way", lambda: hundred.count("success") >= TASKS // 4)
    _owner(hundred, run, both).kill()
    wait_for("the run to end", lambda: hundred.has_ended(run))
    _all_have_succeeded(hundred)


def _owner(home: Home, run: str, schedulers: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    statement = select(t.job.c.pid).join(t.dag_run, t.dag_run.c.owner_job_id == t.job.c.id)
    with reading(home.engine) as connection:
        pid = connection.execute(statement.where(t.dag_run.c.id == run)).scalar_one()
    return next(process for process in schedulers if process.pid == pid)


def test_a_scheduler_that_is_told_to_stop_hands_its_tasks_back(hundred: Home) -> None:
    """SIGTERM in the middle: it ends by itself, nothing stays claimed, the next one finishes the run."""
    first = hundred.start_scheduler()
    run = hundred.trigger("hundred")
    wait_for("the run to be under way", lambda: hundred.count("success") >= TASKS // 3)
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 0
    assert hundred.count("running") == 0
    assert not hundred.processes()
    hundred.check()
    hundred.start_scheduler()
    wait_for("the run to end", lambda: hundred.has_ended(run))
    _all_have_succeeded(hundred)


def test_a_job_row_set_to_shutdown_ends_the_process_cleanly(hundred: Home) -> None:
    first = hundred.start_scheduler(GALE__SCHEDULER__SCHEDULER_HEARTBEAT_SEC="0.5")
    run = hundred.trigger("hundred")
    wait_for("the run to be under way", lambda: hundred.count("success") >= TASKS // 3)
    with writing(hundred.engine) as connection:
        connection.execute(update(t.job).where(t.job.c.pid == first.pid).values(state="shutdown"))
    assert first.wait(60) == 0
    assert (hundred.count("running"), hundred.processes()) == (0, [])
    hundred.start_scheduler()
    wait_for("the run to end", lambda: hundred.has_ended(run))
    _all_have_succeeded(hundred)


def test_a_killed_zygote_loses_only_the_attempts_that_ran(hundred: Home) -> None:
    """All tasks of the moment die with it; they are tried again, by the same scheduler."""
    scheduler = hundred.start_scheduler()
    run = hundred.trigger("hundred")
    wait_for("the run to be under way", lambda: hundred.count("success") >= TASKS // 4)
    children = subprocess.run(["pgrep", "-P", str(scheduler.pid)], capture_output=True, text=True, check=True)
    os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
    wait_for("the run to end", lambda: hundred.has_ended(run))
    _all_have_succeeded(hundred)
    assert scheduler.poll() is None


def _stop_between_transactions(home: Home, process: subprocess.Popen[bytes]) -> None:
    """SIGSTOP a process while it holds no lock: on SQLite one that stands still while it writes holds up all others."""

    def stopped() -> bool:
        process.send_signal(signal.SIGSTOP)
        if home.is_writable():
            return True
        process.send_signal(signal.SIGCONT)
        return False

    wait_for("a moment between two transactions", stopped)


def _state_of(home: Home, process: subprocess.Popen[bytes]) -> str:
    with reading(home.engine) as connection:
        return str(connection.execute(select(t.job.c.state).where(t.job.c.pid == process.pid)).scalar_one())


@pytest.mark.slow
def test_a_scheduler_that_stood_still_beyond_its_lease_writes_nothing_when_it_goes_on(hundred: Home) -> None:
    """SIGSTOP for longer than the lease: the other one takes over; SIGCONT: the first finds out, and harms nobody."""
    both = [hundred.start_scheduler(), hundred.start_scheduler()]
    run = hundred.trigger("hundred")
    wait_for("the run to be under way", lambda: hundred.count("success") >= TASKS // 5)
    owner = _owner(hundred, run, both)
    other = next(process for process in both if process is not owner)
    _stop_between_transactions(hundred, owner)
    wait_for("the other to take over", lambda: _owner(hundred, run, both) is other, seconds=60)
    # Taken over is a run when its lease has ended; its owner is declared dead at the other's next heartbeat. One that
    # goes on in between renews its lease, and reads everything anew.
    wait_for("the first to be declared dead", lambda: _state_of(hundred, owner) == "failed", seconds=60)
    owner.send_signal(signal.SIGCONT)
    wait_for("the run to end", lambda: hundred.has_ended(run))
    _all_have_succeeded(hundred)
    assert owner.wait(60) == 0
    assert "dead" in hundred.logs()
