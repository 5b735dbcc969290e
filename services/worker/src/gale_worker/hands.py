"""What the threads of a worker ask of each other, so that each can be tested without the others."""

from collections.abc import Sequence
from typing import Protocol

from gale.core.attempt import AttemptOrder
from gale_worker.tickets import Ticket


class Hands(Protocol):
    """What follows from claims and ends. Nothing of it blocks, and any thread may call it."""

    def acknowledge(self, tickets: Sequence[Ticket]) -> None:
        """Tell the broker that these commands need not be delivered again."""

    def start(self, orders: Sequence[AttemptOrder]) -> None:
        """Run attempts that have been claimed."""

    def won(self, tickets: Sequence[Ticket]) -> None:
        """Acknowledge their commands and show them as running tasks of Celery."""

    def lost(self, tickets: Sequence[Ticket]) -> None:
        """Acknowledge their commands and give back their slots."""

    def tell_ended(self, tis: Sequence[str]) -> None:
        """Tell the schedulers that the ends of task instances have been written."""
