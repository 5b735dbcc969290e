"""The gate: messages are taken from the broker only while a slot is free.

A message that waits in a worker cannot be done by another one, and if it waits longer than the
broker's `consumer_timeout`, the broker cuts the worker off. So a worker whose slots are all taken
stops consuming, and gives back what it had been sent beyond its slots; when an attempt has ended, it
consumes again. Where attempts are short, the broker would do nothing but start and stop consumers:
therefore what came too early is held as long as slots become free, and a moment longer.

All of this happens in the thread of Celery's loop. Other threads ask for it (`settled`,
`acknowledge`, `slot_freed`), and the loop is woken. A new connection makes a new consumer; what
belonged to the old one is forgotten, because the broker delivers it again.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from gale import telemetry
from gale.broker.wire import TASK_NAME, TaskCommand, celery_form, open_message
from gale.errors import BadMessage
from gale_worker.slots import Slots
from gale_worker.tickets import Ticket, Tickets

log = structlog.get_logger()

#: When for so long no slot has become free, consuming stops, and messages beyond the slots are given back.
HOLD_SECONDS: Final = 0.1


class Consumer(Protocol):
    """What the gate needs of Celery's consumer."""

    #: Celery's loop, or None with brokers that are polled.
    hub: Any
    #: What consumes from the queues.
    task_consumer: Any
    #: Task name to what makes a request of a message.
    strategies: Any
    on_task_message: Any

    def call_soon(self, call: Callable[..., None], /) -> Any:
        """Have something done in the loop's thread."""


