"""Workers of a real cluster: who takes what, what Flower sees, and how a worker ends."""

import signal
import sys
import time
from datetime import UTC, datetime

import pytest
from celery import Celery
from cluster_home import SECRET, ClusterHome, wait_for
from kombu import Connection
from sqlalchemy import update

from gale.db import tables as t
from gale.db.engine import writing
from gale.db.requests import request_mark_tasks

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="starts servers as Debian has them"),
]


def held_dag(home: ClusterHome, count: int, **more: object) -> str:
    """Write a DAG of tasks that run until the gate "go" is opened; return its text."""
    arguments = "".join(f", {name}={value!r}" for name, value in more.items())
    return f"""
with DAG("held", **ALWAYS):
    for number in range({count}):
        BashOperator(task_id=f"task_{{number}}", bash_command={home.held("go")!r}{arguments})
"""


def test_a_worker_whose_slots_are_taken_leaves_the_rest_to_others(home: ClusterHome) -> None:
    home.write_dag("held", held_dag(home, 22))
    home.start_worker("first", slots=2)
    home.wait_ready("first")
    home.start_scheduler()
    run = home.trigger("held")
    wait_for("all to be queued or running", lambda: home.count("queued", "running") == 22)
    wait_for("the first worker to give back what it was sent too much", lambda: home.queue_state().ready == 20)
    state = home.queue_state()
    assert (state.ready, state.unacknowledged, state.consumers) == (20, 0, 0)
    assert home.count("running") == 2

    home.start_worker("second", slots=20)
    wait_for("the second worker to take them all", lambda: home.count("running") == 22)
    assert home.queue_state().ready == 0
    home.open_gate("go")
    assert home.wait_end(run) == "success"
    wait_for("both to consume again", lambda: home.queue_state().consumers == 2)
    home.check()
    assert home.claims().total() == 22


def test_a_task_longer_than_the_brokers_patience_ends_once_and_its_worker_goes_on(home: ClusterHome) -> None:
    """The broker cuts off who leaves a message unacknowledged for 10 s; the task takes 25 s, others wait behind it."""
    home.broker.evaluate("application:set_env(rabbit, consumer_timeout, 10000).")
    home.broker.evaluate("application:set_env(rabbit, channel_tick_interval, 1000).")
    try:
        home.write_dag(
            "long",
            """
with DAG("long", **ALWAYS):
    BashOperator(task_id="long", bash_command="sleep 25", priority_weight=100)
    for number in range(4):
        BashOperator(task_id=f"after_{number}", bash_command="true")
""",
        )
        home.start_worker(slots=1)
        home.wait_ready()
        home.start_scheduler()
        run = home.trigger("long")
        with Connection(home.broker.url) as connection:
            careless = connection.SimpleQueue(f"{home.queue}-careless")
            careless.put({})
            careless.get(timeout=10)
            wait_for("the broker to lose its patience with another consumer", lambda: is_cut_off(connection), 30)
        assert home.wait_end(run) == "success"
    finally:
        home.broker.evaluate("application:set_env(rabbit, consumer_timeout, 1800000).")
        home.broker.evaluate("application:set_env(rabbit, channel_tick_interval, 60000).")
    home.check()
    assert home.claims().total() == 5
    assert "broker.away" not in home.log("worker")


def is_cut_off(connection: Connection) -> bool:
    """Tell whether the broker has closed the connection's channel."""
    try:
        connection.drain_events(timeout=0.5)
    except TimeoutError:
        return False
    except connection.channel_errors as error:
        return "PRECONDITION_FAILED" in str(error)
    return False


def test_flower_sees_each_attempt_as_one_task_with_its_end(home: ClusterHome) -> None:
    home.write_dag(
        "ends",
        f"""
with DAG("ends", **ALWAYS):
    BashOperator(task_id="good", bash_command="true")
    BashOperator(task_id="bad", bash_command="exit 3")
    BashOperator(task_id="again", bash_command="exit 4", retries=1, retry_delay=3600)
    BashOperator(task_id="skipped", bash_command="exit 99")
    BashOperator(task_id="marked", bash_command={home.held("never")!r})
""",
    )
    home.start_worker(slots=8)
    home.wait_ready()
    app = Celery(broker=home.broker.url, set_as_current=False)
    seen: list[dict] = []
    with app.connection_for_read() as asked:
        receiver = app.events.Receiver(asked, handlers={"*": seen.append})
        with receiver.consumer_context() as (connection, _, _):
            home.start_scheduler()
            home.trigger("ends")
            wait_for("four to end", lambda: len(ends_of(receive(connection, seen))) == 4)
            mark_as_success(home, "marked")
            wait_for("the last one to end", lambda: len(ends_of(receive(connection, seen))) == 5)
    shown = ends_of(seen)
    assert shown["ends.good"]["type"] == "task-succeeded"
    assert shown["ends.good"]["result"] == "'success'"
    assert shown["ends.skipped"]["result"] == "'skipped'"
    assert shown["ends.bad"]["type"] == "task-failed"
    assert "exit code 3" in shown["ends.bad"]["exception"]
    assert shown["ends.bad"]["traceback"] == ""
    assert shown["ends.again"]["type"] == "task-retried"
    assert "exit code 4" in shown["ends.again"]["exception"]
    assert shown["ends.marked"]["type"] == "task-revoked"
    arguments = next(event["kwargs"] for event in seen if event.get("name") == "ends.good")
    assert "'dag_id': 'ends'" in arguments
    assert "'try_number': 1" in arguments


