"""celery stop: workers are asked to end by a word in their rows."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select

from gale.db import tables as t
from gale.db.engine import reading, writing
from gale.db.lease import open_job
from gale.runtime.identity import host_name

HERE = host_name("socket.getfqdn")


@pytest.fixture
def workers(engine: Engine) -> None:
    """Register two workers, here and elsewhere, and a scheduler here."""
    with writing(engine) as connection:
        for number, (kind, host) in enumerate((("worker", HERE), ("worker", "elsewhere"), ("scheduler", HERE))):
            open_job(connection, job_id=f"{number:032x}", job_type=kind, now=datetime.now(UTC), hostname=host, pid=1)


def states(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(select(t.job.c.state).order_by(t.job.c.id)).scalars())


@pytest.mark.usefixtures("workers")
def test_celery_stop_asks_the_workers_of_this_machine_and_nobody_else(gale, engine: Engine) -> None:
    said = gale("celery", "stop")
    assert said.code == 0, said
    assert f"{HERE} (pid 1)" in said.out
    assert states(engine) == ["shutdown", "running", "running"]


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize(
    ("options", "expected"),
    [(("--hostname", "elsewhere"), ["running", "shutdown"]), (("--all",), ["shutdown", "shutdown"])],
)
def test_celery_stop_can_mean_another_machine_or_all(gale, engine: Engine, options, expected) -> None:
    assert gale("celery", "stop", *options).code == 0
    assert states(engine) == [*expected, "running"]


@pytest.mark.usefixtures("engine")
def test_celery_stop_without_any_worker_says_so(gale) -> None:
    said = gale("celery", "stop")
    assert said.code == 1
    assert f"No worker runs on {HERE}" in said.err
