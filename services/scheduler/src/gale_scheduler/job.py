"""The scheduler's own row in `job`: its heartbeat, its lease, and the word that ends it.

A user who sets the row's state to `shutdown` ends the process (the notes: "是 SHUTDOWN 就 kill 掉自己").
A process that finds itself declared dead, or that could not renew in time, stops what it runs
before its lease ends, because others will start it again after that.
"""

import os
from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from gale.clock import Clock
from gale.core.ports import JobAnswer
from gale.db.keys import new_key
from gale.db.lease import LEASE_SECONDS, close_job, open_job, renew
from gale.runtime.identity import process_key

#: What runs is stopped this long before the lease ends.
MARGIN_SECONDS: Final = 10.0


class SchedulerJob:
    """The row of this scheduler."""

    def __init__(self, clock: Clock, *, hostname: str, executor: str) -> None:
        self._clock = clock
        self._executor = executor
        self.hostname = hostname
        self.id = new_key(clock.now())
        self.actor = f"scheduler:{hostname}:{os.getpid()}"
        self._renewed_at = clock.monotonic()

    def open(self, connection: Connection, now: datetime) -> None:
        """Register this process."""
        pid = os.getpid()
        open_job(
            connection,
            job_id=self.id,
            job_type="scheduler",
            now=now,
            hostname=self.hostname,
            pid=pid,
            process_key=process_key(pid),
            executor=self._executor,
        )
        self._renewed_at = self._clock.monotonic()

    def renew(self, connection: Connection, tokens: Collection[str], now: datetime) -> JobAnswer:
        """Renew all leases, those of attempts by their tokens."""
        answer = renew(connection, self.id, tokens, now)
        if answer is not JobAnswer.LOST:
            self._renewed_at = self._clock.monotonic()
        return answer

    @property
    def must_stop_work(self) -> bool:
        """Whether the lease is so near its end that everything that runs must be stopped now."""
        return self._clock.monotonic() - self._renewed_at > LEASE_SECONDS - MARGIN_SECONDS

    @property
    def seconds_left(self) -> float:
        """How long the lease still holds."""
        return LEASE_SECONDS - (self._clock.monotonic() - self._renewed_at)

    def close(self, connection: Connection, *, state: str, now: datetime) -> None:
        """Write down how this process ended and give up its runs."""
        close_job(connection, self.id, state=state, now=now)
