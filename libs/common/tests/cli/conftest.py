"""A home of its own for each test, a database with one DAG in it, and the command line as a function."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine, insert

from gale.cli.root import run
from gale.core.graph import DagSpec, TaskSpec, TimetableSpec
from gale.db import tables
from gale.db.engine import open_engine, writing
from gale.db.migrate import migrate

NOW = datetime(2026, 1, 2, tzinfo=UTC)

ETL = DagSpec(
    dag_id="etl",
    fileloc="etl.py",
    tasks=(TaskSpec(task_id="extract", operator="BashOperator"), TaskSpec(task_id="load", upstream=("extract",))),
    timetable=TimetableSpec(kind="cron", expression="0 0 * * *"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    tags=("daily",),
    owners=("airflow",),
)


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


Gale = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a file in it; nothing of the real environment shows through."""
    monkeypatch.setenv("GALE_HOME", str(tmp_path))
    monkeypatch.setenv("LANG", "C.UTF-8")
    for name in ("AIRFLOW_HOME", "GALE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def gale(home: Path, capsys: pytest.CaptureFixture[str]) -> Gale:
    """The command line, in this process."""
    del home

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        try:
            code = run(list(arguments), "gale")
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture
def engine(home: Path) -> Engine:
    """The home's database, with its tables."""
    opened = open_engine(f"sqlite:///{home}/gale.db")
    migrate(opened, default_pool_slots=128)
    opened.dispose()
    return opened


@pytest.fixture
def with_dag(engine: Engine) -> Engine:
    """The database with the DAG `etl`, as the scheduler would have stored it."""
    with writing(engine) as connection:
        version = {
            "id": "v1",
            "dag_id": "etl",
            "version_number": 1,
            "digest": "d",
            "data": msgspec.json.encode(ETL).decode(),
            "source_digest": "s",
            "created_at": NOW,
        }
        connection.execute(insert(tables.dag_version), [version])
        row = {
            "dag_id": "etl",
            "fileloc": "etl.py",
            "version_id": "v1",
            "owners": "airflow",
            "timetable_summary": "0 0 * * *",
            "max_active_tasks": 16,
            "max_active_runs": 16,
            "next_logical_date": NOW,
            "next_interval_start": NOW,
            "next_interval_end": datetime(2026, 1, 3, tzinfo=UTC),
            "next_run_after": datetime(2026, 1, 3, tzinfo=UTC),
        }
        connection.execute(insert(tables.dag), [row])
        connection.execute(insert(tables.dag_tag), [{"dag_id": "etl", "name": "daily"}])
    engine.dispose()
    return engine
