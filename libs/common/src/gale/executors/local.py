"""Runs many attempts at once on this machine, below the scheduler's own process."""

from collections.abc import Collection, Sequence

from gale.core.attempt import AttemptEnded, AttemptOrder
from gale.errors import ConfigError
from gale.runtime.supervisor import Supervisor


class LocalExecutor:
    """The executor of a single machine.

    Args:
        supervisor: Runs the attempts.
        parallelism: How many at once (`[core] parallelism`).
    """

    def __init__(self, supervisor: Supervisor, *, parallelism: int) -> None:
        if parallelism < 1:
            raise ConfigError(
                f"[core] parallelism is {parallelism}, so no task could ever run. Set it to 1 or more (default 32)."
            )
        self._supervisor = supervisor
        self._slots = parallelism

    @property
    def slots(self) -> int:
        """How many attempts it runs at once."""
        return self._slots

    @property
    def claims_here(self) -> bool:
        """True: what is started here is claimed by this process."""
        return True

    def open_slots(self) -> int:
        """Return how many more attempts it takes now."""
        return max(0, self._slots - len(self._supervisor))

    def start(self, orders: Sequence[AttemptOrder]) -> None:
        """Run attempts."""
        self._supervisor.start(orders)

    def stop(self, ti: str, token: str, reason: str, within: float | None = None) -> None:
        """Stop an attempt."""
        self._supervisor.stop(ti, token, reason, within)

    def settle(self, tis: Collection[str]) -> None:
        """Do nothing: no worker runs anything for this executor."""

    def ended(self) -> list[AttemptEnded]:
        """Return the ends since the last call."""
        return self._supervisor.ended()

    def running(self) -> frozenset[tuple[str, str]]:
        """Return (ti, token) of the attempts that were started and whose ends were not handed out."""
        return self._supervisor.running()

    def next_deadline(self) -> float | None:
        """Return when `tick` has to be called at the latest."""
        return self._supervisor.next_deadline()

    def tick(self) -> None:
        """Do what is due by time."""
        self._supervisor.tick()

    def shutdown(self, seconds: float) -> list[AttemptEnded]:
        """Stop everything and return the ends that were not handed out."""
        return self._supervisor.shutdown(seconds)
