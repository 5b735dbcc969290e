"""The worker's row in `job`: who claims, for how long it may act on what it has claimed, the word that ends it."""

import os
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from gale.clock import Clock
from gale.core.ports import JobAnswer
from gale.db.claims import Claims, WorkerIdentity
from gale.db.file_versions import FileVersions
from gale.db.keys import new_key
from gale.db.lease import LEASE_SECONDS, close_job, open_job, renew
from gale.runtime.identity import process_key

#: What runs is stopped this long before the lease ends.
MARGIN_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What this worker is there for, as others see it in its row."""

    hostname: str
    queues: Sequence[str]
    slots: int


class WorkerJob:
    """The row of this worker. It gets a new one when others have declared the old one dead.

    Args:
        clock: The database's.
        offer: What is written into the row.
        files: Where the versions of DAG files are.
    """

    def __init__(self, clock: Clock, offer: Offer, files: FileVersions) -> None:
        self._clock = clock
        self._offer = offer
        self._files = files
        self._lock = threading.Lock()
        self._renewed_at = clock.monotonic()
        self.identity = self._new_identity()

    def _new_identity(self) -> WorkerIdentity:
        return WorkerIdentity(
            job_id=new_key(self._clock.now()),
            hostname=self._offer.hostname,
            actor=f"worker:{self._offer.hostname}:{os.getpid()}",
        )

    def open(self, connection: Connection) -> None:
        """Register this process, under a new id if it had one."""
        began, now = self._clock.monotonic(), self._clock.now()
        identity = self._new_identity()
        pid = os.getpid()
        open_job(
            connection,
            job_id=identity.job_id,
            job_type="worker",
            now=now,
            hostname=self._offer.hostname,
            pid=pid,
            process_key=process_key(pid),
            queues=",".join(self._offer.queues),
            slots=self._offer.slots,
        )
        with self._lock:
            self.identity, self._renewed_at = identity, began

    def claims(self) -> Claims:
        """Return what claims and writes ends in this worker's name. Not for several threads at once."""
        return Claims(self.identity, self._files)

    def renew(self, connection: Connection, tokens: Collection[str], now: datetime) -> JobAnswer:
        """Renew all leases; call `renewed` when that is committed."""
        return renew(connection, self.identity.job_id, tokens, now)

    def renewed(self, began: float) -> None:
        """Write down that the leases hold, counted from before the transaction began (monotonic)."""
        with self._lock:
            self._renewed_at = began

    @property
    def seconds_left(self) -> float:
        """How long the leases still hold, as far as this process knows."""
        with self._lock:
            return LEASE_SECONDS - (self._clock.monotonic() - self._renewed_at)

    @property
    def must_stop_work(self) -> bool:
        """Whether the lease is so near its end that everything that runs must be stopped now."""
        return self.seconds_left < MARGIN_SECONDS

    def close(self, connection: Connection, *, state: str) -> None:
        """Write down how this process ended."""
        close_job(connection, self.identity.job_id, state=state, now=self._clock.now())
