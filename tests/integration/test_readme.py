"""The commands that the README tells a newcomer to type, typed."""

import os
import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
#: Lines such as `GALE_HOME=.gale .venv/bin/gale tasks test hello say 2026-01-01`.
COMMANDS = re.findall(r"^GALE_HOME=\.gale \.venv/bin/(.*)$", README, flags=re.MULTILINE)
SECONDS = 60


def run(home: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the README on a home of its own."""
    program, *arguments = shlex.split(command)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GALE", "AIRFLOW"))}
    return subprocess.run(
        [BIN / program, *arguments],
        env={**environment, "GALE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a database, the first DAG of the README and the notes' `ct1`."""
    home: Path = tmp_path_factory.mktemp("readme") / "home"
    (home / "dags").mkdir(parents=True)
    (first_dag,) = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    (home / "dags" / "hello.py").write_text(first_dag, encoding="utf-8")
    (home / "dags" / "ct1.py").write_text((ROOT / "examples" / "ct1.py").read_text(encoding="utf-8"), encoding="utf-8")
    made = run(home, "gale db migrate")
    assert made.returncode == 0, made.stdout + made.stderr
    return home


def test_the_readme_still_shows_how_to_try_a_task() -> None:
    assert COMMANDS == ["gale tasks test hello say 2026-01-01", "airflow test ct1 print_date 2016-05-14"]


@pytest.mark.parametrize(
    ("command", "printed"), list(zip(COMMANDS, ["Hello on 2026-01-01", r"\b20\d\d\b"], strict=True))
)
def test_a_task_tried_by_a_command_of_the_readme_prints_its_output_and_leaves_no_row(
    home: Path, command: str, printed: str
) -> None:
    ended = run(home, command)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(printed, ended.stdout + ended.stderr)
    with sqlite3.connect(home / "gale.db") as database:
        for table in ("dag_run", "task_instance", "xcom"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    database.close()


def test_the_second_task_of_the_readme_gets_what_the_first_one_left(home: Path) -> None:
    ended = run(home, "gale dags test hello 2026-01-01")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 words" in ended.stdout + ended.stderr
