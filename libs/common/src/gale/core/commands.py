"""What must be done. Imperative, plain data; `gale.db.apply` and the scheduler carry it out."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gale.core.facts import RunStatus, TaskFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something that must be done because of the stimulus `cause`."""

    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTask(Command):
    """Write `after` where the row still says `before` (state and token), and the event beside it."""

    run: str
    before: TaskFacts
    after: TaskFacts
    #: Class name of the event that asked for it.
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRun(Command):
    """Write `after` where the row still says `before`, and the event beside it."""

    before: RunStatus
    after: RunStatus
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAttempt(Command):
    """Stop the processes of an attempt whose row has moved on without it."""

    ti: str
    token: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeAt(Command):
    """Tell the machine `TimePassed` at this instant."""

    run: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify(Command):
    """Have a person or a callback told, once for this event of this attempt.

    `kind` is "mail" or "callback"; `event` is a `CallbackKind` or "email_on_failure",
    "email_on_retry". `ti` is empty when it is about the run.
    """

    kind: str
    event: str
    run: str
    ti: str = ""
    try_number: int = 0
    reason: str = ""


def refused_runs(commands: Sequence[Command], runs: Collection[str]) -> frozenset[str]:
    """Return the runs of which nothing may be written, because moves of the given `runs` were refused.

    A machine that was mistaken in one row is mistaken in all that it made of it: the other moves of
    the run, and those of other runs that followed from the same cause.
    """
    refused = set(runs)
    if not refused:
        return frozenset()
    placed = list(_runs_and_causes(commands))
    while True:
        causes = {cause for run, cause in placed if run in refused and cause}
        more = {run for run, cause in placed if cause in causes} - refused
        if not more:
            return frozenset(refused)
        refused |= more


def _runs_and_causes(commands: Iterable[Command]) -> Iterable[tuple[str, str]]:
    for command in commands:
        match command:
            case MoveTask():
                yield command.run, command.cause
            case MoveRun():
                yield command.before.run, command.cause
