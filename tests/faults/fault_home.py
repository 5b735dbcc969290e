"""A home for schedulers that are about to suffer: database, DAG folder, real processes, and ways to hurt them."""

import os
import select
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func
from sqlalchemy import select as query

from gale.db import tables as t
from gale.db.engine import open_engine, reading, writing
from gale.db.migrate import migrate
from gale.db.requests import TriggerRequest, trigger_run
from gale.errors import NotFound
from gale.testing.invariants import Limits, check_invariants

PATIENCE_SECONDS = 120.0
SLOTS = 8


def wait_for(what: str, question: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Ask until the answer is true, or fail."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        select.select([], [], [], 0.02)
    pytest.fail(f"Waited {seconds:g} s in vain for {what}")


class Home:
    """A database, a DAG folder, and the schedulers that work on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "dags").mkdir(parents=True)
        self.engine: Engine = open_engine(f"sqlite:///{folder / 'gale.db'}")
        migrate(self.engine, default_pool_slots=128)
        self.schedulers: list[subprocess.Popen[bytes]] = []

    def write_dag(self, name: str, text: str) -> None:
        """Write a DAG file."""
        (self.folder / "dags" / name).write_text(text, encoding="utf-8")

    def start_scheduler(self, **settings: str) -> subprocess.Popen[bytes]:
        """Start another scheduler. `settings` are environment variables."""
        environment = {
            **os.environ,
            "GALE_HOME": str(self.folder),
            "GALE__CORE__EXECUTOR": "LocalExecutor",
            "GALE__CORE__PARALLELISM": str(SLOTS),
            "GALE__CORE__LOAD_EXAMPLES": "False",
            "GALE__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            **settings,
        }
        log = (self.folder / f"scheduler-{len(self.schedulers)}.log").open("wb")
        with log:
            command = [sys.executable, "-m", "gale_scheduler"]
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.schedulers.append(process)
        return process

    def logs(self) -> str:
        """Return what all schedulers have logged."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self.folder.glob("scheduler-*.log")))

    def trigger(self, dag_id: str) -> str:
        """Ask for a run as soon as the DAG is known; return its id."""

        def ask() -> str | None:
            try:
                with writing(self.engine) as connection:
                    return str(trigger_run(connection, TriggerRequest(dag_id=dag_id), datetime.now(UTC)).id)
            except NotFound:
                return None

        return str(wait_for(f"the DAG {dag_id} to be known", ask))

    # --- what the database says ----------------------------------------------------------------------

    def count(self, *states: str) -> int:
        """Return how many task instances are in one of the states."""
        statement = query(func.count()).where(t.task_instance.c.state.in_(states))
        with reading(self.engine) as connection:
            return int(connection.execute(statement).scalar_one())

    def states(self) -> dict[str, str]:
        """Return task id to state."""
        with reading(self.engine) as connection:
            rows = connection.execute(query(t.task_instance.c.task_id, t.task_instance.c.state))
            return {row.task_id: row.state for row in rows}

    def run_state(self, run: str) -> str:
        """Return the state of a run."""
        with reading(self.engine) as connection:
            return str(connection.execute(query(t.dag_run.c.state).where(t.dag_run.c.id == run)).scalar_one())

    def has_ended(self, run: str) -> bool:
        """Tell whether a run is over, well or badly."""
        return self.run_state(run) in {"success", "failed"}

    def claims(self) -> Counter[tuple[str, int]]:
        """Return how often each attempt was claimed, by the event table."""
        statement = query(t.task_event.c.ti, t.task_event.c.try_number).where(t.task_event.c.to_state == "running")
        with reading(self.engine) as connection:
            return Counter((row.ti, row.try_number) for row in connection.execute(statement))

    def is_writable(self) -> bool:
        """Tell whether nobody holds the database's write lock for longer than a transaction takes."""
        with closing(sqlite3.connect(self.folder / "gale.db", timeout=2, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            connection.execute("ROLLBACK")
            return True

    def check(self) -> None:
        """Check what must be true whatever has happened: the invariants, and one claim for each attempt."""
        with reading(self.engine) as connection:
            check_invariants(connection, Limits(parallelism=SLOTS))
        assert {attempt: count for attempt, count in self.claims().items() if count != 1} == {}

    # --- processes -----------------------------------------------------------------------------------

    def processes(self) -> list[int]:
        """Return the pids of all processes that belong to this home."""
        found = []
        for folder in Path("/proc").iterdir():
            try:
                mine = folder.name.isdigit() and str(self.folder).encode() in (folder / "environ").read_bytes()
            except OSError:
                continue
            if mine and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        return found

    def close(self) -> None:
        """End what was started here."""
        for process in self.schedulers:
            process.kill()
            process.wait()
        self.engine.dispose()
