"""A DAG whose task writes one half of its log, waits for a file, and writes the other half."""

import time
from datetime import datetime
from pathlib import Path

from gale import DAG
from gale.operators.python import PythonOperator

GATE = Path(__file__).parent.parent / "gate-is-open"


def write(**context):
    """Write before and after the gate; give up after a minute."""
    print("before the gate", flush=True)
    for _ in range(600):
        if GATE.exists():
            break
        time.sleep(0.1)
    print("after the gate", flush=True)


with DAG("streaming", start_date=datetime(2026, 1, 1), schedule=None) as dag:
    PythonOperator(task_id="write", python_callable=write)
