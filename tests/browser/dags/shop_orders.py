"""A DAG of a shop: it extracts, cleans in groups and in parallel, loads, and reports."""

import time
from datetime import datetime

from gale import DAG
from gale.authoring.groups import TaskGroup
from gale.operators.bash import BashOperator
from gale.operators.empty import EmptyOperator
from gale.operators.python import PythonOperator

DOC = """
### Orders of the shop

Takes the orders of a day, cleans them **by country**, and loads them.
"""


def read_orders(day, **context):
    """Return how many orders there are; long enough to be seen running."""
    for part in range(1, 9):
        print(f"part {part} of 8: {part * 1250} orders of {day}", flush=True)
        time.sleep(0.15)
    return {"day": day, "orders": 10000}


def clean(country, **context):
    """Pretend to work."""
    print(f"cleaning the orders of {country}")
    time.sleep(0.5)
    return country


with DAG(
    "shop_orders",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    description="Orders of the shop: extract, clean, load, report",
    doc_md=DOC,
    tags=["shop", "demo"],
    default_args={"owner": "data"},
    params={"day": "2026-11-22", "limit": 10},
) as dag:
    extract = PythonOperator(task_id="extract", python_callable=read_orders, op_kwargs={"day": "{{ params.day }}"})
    with TaskGroup("clean") as cleaning:
        for name in ("germany", "france", "japan"):
            PythonOperator(task_id=name, python_callable=clean, op_kwargs={"country": name})
    load = BashOperator(task_id="load", bash_command="echo loading {{ params.limit }} rows; sleep 0.5")
    report = EmptyOperator(task_id="report")
    extract >> cleaning >> load >> report
