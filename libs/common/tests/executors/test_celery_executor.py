"""The executor of a cluster, without a cluster: what it sends, what it asks to stop, what it says is running."""

import subprocess
import sys

import pytest

from gale.broker.bus import Bus, Stop
from gale.broker.publisher import Publisher
from gale.core.attempt import AttemptOrder, RunFacts
from gale.errors import ConfigError
from gale.executors import make_celery_executor, make_executor
from gale.executors.celery import CeleryExecutor
from gale.executors.local import LocalExecutor
from gale.settings import Settings


class SentCommands(Publisher):
    """Keeps what it was to send."""

    def __init__(self):
        self.sent = []
        self.closed = False

    def send(self, commands, seconds):
        self.sent += [(command, seconds) for command in commands]

    def close(self, seconds):
        self.closed = True


class HeardBus(Bus):
    """Keeps what was said."""

    def __init__(self):
        self.said = []

    def publish(self, hint):
        self.said.append(hint)

    def close(self):
        pass


class Callbacks(LocalExecutor):
    """Runs nothing."""

    def __init__(self):
        self.started = []
        self.stopped = []

    def start(self, orders):
        self.started += orders

    def stop(self, ti, token, reason, within=None):
        self.stopped.append((ti, token, reason, within))

    def running(self):
        return frozenset((order.ti, order.token) for order in self.started)

    def shutdown(self, seconds):
        return ["an end"]


def order(ti="1", token="a", **more):
    run = RunFacts(dag_id="etl", run_id="manual__1")
    return AttemptOrder(ti=ti, token=token, run=run, task_id="load", file="/etl.py", **more)


@pytest.fixture
def parts():
    return Callbacks(), SentCommands(), HeardBus()


@pytest.fixture
def executor(parts):
    return CeleryExecutor(*parts, parallelism=4, dispatch_seconds=60, occupied=lambda: 3)


def test_an_attempt_becomes_a_command_with_its_ids_queue_and_deadline(executor, parts):
    executor.start([order(queue="big", priority_weight=5, try_number=2, map_index=7)])
    ((command, seconds),) = parts[1].sent
    assert (command.ti, command.token, command.try_number, command.map_index) == ("1", "a", 2, 7)
    assert (command.dag_id, command.run_id, command.task_id) == ("etl", "manual__1", "load")
    assert (command.queue, command.priority, seconds) == ("big", 5, 60)


def test_a_token_is_sent_once_however_often_its_row_is_found(executor, parts):
    executor.start([order()])
    executor.start([order(), order(ti="2", token="b")])
    assert [command.token for command, _ in parts[1].sent] == ["a", "b"]


def test_a_token_may_be_sent_again_when_its_deadline_is_over(parts):
    executor = CeleryExecutor(*parts, parallelism=4, dispatch_seconds=0, occupied=lambda: 0)
    executor.start([order()])
    executor.start([order()])
    assert len(parts[1].sent) == 2


def test_callbacks_run_here_and_attempts_do_not(executor, parts):
    callback = order(callback="on_failure_callback")
    executor.start([callback, order(ti="2", token="b")])
    assert parts[0].started == [callback]
    assert [command.ti for command, _ in parts[1].sent] == ["2"]


def test_open_slots_are_what_the_rows_leave_and_never_less_than_none(parts):
    taken = [3, 4, 9]
    executor = CeleryExecutor(*parts, parallelism=4, dispatch_seconds=60, occupied=lambda: taken.pop(0))
    assert [executor.open_slots() for _ in range(3)] == [1, 0, 0]


def test_a_stop_is_asked_of_the_worker_and_counts_as_running_until_it_ends(executor, parts):
    executor.start([order()])
    executor.stop("1", "a", "cleared", within=5.0)
    assert parts[2].said == [Stop("1", "a", "cleared")]
    assert parts[0].stopped == []
    assert executor.running() == {("1", "a")}
    executor.settle(["1"])
    assert executor.running() == frozenset()


def test_a_callback_is_stopped_here_and_nobody_else_is_asked(executor, parts):
    executor.start([order(callback="on_failure_callback")])
    executor.stop("1", "a", "too long", within=5.0)
    assert parts[0].stopped == [("1", "a", "too long", 5.0)]
    assert parts[2].said == []


def test_what_was_asked_to_stop_is_forgotten_when_its_worker_never_answers(executor, parts, monkeypatch):
    # There is no other way to the executor's clock, and a minute is too long for a test.
    monkeypatch.setattr("gale.executors.celery.STOP_SECONDS", 0.0)
    executor.stop("1", "a", "cleared")
    assert executor.running() == frozenset()


def test_a_shutdown_gives_the_ends_of_callbacks_and_closes_the_connections(executor, parts):
    assert executor.shutdown(5) == ["an end"]
    assert parts[1].closed


def test_no_slots_at_all_are_refused(parts):
    with pytest.raises(ConfigError, match="parallelism"):
        CeleryExecutor(*parts, parallelism=0, dispatch_seconds=60, occupied=lambda: 0)


def test_one_machine_is_told_to_start_workers_when_a_cluster_is_configured(parts):
    with pytest.raises(ConfigError, match="gale worker"):
        make_executor("CeleryExecutor", None, parallelism=4)


def test_a_cluster_without_a_broker_is_refused_with_the_name_of_the_setting(tmp_path):
    settings = Settings.load(tmp_path, {"GALE__CORE__EXECUTOR": "CeleryExecutor"})
    with pytest.raises(ConfigError, match=r"\[celery\] broker_url is empty"):
        make_celery_executor(settings, None, occupied=lambda: 0)


def test_executors_of_one_machine_do_not_load_celery():
    code = "import sys, gale.executors; print([name for name in ('celery', 'kombu', 'amqp') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
