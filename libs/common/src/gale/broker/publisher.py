"""Publishes task commands, many at once, and knows which of them the broker has on disk.

Without confirms a `kill -9` of the broker lost every one of 3,690 publishes that had returned; with a
round trip for each, a thousand commands would take a second. So commands go out one after the other
on a channel in confirm mode, and the confirms are gathered as they come, often many in one.

What is not confirmed when the connection breaks is sent again: a command that comes twice loses the
race for the claim. What cannot be sent before its deadline is forgotten: its row's deadline makes
the scheduler dispatch it anew, with another token.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from amqp.exceptions import AMQPError
from celery import Celery
from kombu import Connection, Queue

from gale import telemetry
from gale.broker.app import address_of
from gale.broker.link import Link
from gale.broker.trouble import masked
from gale.broker.wire import CONTENT_ENCODING, CONTENT_TYPE, Packed, TaskCommand, pack
from gale.errors import BrokerError

#: Commands that may be under way without a confirm: what RabbitMQ has to hold in memory of us.
WINDOW: Final = 2000
#: For so long nothing is sent to a queue that cannot be declared; other queues go on.
BAD_QUEUE_SECONDS: Final = 10.0
#: Pause after the broker has said that it could not take a command.
REFUSED_PAUSE_SECONDS: Final = 0.5
PERSISTENT: Final = 2
#: A broker that has room confirms within milliseconds. One that says nothing for so long is left and asked anew.
CONFIRM_SECONDS: Final = 15.0
#: What is older when it gets to a worker has lost its row's token already.
_LEAST_EXPIRATION_MS: Final = 1000
BLOCKED: Final = (
    "The broker is short of memory or disk and takes no commands. They wait, and go out when it has room again. "
    "See `rabbitmqctl status`, section Alarms."
)


@dataclass(slots=True)
class Waiting:
    """A command that has to be sent."""

    command: TaskCommand
    #: Monotonic instant after which it is forgotten.
    until: float
    sent_at: float = 0.0


class Publisher:
    """Sends commands from a thread of its own.

    Args:
        app: Celery's application: where the broker is.
        key: Signs the commands.
        on_done: Called with the commands that the broker has taken, from this thread.
        on_trouble: Called with a sentence when trouble begins, not for each try.
    """

    def __init__(
        self,
        app: Celery,
        key: bytes,
        on_done: Callable[[Sequence[TaskCommand]], None],
        on_trouble: Callable[[str], None],
    ) -> None:
        address = address_of(app)
        self._box = _Box()
        kind = _ConfirmedWork if address.is_amqp else _PolledWork
        work = kind(self._box, key, on_done)
        self._link = Link("gale-publisher", address, work, on_trouble)
        work.link, work.url = self._link, address.url
        self._link.start()

    def send(self, commands: Sequence[TaskCommand], seconds: float) -> None:
        """Send commands as soon as the broker takes them; never waits.

        Args:
            commands: Those of a higher priority go first.
            seconds: After this time they are forgotten, sent or not.
        """
        until = time.monotonic() + seconds
        ordered = sorted(commands, key=lambda command: -command.priority)
        self._box.put(Waiting(command, until) for command in ordered)
        self._link.wake()

    def close(self, seconds: float) -> None:
        """Wait at most so long until all is sent, and end."""
        until = time.monotonic() + seconds
        self._box.wait_until_empty(seconds)
        self._link.close(max(0.5, until - time.monotonic()))


class _Box:
    """What has to be sent: filled by any thread, emptied by the publisher's."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: deque[Waiting] = deque()
        self._under_way = 0

    def put(self, commands: Iterable[Waiting]) -> None:
        with self._condition:
            self._waiting.extend(commands)

    def put_back(self, commands: Iterable[Waiting]) -> None:
        """Put commands in front again that have not arrived."""
        again = list(commands)
        with self._condition:
            self._waiting.extendleft(reversed(again))
            self._under_way -= len(again)

    def take(self, limit: int) -> list[Waiting]:
        with self._condition:
            taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
            self._under_way += len(taken)
            return taken

    def settled(self, count: int) -> None:
        """Take note that commands that were taken are done with."""
        with self._condition:
            self._under_way -= count
            if not self._under_way and not self._waiting:
                self._condition.notify_all()

    def forget_late(self, now: float) -> int:
        """Drop what nobody waits for any more; return how many there were."""
        with self._condition:
            # Nearly always the first one tells that there is nothing to do.
            if not self._waiting or self._waiting[0].until > now:
                return 0
            kept = deque(waiting for waiting in self._waiting if waiting.until > now)
            count = len(self._waiting) - len(kept)
            self._waiting = kept
            if not self._under_way and not kept:
                self._condition.notify_all()
            return count

    def wait_until_empty(self, seconds: float) -> bool:
        with self._condition:
            return self._condition.wait_for(lambda: not self._waiting and not self._under_way, seconds)

    def __len__(self) -> int:
        return len(self._waiting)


