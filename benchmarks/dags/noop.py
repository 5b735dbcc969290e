"""DAGs of tasks that do nothing but note when they began: 100 and 500 side by side, 30 in a row; and 8 that sleep."""

import os
import time
from datetime import UTC, datetime

from gale import DAG, PythonOperator


def note(name: str) -> None:
    """Append the instants of the beginning and the end to the witness file, in one write."""
    began = time.monotonic_ns()
    line = f"{name} {began} {time.monotonic_ns()}\n"
    witness = os.open(os.environ["BENCHMARK_WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(witness, line.encode())
    os.close(witness)


ALWAYS = {"start_date": datetime(2026, 1, 1, tzinfo=UTC), "schedule": None, "max_active_tasks": 1000}

with DAG("many", **ALWAYS) as many:
    for number in range(100):
        PythonOperator(task_id=f"task_{number}", python_callable=note, op_args=["many"])

with DAG("chain", **ALWAYS) as in_a_row:
    before = None
    for number in range(30):
        task = PythonOperator(task_id=f"task_{number}", python_callable=note, op_args=["chain"])
        if before is not None:
            before >> task
        before = task

with DAG("wide", **ALWAYS) as wide:
    for number in range(500):
        PythonOperator(task_id=f"task_{number}", python_callable=note, op_args=["wide"])

with DAG("sleepers", **ALWAYS) as sleepers:
    for number in range(8):
        PythonOperator(task_id=f"task_{number}", python_callable=time.sleep, op_args=[10])
