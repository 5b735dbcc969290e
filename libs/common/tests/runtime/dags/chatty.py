"""A DAG file that prints 200 MB."""
# ruff: noqa: DTZ001  as authors write DAG files

import sys
from datetime import datetime

from gale.authoring.dag import DAG

for _ in range(200):
    sys.stdout.write("x" * 1_000_000)

dag = DAG("chatty", start_date=datetime(2024, 1, 1), schedule=None)