def ends_of(seen: list[dict]) -> dict[str, dict]:
    """Return the event of each task's end, by the task's name in Flower."""
    names = {event["uuid"]: event["name"] for event in seen if event["type"] == "task-received"}
    ends = ("task-succeeded", "task-failed", "task-retried", "task-revoked")
    return {names[event["uuid"]]: event for event in seen if event["type"] in ends}


def receive(connection: Connection, seen: list[dict]) -> list[dict]:
    """Take in the events that have come, and return all that have been seen."""
    try:
        while True:
            connection.drain_events(timeout=0.2)
    except TimeoutError:
        return seen


def mark_as_success(home: ClusterHome, task_id: str) -> None:
    """Ask the scheduler to mark a task, as the page does."""
    row = home.tasks()[task_id]
    with writing(home.engine) as connection:
        request_mark_tasks(connection, row.run, [row.id], state="success", user="admin", now=datetime.now(UTC))


def test_a_worker_that_is_asked_to_end_lets_its_tasks_end_first(home: ClusterHome) -> None:
    home.write_dag("held", held_dag(home, 3))
    home.start_worker(slots=2)
    home.wait_ready()
    home.start_scheduler()
    run = home.trigger("held")
    wait_for("two to run", lambda: home.count("running") == 2)
    home.processes["worker"].send_signal(signal.SIGTERM)
    wait_for("it to drain", lambda: "worker.drain" in home.log("worker"))
    wait_for("it to consume no more", lambda: home.queue_state().consumers == 0)
    home.open_gate("go")
    assert home.processes["worker"].wait(30) == 0
    assert home.count("success") == 2
    assert home.jobs()[0].state == "success"
    home.start_worker("other")
    assert home.wait_end(run) == "success"
    home.check()


def test_tasks_that_outlast_the_drain_are_tried_again_elsewhere_at_no_cost(home: ClusterHome) -> None:
    home.write_dag("held", held_dag(home, 2, retries=0))
    home.start_worker(CELERY__WORKER_SOFT_SHUTDOWN_TIMEOUT="1")
    home.wait_ready()
    home.start_scheduler()
    run = home.trigger("held")
    wait_for("both to run", lambda: home.count("running") == 2)
    assert home.end("worker") == 0
    assert home.events("HeartbeatLost") == 2
    home.start_worker("other")
    home.open_gate("go")
    assert home.wait_end(run) == "success"
    home.check()


def test_a_second_signal_ends_a_worker_at_once(home: ClusterHome) -> None:
    home.write_dag("held", held_dag(home, 2))
    home.start_worker()
    home.wait_ready()
    home.start_scheduler()
    home.trigger("held")
    wait_for("both to run", lambda: home.count("running") == 2)
    home.processes["worker"].send_signal(signal.SIGTERM)
    wait_for("it to drain", lambda: "worker.drain" in home.log("worker"))
    began = time.monotonic()
    assert home.end("worker", signal.SIGINT) == 0
    assert time.monotonic() - began < 10
    assert home.count("running") == 0


def test_the_word_shutdown_in_its_row_ends_a_worker(home: ClusterHome) -> None:
    home.start_worker()
    home.wait_ready()
    with writing(home.engine) as connection:
        connection.execute(update(t.job).where(t.job.c.job_type == "worker").values(state="shutdown"))
    assert home.processes["worker"].wait(30) == 0
    assert home.jobs()[0].state == "success"


def test_remote_control_stops_a_task_and_ends_a_worker(home: ClusterHome) -> None:
    home.write_dag("held", held_dag(home, 1))
    home.start_worker()
    home.wait_ready()
    home.start_scheduler()
    run = home.trigger("held")
    wait_for("it to run", lambda: home.count("running") == 1)
    app = Celery(broker=home.broker.url, set_as_current=False)
    with app.connection_for_write() as connection:
        token = home.tasks()["task_0"].token
        wait_for("Celery to show it", lambda: token in str(app.control.inspect(connection=connection).active()))
        app.control.revoke(token, terminate=True, connection=connection)
        assert home.wait_end(run) == "failed"
        assert "terminated" in home.tasks()["task_0"].reason
        app.control.shutdown(connection=connection)
    assert home.processes["worker"].wait(30) == 0
    assert "remote control" in home.log("worker")


