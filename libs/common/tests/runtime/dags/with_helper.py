"""A DAG file that imports a helper beside it."""
# ruff: noqa: DTZ001  as authors write DAG files

from datetime import datetime

from helper_of_dags import WORD

from gale.authoring.dag import DAG
from gale.operators.python import PythonOperator

with DAG("with_helper", start_date=datetime(2024, 1, 1), schedule=None):
    PythonOperator(task_id="say", python_callable=lambda: WORD)
