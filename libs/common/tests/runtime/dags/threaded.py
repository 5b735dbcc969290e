"""A DAG file whose import leaves a thread behind that the task needs."""
# ruff: noqa: DTZ001  as authors write DAG files

import threading
from datetime import datetime

from gale.authoring.dag import DAG
from gale.operators.python import PythonOperator

asked = threading.Event()
answered = threading.Event()


def answer() -> None:
    asked.wait()
    answered.set()


threading.Thread(target=answer, name="helper", daemon=True).start()


def ask() -> bool:
    asked.set()
    return answered.wait(10)


with DAG("threaded", start_date=datetime(2024, 1, 1), schedule=None):
    PythonOperator(task_id="ask", python_callable=ask)
