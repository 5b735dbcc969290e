"""The command `gale scheduler`."""

import click


@click.command()
@click.option("-n", "--num-runs", type=int, default=None, help="End after this many loops.")
@click.option("-d", "--dag-id", hidden=True, default=None, help="Airflow 1.8's option; ignored.")
def scheduler(num_runs: int | None, dag_id: str | None) -> None:
    """Start the scheduler: read DAG files, create runs, start tasks."""
    # Loaded late: `gale --help` lists this command without the database and the runtime.
    from gale_scheduler.__main__ import serve  # noqa: PLC0415

    del dag_id
    raise SystemExit(serve(num_runs=num_runs))
