"""Claimer and recorder on real rows: what is won, what is lost, what is written."""

import pytest
from sqlalchemy import exc
from worker_parts import HandsSeen, Rows, end_of

from gale.core.attempt import Outcome
from gale.errors import StoreError, StoreUnreachable
from gale_worker import claimer as claiming
from gale_worker.claimer import Claimer
from gale_worker.recorder import Recorder, fair
from gale_worker.tickets import Report, Stage, Ticket, Verdict


@pytest.fixture
def claimer(rows: Rows, hands: HandsSeen) -> Claimer:
    return Claimer(rows.engine, rows.shared, rows.job, rows.tickets, hands)


@pytest.fixture
def recorder(rows: Rows, hands: HandsSeen) -> Recorder:
    return Recorder(rows.engine, rows.shared, rows.job, rows.tickets, hands)


def claimed(rows: Rows, claimer: Claimer, number: int = 0) -> Ticket:
    """Return the ticket of an attempt that has been claimed."""
    ticket = rows.queue(number)
    claimer.do([ticket])
    return ticket


def test_what_is_queued_is_claimed_started_and_shown(rows: Rows, hands: HandsSeen, claimer: Claimer) -> None:
    tickets = [rows.queue(number) for number in range(3)]
    claimer.do(tickets)
    assert {order.token for order in hands.started} == {ticket.command.token for ticket in tickets}
    assert hands.shown == tickets
    for ticket in tickets:
        row = rows.row(ticket)
        assert (row.state, row.job_id, row.hostname) == ("running", rows.job.identity.job_id, "w1")
        assert ticket.stage is Stage.RUNNING


def test_what_others_have_claimed_or_users_have_changed_is_dropped(
    rows: Rows, hands: HandsSeen, claimer: Claimer
) -> None:
    taken, cleared, anew, good = (rows.queue(number) for number in range(4))
    rows.set(taken, state="running", job_id="0" * 32)
    rows.set(cleared, state="none", token=None)
    rows.set(anew, token="f" * 32)
    claimer.do([taken, cleared, anew, good])
    assert hands.dropped == [taken, cleared, anew]
    assert [order.token for order in hands.started] == [good.command.token]
    assert rows.tickets.tokens() == [good.command.token]


def test_a_claim_whose_commit_seemed_to_fail_and_yet_lasted_is_started(
    rows: Rows, hands: HandsSeen, claimer: Claimer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = rows.queue()
    real = claiming.in_transaction

    def lose_the_answer(*arguments):
        real(*arguments)
        raise StoreUnreachable("the connection broke after the commit")

    # No server breaks its connection at this very moment when asked to.
    monkeypatch.setattr(claiming, "in_transaction", lose_the_answer)
    with pytest.raises(StoreUnreachable):
        claimer.do([ticket])
    monkeypatch.setattr(claiming, "in_transaction", real)
    assert hands.started == []
    assert hands.acknowledged == [ticket], "nobody waits for an acknowledgement as long as for a database"
    claimer.do([ticket])
    assert [order.token for order in hands.started] == [ticket.command.token]
    assert rows.row(ticket).state == "running"


def test_a_worker_that_stood_still_beyond_its_lease_claims_nothing_before_it_renews(
    rows: Rows, hands: HandsSeen, claimer: Claimer
) -> None:
    ticket = rows.queue()
    rows.clock.advance(31)
    with pytest.raises(StoreError, match="must be renewed"):
        claimer.do([ticket])
    assert (rows.row(ticket).state, hands.started) == ("queued", [])
    rows.job.renewed(rows.clock.monotonic())
    claimer.do([ticket])
    assert rows.row(ticket).state == "running"


def test_ends_are_written_and_told_to_the_schedulers(
    rows: Rows, hands: HandsSeen, claimer: Claimer, recorder: Recorder
) -> None:
    good, bad, skipped = (claimed(rows, claimer, number) for number in range(3))
    recorder.do([end_of(good), end_of(bad, Outcome.FAILED, reason="exit 3"), end_of(skipped, Outcome.SKIPPED)])
    assert [rows.row(ticket).state for ticket in (good, bad, skipped)] == ["success", "up_for_retry", "skipped"]
    assert sorted(hands.told) == sorted(ticket.command.ti for ticket in (good, bad, skipped))
    assert good.report == Report(Verdict.SUCCESS, "success")
    assert bad.report == Report(Verdict.RETRY, "exit 3")
    assert skipped.report == Report(Verdict.SUCCESS, "skipped")
    assert len(rows.tickets) == 0


def test_a_failure_that_is_final_is_reported_as_such(rows: Rows, claimer: Claimer, recorder: Recorder) -> None:
    ticket = claimed(rows, claimer)
    recorder.do([end_of(ticket, Outcome.FAILED_FINAL, reason="no use")])
    assert rows.row(ticket).state == "failed"
    assert ticket.report == Report(Verdict.FAILED, "no use")


def test_the_end_of_an_attempt_that_was_taken_away_changes_nothing(
    rows: Rows, hands: HandsSeen, claimer: Claimer, recorder: Recorder
) -> None:
    marked, stolen = claimed(rows, claimer, 0), claimed(rows, claimer, 1)
    rows.set(marked, state="success")
    rows.set(stolen, token="f" * 32, job_id="0" * 32)
    recorder.do([end_of(marked, Outcome.FAILED), end_of(stolen)])
    assert rows.row(marked).state == "success"
    assert rows.row(stolen).state == "running"
    assert set(hands.told) == {marked.command.ti, stolen.command.ti}, "schedulers may wait for their being gone"
    assert marked.report.verdict is stolen.report.verdict is Verdict.SUPERSEDED


def test_an_end_that_the_database_does_not_take_is_written_without_what_it_brought(
    rows: Rows, claimer: Claimer, recorder: Recorder
) -> None:
    ticket = claimed(rows, claimer)
    error = StoreError("refused")
    error.__cause__ = exc.DataError("INSERT", None, Exception("Data too long for column 'value'"))
    recorder.refuse(end_of(ticket, xcoms={"return_value": '"x"'}), error)
    row = rows.row(ticket)
    assert row.state == "up_for_retry"
    assert "Data too long" in row.reason


def test_who_is_stopped_because_of_the_worker_is_lost_and_not_failed(rows: Rows) -> None:
    ticket = rows.queue()
    ended = end_of(ticket, Outcome.FAILED)
    assert fair(ticket, ended).outcome is Outcome.FAILED
    ticket.given_up = True
    assert fair(ticket, ended).outcome is Outcome.LOST
    assert fair(ticket, end_of(ticket)).outcome is Outcome.SUCCESS, "it was faster"
    assert fair(None, ended).outcome is Outcome.FAILED