class Intake:
    """Takes messages while slots are free, hands commands to the claimer, shows claimed ones to Celery.

    Args:
        slots: How many more may be taken.
        tickets: Where commands are entered.
        key: Commands are signed with it.
        claim: Takes tickets that are to be claimed; must not block.
    """

    def __init__(self, slots: Slots, tickets: Tickets, key: bytes, claim: Callable[[Sequence[Ticket]], None]) -> None:
        self._slots = slots
        self._tickets = tickets
        self._key = key
        self._claim = claim
        self._consumer: Consumer | None = None
        self._surplus: deque[Any] = deque()
        self._paused = False
        self._pause_is_due = False
        #: How many messages have got a slot.
        self._let_in = 0
        #: From other threads: tickets to acknowledge, and whether each is to be shown.
        self._outbox: deque[tuple[Ticket, bool]] = deque()
        self._called = False
        self._call_lock = threading.Lock()
        #: Messages that were no commands of ours.
        self.refused = 0

    # --- from other threads ------------------------------------------------------------------------

    def acknowledge(self, tickets: Sequence[Ticket]) -> None:
        """Have messages acknowledged, and not shown as tasks of Celery."""
        self._outbox.extend((ticket, False) for ticket in tickets)
        self._call()

    def show(self, tickets: Sequence[Ticket]) -> None:
        """Have messages acknowledged and shown."""
        self._outbox.extend((ticket, True) for ticket in tickets)
        self._call()

    def look(self) -> None:
        """Have the gate look at the slots: they have become free, or may no longer be used."""
        self._call()

    def _call(self) -> None:
        with self._call_lock:
            consumer = self._consumer
            if consumer is None or self._called:
                return
            self._called = True
        consumer.call_soon(self._turn)

    # --- in the loop's thread --------------------------------------------------------------------------

    def attach(self, consumer: Consumer) -> Callable[[Any], None]:
        """Work with a consumer from now on; return what takes its messages."""
        with self._call_lock:
            self._consumer = consumer
            self._called = False
        self._surplus.clear()
        self._paused = self._pause_is_due = False
        self._call()
        return self.on_message

    def on_message(self, message: Any) -> None:
        """Take a message, or hold it if there is no slot for it."""
        if self._surplus or not self._slots.take():
            self._surplus.append(message)
            self._plan_pause()
            return
        self._take(message)
        if not self._slots.open:
            self._plan_pause()

    def _take(self, message: Any) -> None:
        """Enter the command of a message, for which a slot has been taken."""
        self._let_in += 1
        try:
            command = open_message(message.headers, message.body, message.content_type, self._key)
        except BadMessage as error:
            self._slots.give(1)
            self.refused += 1
            log.warning(telemetry.MESSAGE_REFUSED, error=str(error), refused=self.refused)
            message.reject(requeue=False)
            return
        ticket = Ticket(command, message)
        if not self._tickets.add(ticket):
            self._slots.give(1)
            log.info(telemetry.TASK_LOST_RACE, task_id=command.task_id, next="it is here already; dropped")
            _acknowledge(message)
            return
        self._claim([ticket])

    def _turn(self) -> None:
        """Do what other threads have asked for."""
        with self._call_lock:
            self._called = False
        while self._outbox:
            ticket, is_shown = self._outbox.popleft()
            _acknowledge(ticket.message)
            if is_shown:
                self._show(ticket)
        while self._surplus and self._slots.take():
            self._take(self._surplus.popleft())
        consumer = self._consumer
        if consumer is not None and self._paused and self._slots.open:
            self._paused = False
            consumer.task_consumer.consume()
        elif not self._slots.open:
            self._plan_pause()

    def _show(self, ticket: Ticket) -> None:
        if self._consumer is None:
            return
        strategy = self._consumer.strategies[TASK_NAME]
        try:
            strategy(shown(ticket.command), None, _nothing, _nothing, self._consumer.on_task_message)
        except Exception:
            # The attempt runs whatever Celery thinks of it.
            log.exception(telemetry.MESSAGE_NOT_SHOWN, next="the attempt runs, but Flower does not see it")

    def _plan_pause(self) -> None:
        consumer = self._consumer
        if consumer is None or self._paused or self._pause_is_due:
            return
        self._pause_is_due = True
        let_in = self._let_in

        def pause() -> None:
            if self._consumer is not consumer:
                return
            self._pause_is_due = False
            if self._let_in == let_in or consumer.hub is None:
                self._pause(consumer)
            elif not self._slots.open:
                self._plan_pause()

        if consumer.hub is None:
            consumer.call_soon(pause)
        else:
            consumer.hub.call_later(HOLD_SECONDS, pause)

    def _pause(self, consumer: Consumer) -> None:
        """Stop consuming, and give back what is held, unless a slot has become free."""
        if self._slots.open and not self._surplus:
            return
        if self._slots.open:
            self._turn()
            return
        self._paused = True
        # While this waits for the broker's answer, more messages may come: they are held.
        consumer.task_consumer.cancel()
        while self._surplus:
            self._surplus.popleft().reject(requeue=True)


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """A command as Celery is shown it: nothing unsigned that could make Celery do something, and decoded already."""

    headers: Mapping[str, Any]
    body: tuple[tuple[()], Mapping[str, Any], Mapping[str, Any]]
    content_type: None = None
    content_encoding: None = None
    delivery_info: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def payload(self) -> tuple[tuple[()], Mapping[str, Any], Mapping[str, Any]]:
        """Arguments, keyword arguments, links to other tasks."""
        return self.body


def shown(command: TaskCommand) -> ShownMessage:
    """Return what Celery is shown of a command."""
    headers, kwargs = celery_form(command)
    return ShownMessage(headers, ((), kwargs, {}))


def _acknowledge(message: Any) -> None:
    """Acknowledge a message, unless that has been done or its channel is gone."""
    if message.acknowledged:
        return
    try:
        message.ack()
    except Exception as error:  # noqa: BLE001 - of a channel that is gone: the loop sees that by itself
        log.info(telemetry.MESSAGE_NOT_ACKNOWLEDGED, error=f"{type(error).__name__}: {error}")


def _nothing(*_args: object, **_kwargs: object) -> None:
    """Stand in for Celery's own acknowledgement: messages are acknowledged by the gate."""
