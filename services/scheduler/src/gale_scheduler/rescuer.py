"""Finds what nobody looks after any more: dead processes, their runs, their attempts.

An attempt whose lease has ended, or whose worker is known to be dead, is recorded as lost and
tried again; that uses up none of its retries. The comparison is made on the database's clock,
and the move carries the attempt's token, so that a worker that comes back too late writes nothing.
"""

from collections.abc import Collection

import structlog
from sqlalchemy import Connection

from gale import telemetry
from gale.core import events as e
from gale.core.commands import Command
from gale.core.ports import Writer
from gale.core.states import CLAIMED
from gale.db.lease import bury_dead_jobs
from gale.db.read import scheduling as ask
from gale.runtime.identity import is_alive
from gale_scheduler.book import RunBook

log = structlog.get_logger()


class Rescuer:
    """Looks for the dead and for what they left behind."""

    def __init__(self, book: RunBook, *, hostname: str) -> None:
        self._book = book
        self._hostname = hostname

    def bury(self, connection: Connection, writer: Writer) -> bool:
        """Mark dead processes as failed; True if there were any, so that their runs can be adopted."""
        dead = bury_dead_jobs(connection, hostname=self._hostname, is_alive=is_alive, now=writer.now)
        for job_id in dead:
            log.warning(telemetry.JOB_DEAD, job_id=job_id, next="its runs are adopted, its attempts tried again")
        return bool(dead)

    def rescue(self, connection: Connection, alive: Collection[str], writer: Writer) -> list[Command]:
        """Record lost attempts of owned runs; return the moves that try them again.

        Args:
            connection: A transaction that writes.
            alive: Tokens of the attempts that run right here. They are not lost whatever their lease says,
                for instance after the machine was asleep, as long as nobody else has taken them.
            writer: Who writes, and when.
        """
        commands: list[Command] = []
        for row in ask.lost_attempts(connection, self._book.runs.keys(), writer.now):
            owned = self._book.run_of(row.id)
            if owned is None or row.token in alive:
                continue
            facts = owned.machine.facts(row.id)
            if facts.state not in CLAIMED or facts.token != row.token:
                continue
            reason = f"The worker on {row.hostname or 'an unknown host'} (pid {row.pid or '?'}) was lost"
            log.warning(telemetry.TASK_LOST, dag_id=owned.row.dag_id, run_id=owned.row.run_id, task_id=facts.task_id)
            event = e.HeartbeatLost(ti=row.id, token=row.token, reason=reason, cause=f"lost:{row.token[:8]}")
            commands += self._book.handle(row.run, event, writer.now)
        return commands
