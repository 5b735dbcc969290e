"""A way to load a DAG file and run all its tasks in this process, and a clean slate between tests."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from airflow import _pendulum
from gale.authoring import groups, instants
from gale.authoring.dag import DAG
from gale.authoring.execution import run_task
from gale.authoring.loading import LoadedFile, load_file
from gale.authoring.serialization import dag_to_spec
from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome, RunFacts


class XComs:
    """The part of `TaskServices` that these DAGs need."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, str | None], str] = {}
        self.triggered: list[dict[str, Any]] = []

    def get_xcom(self, *, task_id: str, key: str | None, **_: Any) -> str | None:
        if key is None:
            found = [text for (task, _), text in self.texts.items() if task == task_id]
            return found[-1] if found else None
        return self.texts.get((task_id, key))

    def set_xcom(self, *, task_id: str, key: str, value: str, **_: Any) -> None:
        self.texts[task_id, key] = value

    def get_variable(self, key: str) -> str | None:
        return None

    def get_connection(self, conn_id: str) -> None:
        return None

    def trigger_run(self, **given: Any) -> str:
        self.triggered.append(given)
        return "triggered__1"

    def is_latest_run(self, **_: Any) -> bool:
        return True


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Begin as a process that has just imported airflow, and forget afterwards what that changed for all."""
    shown = instants._show
    _pendulum.install()
    yield
    groups.close_all()
    instants.show_as(shown)


@pytest.fixture
def load(tmp_path: Path):
    """Return a function that loads a DAG file from its text, or from a path."""

    def load_it(text: str | Path) -> LoadedFile:
        if isinstance(text, Path):
            return load_file(text)
        path = tmp_path / "flow.py"
        path.write_text(dedent(text), "utf-8")
        return load_file(path)

    return load_it


class Ran:
    """How the tasks of a DAG ended, in one run."""

    def __init__(self) -> None:
        self.ends: dict[str, list[AttemptEnded]] = {}
        self.skipped: set[str] = set()
        self.services = XComs()

    @property
    def outcomes(self) -> dict[str, str]:
        """The last outcome of each task that ran."""
        return {task_id: str(ends[-1].outcome) for task_id, ends in self.ends.items()}


@pytest.fixture
def run_dag():
    """Return a function that runs the tasks of a DAG one after the other, retries and branches included."""

    def run(dag: DAG, **changes: Any) -> Ran:
        day = datetime(2016, 5, 14, tzinfo=UTC)
        facts = RunFacts(
            dag_id=dag.dag_id,
            run_id=changes.pop("run_id", "manual__1"),
            logical_date=day,
            data_interval_start=day,
            data_interval_end=day + timedelta(days=1),
            **changes,
        )
        ran = Ran()
        waiting = {task.task_id: task for task in dag_to_spec(dag, dag.fileloc).tasks}
        while waiting:
            again = {}
            for task_id, task in waiting.items():
                if task_id in ran.skipped:
                    continue
                if any(before in again for before in task.upstream):
                    again[task_id] = task
                    continue
                ends = ran.ends.setdefault(task_id, [])
                tries = 1 + sum(end.outcome is Outcome.FAILED for end in ends)
                order = AttemptOrder(
                    ti=task_id, token="t", run=facts, task_id=task_id, file=dag.fileloc, try_number=tries
                )
                ended = run_task(dag, replace(order, max_tries=task.retries + 1), ran.services)
                ends.append(ended)
                ran.skipped.update(ended.not_taken)
                for key, text in ended.xcoms.items():
                    ran.services.texts[task_id, key] = text
                failed = ended.outcome is Outcome.FAILED and tries <= task.retries
                if failed or ended.outcome is Outcome.RESCHEDULED:
                    again[task_id] = task
            waiting = again
        return ran

    return run
