"""Workers that are killed, whose broker or database goes away, who are cut off: nothing is lost, nothing runs twice."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_home import ClusterHome, QueueState, wait_for
from cut_line import Line, line_to
from rabbitmq import PASSWORD, USER, VHOST
from sqlalchemy.engine import make_url

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="starts servers as Debian has them"),
]

MANY = """
with DAG("many", **ALWAYS):
    for number in range(60):
        BashOperator(task_id=f"task_{number}", bash_command="sleep 0.5")
"""
STEADY = """
with DAG("steady", **ALWAYS):
    before = None
    for number in range(12):
        task = BashOperator(task_id=f"task_{number}", bash_command="sleep 0.5")
        if before is not None:
            before >> task
        before = task
"""
#: Notes when it runs and that it still does, in a file of its own for each process.
WITNESS = """
def witness(folder):
    import os, time
    began = time.time()
    while not os.path.exists(f"{folder}/enough"):
        with open(f"{folder}/half", "w") as file:
            file.write(f"{began} {time.time()}")
        os.replace(f"{folder}/half", f"{folder}/ran-{os.getpid()}")
        time.sleep(0.1)

with DAG("alone", **ALWAYS):
    PythonOperator(task_id="alone", python_callable=witness, op_args=[FOLDER])
"""


def marks(home: ClusterHome) -> list[Path]:
    """Return the files in which witnesses note from when to when they ran."""
    return sorted((home.folder / "gates").glob("ran-*"))


def witness_dag(home: ClusterHome) -> str:
    """Return the text of a DAG with a witness as its only task."""
    return f"FOLDER = {str(home.folder / 'gates')!r}\n{WITNESS}"


@pytest.fixture
def line(home: ClusterHome) -> Iterator[Line]:
    """A line to the database, for the workers of a test."""
    url = make_url(home.database)
    with line_to(url.host or "localhost", url.port or 3306) as made:
        yield made


def over(line: Line, home: ClusterHome) -> dict[str, str]:
    """Return the settings of a service that reaches the database over a line."""
    url = make_url(home.database).set(host="127.0.0.1", port=line.port)
    return {"DATABASE__SQL_ALCHEMY_CONN": url.render_as_string(hide_password=False)}


def test_when_a_worker_is_killed_all_its_tasks_are_tried_again_and_succeed(home: ClusterHome) -> None:
    """On a machine that the scheduler cannot look into: only the end of the lease tells."""
    home.write_dag("many", MANY)
    home.start_worker("doomed", slots=8, CORE__HOSTNAME_CALLABLE="elsewhere")
    home.start_worker("other", slots=8)
    home.wait_ready("doomed", "other")
    home.start_scheduler()
    run = home.trigger("many")
    wait_for("both to be at work", lambda: home.count("success") > 8)
    assert home.end("doomed", signal.SIGKILL) == -signal.SIGKILL
    assert home.wait_end(run) == "success"
    assert home.count("success") == 60
    assert home.events("HeartbeatLost") >= 1
    home.check()


def test_what_a_killed_worker_ran_does_not_outlive_it(home: ClusterHome) -> None:
    home.write_dag("alone", witness_dag(home))
    home.start_worker()
    home.wait_ready()
    home.start_scheduler()
    home.trigger("alone")
    [mark] = wait_for("the task to note itself", lambda: marks(home))
    home.end("worker", signal.SIGKILL)
    pid = mark.name.removeprefix("ran-")
    wait_for("the task's process to be gone", lambda: not Path(f"/proc/{pid}").exists(), 10)


def test_a_broker_that_is_killed_and_comes_back_costs_no_task(home: ClusterHome) -> None:
    home.write_dag("steady", STEADY)
    home.start_worker()
    home.wait_ready()
    home.start_scheduler()
    run = home.trigger("steady")
    wait_for("the run to be under way", lambda: home.count("success") >= 2)
    home.broker.kill()
    wait_for("the worker to say so", lambda: "broker.away" in home.log("worker"))
    home.broker.start()
    assert home.wait_end(run) == "success"
    assert home.log("worker").count("broker.away") <= 4, "it is not told each time that it is tried"
    assert "Traceback" not in home.log("worker")
    home.check()


def test_a_worker_waits_for_a_broker_that_lacks_its_user_and_its_virtual_host(home: ClusterHome) -> None:
    home.write_dag("steady", STEADY)
    url = home.broker.url.replace(f"{USER}:{PASSWORD}@", "late:secret@").replace(VHOST, "later")
    home.start_worker(CELERY__BROKER_URL=url)
    wait_for("it to say what it waits for", lambda: "Login was refused" in home.log("worker"))
    home.broker.control("add_user", "late", "secret")
    wait_for("it to say what is missing next", lambda: "vhost later not found" in home.log("worker"))
    assert home.processes["worker"].poll() is None
    home.broker.control("add_vhost", "later")
    home.broker.control("set_permissions", "-p", "later", "late", ".*", ".*", ".*")
    home.wait_ready()
    assert "secret" not in home.log("worker").replace(home.environment({})["GALE__WEBSERVER__SECRET_KEY"], "")
    home.start_scheduler(CELERY__BROKER_URL=url)
    assert home.wait_end(home.trigger("steady")) == "success"


def test_a_worker_waits_for_a_database_that_is_not_there_yet(home: ClusterHome, line: Line) -> None:
    home.write_dag("steady", STEADY)
    line.cut()
    home.start_worker(**over(line, home))
    wait_for("it to say what it waits for", lambda: "waits for it before it takes work" in home.log("worker"))
    with pytest.raises(subprocess.TimeoutExpired):
        home.processes["worker"].wait(3)
    line.mend()
    home.wait_ready()
    home.start_scheduler()
    assert home.wait_end(home.trigger("steady")) == "success"


def test_ends_that_cannot_be_written_wait_until_the_database_is_back(home: ClusterHome, line: Line) -> None:
    home.write_dag(
        "held",
        f"""
