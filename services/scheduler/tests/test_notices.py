"""Mails, callbacks and SLA misses: each told once, by a real mail server where mails are the matter."""

import smtplib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from scheduler_world import DAY, World, dag, daily, day, task
from sqlalchemy import select, update

from gale.core.attempt import Outcome
from gale.core.graph import CallbackKind
from gale.db import tables as t
from gale.db.engine import writing
from gale.settings import Settings
from gale_scheduler.__main__ import _sender
from gale_scheduler.mails import Mail
from gale_scheduler.notices import CALLBACKS_AT_ONCE, MAX_TRIES

ANN = {"email": ("ann@example.com", "ben@example.com")}
#: For things that happen in threads: they are polled for, at the most so long.
PATIENCE_SECONDS = 10.0


class _Mailbox:
    """What a mail server got. `refusals` = how many mails it refuses for now before it takes one."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.receivers: list[list[str]] = []
        self.refusals = 0
        self.tries = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        del server, session
        self.tries += 1
        if self.refusals:
            self.refusals -= 1
            return "451 try again later"
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        self.receivers.append(envelope.rcpt_tos)
        return "250 taken"


@pytest.fixture
def mailbox(world: World, tmp_path: Path) -> Iterator[_Mailbox]:
    """A real SMTP server, and the scheduler's own sender set up for it by settings."""
    box = _Mailbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=PATIENCE_SECONDS)
    server.start()
    environ = {
        "GALE__SMTP__SMTP_HOST": "127.0.0.1",
        "GALE__SMTP__SMTP_PORT": str(port),
        "GALE__SMTP__SMTP_STARTTLS": "False",
        "GALE__SMTP__SMTP_RETRY_LIMIT": "1",
        "GALE__SMTP__SMTP_MAIL_FROM": "gale@example.com",
    }
    world.send = _sender(Settings.load(tmp_path / "home", environ))
    yield box
    server.stop()


