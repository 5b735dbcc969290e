"""A home for a cluster that is about to suffer: real scheduler and workers over a real broker and database.

Each test has a database that is empty at its beginning, and a queue of its own, so that nothing is
left over for the next one.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from rabbitmq import VHOST, Server
from sqlalchemy import Engine, func
from sqlalchemy import select as query

from gale.db import tables as t
from gale.db.engine import open_engine, reading, writing
from gale.db.migrate import reset
from gale.db.requests import TriggerRequest, trigger_run
from gale.errors import NotFound
from gale.testing.invariants import Limits, check_invariants

PATIENCE_SECONDS = 120.0
PARALLELISM = 64
SECRET = "a secret that all services of a test share"
HEAD = """
from datetime import datetime
from gale import DAG, BashOperator, PythonOperator

ALWAYS = {"start_date": datetime(2026, 1, 1), "schedule": None, "max_active_tasks": 1000}
"""


def wait_for(what: str, question: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Ask until the answer is true, or fail."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        select.select([], [], [], 0.05)
    pytest.fail(f"Waited {seconds:g} s in vain for {what}")


@dataclass(frozen=True)
class QueueState:
    """What the broker says of a queue."""

    ready: int
    unacknowledged: int
    consumers: int


@dataclass
class ClusterHome:
    """A database, a broker, a DAG folder, and the services that work on them."""

    folder: Path
    database: str
    broker: Server
    queue: str = field(default_factory=lambda: f"q{uuid4().hex[:12]}")
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "dags").mkdir(parents=True)
        (self.folder / "gates").mkdir()
        self.engine: Engine = open_engine(self.database)
        reset(self.engine, default_pool_slots=128)

    # --- DAGs ----------------------------------------------------------------------------------------

    def write_dag(self, name: str, text: str) -> None:
        """Write a DAG file; what all of them import stands in front."""
        (self.folder / "dags" / f"{name}.py").write_text(HEAD + text, encoding="utf-8")

    def held(self, gate: str, then: str = "true") -> str:
        """Return a shell command that runs until a gate is opened."""
        return f"while [ ! -e {self.folder}/gates/{gate} ]; do sleep 0.1; done; {then}"

    def open_gate(self, gate: str) -> None:
        """Let those go on that wait at a gate."""
        (self.folder / "gates" / gate).touch()

    def trigger(self, dag_id: str) -> str:
        """Ask for a run as soon as the DAG is known; return its id."""

        def ask() -> str | None:
            try:
                with writing(self.engine) as connection:
                    return str(trigger_run(connection, TriggerRequest(dag_id=dag_id), datetime.now(UTC)).id)
            except NotFound:
                return None

        return str(wait_for(f"the DAG {dag_id} to be known", ask))

    # --- services --------------------------------------------------------------------------------------

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a service; `settings` are SECTION__KEY."""
        # What the tests were told of their servers is no business of the services.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GALE_TEST_")}
        return {
            **kept,
            "GALE_HOME": str(self.folder),
            "GALE__CORE__EXECUTOR": "CeleryExecutor",
            "GALE__CORE__PARALLELISM": str(PARALLELISM),
            "GALE__CORE__LOAD_EXAMPLES": "False",
            "GALE__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "GALE__DATABASE__SQL_ALCHEMY_CONN": self.database,
            "GALE__CELERY__BROKER_URL": self.broker.url,
            "GALE__OPERATORS__DEFAULT_QUEUE": self.queue,
            "GALE__WEBSERVER__SECRET_KEY": SECRET,
            "GALE__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "GALE__LOGGING__WORKER_LOG_SERVER_PORT": "0",
            **{f"GALE__{name}": value for name, value in settings.items()},
        }

    def start(self, name: str, *command: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start a service whose log is called `name`."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gale.cli.main", *command],
                env=self.environment(settings),
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        self.processes[name] = process
        return process

    def start_scheduler(self, name: str = "scheduler", **settings: str) -> subprocess.Popen[bytes]:
        """Start a scheduler."""
        return self.start(name, "scheduler", **settings)

    def start_worker(self, name: str = "worker", slots: int = 4, **settings: str) -> subprocess.Popen[bytes]:
        """Start a worker; it is ready when `wait_ready` says so."""
        arguments = ("worker", "--allow-root", "--concurrency", str(slots), "--hostname", f"{name}@%h")
        return self.start(name, *arguments, **settings)

    def wait_ready(self, *names: str) -> None:
        """Wait until workers consume."""
        for name in names or ("worker",):
            wait_for(f"{name} to be ready", lambda name=name: "worker.ready" in self.log(name))

    def log(self, name: str) -> str:
        """Return what a service has logged."""
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def end(self, name: str, number: signal.Signals = signal.SIGTERM, seconds: float = 60.0) -> int:
        """Send a service a signal, wait for its end, return its exit code."""
        self.processes[name].send_signal(number)
        return self.processes[name].wait(seconds)

    # --- what the servers say ----------------------------------------------------------------------------

    def queue_state(self) -> QueueState:
        """Return what the broker says of this home's queue."""
        said = self.broker.control(
            "-q", "list_queues", "-p", VHOST, "name", "messages_ready", "messages_unacknowledged", "consumers"
        )
        for line in said.splitlines():
            name, *counts = line.split("\t")
            if name == self.queue:
                return QueueState(*(int(count) for count in counts))
        return QueueState(0, 0, 0)

    def count(self, *states: str) -> int:
        """Return how many task instances are in one of the states."""
        statement = query(func.count()).where(t.task_instance.c.state.in_(states))
        with reading(self.engine) as connection:
            return int(connection.execute(statement).scalar_one())

    def tasks(self) -> dict[str, Any]:
        """Return task id to row."""
        with reading(self.engine) as connection:
            return {row.task_id: row for row in connection.execute(query(t.task_instance))}

    def jobs(self, job_type: str = "worker") -> list[Any]:
        """Return the rows of processes, oldest first."""
        with reading(self.engine) as connection:
            return list(connection.execute(query(t.job).where(t.job.c.job_type == job_type).order_by(t.job.c.id)))

    def run_state(self, run: str) -> str:
        """Return the state of a run."""
        with reading(self.engine) as connection:
            return str(connection.execute(query(t.dag_run.c.state).where(t.dag_run.c.id == run)).scalar_one())

    def wait_end(self, run: str, seconds: float = PATIENCE_SECONDS) -> str:
        """Wait until a run has ended; return its state."""
        wait_for("the run to end", lambda: self.run_state(run) in {"success", "failed"}, seconds)
        return self.run_state(run)

    def claims(self) -> Counter[tuple[str, int]]:
        """Return how often each attempt was claimed, by the history."""
        statement = query(t.task_event.c.ti, t.task_event.c.try_number).where(t.task_event.c.to_state == "running")
        with reading(self.engine) as connection:
            return Counter((row.ti, row.try_number) for row in connection.execute(statement))

    def events(self, name: str) -> int:
        """Return how many moves of a kind the history has."""
        statement = query(func.count()).where(t.task_event.c.event == name)
        with reading(self.engine) as connection:
            return int(connection.execute(statement).scalar_one())

    def check(self) -> None:
        """Check what must be true whatever has happened: the invariants, and one claim for each attempt."""
        with reading(self.engine) as connection:
            check_invariants(connection, Limits(parallelism=PARALLELISM, ends_by_workers=True))
        assert {attempt: count for attempt, count in self.claims().items() if count != 1} == {}

    def close(self) -> None:
        """End what was started here."""
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.engine.dispose()
