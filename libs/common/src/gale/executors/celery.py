"""Has workers on other machines run the attempts, by commands over the broker.

Nothing here knows whether an attempt runs: the rows do. Starting an attempt means sending its command;
stopping one means asking whoever runs it. The commands of this executor are sent by a thread, so the
scheduler's loop goes on while the broker is slow or away.

Callbacks of DAGs and tasks are run by the scheduler itself, as with the local executor: they are few, and
need no slot of a worker.
"""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

import structlog

from gale import telemetry
from gale.broker.app import broker_address, broker_notes, make_app
from gale.broker.bus import Bus, Ended, Stop
from gale.broker.publisher import Publisher
from gale.broker.wire import KEY_PURPOSE, TaskCommand
from gale.core.attempt import AttemptEnded, AttemptOrder
from gale.errors import ConfigError
from gale.executors.local import LocalExecutor
from gale.runtime.supervisor import Supervisor
from gale.secrets import derive_key
from gale.settings import Settings

#: Whose end has not come for so long after it was asked to stop has lost its worker: its lease tells.
STOP_SECONDS: Final = 60.0
#: What a scheduler that ends gives the broker to take its last commands.
CLOSE_SECONDS: Final = 3.0
MOST_PRIORITY: Final = 2**31 - 1

Attempt = tuple[str, str]


class CeleryExecutor:
    """The executor of a cluster.

    Args:
        callbacks: Runs callbacks, here.
        publisher: Sends commands.
        bus: Asks workers to stop attempts.
        parallelism: How many attempts one scheduler has under way at most (`[core] parallelism`).
        dispatch_seconds: How long a command may wait for a worker.
        occupied: How many attempts are queued or running, as the scheduler's rows say.
    """

    def __init__(
        self,
        callbacks: LocalExecutor,
        publisher: Publisher,
        bus: Bus,
        *,
        parallelism: int,
        dispatch_seconds: float,
        occupied: Callable[[], int],
    ) -> None:
        if parallelism < 1:
            raise ConfigError(
                f"[core] parallelism is {parallelism}, so no task could ever run. Set it to 1 or more (default 32)."
            )
        self._callbacks = callbacks
        self._publisher = publisher
        self._parallelism = parallelism
        self._dispatch_seconds = dispatch_seconds
        self._occupied = occupied
        self._bus = bus
        #: Token to the instant after which its command may be sent again; oldest first.
        self._sent: dict[str, float] = {}
        #: Attempts that were asked to stop, and until when their end is waited for.
        self._stopping: dict[Attempt, float] = {}

    @property
    def slots(self) -> int:
        """How many attempts it has under way at once."""
        return self._parallelism

    @property
    def claims_here(self) -> bool:
        """False: a worker claims what is started here."""
        return False

    def open_slots(self) -> int:
        """Return how many more attempts it takes now."""
        return max(0, self._parallelism - self._occupied())

    def start(self, orders: Sequence[AttemptOrder]) -> None:
        """Send a command for each attempt, unless one for its token is under way; run callbacks here."""
        here = [order for order in orders if order.callback]
        if here:
            self._callbacks.start(here)
        now = time.monotonic()
        self._forget(now)
        commands = [_command(order) for order in orders if not order.callback and order.token not in self._sent]
        if commands:
            self._sent.update((command.token, now + self._dispatch_seconds) for command in commands)
            self._publisher.send(commands, self._dispatch_seconds)

    def stop(self, ti: str, token: str, reason: str, within: float | None = None) -> None:
        """Ask whoever runs an attempt to stop it.

        Whoever does not hear it sees in the row, within a second, that the attempt is no longer wanted.
        """
        if (ti, token) in self._callbacks.running():
            self._callbacks.stop(ti, token, reason, within)
            return
        self._stopping[ti, token] = time.monotonic() + STOP_SECONDS
        self._bus.publish(Stop(ti, token, reason))

    def on_ended(self, tell: Callable[[Collection[str]], None]) -> None:
        """Have `tell` called, from another thread, with the task instances whose attempts workers report as ended."""
        self._bus.listen(Ended, lambda hint: tell(hint.tis))

    def settle(self, tis: Collection[str]) -> None:
        """Take note that a worker has said of these task instances that their attempts have ended."""
        if self._stopping:
            self._stopping = {attempt: until for attempt, until in self._stopping.items() if attempt[0] not in tis}

    def ended(self) -> list[AttemptEnded]:
        """Return the ends of callbacks since the last call; those of attempts are in the rows."""
        return self._callbacks.ended()

    def running(self) -> frozenset[Attempt]:
        """Return (ti, token) of callbacks that run, and of attempts that were asked to stop and have not ended."""
        now = time.monotonic()
        self._stopping = {attempt: until for attempt, until in self._stopping.items() if until > now}
        return self._callbacks.running() | frozenset(self._stopping)

    def next_deadline(self) -> float | None:
        """Return when `tick` has to be called at the latest."""
        return self._callbacks.next_deadline()

    def tick(self) -> None:
        """Do what is due by time."""
        self._callbacks.tick()

    def shutdown(self, seconds: float) -> list[AttemptEnded]:
        """Stop the callbacks and return their ends; attempts go on, on their workers."""
        ends = self._callbacks.shutdown(seconds)
        self._publisher.close(min(seconds, CLOSE_SECONDS))
        self._bus.close()
        return ends

    def _forget(self, now: float) -> None:
        # All wait equally long, so the oldest come first.
        while self._sent:
            token, until = next(iter(self._sent.items()))
            if until > now:
                return
            del self._sent[token]


def _command(order: AttemptOrder) -> TaskCommand:
    return TaskCommand(
        ti=order.ti,
        token=order.token,
        try_number=order.try_number,
        dag_id=order.run.dag_id,
        run_id=order.run.run_id,
        task_id=order.task_id,
        map_index=order.map_index,
        queue=order.queue,
        # The database's numbers are smaller; a DAG file's may be of any size.
        priority=max(-MOST_PRIORITY, min(order.priority_weight, MOST_PRIORITY)),
    )


def make(settings: Settings, supervisor: Supervisor, *, occupied: Callable[[], int]) -> CeleryExecutor:
    """Return the executor of these settings, with its threads running; warn of what its settings imply.

    Raises:
        ConfigError: The broker's URL or the secret that signs commands is missing or unusable.
    """
    log = structlog.get_logger()
    app, address = make_app(settings), broker_address(settings)
    key = derive_key(settings.webserver.secret_key, KEY_PURPOSE)
    for note in broker_notes(settings):
        log.warning(telemetry.SETTING_NOTE, note=note)

    def tell(trouble: str) -> None:
        log.warning(telemetry.BROKER_AWAY, trouble=trouble, next="commands wait; it is tried again every few seconds")

    return CeleryExecutor(
        LocalExecutor(supervisor, parallelism=settings.core.parallelism),
        Publisher(app, key, _on_done, tell),
        Bus(address.url, key, ssl=address.ssl),
        parallelism=settings.core.parallelism,
        dispatch_seconds=settings.scheduler.task_queued_timeout,
        occupied=occupied,
    )


def _on_done(commands: Sequence[TaskCommand]) -> None:
    """Do nothing: that a worker has a command shows in its row, and nothing less counts."""
