"""How an attempt ended, decided from everything that is known of it. Pure, but for the look at signals' names."""

import os
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome
from gale.runtime import messages
from gale.runtime.endings import describe_exit
from gale.runtime.logs import gale_line

#: Exit codes of a task process that did not come as far as the task's code, or could not tell its end.
EXIT_NO_SETUP: Final = 70
EXIT_UNTOLD: Final = 71


@dataclass(slots=True, kw_only=True)
class Judgement:
    """What is known of an attempt so far."""

    order: AttemptOrder
    began: datetime
    #: What the task process said of its end.
    said: AttemptEnded | None = None
    #: Why it was stopped, and what it then counts as.
    stopped: str = ""
    stopped_as: Outcome = Outcome.FAILED
    #: SIGKILL was sent by us.
    killed: bool = False
    #: It did not keep to the protocol.
    broken: str = ""
    #: It could not run because of its DAG file; and what to print of that.
    refused: str = ""
    text: str = ""
    #: Nothing is known of its end.
    lost: str = ""


def judge(known: Judgement, gone: messages.TaskGone | None, now: datetime) -> tuple[AttemptEnded, str]:
    """Return the end of an attempt and the last lines of its log."""
    order = known.order
    outcome, reason = _decide(known, gone)
    # Only the end that holds takes along what is to be stored.
    told = known.said if known.said is not None and outcome is known.said.outcome and not known.stopped else None
    blank = AttemptEnded(ti=order.ti, token=order.token, outcome=outcome)
    end = replace(
        told or blank,
        ti=order.ti,
        token=order.token,
        outcome=outcome,
        reason=reason,
        # A sensor that was asked before has been at it since then.
        start_date=order.first_reschedule_at or known.began,
        end_date=now,
    )
    if gone is not None and gone.pid:
        end = replace(
            end,
            pid=gone.pid,
            exit_code=os.waitstatus_to_exitcode(gone.status),
            cpu_seconds=round(gone.cpu_seconds, 4),
            max_rss_bytes=gone.max_rss_bytes,
        )
    return end, _last_lines(known, gone, end, now)


def _decide(known: Judgement, gone: messages.TaskGone | None) -> tuple[Outcome, str]:
    if known.stopped:
        return known.stopped_as, f"{known.stopped}."
    if known.refused:
        return Outcome.FAILED, f"{known.refused}."
    if known.lost or gone is None:
        return Outcome.LOST, f"{known.lost}."
    if gone.error:
        return Outcome.LOST, gone.error
    if known.said is not None and (gone.status == 0 or known.killed):
        return known.said.outcome, known.said.reason
    return Outcome.FAILED, _why_failed(known, gone.status)


def _why_failed(known: Judgement, status: int) -> str:
    if known.broken:
        return f"The task process broke the protocol with its supervisor ({known.broken}), so its end is not known."
    if known.said is not None:
        return f"The task process said {known.said.outcome.value!r}, but then it was {_was(status)}."
    if status == 0:
        return (
            "The task process ended with exit code 0 without saying how the task ended (os._exit?). "
            "Nobody knows whether the work was done, so this counts as failed."
        )
    return f"The task process was {_was(status)} before the task had ended."


def _was(status: int) -> str:
    said = describe_exit(status)
    return said if said.startswith("killed") else f"ended with {said}"


def _last_lines(known: Judgement, gone: messages.TaskGone | None, end: AttemptEnded, now: datetime) -> str:
    lines = known.text.rstrip("\n") + "\n" if known.text.strip() else ""
    if gone is not None and gone.strays:
        lines += gale_line(now, f"Processes that the task left behind were killed: {gone.strays}", "WARNING")
    facts = [f"Attempt {known.order.try_number} ended: {end.outcome.value}"]
    if end.reason:
        facts.append(end.reason.rstrip(".").replace("\n", " ")[:1000])
    if gone is not None and gone.pid:
        facts.append("killed by SIGKILL, sent by Gale" if known.killed else describe_exit(gone.status))
        facts.append(f"CPU {gone.cpu_seconds:.2f} s")
        facts.append(f"memory {gone.max_rss_bytes / 1e6:.0f} MB")
    good = end.outcome in {Outcome.SUCCESS, Outcome.SKIPPED, Outcome.RESCHEDULED}
    return lines + gale_line(now, "; ".join(facts), "INFO" if good else "ERROR")
