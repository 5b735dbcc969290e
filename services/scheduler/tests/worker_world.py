"""Workers moved by hand, beside the scheduler's world: what they write is real, what they run is not."""

from collections.abc import Iterator, Sequence
from typing import Any

from scheduler_world import World

from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome
from gale.core.ports import JobAnswer
from gale.db import lease
from gale.db.claims import Claims, Wanted, WorkerIdentity
from gale.db.engine import reading, writing
from gale.db.file_versions import FileVersions
from gale.db.keys import new_key
from gale.testing.hand_executor import HandExecutor
from gale_scheduler.book import RunBook


class HandBroker(HandExecutor):
    """An executor over a broker that is a list. Callbacks run right here, as with the real one."""

    def __init__(self, slots: int, book: RunBook) -> None:
        super().__init__(slots)
        self._book = book
        #: Every command that was ever sent.
        self.sent: list[AttemptOrder] = []
        #: Stops that were asked of workers.
        self.asked: list[tuple[str, str]] = []

    @property
    def claims_here(self) -> bool:
        return False

    def open_slots(self) -> int:
        return max(0, self._slots - len(self._book.in_flight))

    def start(self, orders: Sequence[AttemptOrder]) -> None:
        super().start([order for order in orders if order.callback])
        self.sent += [order for order in orders if not order.callback]

    def stop(self, ti: str, token: str, reason: str, within: float | None = None) -> None:
        super().stop(ti, token, reason, within)
        self.asked.append((ti, token))


class HandWorker:
    """One worker: claims, ends and renews when a test says so."""

    def __init__(self, world: World, hostname: str, slots: int = 16) -> None:
        self.world = world
        self.engine = world.engines.take()
        self.job_id = new_key(world.clock.now())
        identity = WorkerIdentity(job_id=self.job_id, hostname=hostname, actor=f"worker:{hostname}")
        self.claims = Claims(identity, FileVersions(world.dags, world.folder / "versions"))
        with writing(self.engine) as connection:
            about = {"hostname": hostname, "pid": 1, "process_key": "", "queues": "default", "slots": slots}
            lease.open_job(connection, job_id=self.job_id, job_type="worker", now=world.clock.now(), **about)

    def claim(self, *commands: AttemptOrder) -> list[AttemptOrder]:
        """Claim what commands name; return what was won."""
        wanted = [Wanted(ti=c.ti, token=c.token, try_number=c.try_number) for c in commands]
        with writing(self.engine) as connection:
            return self.claims.claim(connection, wanted, self.world.clock.now())

    def end(self, order: AttemptOrder, outcome: Outcome = Outcome.SUCCESS, *, hint: bool = True, **more: Any) -> bool:
        """Write the end of an attempt; tell whether it counted."""
        end = AttemptEnded(ti=order.ti, token=order.token, outcome=outcome, **more)
        with writing(self.engine) as connection:
            written = self.claims.finish(connection, [end], self.world.clock.now())
        if hint:
            for scheduler in self.world.living():
                scheduler.parts.hints.add(written)
            self.world.step()
        return written == [order.ti]

    def held(self) -> dict[tuple[str, str], str]:
        """Return what the rows say that this worker holds."""
        with reading(self.engine) as connection:
            return self.claims.held(connection)

    def renew(self, *orders: AttemptOrder) -> JobAnswer:
        """Renew the leases of the worker and of attempts."""
        with writing(self.engine) as connection:
            return lease.renew(connection, self.job_id, [order.token for order in orders], self.world.clock.now())


def commands(world: World, task_id: str) -> list[AttemptOrder]:
    """Return the commands that any scheduler has ever sent for a task, oldest first."""
    return [order for order in _sent(world) if order.task_id == task_id]


def _sent(world: World) -> Iterator[AttemptOrder]:
    for scheduler in world.schedulers:
        if isinstance(scheduler.executor, HandBroker):
            yield from scheduler.executor.sent
