"""Every configuration of the user's notes, with the old names of its settings, on real servers.

The notes set up Airflow 1.8 step by step: a database, a login, an executor. Each test writes the
`airflow.cfg` that they write, runs the commands that they run, and looks at what came of it.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy import select as query

from gale.db import tables as t
from gale.db.engine import open_engine, reading
from gale.db.migrate import reset

pytestmark = pytest.mark.rabbitmq

PATIENCE_SECONDS = 120.0
#: The notes' DAG, its misspelt `retries_delay` included.
DAG_FILE = """
from datetime import datetime, timedelta
from airflow.models import DAG
from airflow.operators.bash_operator import BashOperator
from airflow.operators.dummy_operator import DummyOperator

seven_days_ago = datetime.combine(datetime.today() - timedelta(7), datetime.min.time())
args = {
    'owner': 'airflow',
    'start_date': seven_days_ago,
    'email': ['airflow@airflow.com'],
    'email_on_failure': True,
    'email_on_retry': True,
    'retries': 3,
    'retries_delay': timedelta(seconds=60),
    'depends_on_past': True
}

dag = DAG(
    dag_id='dag',
    default_args=args,
    schedule_interval='0 0 * * *',
    dagrun_timeout=timedelta(minutes=60)
)

demo = DummyOperator(
    task_id='demo',
    dag=dag
)

last_execute = BashOperator(
    task_id='last_execute',
    bash_command='echo 1',
    dag=dag
)
demo.set_downstream(last_execute)
"""
ADD_USER = """
import airflow
from airflow import models, settings
from airflow.contrib.auth.backends.password_auth import PasswordUser

user = PasswordUser(models.User())
user.username = 'test'
user.email = 'test@test.com'
user.password = 'test'
session = settings.Session()
session.add(user)
session.commit()
session.close()
exit()
"""


class Airflow:
    """A home with the notes' `airflow.cfg`, and their commands."""

    def __init__(self, folder: Path, database: str, *, executor: str, **celery: str) -> None:
        self.folder = folder
        self.database = database
        (folder / "dags").mkdir(parents=True)
        (folder / "dags" / "notes.py").write_text(DAG_FILE, encoding="utf-8")
        lines = "\n".join(f"{name} = {value}" for name, value in celery.items())
        (folder / "airflow.cfg").write_text(
            f"""[core]
airflow_home = {folder}
dags_folder = {folder}/dags
executor = {executor}
sql_alchemy_conn = {database}
load_examples = False
dags_are_paused_at_creation = False

[webserver]
authenticate = True
filter_by_owner = True
auth_backend = airflow.contrib.auth.backends.password_auth

[scheduler]
scheduler_heartbeat_sec = 1

[smtp]
smtp_host =

[celery]
celeryd_concurrency = 4
worker_log_server_port = 0
{lines}
""",
            encoding="utf-8",
        )
        self.engine: Engine = open_engine(database)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, *command: str, code: str = "") -> str:
        """Run a command of the notes to its end, or Python code; return what it said."""
        words = [sys.executable, "-c", code] if code else [sys.executable, "-m", "airflow", *command]
        done = subprocess.run(words, env=self._environment(), capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, *command: str) -> None:
        """Start a service as the notes start it."""
        with (self.folder / f"{command[0]}.log").open("wb") as log:
            words = [sys.executable, "-m", "airflow", *command]
            self.processes[command[0]] = subprocess.Popen(words, env=self._environment(), stdout=log, stderr=log)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GALE_", "AIRFLOW_"))}
        # The notes' worker does not run as root; a test may have to.
        return {**kept, "AIRFLOW_HOME": str(self.folder), "C_FORCE_ROOT": "1"}

    def log(self, name: str) -> str:
        """Return what a service has logged."""
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def wait_for(self, what: str, question: Callable[[], Any]) -> Any:
        """Ask until the answer is true, or fail with the logs."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if answer := question():
                return answer
            for name, process in self.processes.items():
                assert process.poll() is None, f"airflow {name} ended:\n{self.log(name)[-3000:]}"
            select.select([], [], [], 0.1)
        logs = "\n".join(f"--- {name}\n{self.log(name)[-2000:]}" for name in self.processes)
        pytest.fail(f"Waited {PATIENCE_SECONDS:g} s in vain for {what}\n{logs}")

    def states(self) -> list[str]:
        """Return the states of all runs, oldest first."""
        with reading(self.engine) as connection:
            return list(connection.execute(query(t.dag_run.c.state).order_by(t.dag_run.c.logical_date)).scalars())

    def hosts(self) -> set[str]:
        """Return the kinds of processes that ran tasks."""
        job, ti = t.job, t.task_event
        with reading(self.engine) as connection:
            actors = connection.execute(query(ti.c.actor).where(ti.c.event == "Started")).scalars()
            assert connection.execute(query(job.c.id)).first() is not None
            return {actor.split(":")[0] for actor in actors}

    def close(self) -> None:
        """End what was started here."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.engine.dispose()


