"""A real zygote with real task processes below it: nothing here is faked but the services."""

import os
import selectors
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gale.clock import SystemClock
from gale.core.attempt import AttemptEnded, AttemptOrder, ConnectionData, RunFacts
from gale.errors import NotFound, RunExists
from gale.runtime import logs
from gale.runtime.client import ClientOptions, ZygoteClient
from gale.runtime.messages import Surroundings
from gale.runtime.parsing import ParseRequest, ParseResult
from gale.runtime.supervisor import Supervisor

DAGS = Path(__file__).parent / "dags"
#: The machine may be slow; nothing of what is waited for should take a second.
PATIENCE = 30.0


@dataclass
class FakeServices:
    """Answers from a dictionary; knows the errors that the real ones raise."""

    variables: dict[str, str] = field(default_factory=dict)
    xcoms: dict[str, str] = field(default_factory=dict)

    def get_variable(self, key: str) -> str | None:
        if key == "explode":
            raise RuntimeError("the database is on fire")
        return self.variables.get(key)

    def set_variable(self, key: str, value: str, description: str | None = None) -> None:
        self.variables[key] = value

    def delete_variable(self, key: str) -> bool:
        return self.variables.pop(key, None) is not None

    def get_connection(self, conn_id: str) -> ConnectionData | None:
        if conn_id == "missing":
            return None
        return ConnectionData(conn_id=conn_id, conn_type="mysql", host="db", password="geheim ☃", port=3306)

    def get_xcom(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str | None) -> str | None:
        return self.xcoms.get(f"{task_id}/{key}")

    def get_prior_xcom(self, *, dag_id: str, before: datetime, task_id: str, key: str | None) -> str | None:
        return f'"before {before.isoformat()}"'

    def set_xcom(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str, value: str) -> None:
        self.xcoms[f"{task_id}/{key}"] = value

    def trigger_run(
        self, *, dag_id: str, run_id: str | None, logical_date: datetime | None, conf: Mapping[str, Any], reset: bool
    ) -> str:
        if dag_id == "nowhere":
            raise NotFound("There is no DAG 'nowhere'.")
        if not reset:
            raise RunExists(f"The run {run_id} is there already.")
        return f"{run_id} with {conf['answer']}"

    def run_state(self, *, dag_id: str, run_id: str) -> str | None:
        return "running"

    def count_states(self, *, dag_id: str, task_ids: Any, logical_dates: Any, states: Any) -> int:
        return len(task_ids) * len(logical_dates) * len(states)

    def is_latest_run(self, *, dag_id: str, logical_date: datetime) -> bool:
        return True


class Rig:
    """A service in miniature: selector, client, supervisor, a folder with DAG files."""

    def __init__(self, folder: Path, options: dict[str, Any], kill_grace_seconds: float, environment: Any) -> None:
        self.folder = folder
        self.dags = folder / "dags"
        shutil.copytree(DAGS, self.dags, ignore=shutil.ignore_patterns("__pycache__"))
        self.logs = folder / "logs"
        self.clock = SystemClock()
        self.selector = selectors.DefaultSelector()
        self.services = FakeServices()
        surroundings = Surroundings(dags_folder=str(self.dags))
        self.client = ZygoteClient(
            self.selector,
            environment or os.environ,
            self.clock,
            ClientOptions(**{"surroundings": surroundings, **options}),
        )
        self.supervisor = Supervisor(self.client, lambda _: self.services, self.clock, self.logs, kill_grace_seconds)
        self.ends: dict[str, AttemptEnded] = {}

    def turn(self, seconds: float = 0.05) -> None:
        """Take one turn of the loop."""
        for key, _ in self.selector.select(seconds):
            key.data()
        self.supervisor.tick()
        self.ends.update({end.token: end for end in self.supervisor.ended()})

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Turn until the condition holds, and return what it gave."""
        deadline = self.clock.monotonic() + seconds
        while not (found := condition()):
            assert self.clock.monotonic() < deadline, "it did not happen in time"
            self.turn()
        return found

    def order(self, task_id: str, *, dag_id: str = "hostile", file: str = "hostile.py", **more: Any) -> AttemptOrder:
        """Return an order for a task of one of the DAG files beside this module."""
        now = datetime.now(UTC)
        run = RunFacts(
            dag_id=dag_id,
            run_id=more.pop("run_id", f"test__{uuid.uuid4().hex[:8]}"),
            logical_date=now,
            data_interval_start=now,
            data_interval_end=now,
            run_after=now,
            conf=more.pop("conf", {}),
        )
        values = {"ti": uuid.uuid4().hex, "token": uuid.uuid4().hex, "max_tries": 1, **more}
        return AttemptOrder(run=run, task_id=task_id, file=str(self.dags / file), **values)

    def start(self, *orders: AttemptOrder) -> None:
        """Start attempts."""
        self.supervisor.start(orders)

    def end_of(self, order: AttemptOrder, seconds: float = PATIENCE) -> AttemptEnded:
        """Wait for an attempt's end."""
        return self.until(lambda: self.ends.get(order.token), seconds)

    def run(self, task_id: str, **more: Any) -> SimpleNamespace:
        """Run one task to its end; return order, end and log."""
        order = self.order(task_id, **more)
        self.start(order)
        end = self.end_of(order)
        return SimpleNamespace(order=order, end=end, log=self.log_of(order))

    def log_path(self, order: AttemptOrder) -> Path:
        """Return the path of an attempt's log."""
        return logs.log_path_of(self.logs, order)

    def log_of(self, order: AttemptOrder) -> str:
        """Return the log of an attempt, as far as it is written."""
        path = self.log_path(order)
        return path.read_bytes().decode("utf-8", "replace") if path.exists() else ""

    def wait_for_log(self, order: AttemptOrder, text: str) -> str:
        """Wait until a log holds a text."""
        self.until(lambda: text in self.log_of(order))
        return self.log_of(order)

    def parse(self, file: str, **more: Any) -> ParseResult:
        """Have a file read and return the result."""
        found: list[ParseResult] = []
        self.client.parse(ParseRequest(path=self.dags / file, dags_folder=self.dags, **more), found.append)
        self.until(lambda: found)
        return found[0]

    def close(self) -> None:
        """End everything."""
        self.client.close()
        self.selector.close()


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Make rigs that one test has for itself."""
    rigs: list[Rig] = []

    def make(*, kill_grace_seconds: float = 5.0, environment: Any = None, **options: Any) -> Rig:
        rigs.append(Rig(tmp_path / f"rig{len(rigs)}", options, kill_grace_seconds, environment))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One rig for a module, so that each of its tests also shows that the ones before did no harm."""
    made = Rig(tmp_path_factory.mktemp("rig") / "home", {}, 0.5, None)
    yield made
    made.close()
