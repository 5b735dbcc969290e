"""Keeper and guard: leases are renewed; what was taken away, or cannot be kept, is stopped."""

from dataclasses import replace
from datetime import timedelta

import pytest
from worker_parts import HandsSeen, Rows

from gale.db.engine import open_engine
from gale.db.lease import LEASE_SECONDS
from gale_worker.claimer import Claimer
from gale_worker.guard import Guard
from gale_worker.keeper import CLEARED, MOVED_ON, RENEW_SECONDS, Keeper, KeeperActions
from gale_worker.tickets import Stage, Ticket


class Seen:
    """What keeper and guard ask for."""

    def __init__(self) -> None:
        self.stopped: list[tuple[str, str, float | None]] = []
        self.ended: list[str] = []
        self.gates: list[tuple[str, str]] = []

    def stop(self, ti: str, token: str, reason: str, within: float | None) -> None:
        del ti
        self.stopped.append((token, reason, within))

    def gate(self, what: str, why: str) -> None:
        self.gates.append((what, why))

    def actions(self) -> KeeperActions:
        return KeeperActions(
            stop=self.stop,
            end=self.ended.append,
            gate=self.gate,
        )


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def keeper(rows: Rows, seen: Seen) -> Keeper:
    return Keeper(rows.engine, rows.shared, rows.job, rows.tickets, seen.actions())


@pytest.fixture
def running(rows: Rows, hands: HandsSeen) -> Ticket:
    """An attempt that runs here."""
    ticket = rows.queue()
    Claimer(rows.engine, rows.shared, rows.job, rows.tickets, hands).do([ticket])
    return ticket


def test_what_is_still_its_own_goes_on(keeper: Keeper, running: Ticket, seen: Seen) -> None:
    assert running.stage is Stage.RUNNING
    keeper.turn()
    assert seen.stopped == []


@pytest.mark.parametrize(
    "change",
    [
        {"state": "restarting"},
        {"state": "success"},
        {"state": "none", "token": None},
        {"token": "f" * 32, "job_id": "0" * 32},
    ],
    ids=["cleared", "marked", "tried again", "claimed by another worker"],
)
def test_what_the_row_no_longer_grants_is_stopped(
    rows: Rows, keeper: Keeper, running: Ticket, seen: Seen, change: dict
) -> None:
    rows.set(running, **change)
    keeper.turn()
    reason = CLEARED if change.get("state") == "restarting" else MOVED_ON
    assert seen.stopped == [(running.command.token, reason, None)]


def test_an_attempt_whose_end_is_being_written_is_not_stopped(
    rows: Rows, keeper: Keeper, running: Ticket, seen: Seen
) -> None:
    rows.tickets.move([running.command.token], Stage.ENDED)
    rows.set(running, state="success")
    keeper.turn()
    assert seen.stopped == []


def test_leases_are_renewed_in_time_and_not_more_often(rows: Rows, keeper: Keeper, running: Ticket) -> None:
    first = rows.row(running).lease_until
    rows.clock.advance(RENEW_SECONDS - 1)
    keeper.turn()
    assert rows.row(running).lease_until == first
    now = rows.clock.advance(1)
    keeper.turn()
    assert rows.row(running).lease_until == now + timedelta(seconds=LEASE_SECONDS)
    assert rows.jobs()[0].lease_until == now + timedelta(seconds=LEASE_SECONDS)


def test_a_claim_that_nobody_here_knows_of_is_given_up_when_it_is_seen_twice(
    rows: Rows, keeper: Keeper, running: Ticket
) -> None:
    rows.tickets.remove([running.command.token])
    keeper.turn()
    assert rows.row(running).lease_until > rows.clock.now()
    keeper.turn()
    assert rows.row(running).lease_until < rows.clock.now()


def test_the_word_shutdown_ends_the_worker(rows: Rows, keeper: Keeper, seen: Seen) -> None:
    rows.set_job("shutdown")
    rows.clock.advance(RENEW_SECONDS)
    keeper.turn()
    assert seen.ended == ["its job row was set to shutdown"]


def test_a_worker_that_was_declared_dead_stops_everything_and_registers_anew(
    rows: Rows, keeper: Keeper, running: Ticket, seen: Seen
) -> None:
    rows.set_job("failed")
    rows.clock.advance(RENEW_SECONDS)
    before = rows.job.identity

    def stop(ti: str, token: str, reason: str, within: float | None) -> None:
        seen.stop(ti, token, reason, within)
        rows.tickets.remove([token])

    keeper._actions = replace(seen.actions(), stop=stop)
    keeper.turn()
    assert [(token, within) for token, _, within in seen.stopped] == [(running.command.token, 0.0)]
    assert running.given_up
    assert seen.gates == [("shut", "dead"), ("reopen", "dead")]
    assert rows.job.identity.job_id != before.job_id
    assert [job.state for job in rows.jobs()] == ["failed", "running"]
    assert seen.ended == []


def test_too_much_memory_ends_the_worker(rows: Rows, seen: Seen) -> None:
    keeper = Keeper(rows.engine, rows.shared, rows.job, rows.tickets, seen.actions(), max_memory_bytes=1000)
    rows.clock.advance(RENEW_SECONDS)
    keeper.turn()
    assert "worker_max_memory_mb" in seen.ended[0]


def test_a_database_that_is_away_is_told_once_and_renewal_is_tried_each_second(
    rows: Rows, seen: Seen, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = open_engine(f"sqlite:///{rows.folder / 'not' / 'there.db'}")
    keeper = Keeper(gone, rows.shared, rows.job, rows.tickets, seen.actions())
    for _ in range(30):
        keeper.turn()
        rows.clock.advance(1)
    assert capsys.readouterr().out.count("database.error") == 1
    assert keeper._next_renewal <= rows.clock.monotonic()
    gone.dispose()


def test_the_guard_stops_what_runs_before_the_lease_ends_and_tells_how_long_it_may_take(
    rows: Rows, running: Ticket, seen: Seen
) -> None:
    guard = Guard(rows.job, rows.tickets, seen.stop, seen.gate, rows.clock)
    guard.look()
    rows.clock.advance(LEASE_SECONDS - 10)
    guard.look()
    assert seen.stopped == []
    rows.clock.advance(1)
    guard.look()
    guard.look()
    [(token, _, within)] = seen.stopped
    assert token == running.command.token
    assert within == pytest.approx(LEASE_SECONDS - 21 - 3)
    assert running.given_up
    assert seen.gates == [("shut", "lease")]


def test_the_guard_opens_the_gate_when_the_lease_has_been_renewed(rows: Rows, seen: Seen) -> None:
    guard = Guard(rows.job, rows.tickets, seen.stop, seen.gate, rows.clock)
    rows.clock.advance(LEASE_SECONDS)
    guard.look()
    rows.job.renewed(rows.clock.monotonic())
    guard.look()
    assert seen.gates == [("shut", "lease"), ("reopen", "lease")]
