"""One task that takes its time: a worker that is asked to end lets it end first."""

from datetime import datetime

from gale import DAG, BashOperator

with DAG("patient", start_date=datetime(2026, 1, 1), schedule=None):
    BashOperator(task_id="wait", bash_command="sleep 15; echo done")
