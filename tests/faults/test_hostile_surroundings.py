"""A database that others hold, tasks that report nonsense: the scheduler goes on, and so does everybody else's work."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fault_home import Home, wait_for

from gale.db import tables as t
from gale.db.engine import reading

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc"),
]

STEADY = """
import time
from datetime import datetime
from gale import DAG, PythonOperator

with DAG("steady", start_date=datetime(2026, 1, 1), schedule=None, max_active_tasks=4):
    before = None
    for number in range(30):
        work = PythonOperator(task_id=f"task_{number}", python_callable=time.sleep, op_args=[0.2])
        if number % 3:
            before >> work
        before = work
"""

#: Holds the lock of a database until its standard input ends.
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE slot_pool SET description = 'held'")
print("held", flush=True)
sys.stdin.read()
connection.execute("COMMIT")
"""


@contextmanager
def _locked(home: Home) -> Iterator[None]:
    """Have another process hold the write lock of the database."""
    command = [sys.executable, "-c", HOLD, str(home.folder / "gale.db")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        holder.stdin.close()
        holder.stdout.close()
        assert holder.wait(30) == 0


def test_a_database_that_is_locked_for_some_seconds_costs_nothing_but_time(home: Home) -> None:
    home.write_dag("steady.py", STEADY)
    scheduler = home.start_scheduler()
    run = home.trigger("steady")
    wait_for("the run to be under way", lambda: home.count("success") >= 5)
    with _locked(home):
        with pytest.raises(subprocess.TimeoutExpired):
            scheduler.wait(4)  # it lives on
        done = home.count("success")
    wait_for("it to go on", lambda: home.count("success") > done)
    wait_for("the run to end", lambda: home.has_ended(run))
    assert home.count("success") == 30
    home.check()
    assert sum(home.claims().values()) == 30, "no attempt was lost"


@pytest.mark.slow
def test_a_database_that_is_locked_for_longer_than_a_lease_costs_no_retry(home: Home) -> None:
    """What runs must be stopped before the lease ends; afterwards it is tried again, although retries are 0."""
    home.write_dag("steady.py", STEADY.replace("[0.2]", "[0.2 if number % 15 else 28]"))
    scheduler = home.start_scheduler(GALE__CORE__KILLED_TASK_CLEANUP_TIME="2")
    run = home.trigger("steady")
    wait_for("the run to be under way", lambda: home.count("success") >= 2 and home.count("running") > 0)
    with _locked(home), pytest.raises(subprocess.TimeoutExpired):
        scheduler.wait(32)
    wait_for("the run to end", lambda: home.has_ended(run), seconds=400)
    assert home.count("success") == 30
    home.check()


NONSENSE = """
from datetime import datetime
from gale import DAG, PythonOperator
from gale.authoring.context import get_current_context

def fail(message):
    raise ValueError(message)

def push(key, value):
    get_current_context()["ti"].xcom_push(key=key, value=value)

with DAG("nonsense", start_date=datetime(2026, 1, 1), schedule=None):
    for name, message in {
        "surrogate": "a file named \\udcff\\ud800",
        "nul": "zero \\0 byte",
        "long": "x" * 2_000_000,
        "colours": "\\x1b[31mred\\x1b[0m \\u202e backwards",
    }.items():
        PythonOperator(task_id=f"fails_{name}", python_callable=fail, op_args=[message])
        PythonOperator(task_id=f"returns_{name}", python_callable=str, op_args=[message])
        PythonOperator(task_id=f"pushes_{name}", python_callable=push, op_args=[name, message])
    PythonOperator(task_id="long_key", python_callable=push, op_args=["k" * 5000, 1])
    PythonOperator(task_id="strange_key", python_callable=push, op_args=["schl\\u00fcssel \\udcff", 1])
    PythonOperator(task_id="no_json", python_callable=lambda: {1: object()})
    PythonOperator(task_id="not_a_number", python_callable=lambda: float("nan"))
    PythonOperator(task_id="deep", python_callable=lambda: eval("[" * 90 + "]" * 90))
    PythonOperator(task_id="fine", python_callable=lambda: 1)
"""


def test_whatever_tasks_report_the_scheduler_writes_it_or_fails_that_task_alone(home: Home) -> None:
    home.write_dag("nonsense.py", NONSENSE)
    scheduler = home.start_scheduler()
    run = home.trigger("nonsense")
    wait_for("the run to end", lambda: home.has_ended(run) or scheduler.poll() is not None)
    assert scheduler.poll() is None, home.logs()
    assert "run.set_aside" not in home.logs()
    states = home.states()
    assert states["fine"] == "success"
    assert {states[f"fails_{name}"] for name in ("surrogate", "nul", "long", "colours")} == {"failed"}
    assert set(states.values()) == {"success", "failed"}
    home.check()
    assert sum(home.claims().values()) == len(states), "none of them was taken for lost"


BROKEN = {
    "surrogate.py": "from gale import DAG\nraise ValueError('a file named \\udcff\\ud800')\n",
    "latin.py": "from gale import DAG\nname = '\udce4'\nraise KeyError(name)\n",
    "nul.py": "from gale import DAG\nDAG('zero\\0byte')\n",
    "strange_ids.py": "from gale import DAG\nDAG('x' * 1000)\nDAG('../../etc/passwd')\nDAG('schl\\u00fcssel')\n",
    "surrogate_doc.py": (
        "from gale import DAG\ndag = DAG('doc', schedule=None, doc_md='\\udcff', description='\\udcff')\n"
    ),
    "exits.py": "from gale import DAG\nimport os\nos._exit(3)\n",
    "segfault.py": "from gale import DAG\nimport ctypes\nctypes.string_at(0)\n",
    "loops.py": "from gale import DAG\nwhile True: pass\n",
}


def test_no_dag_file_however_broken_ends_the_scheduler_or_hinders_others(home: Home) -> None:
    for name, text in BROKEN.items():
        (home.folder / "dags" / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    home.write_dag("steady.py", STEADY)
    scheduler = home.start_scheduler(GALE__CORE__DAGBAG_IMPORT_TIMEOUT="2")
    run = home.trigger("steady")
    wait_for("the run to end", lambda: home.has_ended(run) or scheduler.poll() is not None)
    assert scheduler.poll() is None, home.logs()
    assert home.run_state(run) == "success"
    wait_for("all errors to be told", lambda: set(_errors(home)) == set(BROKEN), seconds=30)
    home.check()


def _errors(home: Home) -> dict[str, str]:
    with reading(home.engine) as connection:
        return {row.filename: row.stacktrace for row in connection.execute(t.import_error.select())}
