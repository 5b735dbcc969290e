"""One task that prints the date: the DAG to try commands on.

    airflow test ct1 print_date 2016-05-14
    gale tasks test ct1 print_date 2016-05-14

Both run the task at once, in the shell, and write nothing to the database.
"""

from datetime import datetime, timedelta

from airflow.models import DAG
from airflow.operators.bash_operator import BashOperator

dag = DAG(
    dag_id="ct1",
    default_args={"owner": "airflow", "start_date": datetime(2016, 5, 14)},
    schedule_interval=timedelta(days=1),
    # Without this, switching the DAG on would make a run for each day since 2016.
    catchup=False,
)

print_date = BashOperator(
    task_id="print_date",
    bash_command="date",
    dag=dag,
)
