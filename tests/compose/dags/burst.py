"""300 short tasks beside each other: enough work that a worker and a scheduler can die in the middle of it."""

from datetime import datetime

from gale import DAG, BashOperator

TASKS = 300

with DAG("burst", start_date=datetime(2026, 1, 1), schedule=None, max_active_tasks=24):
    for number in range(TASKS):
        BashOperator(task_id=f"task_{number:03}", bash_command="sleep 1")
