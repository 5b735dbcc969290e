"""A thread that does whatever waits as one batch: one transaction, however much has come meanwhile.

The more there is to do, the larger the batches, so that the cost of a commit is shared. While the
database is away, the batch stays and is tried again, ever less often; nothing is lost as long as
the process lives. A batch that fails for any other reason is taken apart, so that one bad item neither
holds up the others nor ends the worker.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog
from sqlalchemy import exc

from gale import telemetry
from gale.clock import Clock
from gale.errors import StoreError

T = TypeVar("T")
log = structlog.get_logger()

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0
#: How often trouble that goes on is told.
TELL_SECONDS: Final = 60.0
#: In a rush: how long a batch waits for more. About as long as a commit takes.
GATHER_SECONDS: Final = 0.004
#: Most items of one transaction: locks are held for it, and others wait for them.
MOST: Final = 256
#: What the database says when it is the values that it does not take. Everything else (full disk, shutdown,
#: too many connections, …) may be over in a while.
REFUSALS: Final = (exc.DataError, exc.IntegrityError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[T]):
    """What a batch thread does."""

    #: Told in log lines: what waits while the database is away.
    name: str
    #: Does a batch; a StoreError means that all of it is still to be done.
    do: Callable[[Sequence[T]], None]
    #: Called for an item that fails even alone.
    refuse: Callable[[T, Exception], None]
    #: Of two items with the same key, the second goes into a later batch.
    key: Callable[[T], str]
    #: Says whether so much is going on that it pays to wait for a moment, so that more share the transaction.
    is_rush: Callable[[], bool] = lambda: False


class Batches(Generic[T]):
    """Collects items and has them done by its own thread."""

    def __init__(self, job: Job[T], clock: Clock, on_crash: Callable[[str], None]) -> None:
        self._job = job
        self._clock = clock
        self._on_crash = on_crash
        self._waiting: deque[T] = deque()
        self._busy = False
        self._closed = False
        self._lock = threading.Condition()
        self._pause = FIRST_PAUSE_SECONDS
        self._told_at: float | None = None
        self._thread = threading.Thread(target=self._run, name=job.name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, items: Iterable[T]) -> None:
        """Add items; never blocks."""
        with self._lock:
            self._waiting.extend(items)
            self._lock.notify_all()

    def drop(self) -> list[T]:
        """Take back what has not been begun."""
        with self._lock:
            dropped = list(self._waiting)
            self._waiting.clear()
            self._lock.notify_all()
        return dropped

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until everything is done; False if it is not after `seconds`."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._busy and not self._waiting, seconds)

    def close(self, seconds: float) -> bool:
        """Do what waits, for `seconds` at the most, and end the thread; True if nothing is left."""
        done = self.wait_until_idle(seconds)
        with self._lock:
            self._closed = True
            self._lock.notify_all()
        if self._thread.ident is not None:
            self._thread.join(seconds if done else 0.0)
        return done

    # --- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (batch := self._next()) is not None:
                self._do(batch)
        except Exception:
            log.exception(telemetry.SERVICE_CRASHED, part=self._job.name, next="the worker ends")
            self._on_crash(f"its {self._job.name} failed")

    def _next(self) -> list[T] | None:
        with self._lock:
            self._busy = False
            self._lock.notify_all()
            self._lock.wait_for(lambda: self._closed or self._waiting)
            if not self._closed and self._job.is_rush():
                self._lock.wait_for(lambda: self._closed, GATHER_SECONDS)
            if self._closed:
                return None
            self._busy = True
            batch: dict[str, T] = {}
            later: list[T] = []
            while self._waiting and len(batch) < MOST:
                item = self._waiting.popleft()
                if batch.setdefault(self._job.key(item), item) is not item:
                    later.append(item)
            self._waiting.extendleft(reversed(later))
        return list(batch.values())

    def _do(self, batch: list[T]) -> None:
        while not self._closed:
            try:
                self._job.do(batch)
            except StoreError as error:
                if isinstance(error.__cause__, REFUSALS):
                    self._take_apart(batch, error)
                    return
                self._wait(error, len(batch))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told of the one item that causes it
                self._take_apart(batch, error)
                return
            else:
                self._pause, self._told_at = FIRST_PAUSE_SECONDS, None
                return

    def _take_apart(self, batch: list[T], error: Exception) -> None:
        if len(batch) > 1:
            for item in batch:
                self._do([item])
            return
        told = f"{type(error).__name__}: {error}"
        log.error(telemetry.BATCH_REFUSED, part=self._job.name, error=told, next="goes on without it", exc_info=error)
        self._job.refuse(batch[0], error)

    def _wait(self, error: StoreError, count: int) -> None:
        now = self._clock.monotonic()
        if self._told_at is None or now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            log.error(
                telemetry.DATABASE_ERROR,
                part=self._job.name,
                waiting=count,
                error=str(error),
                next="waits and tries again",
            )
        with self._lock:
            self._lock.wait_for(lambda: self._closed, self._pause)
        self._pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2)
