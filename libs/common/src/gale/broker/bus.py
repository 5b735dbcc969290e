"""Hints between schedulers and workers: "look at these rows now".

A hint is never the truth. It may get lost, come twice, come late, or be made up by somebody: what it
leads to is a look at the rows. So hints are transient and unconfirmed, and whoever gives one never
waits and never fails.
"""

import hashlib
import hmac
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
from kombu import Connection, Exchange, Producer, Queue

from gale import telemetry
from gale.broker.link import Address, Link

EXCHANGE: Final = "gale.events"
#: Hints that wait while the broker is away or slow. More are dropped, the oldest first.
MOST_WAITING: Final = 10_000
MAX_HINT_BYTES: Final = 1024 * 1024
#: Hints that waited longer in a listener's queue are of no use: the rows have been looked at since.
_EXPIRATION_SECONDS: Final = 30.0
_PURPOSE: Final = b"gale hint\0"
_TRANSIENT: Final = 1


@dataclass(frozen=True, slots=True)
class Ended:
    """Attempts at these task instances have ended: from a worker, for schedulers."""

    tis: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """An attempt shall be stopped: from a scheduler, for workers."""

    ti: str
    token: str
    reason: str


Hint = Ended | Stop
_ROUTES: Final[dict[type, str]] = {Ended: "ended", Stop: "stop"}
_KINDS: Final[dict[str, type]] = {route: kind for kind, route in _ROUTES.items()}
_encode: Final = msgspec.json.Encoder().encode


class Bus:
    """Gives hints and listens to them, from one thread with one connection.

    A broker without fan-out (`sqla+mysql://`) has no bus: hints go nowhere, and the looks at the rows that
    happen each second anyway have to do.

    Args:
        url: Of the broker.
        key: Signs hints.
        ssl: False, or what Celery's `broker_use_ssl` takes.
    """

    def __init__(self, url: str, key: bytes, *, ssl: Any = False) -> None:
        self._work = _BusWork(key)
        self._link: Link | None = None
        self._starting = threading.Lock()
        self._started = False
        address = Address(url=url, ssl=ssl)
        if address.is_amqp:
            self._link = self._work.link = Link("gale-bus", address, self._work, self._work.on_trouble)

    @property
    def dropped(self) -> int:
        """How many hints were not given because the broker was away or slow."""
        return self._work.dropped

    def publish(self, hint: Hint) -> None:
        """Give a hint, if that is possible now. Never waits, never fails."""
        if self._link is not None:
            self._start(self._link)
            self._work.add(hint)
            self._link.wake()

    def listen(self, kind: type[Ended] | type[Stop], on_hint: Callable[[Any], None]) -> None:
        """Have `on_hint` called, from the bus's thread, for each hint of a kind from now on."""
        if self._link is not None:
            self._work.listeners[_ROUTES[kind]] = on_hint
            self._start(self._link)
            self._link.wake()

    def close(self) -> None:
        """Stop giving and listening."""
        with self._starting:
            if self._link is not None:
                self._link.close(2.0)
            self._link = None

    def _start(self, link: Link) -> None:
        with self._starting:
            if not self._started:
                self._started = True
                link.start()


class _BusWork:
    """What the bus's thread does on its connection."""

    link: Link

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._log = structlog.get_logger()
        self._waiting: deque[Hint] = deque()
        self._blocked = False
        self._exchange = Exchange(EXCHANGE, type="topic", durable=True, delivery_mode=_TRANSIENT)
        self._producer: Producer | None = None
        self._queue: Any = None
        self._bound: set[str] = set()
        self.listeners: dict[str, Callable[[Any], None]] = {}
        self.dropped = 0

    def add(self, hint: Hint) -> None:
        """Take a hint to be given; from any thread."""
        self._waiting.append(hint)
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    def on_trouble(self, trouble: str) -> None:
        self._log.warning(
            telemetry.BROKER_AWAY, trouble=trouble, next="hints are dropped; rows are looked at each second"
        )

    # --- what the link calls ---------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        return {"on_blocked": self._on_blocked, "on_unblocked": self._on_unblocked}

    def opened(self, connection: Connection) -> None:
        channel = connection.channel()
        self._exchange(channel).declare()
        self._producer = Producer(channel, exchange=self._exchange)
        # Named by the broker, gone with the connection: RabbitMQ 4.3 takes no other transient queues.
        self._queue = Queue("", self._exchange, exclusive=True, auto_delete=True, durable=False)(channel)
        self._queue.queue_declare()
        self._bound.clear()
        self._bind()
        # No acknowledgements: a hint that is lost is made up for.
        channel.basic_consume(self._queue.name, no_ack=True, callback=self._on_message)
        self.link.fine()

    def turn(self) -> float | None:
        self._bind()
        while self._waiting and not self._blocked:
            self._give(self._waiting.popleft())
        if self._blocked:
            self._drop()
        return None

    def lost(self) -> None:
        self._producer = None
        self._blocked = False

    def away(self) -> None:
        # After the outage everybody looks at all rows anyway.
        self._drop()

    # --- the steps -------------------------------------------------------------------------------

    def _drop(self) -> None:
        self.dropped += len(self._waiting)
        self._waiting.clear()

    def _bind(self) -> None:
        for route in set(self.listeners) - self._bound:
            self._queue.bind_to(self._exchange.name, routing_key=route)
            self._bound.add(route)

    def _give(self, hint: Hint) -> None:
        if self._producer is None:
            return
        route = _ROUTES[type(hint)]
        body = _encode(hint)
        self._producer.publish(
            body,
            routing_key=route,
            headers={"gale": {"kind": route, "signature": self._signature(route, body)}},
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=_TRANSIENT,
            expiration=_EXPIRATION_SECONDS,
        )

    def _on_message(self, message: Any) -> None:
        hint = self._read(message)
        if hint is None:
            self._log.warning(telemetry.HINT_REFUSED, next="it is dropped")
            return
        if listener := self.listeners.get(_ROUTES[type(hint)]):
            listener(hint)

    def _read(self, message: Any) -> Hint | None:
        """Return the hint in a message, None if it is not one of ours."""
        ours = (message.headers or {}).get("gale")
        body = message.body.encode() if isinstance(message.body, str) else message.body
        if not isinstance(ours, dict) or not isinstance(body, bytes | memoryview) or len(body) > MAX_HINT_BYTES:
            return None
        kind, signature = ours.get("kind"), ours.get("signature")
        if not isinstance(kind, str) or kind not in _KINDS or not isinstance(signature, str):
            return None
        if not hmac.compare_digest(self._signature(kind, bytes(body)).encode(), signature.encode()):
            return None
        try:
            hint: Hint = msgspec.json.decode(body, type=_KINDS[kind])
        except msgspec.DecodeError:
            return None
        return hint

    def _signature(self, kind: str, body: bytes) -> str:
        return hmac.new(self._key, _PURPOSE + kind.encode() + b"\0" + body, hashlib.sha256).hexdigest()

    def _on_blocked(self, reason: str) -> None:
        del reason
        self._blocked = True

    def _on_unblocked(self) -> None:
        self._blocked = False
