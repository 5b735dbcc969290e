"""The command `gale worker`."""

import os

import click

from gale.errors import ConfigError
from gale.settings import environment

#: Celery's own variable for the same permission.
FORCE_ROOT = "C_FORCE_ROOT"


@click.command()
@click.option("-q", "--queues", default=None, help="Queues to take tasks from, separated by commas.")
@click.option("-c", "--concurrency", type=click.IntRange(1), default=None, help="Tasks that run at once.")
@click.option(
    "-H", "--hostname", "--celery-hostname", "-cn", "--celery_hostname", "node_name", default=None,
    help="Celery's name of this worker, e.g. worker1@%h.",
)  # fmt: skip
@click.option("--allow-root", is_flag=True, help="Run as root although tasks would have its rights.")
@click.option("-s", "--skip-serve-logs", is_flag=True, help="Do not serve the logs of its tasks to the webserver.")
@click.option("--without-mingle", is_flag=True, hidden=True, help="Airflow's option; always so.")
@click.option("--without-gossip", is_flag=True, hidden=True, help="Airflow's option; always so.")
@click.option("-D", "--daemon", is_flag=True, hidden=True, help="Airflow's option; refused.")
def worker(
    queues: str | None,
    concurrency: int | None,
    node_name: str | None,
    *,
    allow_root: bool,
    skip_serve_logs: bool,
    daemon: bool,
    **_old: bool,
) -> None:
    """Start a worker: take task commands from the broker and run them."""
    if daemon:
        raise ConfigError(
            "Gale does not put itself into the background: nobody would start it again. "
            "Let systemd or Docker Compose run `gale worker` (examples are in the documentation)."
        )
    _refuse_root(allowed=allow_root)
    # Loaded late: `gale --help` lists this command without Celery, the database and the runtime.
    from gale_worker.__main__ import Choices, serve  # noqa: PLC0415

    wanted = [name.strip() for name in (queues or "").split(",") if name.strip()]
    choices = Choices(queues=wanted or None, slots=concurrency, node_name=node_name, serves_logs=not skip_serve_logs)
    raise SystemExit(serve(choices))


def _refuse_root(*, allowed: bool) -> None:
    """Refuse to run tasks with all rights of the machine.

    Raises:
        ConfigError: This is root, and nobody has allowed that.
    """
    if os.geteuid() != 0 or allowed or environment(FORCE_ROOT) not in {"", "0", "false", "False"}:
        return
    raise ConfigError(
        "The worker would run as root, and with it every task of every DAG: whoever can write a DAG file could do "
        f"anything to this machine. Run it as another user, or insist with --allow-root (or {FORCE_ROOT}=1)."
    )