def _until(world: World, condition: Callable[[], bool]) -> None:
    """Turn the schedulers, without letting their clock run away, until something in a thread has happened."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        world.step(1)
        world.clock.advance(0.1)


def _notices(world: World) -> list[tuple[str, str, bool]]:
    rows = world.rows(select(t.notice).order_by(t.notice.c.id))
    return [(row.kind, row.event, row.done_at is not None) for row in rows]


def _all_told(world: World) -> bool:
    return all(done for _, _, done in _notices(world))


# --- mails ---------------------------------------------------------------------------------------


def test_one_mail_goes_out_for_each_retry_and_one_for_the_failure(world: World, mailbox: _Mailbox) -> None:
    world.start()
    world.add(dag("etl", task("flaky", retries=2, retry_delay=1.0, **ANN)))
    world.trigger("etl")
    world.step()
    for _ in range(3):
        world.end("flaky", Outcome.FAILED, reason="ZeroDivisionError: <division> by zero")
        world.advance(2)
    _until(world, lambda: _all_told(world))
    world.advance(240)
    subjects = [mail["Subject"] for mail in mailbox.mails]
    assert subjects == ["Gale: etl.flaky up for retry [r1]"] * 2 + ["Gale: etl.flaky failed [r1]"]
    assert mailbox.receivers == [["ann@example.com", "ben@example.com"]] * 3
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 3
    text = mailbox.mails[-1].get_content()
    assert "&lt;division&gt; by zero" in text
    assert "http://gale/dags/etl?run=r1&amp;task=flaky" in text
    assert mailbox.mails[0]["From"] == "gale@example.com"


@pytest.mark.parametrize(("wish", "retry", "failure"), [("email_on_retry", 0, 1), ("email_on_failure", 1, 0)])
def test_who_wants_no_mail_of_a_kind_gets_none(
    world: World, mailbox: _Mailbox, wish: str, retry: int, failure: int
) -> None:
    world.start()
    world.add(dag("etl", task("flaky", retries=1, retry_delay=1.0, **ANN, **{wish: False})))
    world.trigger("etl")
    world.step()
    for _ in range(2):
        world.end("flaky", Outcome.FAILED)
        world.advance(2)
    _until(world, lambda: _all_told(world))
    subjects = " ".join(mail["Subject"] for mail in mailbox.mails)
    assert (subjects.count("up for retry"), subjects.count("failed")) == (retry, failure)


def test_a_mail_that_the_server_refuses_for_now_is_tried_again_later_and_sent_once(
    world: World, mailbox: _Mailbox
) -> None:
    mailbox.refusals = 2
    world.start()
    world.add(dag("etl", task("a", **ANN)))
    world.trigger("etl")
    world.step()
    world.end("a", Outcome.FAILED)
    _until(world, lambda: mailbox.tries == 1)
    for _ in range(12):
        world.advance(4)
    _until(world, lambda: _all_told(world))
    assert (len(mailbox.mails), mailbox.tries) == (1, 3)


def test_a_mail_is_given_up_after_some_tries_and_the_reason_is_kept(world: World) -> None:
    def refuse(mail: Mail) -> None:
        del mail
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")

    world.send = refuse
    world.start()
    world.add(dag("etl", task("a", **ANN)))
    world.trigger("etl")
    world.step()
    world.end("a", Outcome.FAILED)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _all_told(world) and time.monotonic() < deadline:
        world.clock.advance(30)
        world.step(2)
    (row,) = world.rows(select(t.notice))
    assert (row.attempts, row.error) == (MAX_TRIES, "Connection unexpectedly closed")


def test_a_slow_mail_server_gets_each_mail_once_although_it_takes_minutes(world: World) -> None:
    gate = threading.Event()
    sent: list[str] = []

    def slowly(mail: Mail) -> None:
        sent.append(mail.key)
        assert gate.wait(PATIENCE_SECONDS)

    world.send = slowly
    world.start()
    world.start()
    world.add(dag("etl", *(task(f"t{n}", **ANN) for n in range(4))))
    world.trigger("etl")
    world.step()
    for number in range(4):
        world.end(f"t{number}", Outcome.FAILED)
    world.advance(240)
    gate.set()
    _until(world, lambda: _all_told(world))
    assert sorted(sent) == sorted(set(sent))
    assert len(sent) == 4


def test_a_mail_whose_taking_was_not_committed_goes_out_once(world: World, mailbox: _Mailbox) -> None:
    scheduler = world.start()
    world.add(dag("etl", task("a", **ANN)))
    world.trigger("etl")
    world.step()
    scheduler.executor.end(scheduler.executor.order_of("a"), Outcome.FAILED)
    scheduler.turn()
    with writing(world.engine) as connection:
        connection.execute(update(t.slot_pool).values(description="a long transaction"))
        for _ in range(5):
            world.clock.advance(1.1)
            scheduler.turn()
    world.advance(2)
    _until(world, lambda: _all_told(world))
    world.advance(120)
    assert len(mailbox.mails) == 1


def test_a_mail_sent_shortly_before_the_end_is_not_sent_again_by_the_next_scheduler(
    world: World, mailbox: _Mailbox
) -> None:
    scheduler = world.start()
    world.add(dag("etl", task("a", **ANN)))
    world.trigger("etl")
    world.step()
    scheduler.executor.end(scheduler.executor.order_of("a"), Outcome.FAILED)
    for _ in range(4):
        world.clock.advance(0.1)
        scheduler.turn()
    scheduler.loop.stop("a test wants it")
    scheduler.turn()
    assert _notices(world) == [("mail", "email_on_failure", True)]
    world.start()
    world.advance(120)
    assert len(mailbox.mails) == 1


def test_without_a_mail_server_notices_are_closed_with_the_reason(world: World) -> None:
    world.start()
    world.add(dag("etl", task("a", **ANN)))
    world.trigger("etl")
    world.step()
    world.end("a", Outcome.FAILED)
    world.step()
    (row,) = world.rows(select(t.notice))
    assert row.error == "Mail is switched off: smtp_host is empty."


# --- callbacks -----------------------------------------------------------------------------------


def _callbacks(world: World) -> list[tuple[str, str, int]]:
    orders = [order for scheduler in world.schedulers for order in scheduler.executor.started if order.callback]
    return [(order.task_id, order.callback, order.try_number) for order in orders]


def test_callbacks_of_tasks_and_of_the_run_are_called_once_each(world: World) -> None:
    world.start()
    mine = (CallbackKind.SUCCESS, CallbackKind.FAILURE, CallbackKind.RETRY)
    tasks = (task("good", callbacks=mine), task("flaky", retries=1, retry_delay=1.0, callbacks=mine))
    world.add(dag("etl", *tasks, callbacks=(CallbackKind.FAILURE,)))
    world.trigger("etl")
    world.step()
    world.end("good")
    world.end("flaky", Outcome.FAILED)
    world.advance(2)
    world.end("flaky", Outcome.FAILED, reason="no luck")
    world.end_all()
    world.advance(200)
    world.end_all()
    assert sorted(_callbacks(world)) == [
        ("", "on_failure_callback", 1),
        ("flaky", "on_failure_callback", 2),
        ("flaky", "on_retry_callback", 1),
        ("good", "on_success_callback", 1),
    ]
    assert _all_told(world)


def test_a_run_that_is_cleared_and_fails_again_calls_again(world: World) -> None:
    world.start()
    world.add(dag("etl", "a", callbacks=(CallbackKind.FAILURE, CallbackKind.SUCCESS)))
    world.trigger("etl")
    for outcome in (Outcome.FAILED, Outcome.FAILED, Outcome.SUCCESS):
        world.step()
        world.end("a", outcome)
        world.end_all()
        world.clear("etl", "r1", "a")
    assert [kind for _, kind, _ in _callbacks(world)] == [
        "on_failure_callback",
        "on_failure_callback",
        "on_success_callback",
    ]


def test_a_callback_that_takes_minutes_is_called_once_even_beside_another_scheduler(world: World) -> None:
    world.start()
    world.start()
    world.add(dag("etl", task("a", callbacks=(CallbackKind.FAILURE,))))
    world.trigger("etl")
    world.step()
    world.end("a", Outcome.FAILED)
    world.advance(240)
    assert _callbacks(world) == [("a", "on_failure_callback", 1)]
    world.end_all()
    assert _all_told(world)


def test_many_callbacks_at_once_run_a_few_at_a_time(world: World) -> None:
    scheduler = world.start()
    world.add(dag("etl", *(task(f"t{n}", callbacks=(CallbackKind.SUCCESS,)) for n in range(12))))
    world.trigger("etl")
    world.step()
    for number in range(12):
        world.end(f"t{number}")
    assert len(scheduler.executor.orders()) == CALLBACKS_AT_ONCE
    for _ in range(12):
        world.end_all()
        world.advance(1.1)
    assert len(_callbacks(world)) == 12


def test_a_callback_that_fails_is_not_called_again_and_the_reason_is_kept(world: World) -> None:
    scheduler = world.start()
    world.add(dag("etl", task("a", callbacks=(CallbackKind.SUCCESS,))))
    world.trigger("etl")
    world.step()
    world.end("a")
    (order,) = scheduler.executor.orders()
    scheduler.executor.end(order, Outcome.FAILED, reason="KeyError: 'x'")
    world.advance(200)
    (row,) = world.rows(select(t.notice))
    assert (row.error, row.attempts, row.done_at is not None) == ("KeyError: 'x'", 1, True)


# --- SLA -----------------------------------------------------------------------------------------


def _misses(world: World) -> list[str]:
    return [row.task_id for row in world.rows(select(t.sla_miss).order_by(t.sla_miss.c.task_id))]


def test_an_sla_miss_is_noted_once_and_mailed_once(world: World, mailbox: _Mailbox) -> None:
    world.start()
    tasks = (task("late", sla=3600.0, **ANN), task("quick", sla=3600.0, **ANN), task("any", **ANN))
    world.add(daily("etl", *tasks, first=9, callbacks=(CallbackKind.SLA_MISS,)))
    world.step()
    world.end("quick")
    world.clock.set_wall(day(10) + timedelta(seconds=3590))
    world.advance(8)
    assert _misses(world) == []
    world.advance(8)
    assert _misses(world) == ["late"]
    _until(world, lambda: len(mailbox.mails) == 1)
    world.advance(300)
    world.end("late")
    world.advance(60)
    assert _misses(world) == ["late"]
    assert [mail["Subject"] for mail in mailbox.mails] == [
        "Gale: etl.late SLA missed [scheduled__2026-03-09T00:00:00+00:00]"
    ]
    assert [order.callback for order in world.schedulers[0].executor.started if order.callback] == ["sla_miss_callback"]


def test_a_run_by_hand_for_an_old_date_misses_no_sla(world: World) -> None:
    world.start()
    world.add(dag("etl", task("a", sla=60.0)))
    world.trigger("etl", logical_date=day(1))
    world.advance(30)
    assert _misses(world) == []


def test_two_schedulers_note_and_mail_an_sla_miss_once(world: World, mailbox: _Mailbox) -> None:
    world.start()
    world.start()
    world.add(daily("etl", task("late", sla=10.0, **ANN), first=9))
    world.advance(12)
    _until(world, lambda: len(mailbox.mails) == 1)
    world.advance(120)
    assert (_misses(world), len(mailbox.mails)) == (["late"], 1)


def test_a_failed_task_of_yesterday_misses_its_sla_today(world: World) -> None:
    world.start()
    world.add(daily("etl", task("a", sla=2 * DAY), first=9))
    world.step()
    world.end("a", Outcome.FAILED)
    world.advance(DAY)
    assert _misses(world) == []
    world.advance(DAY)
    world.advance(10)
    assert _misses(world) == ["a"]


def test_a_future_that_was_cancelled_is_a_mail_that_was_not_sent(world: World) -> None:
    """A scheduler that ends leaves unsent mails to the next one."""
    scheduler = world.start()
    world.add(dag("etl", task("a", **ANN)))
    world.trigger("etl")
    waiting: Future[None] = Future()
    waiting.cancel()
    waiting.set_running_or_notify_cancel()
    scheduler.parts.notices._sending[1] = waiting
    scheduler.parts.notices._collect_sent()
    assert [error for _, error in scheduler.parts.notices._done] == ["It was not sent before the scheduler ended"]
    scheduler.parts.notices._done.clear()