class _Work:
    """What both ways of sending have in common."""

    link: Link
    url: str

    def __init__(self, box: _Box, key: bytes, on_done: Callable[[Sequence[TaskCommand]], None]) -> None:
        self._box = box
        self._key = key
        self._on_done = on_done
        self._log = structlog.get_logger()

    def options(self) -> dict[str, Any]:
        return {}

    def away(self) -> None:
        if late := self._box.forget_late(time.monotonic()):
            self._log.warning(
                telemetry.COMMANDS_LATE,
                count=late,
                next="their tasks go back to scheduled at their deadline and are dispatched anew",
            )

    def _pack(self, waiting: Waiting) -> Packed | None:
        """Return the message; None for a command that no message can hold, which must not hold up the others."""
        try:
            return pack(waiting.command, self._key)
        except (ValueError, OverflowError, TypeError) as error:
            self._log.warning(telemetry.COMMAND_REFUSED, command=repr(waiting.command)[:500], error=str(error))
            self._box.settled(1)
            return None

    def _done(self, commands: Sequence[TaskCommand]) -> None:
        if commands:
            self._box.settled(len(commands))
            self._on_done(commands)


class _ConfirmedWork(_Work):
    """RabbitMQ: confirms gathered as they come.

    py-amqp's own confirm mode waits for each message; the channel's events tell the same without waiting.
    """

    def __init__(self, box: _Box, key: bytes, on_done: Callable[[Sequence[TaskCommand]], None]) -> None:
        super().__init__(box, key, on_done)
        self._channel: Any = None
        self._blocked = False
        self._held_until = 0.0
        self._tag = 0
        #: By delivery tag, oldest first.
        self._unconfirmed: OrderedDict[int, Waiting] = OrderedDict()
        #: Tokens that the broker gave back because their queue is gone.
        self._returned: set[str] = set()
        self._confirmed: list[TaskCommand] = []
        self._declared: set[str] = set()
        self._bad: dict[str, float] = {}

    def options(self) -> dict[str, Any]:
        return {"on_blocked": self._on_blocked, "on_unblocked": self._on_unblocked}

    def opened(self, connection: Connection) -> None:
        self._channel = connection.channel()
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)
        if not len(self._box):
            self.link.fine()

    def turn(self) -> float | None:
        self._tell_confirmed()
        now = time.monotonic()
        self.away()
        if self._is_blocked() or now < self._held_until:
            return self._until_next(now)
        self._check_confirms(now)
        taken, aside = deque(self._box.take(WINDOW - len(self._unconfirmed))), []
        try:
            while taken:
                waiting = taken.popleft()
                # Sending takes in what the broker says: that it is blocked, for instance.
                if self._is_blocked() or self._bad.get(waiting.command.queue, 0.0) > now:
                    aside.append(waiting)
                else:
                    self._publish(waiting, now)
        finally:
            self._box.put_back([*aside, *taken])
        self._tell_confirmed()
        return self._until_next(now)

    def lost(self) -> None:
        self._tell_confirmed()
        unconfirmed = list(self._unconfirmed.values())
        self._unconfirmed.clear()
        self._box.put_back(unconfirmed)
        self._returned.clear()
        self._declared.clear()
        self._blocked = False
        self._tag = 0

    def _check_confirms(self, now: float) -> None:
        oldest = next(iter(self._unconfirmed.values()), None)
        if oldest is not None and now - oldest.sent_at > CONFIRM_SECONDS:
            raise BrokerError(
                f"The broker {masked(self.url)} has not said for {CONFIRM_SECONDS:g} s that it has what it was sent. "
                "The connection is made anew. Look at the broker's disk and at the network to it."
            )

    def _is_blocked(self) -> bool:
        return self._blocked

    def _until_next(self, now: float) -> float | None:
        """Return when to look again although nobody called: something is held back, or not confirmed yet."""
        if now < self._held_until:
            return self._held_until - now
        return 1.0 if len(self._box) or self._unconfirmed else None

    def _publish(self, waiting: Waiting, now: float) -> None:
        if (packed := self._pack(waiting)) is None:
            return
        # Counted as sent before it is: if anything goes wrong now, it is among those to send again.
        waiting.sent_at = now
        self._unconfirmed[self._tag + 1] = waiting
        queue = waiting.command.queue
        if queue not in self._declared:
            self._declare(queue, now)
        message = self._channel.prepare_message(
            packed.body,
            priority=0,
            content_type=CONTENT_TYPE,
            content_encoding=CONTENT_ENCODING,
            headers=packed.headers,
            properties={
                "delivery_mode": PERSISTENT,
                "correlation_id": packed.task_id,
                "reply_to": "",
                "expiration": str(max(_LEAST_EXPIRATION_MS, int(1000 * (waiting.until - now)))),
            },
        )
        self._tag += 1
        self._channel.basic_publish(message, exchange="", routing_key=queue, mandatory=True)

    def _declare(self, queue: str, now: float) -> None:
        """Make the queue as a Celery worker makes it: durable, without arguments."""
        try:
            self._channel.queue_declare(queue, durable=True, auto_delete=False, exclusive=False)
        except AMQPError:
            # The broker has closed the channel: all begins anew, without this queue.
            self._bad[queue] = now + BAD_QUEUE_SECONDS
            raise
        self._declared.add(queue)
        self._bad.pop(queue, None)

    def _tell_confirmed(self) -> None:
        if self._confirmed:
            confirmed, self._confirmed = self._confirmed, []
            if not self._bad:
                self.link.fine()
            self._done(confirmed)

    def _taken(self, tag: int, *, multiple: bool) -> list[Waiting]:
        if not multiple:
            found = self._unconfirmed.pop(tag, None)
            return [] if found is None else [found]
        taken = []
        while self._unconfirmed and next(iter(self._unconfirmed)) <= tag:
            taken.append(self._unconfirmed.popitem(last=False)[1])
        return taken

    def _on_ack(self, tag: int, multiple: bool) -> None:
        again = []
        for waiting in self._taken(tag, multiple=multiple):
            if waiting.command.token in self._returned:
                self._returned.discard(waiting.command.token)
                again.append(waiting)
            else:
                self._confirmed.append(waiting.command)
        self._box.put_back(again)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self._box.put_back(self._taken(tag, multiple=multiple))
        self._held_until = time.monotonic() + REFUSED_PAUSE_SECONDS

    def _on_return(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        """Take note that a queue is gone: its commands come back, and are confirmed all the same."""
        del error, exchange
        self._declared.discard(routing_key)
        self._returned.add(message.properties.get("correlation_id", ""))

    def _on_blocked(self, reason: str) -> None:
        del reason
        self._blocked = True
        self.link.tell("blocked", BLOCKED)

    def _on_unblocked(self) -> None:
        self._blocked = False
        self.link.fine()


class _PolledWork(_Work):
    """Celery's transports over a database: one message, one commit."""

    _connection: Connection

    def opened(self, connection: Connection) -> None:
        self._connection = connection
        self._producer = connection.Producer()

    def turn(self) -> float | None:
        self.away()
        while taken := self._box.take(1):
            waiting = taken[0]
            if (packed := self._pack(waiting)) is None:
                continue
            try:
                self._publish(packed)
            except Exception as error:
                self._box.put_back(taken)
                # Whatever the database's driver says, the next try may go well.
                raise BrokerError(_explain_database(error, self.url)) from error
            self.link.fine()
            self._done([waiting.command])
        return None

    def lost(self) -> None:
        pass

    def _publish(self, packed: Packed) -> None:
        self._producer.publish(
            packed.body,
            exchange="",
            routing_key=packed.queue,
            headers=dict(packed.headers),
            content_type=CONTENT_TYPE,
            content_encoding=CONTENT_ENCODING,
            delivery_mode=PERSISTENT,
            declare=[Queue(packed.queue)],
            correlation_id=packed.task_id,
            reply_to="",
        )


def _explain_database(error: Exception, url: str) -> str:
    said = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
    return (
        f"The database {masked(url)}, which is the broker, takes no commands ({said}). "
        "Check that it runs and that [celery] broker_url names it."
    )
