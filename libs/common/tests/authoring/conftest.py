"""A machine with a fixed clock, services that live in memory, and a short way to run a task."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gale.authoring import groups, instants, masking, surroundings, values
from gale.authoring.dag import DAG
from gale.authoring.execution import run_task
from gale.core.attempt import AttemptEnded, AttemptOrder, ConnectionData, RunFacts
from gale.errors import RunExists

NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


@dataclass
class FakeClock:
    """A clock that only a sleeper moves."""

    time: datetime = NOW
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


@dataclass
class MemoryServices:
    """`TaskServices` over dicts. What tasks pushed can be read as values, not as JSON."""

    variables: dict[str, str] = field(default_factory=dict)
    connections: dict[str, ConnectionData] = field(default_factory=dict)
    xcoms: dict[tuple[str, str, str, int, str], str] = field(default_factory=dict)
    prior: dict[tuple[str, str, str | None], str] = field(default_factory=dict)
    runs: dict[tuple[str, str], str] = field(default_factory=dict)
    triggered: list[dict[str, Any]] = field(default_factory=list)
    counted: dict[tuple[str, ...], int] = field(default_factory=dict)
    latest: bool = True

    def get_variable(self, key: str) -> str | None:
        return self.variables.get(key)

    def set_variable(self, key: str, value: str, description: str | None = None) -> None:
        self.variables[key] = value

    def delete_variable(self, key: str) -> bool:
        return self.variables.pop(key, None) is not None

    def get_connection(self, conn_id: str) -> ConnectionData | None:
        return self.connections.get(conn_id)

    def get_xcom(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str | None) -> str | None:
        if key is None:
            found = [
                text for address, text in self.xcoms.items() if address[:4] == (dag_id, run_id, task_id, map_index)
            ]
            return found[-1] if found else None
        return self.xcoms.get((dag_id, run_id, task_id, map_index, key))

    def get_prior_xcom(self, *, dag_id: str, before: datetime, task_id: str, key: str | None) -> str | None:
        return self.prior.get((dag_id, task_id, key))

    def set_xcom(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str, value: str) -> None:
        self.xcoms[dag_id, run_id, task_id, map_index, key] = value

    def trigger_run(
        self, *, dag_id: str, run_id: str | None, logical_date: datetime | None, conf: Mapping[str, Any], reset: bool
    ) -> str:
        name = run_id or "manual__made_up"
        if (dag_id, name) in self.runs and not reset:
            raise RunExists(f"There is a run {name!r} of {dag_id!r} already.")
        self.triggered.append({"dag_id": dag_id, "run_id": name, "logical_date": logical_date, "conf": dict(conf)})
        self.runs.setdefault((dag_id, name), "success")
        return name

    def run_state(self, *, dag_id: str, run_id: str) -> str | None:
        return self.runs.get((dag_id, run_id))

    def count_states(
        self, *, dag_id: str, task_ids: Sequence[str], logical_dates: Sequence[datetime], states: Sequence[str]
    ) -> int:
        return self.counted.get((dag_id, *task_ids, *states), 0)

    def is_latest_run(self, *, dag_id: str, logical_date: datetime) -> bool:
        return self.latest

    def pushed(self, task_id: str, key: str = "return_value") -> Any:
        """Return an XCom of the run that `order` makes, as a value."""
        return values.from_json(self.xcoms["d", "r", task_id, -1, key])


def order(task_id: str = "t", dag_id: str = "d", **changes: Any) -> AttemptOrder:
    """Return the order of a first attempt in the run for 2026-03-14; changes of the run begin with `run_`."""
    day = datetime(2026, 3, 14, tzinfo=UTC)
    run = RunFacts(
        dag_id=dag_id,
        run_id="r",
        run_type="scheduled",
        logical_date=day,
        data_interval_start=day,
        data_interval_end=day + timedelta(days=1),
        run_after=day + timedelta(days=1),
        start_date=NOW,
    )
    run = replace(run, **{name[4:]: changes.pop(name) for name in list(changes) if name.startswith("run_")})
    return replace(
        AttemptOrder(ti="1", token="secret", run=run, task_id=task_id, file="dag.py", max_tries=1), **changes
    )


@pytest.fixture(autouse=True)
def clock() -> Iterator[FakeClock]:
    """Put every test into its own machine, with a clock that stands still."""
    fake = FakeClock()
    groups.close_all()
    masking.forget_all()
    instants.show_as(None)
    with surroundings.changed(
        now=fake.now, monotonic=fake.monotonic, sleep=fake.sleep, environ={"PATH": "/usr/bin:/bin"}
    ):
        yield fake
    groups.close_all()
    instants.show_as(None)


@pytest.fixture
def services() -> MemoryServices:
    """Return services that live in memory."""
    return MemoryServices()


@pytest.fixture
def dag() -> DAG:
    """Return an empty DAG with a start date."""
    return DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def make_order():
    """Return the function that makes orders."""
    return order


@pytest.fixture
def run(services: MemoryServices):
    """Return a function that runs one attempt of a task and stores what it pushed."""

    def run_one(dag: DAG, task_id: str = "t", **changes: Any) -> AttemptEnded:
        ended = run_task(dag, order(task_id, dag.dag_id, **changes), services)
        for key, text in ended.xcoms.items():
            services.set_xcom(dag_id=dag.dag_id, run_id="r", task_id=task_id, map_index=-1, key=key, value=text)
        return ended

    return run_one
