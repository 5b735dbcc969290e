"""What the scheduler needs of the world outside, as narrow as it is needed."""

from collections.abc import Sequence
from typing import Protocol

from gale.core.attempt import AttemptEnded, AttemptOrder


class Executor(Protocol):
    """Where attempts are run.

    Driven by the scheduler's loop: nothing here blocks but `shutdown`, and what happens
    meanwhile is handed out by `ended`.
    """

    @property
    def slots(self) -> int:
        """How many attempts it runs at once."""

    @property
    def claims_here(self) -> bool:
        """True if an attempt that is started counts as claimed by this process, False if a worker claims it later."""

    def open_slots(self) -> int:
        """Return how many more attempts it takes now."""

    def start(self, orders: Sequence[AttemptOrder]) -> None:
        """Run attempts; each ends exactly once, whatever happens."""

    def stop(self, ti: str, token: str, reason: str) -> None:
        """Stop an attempt, whose end is then reported as failed, for that reason. Unknown ones are ignored."""

    def ended(self) -> list[AttemptEnded]:
        """Return the ends since the last call."""

    def running(self) -> frozenset[tuple[str, str]]:
        """Return (ti, token) of the attempts that were started and whose ends were not handed out."""

    def next_deadline(self) -> float | None:
        """Return when `tick` has to be called at the latest (monotonic seconds), None = no need."""

    def tick(self) -> None:
        """Do what is due by time: execution timeouts, kills."""

    def shutdown(self, seconds: float) -> list[AttemptEnded]:
        """Stop everything within about `seconds` and return the ends that were not handed out.

        What was stopped by this ends as lost: it is not its fault, and uses up no retry.
        """