with DAG("held", **ALWAYS):
    for number in range(4):
        BashOperator(task_id=f"task_{{number}}", bash_command={home.held("go")!r})
    for number in range(4):
        BashOperator(task_id=f"later_{{number}}", bash_command="true", priority_weight=0)
""",
    )
    home.start_worker(slots=4, **over(line, home))
    home.wait_ready()
    home.start_scheduler()
    run = home.trigger("held")
    wait_for("four to run", lambda: home.count("running") == 4)
    line.cut()
    home.open_gate("go")
    wait_for("the worker to notice", lambda: "part=recorder" in home.log("worker"))
    wait_for("it to have taken the next four, too", lambda: home.queue_state() == QueueState(0, 0, 0))
    line.mend()
    assert home.wait_end(run, 30) == "success"
    assert home.claims().total() == 8, "nothing was tried again"
    assert "Traceback" not in home.log("worker")
    home.check()


@pytest.mark.parametrize("how", ["cut", "silence"])
def test_a_worker_that_is_cut_off_kills_its_tasks_before_others_start_them(
    home: ClusterHome, line: Line, how: str
) -> None:
    """For longer than a lease holds; the task notes from when to when it ran, each time."""
    home.write_dag("alone", witness_dag(home))
    home.start_worker("lonely", CORE__HOSTNAME_CALLABLE="elsewhere", **over(line, home))
    home.wait_ready("lonely")
    home.start_scheduler()
    run = home.trigger("alone")
    wait_for("the task to note itself", lambda: marks(home))
    getattr(line, how)()
    home.start_worker("other")
    wait_for("it to be started elsewhere", lambda: len(marks(home)) == 2)
    home.open_gate("enough")
    assert home.wait_end(run) == "success"
    (first_began, first_end), (then_began, _) = sorted(
        [float(word) for word in mark.read_text().split()] for mark in marks(home)
    )
    assert first_began < first_end < then_began, "both ran at once"
    home.check()

    line.mend()
    wait_for("the lonely one to register anew", lambda: "it registers anew" in home.log("lonely"), 60)
    assert home.processes["lonely"].poll() is None
    assert home.end("other") == 0
    home.write_dag("steady", STEADY)
    assert home.wait_end(home.trigger("steady")) == "success", "it is at work again"
    home.check()