Make = Callable[..., Airflow]


@pytest.fixture
def airflow(tmp_path: Path, mysql_url: str) -> Iterator[Make]:
    """Return a function that makes a home; what runs there is ended, and the database emptied."""
    made: list[Airflow] = []

    def make(**about: str) -> Airflow:
        one = Airflow(tmp_path / "home", mysql_url, **about)
        reset(one.engine, default_pool_slots=128)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def _seven_runs_succeed(home: Airflow) -> None:
    home.wait_for("the seven runs of the last seven days", lambda: home.states() == ["success"] * 7)


@pytest.mark.parametrize("executor", ["SequentialExecutor", "LocalExecutor"])
def test_on_mysql_with_one_machine_the_notes_dag_makes_up_for_seven_days(airflow: Make, executor: str) -> None:
    home = airflow(executor=executor)
    home.run("initdb")
    home.run("resetdb", "-y")
    home.start("scheduler")
    _seven_runs_succeed(home)
    assert home.hosts() == {"scheduler"}


def test_over_rabbitmq_with_results_in_rabbitmq_the_notes_dag_runs_on_the_worker(airflow: Make, amqp_url: str) -> None:
    """The notes' `celery_result_backend = amqp://…` is mapped, because Celery no longer has it, and that is said."""
    home = airflow(executor="CeleryExecutor", broker_url=amqp_url, celery_result_backend=amqp_url)
    home.run("initdb")
    home.start("scheduler")
    home.start("worker")
    _seven_runs_succeed(home)
    assert home.hosts() == {"worker"}
    assert "rpc:// is used instead" in home.log("worker")


def test_over_rabbitmq_results_are_kept_in_mysql_if_the_settings_say_so(
    airflow: Make, amqp_url: str, mysql_url: str
) -> None:
    home = airflow(executor="CeleryExecutor", broker_url=amqp_url, celery_result_backend=f"db+{mysql_url}")
    home.run("initdb")
    home.start("scheduler")
    home.start("worker")
    _seven_runs_succeed(home)

    def kept() -> bool:
        with reading(home.engine) as connection:
            done = connection.execute(text("SELECT COUNT(*) FROM celery_taskmeta WHERE status = 'SUCCESS'"))
            return bool(done.scalar_one() == 14)

    home.wait_for("a result for each attempt", kept)


def test_over_a_database_as_broker_the_notes_dag_runs_and_a_warning_says_what_that_means(
    airflow: Make, mysql_url: str
) -> None:
    home = airflow(executor="CeleryExecutor", broker_url=f"sqla+{mysql_url}", celery_result_backend=f"db+{mysql_url}")
    home.run("initdb")
    home.start("scheduler")
    home.start("worker")
    _seven_runs_succeed(home)
    assert home.hosts() == {"worker"}
    for name in ("scheduler", "worker"):
        assert "[celery] broker_url is a database" in home.log(name)
    assert "celery_taskmeta" in inspect(home.engine).get_table_names()


def test_a_user_whom_the_notes_snippet_adds_can_log_in_and_sees_only_dags_of_his_own(airflow: Make) -> None:
    home = airflow(executor="SequentialExecutor")
    home.run("initdb")
    home.run(code=ADD_USER)
    port = _free_port()
    home.start("scheduler")
    home.start("webserver", "-p", str(port))
    token = home.wait_for("the page to let the user in", lambda: _token(port, "test", "test"))
    assert _token(port, "test", "wrong") is None
    home.wait_for("the DAG to be known", home.states)
    answer = json.loads(_get(port, "/api/v2/dags", token))
    assert answer["dags"] == [], "its owner is airflow, and filter_by_owner is on"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _token(port: int, username: str, password: str) -> str | None:
    body = json.dumps({"username": username, "password": password}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/auth/token", body, {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(json.load(answer)["access_token"])
    except (urllib.error.URLError, OSError):
        return None


def _get(port: int, path: str, token: str) -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())
