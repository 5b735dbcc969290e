"""What the worker has on its hands: one ticket for each command that it took from the broker.

A ticket lives from the moment at which its message is acknowledged until the attempt has been
lost to somebody else, or its end has been written. All threads of the worker share them, so every
look at them takes one lock; nothing slow is done under it.
"""

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gale.broker.wire import TaskCommand
from gale.core.attempt import AttemptOrder


class Stage(Enum):
    """How far a ticket has come."""

    #: Waits for the claim; the claimer moves it on.
    WAITING = "waiting"
    #: Claimed: the engine runs it.
    RUNNING = "running"
    #: Its process is gone; the recorder has its end to write.
    ENDED = "ended"


class Verdict(Enum):
    """How a ticket is reported to Celery. Nobody decides anything by it: it is for Flower's eyes."""

    SUCCESS = "success"
    FAILED = "failed"
    RETRY = "retry"
    #: Its end was not accepted, because the row had moved on without it.
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Report:
    """The end of an attempt in Celery's words."""

    verdict: Verdict
    text: str


@dataclass(slots=True, eq=False)
class Ticket:
    """One command, and what became of it."""

    command: TaskCommand
    #: Celery's message, for Celery's own view of the task.
    message: Any = None
    stage: Stage = Stage.WAITING
    order: AttemptOrder | None = None
    #: It is stopped because this worker may not run it any longer, not for anything that it did.
    given_up: bool = False
    #: Set when `report` is there.
    reported: threading.Event = field(default_factory=threading.Event)
    report: Report = Report(Verdict.SUCCESS, "")

    @property
    def name(self) -> tuple[str, str]:
        """The attempt: (task instance, token)."""
        return self.command.ti, self.command.token

    def close(self, report: Report) -> None:
        """Tell whoever waits how it ended."""
        self.report = report
        self.reported.set()


class Tickets:
    """All tickets of this worker, by the token of their attempt."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._tickets: dict[str, Ticket] = {}

    def add(self, ticket: Ticket) -> bool:
        """Take a ticket in; False if there is one of this attempt already."""
        with self._lock:
            return self._tickets.setdefault(ticket.command.token, ticket) is ticket

    def get(self, token: str) -> Ticket | None:
        """Return the ticket of an attempt, or None."""
        with self._lock:
            return self._tickets.get(token)

    def move(self, tokens: Iterable[str], stage: Stage) -> None:
        """Write down that attempts have come further."""
        with self._lock:
            for token in tokens:
                if ticket := self._tickets.get(token):
                    ticket.stage = stage
            self._lock.notify_all()

    def remove(self, tokens: Iterable[str]) -> list[Ticket]:
        """Forget tickets and return them."""
        with self._lock:
            gone = [ticket for token in tokens if (ticket := self._tickets.pop(token, None))]
            self._lock.notify_all()
        return gone

    def tokens(self) -> list[str]:
        """Return the tokens of all attempts that this worker stands behind."""
        with self._lock:
            return list(self._tickets)

    def in_stage(self, *stages: Stage) -> list[Ticket]:
        """Return the tickets in one of these stages."""
        with self._lock:
            return [ticket for ticket in self._tickets.values() if ticket.stage in stages]

    def give_up(self, tokens: Collection[str] | None = None) -> list[Ticket]:
        """Mark running attempts as stopped through no fault of their own; return those that were not yet.

        Args:
            tokens: Of the attempts; None = all.
        """
        with self._lock:
            found = [
                ticket
                for token, ticket in self._tickets.items()
                if ticket.stage is Stage.RUNNING and not ticket.given_up and (tokens is None or token in tokens)
            ]
            for ticket in found:
                ticket.given_up = True
        return found

    def __len__(self) -> int:
        with self._lock:
            return len(self._tickets)

    def wait_until(self, question: Callable[[Collection[Ticket]], bool], seconds: float) -> bool:
        """Wait until the answer to `question` is true, for `seconds` at the most; return the answer."""
        with self._lock:
            return self._lock.wait_for(lambda: question(self._tickets.values()), seconds)
