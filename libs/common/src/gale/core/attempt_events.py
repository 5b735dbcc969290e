"""From the end of an attempt to the event that it is."""

from typing import Any

from gale.core import events as e
from gale.core.attempt import AttemptEnded, Outcome


def event_of(end: AttemptEnded, cause: str) -> e.TaskEvent:
    """Return the event that the end of an attempt is."""
    if end.outcome is Outcome.LOST:
        return e.HeartbeatLost(ti=end.ti, token=end.token, reason=end.reason, cause=cause)
    about: dict[str, Any] = {
        "ti": end.ti,
        "token": end.token,
        "cause": cause,
        "started_at": end.start_date,
        "ended_at": end.end_date,
    }
    match end.outcome:
        case Outcome.SUCCESS:
            return e.Succeeded(not_taken=end.not_taken, **about)
        case Outcome.SKIPPED:
            return e.AttemptSkipped(**about)
        case Outcome.RESCHEDULED if end.due_at is not None:
            return e.Rescheduled(due_at=end.due_at, **about)
        case _:
            return e.AttemptFailed(reason=end.reason, final=end.outcome is Outcome.FAILED_FINAL, **about)
