"""The executors of one machine: how many attempts at once, and the way from start to end."""

import os
import selectors
from datetime import UTC, datetime

import pytest

from gale.clock import SystemClock
from gale.core.attempt import AttemptOrder, Outcome, RunFacts
from gale.core.ports import Executor
from gale.errors import ConfigError
from gale.executors import make_executor
from gale.runtime.client import ZygoteClient
from gale.runtime.supervisor import Supervisor

DAG_FILE = """
import signal
from datetime import datetime
from gale.authoring.dag import DAG
from gale.operators.python import PythonOperator

def wait():
    while True:
        signal.pause()

with DAG("small", start_date=datetime(2024, 1, 1), schedule=None):
    PythonOperator(task_id="noop", python_callable=lambda: 1)
    PythonOperator(task_id="wait", python_callable=wait)
"""


class NeverStarted(Supervisor):
    """Enough of a supervisor where nothing is run."""

    def __init__(self):
        pass

    def __len__(self):
        return 0


@pytest.fixture
def selector():
    with selectors.DefaultSelector() as made:
        yield made


@pytest.fixture
def supervisor(selector, tmp_path):
    client = ZygoteClient(selector, os.environ)
    yield Supervisor(client, lambda _: None, SystemClock(), tmp_path / "logs", 0.5)
    client.close()


@pytest.fixture
def order(tmp_path):
    file = tmp_path / "small.py"
    file.write_text(DAG_FILE)

    def make(number, task_id="noop"):
        run = RunFacts(dag_id="small", run_id=f"r{number}", logical_date=datetime(2024, 1, 1, tzinfo=UTC))
        return AttemptOrder(ti=str(number), token=f"t{number}", run=run, task_id=task_id, file=str(file))

    return make


def until_ended(executor, selector, count):
    clock = SystemClock()
    deadline = clock.monotonic() + 30
    ended = []
    while len(ended) < count:
        assert clock.monotonic() < deadline
        for key, _ in selector.select(0.05):
            key.data()
        executor.tick()
        ended += executor.ended()
    return ended


@pytest.mark.integration
def test_the_local_executor_fills_and_frees_its_slots(supervisor, selector, order):
    executor: Executor = make_executor("LocalExecutor", supervisor, parallelism=3)
    assert (executor.slots, executor.open_slots(), executor.claims_here) == (3, 3, True)
    executor.start([order(1), order(2)])
    assert executor.open_slots() == 1
    assert executor.running() == {("1", "t1"), ("2", "t2")}
    ended = until_ended(executor, selector, 2)
    assert {end.outcome for end in ended} == {Outcome.SUCCESS}
    assert {end.token for end in ended} == {"t1", "t2"}
    assert executor.open_slots() == 3
    assert executor.running() == frozenset()


@pytest.mark.integration
def test_an_end_counts_as_running_until_it_is_handed_out(supervisor, selector, order):
    executor = make_executor("LocalExecutor", supervisor, parallelism=3)
    executor.start([order(1)])
    clock = SystemClock()
    deadline = clock.monotonic() + 30
    while executor.open_slots() < 3:
        assert clock.monotonic() < deadline
        for key, _ in selector.select(0.05):
            key.data()
    assert executor.running() == {("1", "t1")}
    assert len(executor.ended()) == 1
    assert executor.running() == frozenset()


@pytest.mark.integration
def test_stopping_and_shutting_down_reach_the_task_processes(supervisor, selector, order):
    executor = make_executor("LocalExecutor", supervisor, parallelism=3)
    executor.start([order(1, "wait"), order(2, "wait")])
    executor.stop("1", "t1", "Marked failed by a user")
    executor.stop("1", "another token", "Must not reach anybody")
    (end,) = until_ended(executor, selector, 1)
    assert (end.token, end.outcome, end.reason) == ("t1", Outcome.FAILED, "Marked failed by a user.")
    assert executor.next_deadline() is not None
    (end,) = executor.shutdown(1)
    assert (end.token, end.outcome) == ("t2", Outcome.LOST)


def test_the_sequential_executor_has_one_slot_whatever_the_parallelism():
    executor = make_executor("airflow.executors.sequential_executor.SequentialExecutor", NeverStarted(), parallelism=32)
    assert executor.open_slots() == executor.slots == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("CeleryExecutor", "`gale worker`"), ("KubernetesExecutor", "'KubernetesExecutor', which is unknown")],
)
def test_an_executor_that_is_not_there_is_refused_with_what_to_do(name, words):
    with pytest.raises(ConfigError) as refused:
        make_executor(name, NeverStarted(), parallelism=32)
    assert words in str(refused.value)


def test_a_local_executor_without_slots_is_refused():
    with pytest.raises(ConfigError, match="no task could ever run"):
        make_executor("LocalExecutor", NeverStarted(), parallelism=0)
