"""Pauses a DAG whose runs fail one after the other (`max_consecutive_failed_dag_runs`)."""

import structlog
from sqlalchemy import Connection

from gale import telemetry
from gale.core.ports import Applied, Writer
from gale.core.states import RunState
from gale.db.read import scheduling as ask
from gale.db.requests import set_paused
from gale_scheduler.book import RunBook

log = structlog.get_logger()


def pause_failing(connection: Connection, applied: Applied, book: RunBook, writer: Writer) -> None:
    """Pause the DAGs of runs that have just failed, where so many before them failed as well."""
    for move in applied.moved_runs:
        owned = book.runs.get(move.after.run)
        if owned is None or move.after.state is not RunState.FAILED:
            continue
        limit = owned.spec.max_consecutive_failed_dag_runs
        if limit <= 0:
            continue
        newest = ask.newest_outcomes(connection, owned.spec.dag_id, limit)
        if len(newest) == limit and set(newest) == {RunState.FAILED.value}:
            set_paused(connection, [owned.spec.dag_id], paused=True, user=writer.actor, now=writer.now)
            log.warning(telemetry.DAG_PAUSED, dag_id=owned.spec.dag_id, failed_runs=limit)
