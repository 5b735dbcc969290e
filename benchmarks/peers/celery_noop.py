"""Bare Celery, as small as it gets: tasks that note when they began. Used by `cluster.py`, as worker and as sender.

python celery_noop.py send many 500      (BENCHMARK_WITNESS, BENCHMARK_BROKER, BENCHMARK_RESULTS in the environment)
"""

import os
import sys
import time

from celery import Celery, chain

RESULTS = os.environ.get("BENCHMARK_RESULTS") or None
app = Celery("bare", broker=os.environ["BENCHMARK_BROKER"], backend=RESULTS)
app.conf.update(
    task_ignore_result=RESULTS is None,
    accept_content=["json"],
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
    task_default_queue="bare",
)


@app.task(name="note")
def note() -> None:
    """Append the instants of the beginning and the end to the witness file, in one write."""
    began = time.monotonic_ns()
    line = f"bare {began} {time.monotonic_ns()}\n"
    witness = os.open(os.environ["BENCHMARK_WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(witness, line.encode())
    os.close(witness)


def send(kind: str, count: int) -> None:
    """Send so many tasks, side by side or in a row."""
    if kind == "chain":
        chain(*[note.si() for _ in range(count)]).apply_async()
        return
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(count):
            note.apply_async(producer=producer)


if __name__ == "__main__":
    send(sys.argv[2], int(sys.argv[3]))
