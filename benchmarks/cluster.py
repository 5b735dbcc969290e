"""How fast a cluster starts tasks: one scheduler and one worker over RabbitMQ and MariaDB, beside bare Celery.

    python benchmarks/cluster.py [--rounds 3] [--slots 16] [--no-peer]

Starts servers of its own on free ports (Debian's mariadb-server and rabbitmq-server), everything
durable: each commit synced, each command confirmed. A DAG of 500 no-op tasks gives tasks per second, a
chain of 30 the gap between one task's end and the next one's beginning. In the same run on the same
servers: Celery alone, whose tasks do the same; prefork and threads, without results and with results in
the database. A figure counts only if every task succeeded and was claimed exactly once.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from embedded import HERE, PATIENCE_SECONDS, Round, check_claims, read_witness, trigger
from sqlalchemy import Engine, func, select

from gale.db import tables as t
from gale.db.engine import open_engine, reading

ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests"))

import mariadb  # noqa: E402 - beside the tests, which use them as well
import rabbitmq  # noqa: E402

SLEEPERS = 8
#: After so long a worker has let go what it kept ready for tasks.
REST_SECONDS = 6.0
TASKS = {"wide": 500, "chain": 30}
#: Name to Celery's pool, and whether results are kept.
PEERS = {"prefork": ("prefork", False), "threads": ("threads", False), "threads, results": ("threads", True)}


@dataclass(frozen=True)
class Servers:
    """Where the database and the broker are."""

    database: str
    broker: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each DAG is run")
    parser.add_argument("--slots", type=int, default=16, help="tasks that the worker runs at once")
    parser.add_argument("--no-peer", action="store_true", help="leave bare Celery out")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    if not (mariadb.is_installed() and rabbitmq.is_installed()):
        print("Left out: it needs mariadb-server and rabbitmq-server on this machine.")
        return
    with mariadb.running() as database, rabbitmq.running() as broker, tempfile.TemporaryDirectory() as folder:
        servers = Servers(database, broker)
        figures: dict[str, float] = {}
        with cluster(servers, Path(folder), options.slots) as bench:
            figures |= {f"Gale, {name}": figure for name, figure in bench.measure(options.rounds).items()}
            figures |= bench.memory()
        if not options.no_peer:
            figures |= measure_celery(servers, Path(folder), options.rounds, options.slots)
    report(figures, as_json=options.json)


def report(figures: Mapping[str, float], *, as_json: bool) -> None:
    """Print figures and ratios."""
    found = dict(figures)
    for peer in PEERS:
        if f"Celery {peer}, tasks/s" in found:
            found[f"Gale / Celery {peer}, rate"] = found["Gale, tasks/s"] / found[f"Celery {peer}, tasks/s"]
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    for name, figure in found.items():
        print(f"{name:<44}{figure:>10.2f}")


# --- Gale ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bench:
    """A cluster that runs."""

    engine: Engine
    witness: Path
    processes: Mapping[str, subprocess.Popen[bytes]]

    def measure(self, rounds: int) -> dict[str, float]:
        """Run both DAGs; return the medians."""
        for dag_id in TASKS:
            self.run(dag_id)  # the first run also imports the file
        many = [self.run("wide") for _ in range(rounds)]
        rows = [self.run("chain") for _ in range(rounds)]
        return {
            "tasks/s": statistics.median(one.rate for one in many),
            "chain, median gap in ms": statistics.median(one.gap for one in rows),
        }

    def run(self, dag_id: str) -> Round:
        """Trigger a DAG, wait for its run to succeed, and read what its tasks noted."""
        self.witness.unlink(missing_ok=True)
        run = trigger(self.engine, dag_id)
        self._wait(f"the run of {dag_id}", lambda: self._has_ended(run))
        check_claims(self.engine, run, TASKS[dag_id])
        return read_witness(self.witness, TASKS[dag_id])

    def memory(self) -> dict[str, float]:
        """Return what each service uses while nothing runs, and what the worker uses more for each running task."""
        time.sleep(REST_SECONDS)
        at_rest = {name: _memory_of(process.pid) for name, process in self.processes.items()}
        run = trigger(self.engine, "sleepers")
        self._wait("8 tasks to sleep", lambda: self._count(run, "running") == SLEEPERS)
        time.sleep(1)
        busy = _memory_of(self.processes["worker"].pid)
        self._wait("them to wake up", lambda: self._count(run, "success") == SLEEPERS)
        found = {f"{name} at rest, MB": used for name, used in at_rest.items()}
        return found | {"for each running task, MB": (busy - at_rest["worker"]) / SLEEPERS}

    def _has_ended(self, run: str) -> bool:
        with reading(self.engine) as connection:
            state = connection.execute(select(t.dag_run.c.state).where(t.dag_run.c.id == run)).scalar_one()
        return state in {"success", "failed"}

    def _count(self, run: str, state: str) -> int:
        ti = t.task_instance.c
        with reading(self.engine) as connection:
            found = connection.execute(select(func.count()).where(ti.run == run, ti.state == state)).scalar_one()
        return int(found)

    def _wait(self, what: str, question: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not question():
            if time.monotonic() > deadline:
                raise SystemExit(f"Waited {PATIENCE_SECONDS:g} s in vain for {what}: no figure.")
            time.sleep(0.1)


def _memory_of(pid: int) -> float:
    """Return the memory that a process and its descendants have to themselves (PSS), in MB."""
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    own = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return own / 1024 + sum(_memory_of(int(child)) for child in children)


@contextlib.contextmanager
def cluster(servers: Servers, folder: Path, slots: int) -> Iterator[Bench]:
    """Run a scheduler and a worker."""
    home, witness = folder / "home", folder / "witness"
    shutil.copytree(HERE / "dags", home / "dags")
    environment = {
        **os.environ,
        "GALE_HOME": str(home),
        "GALE__CORE__EXECUTOR": "CeleryExecutor",
        "GALE__CORE__PARALLELISM": "64",
        "GALE__CORE__LOAD_EXAMPLES": "False",
        "GALE__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "GALE__DATABASE__SQL_ALCHEMY_CONN": servers.database,
        "GALE__CELERY__BROKER_URL": servers.broker,
        "BENCHMARK_WITNESS": str(witness),
    }
    gale = [sys.executable, "-m", "gale.cli.main"]
    subprocess.run([*gale, "db", "migrate"], env=environment, check=True, stdout=sys.stderr)
    engine = open_engine(servers.database)
    commands = {
        "scheduler": [*gale, "scheduler"],
        "worker": [*gale, "worker", "--concurrency", str(slots), "--allow-root"],
    }
    processes = {name: _start(command, environment, folder / f"{name}.log") for name, command in commands.items()}
    try:
        yield Bench(engine, witness, processes)
    finally:
        _end(processes.values())
        engine.dispose()


def _start(command: list[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


def _end(processes: object) -> None:
    for process in list(processes):  # type: ignore[call-overload]
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# --- bare Celery -------------------------------------------------------------------------------------


def measure_celery(servers: Servers, folder: Path, rounds: int, slots: int) -> dict[str, float]:
    """Run the same tasks in Celery alone. Its messages lie in the queue before its worker starts: nothing slows it."""
    figures: dict[str, float] = {}
    for name, (pool, results) in PEERS.items():
        peer = Peer(servers, folder, pool, results=results, slots=slots)
        many = [peer.run("many", 500) for _ in range(rounds)]
        chains = [peer.run("chain", 30) for _ in range(rounds)]
        figures[f"Celery {name}, tasks/s"] = statistics.median(one.rate for one in many)
        figures[f"Celery {name}, chain, median gap in ms"] = statistics.median(one.gap for one in chains)
    return figures


class Peer:
    """Celery with one pool, with or without results."""

    def __init__(self, servers: Servers, folder: Path, pool: str, *, results: bool, slots: int) -> None:
        self.witness = folder / "witness-of-celery"
        self.log = folder / "celery.log"
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(HERE / "peers"),
            "BENCHMARK_BROKER": servers.broker,
            "BENCHMARK_RESULTS": f"db+{servers.database}" if results else "",
            "BENCHMARK_WITNESS": str(self.witness),
            "C_FORCE_ROOT": "1",
        }
        celery = [sys.executable, "-m", "celery", "-A", "celery_noop", "worker", "--loglevel", "WARNING"]
        self.command = [*celery, "--pool", pool, "--concurrency", str(slots), "--without-gossip", "--without-mingle"]

    def run(self, kind: str, count: int) -> Round:
        """Send tasks, start a worker, wait until all have left their mark."""
        self.witness.write_text("")
        sender = [sys.executable, str(HERE / "peers" / "celery_noop.py"), "send", kind, str(count)]
        subprocess.run(sender, env=self.environment, check=True)
        worker = _start(self.command, self.environment, self.log)
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while self.witness.read_text().count("\n") < count:
                if time.monotonic() > deadline:
                    raise SystemExit(f"Celery did not run {count} tasks in {PATIENCE_SECONDS:g} s: no figure.")
                time.sleep(0.1)
        finally:
            _end([worker])
        return read_witness(self.witness, count)


if __name__ == "__main__":
    main()
