"""Let user code see instants as pendulum's, as Airflow's templates and callables expect."""

from datetime import datetime
from typing import Any

from gale.authoring.instants import show_as


def _as_pendulum(instant: datetime) -> Any:
    # 60 ms of import; `warm_up` makes the first call before any task process is forked.
    import pendulum  # noqa: PLC0415

    return pendulum.instance(instant)


def install() -> None:
    """Show instants as pendulum's from now on."""
    show_as(_as_pendulum)
