"""How fast the embedded mode starts tasks: tasks per second, and the gap between two tasks of a chain.

    python benchmarks/embedded.py [--rounds 5] [--no-peer]

Starts a scheduler of its own (SQLite, LocalExecutor, everything durable) on a folder of its own,
triggers a DAG of 100 no-op tasks and a chain of 30, and reads when the tasks' own code began and
ended. In the same run: what the machine can do at most (fork and wait, nothing else), and Luigi,
if it is installed. Machines are shared and noisy: the medians of several rounds are shown, and
ratios say more than figures.
"""

import argparse
import itertools
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, func, select

from gale.db import tables as t
from gale.db.engine import open_engine, reading, writing
from gale.db.requests import TriggerRequest, trigger_run
from gale.errors import NotFound, StoreError

HERE = Path(__file__).parent
TASKS = {"many": 100, "chain": 30}
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Round:
    """One run of a DAG: tasks per second from its first task's beginning to its last one's end; gaps in ms."""

    rate: float
    gap: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each DAG is run")
    parser.add_argument("--no-peer", action="store_true", help="leave Luigi out")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gale-benchmark-") as folder:
        ours = measure_gale(Path(folder), options.rounds)
        peer = None if options.no_peer else measure_luigi(Path(folder), options.rounds)
    limit = measure_forks(500)
    report(ours, peer, limit, as_json=options.json)


def report(ours: dict[str, list[Round]], peer: dict[str, list[Round]] | None, limit: float, *, as_json: bool) -> None:
    """Print medians and ratios."""
    figures = {
        "fork_and_wait_per_second": limit,
        "gale_tasks_per_second": statistics.median(one.rate for one in ours["many"]),
        "gale_gap_ms": statistics.median(one.gap for one in ours["chain"]),
    }
    if peer is not None:
        figures["luigi_tasks_per_second"] = statistics.median(one.rate for one in peer["many"])
        figures["luigi_gap_ms"] = statistics.median(one.gap for one in peer["chain"])
        figures["rate_over_luigi"] = figures["gale_tasks_per_second"] / figures["luigi_tasks_per_second"]
        figures["gap_over_luigi"] = figures["gale_gap_ms"] / figures["luigi_gap_ms"]
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    print(f"{'limit: fork and wait':<34}{limit:>10.0f} /s")
    print(f"{'Gale, 100 no-op tasks':<34}{figures['gale_tasks_per_second']:>10.0f} /s")
    print(f"{'Gale, chain of 30, median gap':<34}{figures['gale_gap_ms']:>10.2f} ms")
    if peer is None:
        print("Luigi was left out or is not installed (pip install luigi).")
        return
    print(f"{'Luigi, 100 no-op tasks':<34}{figures['luigi_tasks_per_second']:>10.0f} /s")
    print(f"{'Luigi, chain of 30, median gap':<34}{figures['luigi_gap_ms']:>10.2f} ms")
    print(f"{'Gale / Luigi: tasks per second':<34}{figures['rate_over_luigi']:>10.2f}")
    print(f"{'Gale / Luigi: gap':<34}{figures['gap_over_luigi']:>10.2f}")


# --- Gale ------------------------------------------------------------------------------------------


def measure_gale(folder: Path, rounds: int) -> dict[str, list[Round]]:
    """Run both DAGs `rounds` times in a scheduler of its own."""
    witness = folder / "witness"
    home = folder / "home"
    shutil.copytree(HERE / "dags", home / "dags")
    environment = {
        **os.environ,
        "GALE_HOME": str(home),
        "GALE__CORE__EXECUTOR": "LocalExecutor",
        "GALE__CORE__LOAD_EXAMPLES": "False",
        "GALE__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "BENCHMARK_WITNESS": str(witness),
    }
    migrate = [sys.executable, "-m", "gale.cli.main", "db", "migrate"]
    subprocess.run(migrate, env=environment, check=True, stdout=sys.stderr)
    engine = open_engine(f"sqlite:///{home / 'gale.db'}")
    log = (home / "scheduler.log").open("w")
    scheduler = subprocess.Popen([sys.executable, "-m", "gale_scheduler"], env=environment, stdout=log, stderr=log)
    try:
        for dag_id in TASKS:
            run_once(engine, dag_id, witness)  # the first run also imports the file
        return {dag_id: [run_once(engine, dag_id, witness) for _ in range(rounds)] for dag_id in TASKS}
    finally:
        scheduler.send_signal(signal.SIGTERM)
        scheduler.wait(30)
        engine.dispose()


