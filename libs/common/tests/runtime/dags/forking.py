"""A DAG file whose import leaves a daemon and a child behind."""
# ruff: noqa: DTZ001  as authors write DAG files

import os
import signal
import subprocess
from datetime import datetime

from gale.authoring.dag import DAG
from gale.operators.python import PythonOperator

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            signal.pause()
    os._exit(0)
os.wait()
child = subprocess.Popen(["sleep", "86421"])


def ask() -> bool:
    return child.poll() is None


with DAG("forking", start_date=datetime(2024, 1, 1), schedule=None):
    PythonOperator(task_id="ask", python_callable=ask)
