"""How fast the runtime alone runs tasks that do nothing: no database, no scheduler.

    python benchmarks/runtime.py [--tasks 400] [--slots 8] [--rounds 3]

Each task is forked into a session of its own, writes its own log, and runs through the whole of
the task code. Beside it, in the same run and alternating with it: a loop that forks a process of
the same size which ends at once, and waits for it. Nothing that gives each task a process of its own
can beat that loop, so the ratio is what counts on a machine that others use as well.
"""

import argparse
import os
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from gale.clock import SystemClock
from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome, RunFacts
from gale.runtime.client import ZygoteClient
from gale.runtime.supervisor import Supervisor

DAG_FILE = """
from datetime import datetime
from gale.authoring.dag import DAG
from gale.operators.python import PythonOperator

with DAG("noop", start_date=datetime(2026, 1, 1), schedule=None):
    PythonOperator(task_id="noop", python_callable=lambda: None)
"""
#: As large as a host of that file, and forked as often.
PLAIN = """
import os, sys, time
import gale.runtime.zygote
count, slots = int(sys.argv[1]), int(sys.argv[2])
began, running, started = time.perf_counter(), 0, 0
for _ in range(count):
    while running < slots and started < count:
        if os.fork() == 0:
            os._exit(0)
        running, started = running + 1, started + 1
    os.wait()
    running -= 1
print(count / (time.perf_counter() - began))
"""


class Bench:
    """A supervisor with nothing around it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "noop.py"
        self.file.write_text(DAG_FILE)
        self.selector = selectors.DefaultSelector()
        self.client = ZygoteClient(self.selector, os.environ)
        self.supervisor = Supervisor(self.client, _no_services, SystemClock(), folder / "logs")

    def order(self) -> AttemptOrder:
        """Return an order that nobody had before."""
        now = datetime.now(UTC)
        run = RunFacts(dag_id="noop", run_id=uuid.uuid4().hex, logical_date=now, run_after=now)
        return AttemptOrder(ti=run.run_id, token=run.run_id, run=run, task_id="noop", file=str(self.file))

    def ended(self) -> list[AttemptEnded]:
        """Wait for ends."""
        while not (ends := self.supervisor.ended()):
            for key, _ in self.selector.select(1):
                key.data()
            self.supervisor.tick()
        if bad := [end for end in ends if end.outcome is not Outcome.SUCCESS]:
            raise SystemExit(f"a task did not succeed: {bad[0].reason}")
        return ends

    def milliseconds(self, count: int) -> float:
        """Return the median from `start` to the end, one task after the other."""
        found = []
        for _ in range(count):
            began = time.perf_counter()
            self.supervisor.start([self.order()])
            self.ended()
            found.append((time.perf_counter() - began) * 1000)
        return statistics.median(found)

    def per_second(self, count: int, slots: int) -> float:
        """Return tasks per second with so many at once."""
        began, started, done = time.perf_counter(), 0, 0
        while done < count:
            wanted = min(slots - (started - done), count - started)
            self.supervisor.start([self.order() for _ in range(wanted)])
            started += wanted
            done += len(self.ended())
        return count / (time.perf_counter() - began)


def _no_services(order: AttemptOrder) -> NoReturn:
    raise SystemExit(f"{order.task_id} asked for something")


def plain(count: int, slots: int) -> float:
    """Return how often a second this machine forks and waits."""
    done = subprocess.run([sys.executable, "-c", PLAIN, str(count), str(slots)], capture_output=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.milliseconds(3)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
        for _ in range(options.rounds):
            limit = plain(options.tasks, options.slots)
            rate = bench.per_second(options.tasks, options.slots)
            gap = bench.milliseconds(50)
            print(
                f"{rate:5.0f} tasks/s with {options.slots} slots, {rate / limit:.0%} of the {limit:.0f}/s of "
                f"forking alone; one after the other {gap:.1f} ms each"
            )
        bench.client.close()


if __name__ == "__main__":
    main()
