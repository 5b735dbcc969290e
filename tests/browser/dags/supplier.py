"""A DAG whose second task fails and whose third waits for it, so that there is something to explain."""

from datetime import datetime, timedelta

from gale import DAG
from gale.operators.bash import BashOperator
from gale.operators.python import PythonOperator


def check(**context):
    """Fail as a supplier's file does at three in the night."""
    raise ValueError("no rows for 2026-11-22: the supplier's file is empty")


with DAG(
    "supplier",
    start_date=datetime(2026, 1, 1),
    schedule="0 3 * * *",
    catchup=False,
    is_paused_upon_creation=True,
    tags=["shop"],
    default_args={"owner": "purchasing", "retries": 1, "retry_delay": timedelta(hours=1)},
) as dag:
    fetch = BashOperator(task_id="fetch", bash_command="echo fetched")
    checked = PythonOperator(task_id="check", python_callable=check)
    store = BashOperator(task_id="store", bash_command="echo stored")
    fetch >> checked >> store