def test_messages_that_are_not_ours_are_dropped_and_nothing_of_them_is_run(home: ClusterHome) -> None:
    home.write_dag("held", held_dag(home, 1))
    home.start_worker()
    home.wait_ready()
    with Connection(home.broker.url) as connection:
        producer = connection.Producer(routing_key=home.queue)
        command = {"dag_id": "d", "task_id": "t", "run_id": "r", "try_number": 1, "map_index": -1}
        ours = {"task": "gale.run", "id": "ab" * 16, "lang": "py"}
        unsigned = {**ours, "gale": {"ti": "ab" * 16, "signature": "00", "v": 1}}
        links = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
        producer.publish("not JSON", content_type="application/json", content_encoding="utf-8")
        producer.publish({"task": "os.system", "id": "1", "args": ["touch /tmp/x"], "kwargs": {}})
        producer.publish([[], command, links], headers=ours)
        producer.publish([[], command, links], headers=unsigned)
        producer.publish([[], {"junk": "x" * 2_000_000}, links], headers=unsigned)
        producer.publish(b"\x80\x04K\x01.", content_type="application/x-python-serialize", content_encoding="binary")
    wait_for("all six to be dropped", lambda: home.log("worker").count("message.refused") == 6)
    state = home.queue_state()
    assert (state.ready, state.unacknowledged, state.consumers) == (0, 0, 1)
    home.start_scheduler()
    home.open_gate("go")
    assert home.wait_end(home.trigger("held")) == "success"


def test_a_worker_that_uses_too_much_memory_ends_in_order(home: ClusterHome) -> None:
    home.start_worker(CELERY__WORKER_MAX_MEMORY_MB="1")
    assert home.processes["worker"].wait(60) == 0
    assert "worker_max_memory_mb" in home.log("worker")


def test_finished_logs_are_copied_to_the_store_and_the_worker_ends_after_the_last_of_them(home: ClusterHome) -> None:
    store = home.folder / "store"
    home.write_dag("held", held_dag(home, 3).replace("sleep 0.1", "echo waiting; sleep 0.1"))
    home.start_worker(LOGGING__REMOTE_LOGGING="True", LOGGING__REMOTE_BASE_LOG_FOLDER=store.as_uri())
    home.wait_ready()
    home.start_scheduler()
    run = home.trigger("held")
    wait_for("all to run", lambda: home.count("running") == 3)
    home.open_gate("go")
    assert home.wait_end(run) == "success"
    assert home.end("worker") == 0
    copies = sorted(store.rglob("*.log"))
    assert len(copies) == 3
    for copy in copies:
        text = copy.read_text()
        assert "waiting" in text
        assert "ended: success" in text


def test_a_database_serves_as_broker_although_it_polls(home: ClusterHome) -> None:
    """As the notes have it: `sqla+mysql://`; no remote control, no hints; the gate works all the same."""
    url = f"sqla+{home.database}"
    home.write_dag("held", held_dag(home, 5))
    home.start_worker(slots=2, CELERY__BROKER_URL=url)
    home.wait_ready()
    assert "polls" in home.log("worker") or "is a database" in home.log("worker")
    home.start_scheduler(CELERY__BROKER_URL=url)
    run = home.trigger("held")
    wait_for("two to run", lambda: home.count("running") == 2)
    home.start_worker("other", slots=3, CELERY__BROKER_URL=url)
    wait_for("the other one to take the rest", lambda: home.count("running") == 5)
    home.open_gate("go")
    assert home.wait_end(run) == "success"
    home.check()
    assert home.end("worker") == 0
    assert "Traceback" not in home.log("worker")


def test_a_second_worker_of_the_same_name_says_so_and_waits_until_the_name_is_free(home: ClusterHome) -> None:
    home.start("first", "worker", "--allow-root", "--hostname", "twin@%h")
    home.wait_ready("first")
    home.start("second", "worker", "--allow-root", "--hostname", "twin@%h")
    wait_for("it to say so", lambda: "Another worker is called" in home.log("second"))
    assert home.end("first") == 0
    home.wait_ready("second")
    assert home.log("second").count("broker.away") <= 2


def test_workers_without_a_name_live_side_by_side_on_one_machine(home: ClusterHome) -> None:
    for name in ("first", "second"):
        home.start(name, "worker", "--allow-root", "-c", "2")
    home.wait_ready("first", "second")
    assert home.queue_state().consumers == 2


def test_a_task_finds_no_credential_of_gale_in_its_environment(home: ClusterHome) -> None:
    command = "env; cat /proc/$PPID/environ"
    home.write_dag("spy", f'with DAG("spy", **ALWAYS):\n    BashOperator(task_id="spy", bash_command={command!r})\n')
    home.start_worker()
    home.wait_ready()
    home.start_scheduler()
    assert home.wait_end(home.trigger("spy")) == "success"
    [log] = (home.folder / "logs").rglob("attempt=1.log")
    text = log.read_text("utf-8", "replace")
    assert "GALE_HOME=" in text
    for secret in (SECRET, home.broker.url, home.database):
        assert secret not in text
