"""A connection to the broker in a thread of its own, which comes back by itself.

The scheduler's loop and a worker's supervisor must never wait for the broker. So whatever talks to it
is a `Work`, called by one thread that owns the connection: it waits for the socket and for a wake-up
at the same time, sends heartbeats, and connects anew with growing pauses when the broker is away.
Trouble is told once, not once a try.
"""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from kombu import Connection

from gale import telemetry
from gale.broker.trouble import explain, kind_of

HEARTBEAT_SECONDS: Final = 30
CONNECT_SECONDS: Final = 5.0
#: A socket that takes or gives nothing for so long counts as dead.
SOCKET_SECONDS: Final = 10.0
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
#: How often heartbeats are looked after: several times within one.
TICK_SECONDS: Final = HEARTBEAT_SECONDS / 6
_WAKE: Final = b"."
_CHUNK: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the broker is."""

    url: str
    #: False, or what Celery's `broker_use_ssl` takes.
    ssl: Any = False

    @property
    def is_amqp(self) -> bool:
        """True for RabbitMQ: it confirms, fans out, and has a socket to wait for."""
        return self.url.startswith(("amqp://", "amqps://", "pyamqp://"))

    def connect(self, options: dict[str, Any] | None = None) -> Connection:
        """Return an open connection.

        Raises:
            OSError: Nothing answers.
            amqp.AMQPError: The broker refuses.
        """
        sockets = {"read_timeout": SOCKET_SECONDS, "write_timeout": SOCKET_SECONDS} if self.is_amqp else {}
        connection = Connection(
            self.url,
            # kombu writes the host's name into it.
            ssl=dict(self.ssl) if isinstance(self.ssl, dict) else self.ssl,
            heartbeat=HEARTBEAT_SECONDS if self.is_amqp else 0,
            connect_timeout=CONNECT_SECONDS,
            transport_options={**sockets, **(options or {})},
        )
        # One more try without a pause is how kombu gets to the second of several brokers.
        connection.ensure_connection(
            max_retries=1, interval_start=0, interval_step=0, interval_max=0, reraise_as_library_errors=False
        )
        return connection


class Work(Protocol):
    """What is done on a connection. Every method is called by the link's thread."""

    def options(self) -> dict[str, Any]:
        """Return further options of the connection."""

    def opened(self, connection: Connection) -> None:
        """Get ready on a new connection."""

    def turn(self) -> float | None:
        """Do what there is to do; return the seconds after which to be called at the latest, None = any time."""

    def lost(self) -> None:
        """Take note that the connection is gone."""

    def away(self) -> None:
        """Do what is due although there is no connection: forget what has come too late."""


class Link:
    """The thread.

    Args:
        name: Of the thread.
        address: Of the broker.
        work: What to do on it.
        on_trouble: Called with a sentence when trouble begins or changes.
    """

    def __init__(self, name: str, address: Address, work: Work, on_trouble: Callable[[str], None]) -> None:
        self._address = address
        self._work = work
        self._on_trouble = on_trouble
        self._trouble = ""
        self._closing = threading.Event()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._log = structlog.get_logger()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Have `turn` called soon; from any thread."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._writer.send(_WAKE)

    def tell(self, kind: str, trouble: str) -> None:
        """Tell of trouble, unless it has been told already that there is trouble of this kind."""
        if kind != self._trouble:
            self._trouble = kind
            self._on_trouble(trouble)

    def fine(self) -> None:
        """Take note that trouble is over."""
        if self._trouble:
            self._trouble = ""
            self._log.info(telemetry.BROKER_BACK)

    def close(self, seconds: float) -> None:
        """End the thread, and wait for it at most so long."""
        self._closing.set()
        self.wake()
        if self._thread.ident is None:
            self._free()
        else:
            self._thread.join(seconds)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._closing.is_set():
            began = time.monotonic()
            self._try(self._live)
            self._try(self._work.lost)
            self._try(self._work.away)
            # Who was connected for a while had no trouble connecting.
            pause = FIRST_PAUSE_SECONDS if time.monotonic() - began > LONGEST_PAUSE_SECONDS else pause
            self._closing.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self._free()

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - the frame of this thread: whatever it is, the next try may go well
            self.tell(kind_of(error), explain(error, self._address.url))

    def _free(self) -> None:
        self._reader.close()
        self._writer.close()

    def _live(self) -> None:
        connection = self._address.connect(self._work.options())
        try:
            self._work.opened(connection)
            if self._address.is_amqp:
                self._serve_amqp(connection)
            else:
                self._serve(connection)
        finally:
            # A broker that is gone cannot be told good-bye.
            with contextlib.suppress(Exception):
                connection.release()

    def _serve_amqp(self, connection: Connection) -> None:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        poll.register(connection.connection.sock, select.POLLIN)
        beaten = time.monotonic()
        while not self._closing.is_set():
            seconds = self._work.turn()
            poll.poll(1000 * min(TICK_SECONDS, TICK_SECONDS if seconds is None else max(0.0, seconds)))
            self._empty()
            _hear(connection)
            if time.monotonic() - beaten > TICK_SECONDS:
                beaten = time.monotonic()
                connection.heartbeat_check()

    def _serve(self, connection: Connection) -> None:
        del connection
        while not self._closing.is_set():
            seconds = self._work.turn()
            select.select([self._reader], [], [], TICK_SECONDS if seconds is None else max(0.0, seconds))
            self._empty()

    def _empty(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while len(self._reader.recv(_CHUNK)) == _CHUNK:
                pass


def _hear(connection: Connection) -> None:
    """Take in everything that has come."""
    with contextlib.suppress(TimeoutError):
        while True:
            connection.drain_events(timeout=0)