def run_once(engine: Engine, dag_id: str, witness: Path) -> Round:
    """Trigger a DAG, wait for its run to succeed, and read what its tasks noted."""
    witness.unlink(missing_ok=True)
    run = trigger(engine, dag_id)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with reading(engine) as connection:
            state = connection.execute(select(t.dag_run.c.state).where(t.dag_run.c.id == run)).scalar_one()
        if state in {"success", "failed"}:
            break
        time.sleep(0.05)
    check_claims(engine, run, TASKS[dag_id])
    return read_witness(witness, TASKS[dag_id])


def trigger(engine: Engine, dag_id: str) -> str:
    """Ask for a run, as soon as the scheduler knows the DAG."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with writing(engine) as connection:
                return str(trigger_run(connection, TriggerRequest(dag_id=dag_id), datetime.now(UTC)).id)
        except (NotFound, StoreError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def check_claims(engine: Engine, run: str, tasks: int) -> None:
    """A figure counts only if every task succeeded and was claimed exactly once."""
    ti, event = t.task_instance, t.task_event
    with reading(engine) as connection:
        done = connection.execute(select(func.count()).where(ti.c.run == run, ti.c.state == "success")).scalar_one()
        claims = connection.execute(
            select(func.count())
            .select_from(event)
            .join(ti, ti.c.id == event.c.ti)
            .where(ti.c.run == run, event.c.to_state == "running")
        ).scalar_one()
    if (done, claims) != (tasks, tasks):
        raise SystemExit(f"{done} of {tasks} tasks succeeded, with {claims} claims: no figure.")


def read_witness(witness: Path, tasks: int) -> Round:
    """Return the rate and the median gap from the instants that the tasks noted."""
    spans = sorted((int(began), int(ended)) for _, began, ended in map(str.split, witness.read_text().splitlines()))
    if len(spans) != tasks:
        raise SystemExit(f"{len(spans)} of {tasks} tasks left their mark: no figure.")
    seconds = (max(ended for _, ended in spans) - spans[0][0]) / 1e9
    gaps = [(after[0] - before[1]) / 1e6 for before, after in itertools.pairwise(spans)]
    return Round(rate=(tasks - 1) / seconds, gap=statistics.median(gaps))


# --- the limit and the peer --------------------------------------------------------------------------


def measure_forks(count: int) -> float:
    """Return how many processes a second this Python forks and waits for, one after the other."""
    began = time.perf_counter()
    for _ in range(count):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    return count / (time.perf_counter() - began)


def measure_luigi(folder: Path, rounds: int) -> dict[str, list[Round]] | None:
    """Run the same tasks in Luigi, or return None if it is not installed."""
    if subprocess.run([sys.executable, "-c", "import luigi"], check=False, capture_output=True).returncode != 0:
        return None
    result: dict[str, list[Round]] = {}
    for kind, tasks in TASKS.items():
        result[kind] = []
        for number in range(rounds):
            witness = folder / f"luigi-{kind}-{number}"
            command = [sys.executable, str(HERE / "peers" / "luigi_noop.py"), kind, str(witness), "8"]
            subprocess.run(command, check=True, capture_output=True)
            result[kind].append(read_witness(witness, tasks))
    return result


if __name__ == "__main__":
    main()
