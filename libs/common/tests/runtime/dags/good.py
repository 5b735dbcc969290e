"""Two DAGs that are as they should be."""
# ruff: noqa: DTZ001, T201  as authors write DAG files

from datetime import datetime

from gale.authoring.dag import DAG
from gale.operators.python import PythonOperator

print("hello from the import")

with DAG("first", start_date=datetime(2024, 1, 1), schedule="@daily"):
    PythonOperator(task_id="one", python_callable=print) >> PythonOperator(task_id="two", python_callable=print)

with DAG("second", start_date=datetime(2024, 1, 1), schedule=None):
    PythonOperator(task_id="only", python_callable=print)
