"""A first DAG: two tasks, one after the other, every night at midnight.

It is written with Airflow's import paths, as most tutorials have it, and runs unchanged. `start_date`
lies a week back and catch-up is on, so switching the DAG on makes seven runs, one for each day that is over.
With `depends_on_past` each waits for the same task of the day before.

Misspell a key of `default_args` (try `retries_delay`) and the page of the DAG shows a warning with the right name.
"""

from datetime import datetime, timedelta

from airflow.models import DAG
from airflow.operators.bash_operator import BashOperator
from airflow.operators.dummy_operator import DummyOperator

seven_days_ago = datetime.combine(datetime.today() - timedelta(days=7), datetime.min.time())

args = {
    "owner": "airflow",
    "start_date": seven_days_ago,
    "email": ["airflow@airflow.com"],
    "email_on_failure": True,
    "email_on_retry": True,
    "retries": 3,
    "retry_delay": timedelta(seconds=60),
    "depends_on_past": True,
}

dag = DAG(
    dag_id="dag",
    default_args=args,
    schedule_interval="0 0 * * *",
    dagrun_timeout=timedelta(minutes=60),
)

demo = DummyOperator(
    task_id="demo",
    dag=dag,
)

last_execute = BashOperator(
    task_id="last_execute",
    bash_command="echo 1",
    dag=dag,
)

demo.set_downstream(last_execute)
