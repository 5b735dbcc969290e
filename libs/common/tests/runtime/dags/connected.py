"""A DAG file whose import leaves an open socket behind."""
# ruff: noqa: DTZ001  as authors write DAG files

import socket
from datetime import datetime

from gale.authoring.dag import DAG
from gale.operators.python import PythonOperator

ours, theirs = socket.socketpair()


def ask() -> str:
    theirs.send(b"hello")
    return ours.recv(100).decode()


with DAG("connected", start_date=datetime(2024, 1, 1), schedule=None):
    PythonOperator(task_id="ask", python_callable=ask)
