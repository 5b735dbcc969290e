"""Looks whether a broker can carry Gale's commands: for `gale doctor`, the page on health, and containers.

It uses pika, another client than the one that Celery uses, so that it can tell a broker that is broken from a
client that is. A database as broker is tried by Celery's own client: there is no other.
"""

import re
import ssl
import time
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pika
from kombu import Connection
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker, ConnectionBlockedTimeout, NackError, UnroutableError

from gale.broker.app import broker_address
from gale.broker.link import Address
from gale.broker.publisher import BLOCKED
from gale.broker.trouble import explain, masked
from gale.core.findings import Finding, Findings
from gale.settings import Settings

#: Versions that are tested, the first and the last major one included.
TESTED: Final = ((3, 10), (4, 99))
CONNECT_SECONDS: Final = 5.0
#: How long a broker that has room may take for one message.
DELIVERY_SECONDS: Final = 5.0
SLOW_SECONDS: Final = 1.0
_PORT: Final = 5672
_TLS_PORT: Final = 5671
_BODY: Final = b'{"probe": true}'


def probe_broker(settings: Settings) -> list[Finding]:
    """Return what was found of the broker (of each, where several are named).

    Raises:
        ConfigError: `[celery] broker_url` is missing or of an unknown kind.
    """
    address = broker_address(settings)
    findings = Findings("broker")
    for url in address.url.split(";"):
        if address.is_amqp:
            _probe_amqp(Address(url=url, ssl=address.ssl), settings.operators.default_queue, findings)
        else:
            _probe_polled(Address(url=url), findings)
    return findings.all


# --- RabbitMQ ------------------------------------------------------------------------------------


def _probe_amqp(address: Address, default_queue: str, findings: Findings) -> None:
    try:
        connection = pika.BlockingConnection(_parameters(address))
    except (AMQPError, OSError, ValueError) as error:
        findings.fail("login", explain(_cause(error), address.url))
        return
    vhost = unquote(urlsplit(address.url).path.removeprefix("/")) or "/"
    findings.ok("login", f"{masked(address.url)} lets us in, and to the virtual host {vhost!r}.")
    try:
        _version(connection, findings)
        _round_trip(connection, address, findings)
        _default_queue(connection, default_queue, findings)
        findings.ok(
            "consumer_timeout",
            "Of no account: workers acknowledge a command within milliseconds, however long its task runs.",
        )
    finally:
        if connection.is_open:
            connection.close()


def _parameters(address: Address) -> pika.ConnectionParameters:
    parts = urlsplit(address.url)
    encrypted = bool(address.ssl) or parts.scheme == "amqps"
    host = parts.hostname or "localhost"
    return pika.ConnectionParameters(
        host=host,
        port=parts.port or (_TLS_PORT if encrypted else _PORT),
        virtual_host=unquote(parts.path.removeprefix("/")) or "/",
        credentials=pika.PlainCredentials(unquote(parts.username or "guest"), unquote(parts.password or "guest")),
        ssl_options=pika.SSLOptions(_context(address.ssl), host) if encrypted else None,
        socket_timeout=CONNECT_SECONDS,
        stack_timeout=2 * CONNECT_SECONDS,
        blocked_connection_timeout=DELIVERY_SECONDS,
        connection_attempts=1,
        heartbeat=0,
    )


def _context(options: Any) -> ssl.SSLContext:
    given = options if isinstance(options, dict) else {}
    context = ssl.create_default_context(cafile=given.get("ca_certs"))
    if "certfile" in given:
        context.load_cert_chain(given["certfile"], given.get("keyfile"))
    return context


def _cause(error: BaseException) -> BaseException:
    """Return the error that pika has wrapped, the first one that says something."""
    for part in (*error.args, error):
        inner = getattr(part, "exception", None) or (part if isinstance(part, BaseException) else None)
        if inner is not None and inner is not error:
            return _cause(inner)
    return error


def _version(connection: Any, findings: Findings) -> None:
    properties = connection._impl.server_properties or {}  # noqa: SLF001 - pika shows them nowhere else
    product, said = str(properties.get("product", "A broker")), str(properties.get("version", "unknown"))
    found = re.match(r"(\d+)\.(\d+)", said)
    version = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    if product == "RabbitMQ" and TESTED[0] <= version <= TESTED[1]:
        findings.ok("version", f"RabbitMQ {said}.")
        return
    findings.warn(
        "version",
        f"{product} {said}, with which Gale has not been tested.",
        f"Use RabbitMQ {TESTED[0][0]}.{TESTED[0][1]} to {TESTED[1][0]}.x.",
    )


def _round_trip(connection: Any, address: Address, findings: Findings) -> None:
    """Declare a queue, publish to it with a confirm, and take the message out again."""
    blocked: list[object] = []
    connection.add_on_connection_blocked_callback(lambda *about: blocked.append(about))
    queue = f"gale.doctor.{uuid4().hex}"
    try:
        channel = connection.channel()
        channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments={"x-expires": 60_000})
        channel.exchange_declare("gale.events", "topic", durable=True)
        findings.ok("permissions", "The user may declare queues and exchanges.")
    except ChannelClosedByBroker as error:
        findings.fail("permissions", explain(error, address.url))
        return
    began = time.monotonic()
    try:
        channel.confirm_delivery()
        channel.basic_publish("", queue, _BODY, pika.BasicProperties(delivery_mode=2), mandatory=True)
        arrived = _consume(channel, queue)
    except (ConnectionBlockedTimeout, NackError, UnroutableError) as error:
        _not_delivered(error, findings, blocked=bool(blocked))
        return
    except AMQPError as error:
        findings.fail("delivery", explain(_cause(error), address.url))
        return
    _delivered(time.monotonic() - began, findings, arrived=arrived)


def _consume(channel: BlockingChannel, queue: str) -> bool:
    for method, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=DELIVERY_SECONDS):
        channel.cancel()
        return method is not None and body == _BODY
    return False


def _delivered(seconds: float, findings: Findings, *, arrived: bool) -> None:
    findings.ok("alarms", "The broker takes messages: it has memory and disk enough.")
    if not arrived:
        findings.fail(
            "delivery",
            f"A message was confirmed, but did not come out of its queue within {DELIVERY_SECONDS:g} s.",
            "Restart the broker, and look into its log.",
        )
    elif seconds > SLOW_SECONDS:
        findings.warn(
            "delivery",
            f"A message was confirmed and delivered, but that took {seconds:.1f} s.",
            "Look at the broker's processor and disk, and at the network to it.",
        )
    else:
        findings.ok("delivery", f"A message was confirmed and delivered in {1000 * seconds:.0f} ms.")


def _not_delivered(error: Exception, findings: Findings, *, blocked: bool) -> None:
    if blocked or isinstance(error, ConnectionBlockedTimeout):
        findings.fail(
            "alarms", BLOCKED, "Free disk space or memory on the broker's machine, or raise the broker's limits."
        )
    else:
        findings.fail(
            "delivery",
            f"The broker refused a message ({type(error).__name__}).",
            "Look into the broker's log; a policy may limit the length of queues.",
        )


def _default_queue(connection: Any, queue: str, findings: Findings) -> None:
    if not connection.is_open:
        return
    channel = connection.channel()
    try:
        told = channel.queue_declare(queue, passive=True).method
    except ChannelClosedByBroker:
        findings.ok("queue", f"There is no queue {queue!r} yet; the first command or worker makes it.")
        return
    findings.ok(
        "queue",
        f"In the queue {queue!r} wait {told.message_count} commands, and {told.consumer_count} workers take from it "
        "(a worker whose slots are all taken does not).",
    )
    channel.close()


# --- a database as broker ------------------------------------------------------------------------


def _probe_polled(address: Address, findings: Findings) -> None:
    findings.warn(
        "kind",
        f"{masked(address.url)} is a database: workers poll it, and Flower and remote control do not work.",
        "For more than a trial use RabbitMQ: [celery] broker_url = amqp://USER:PASSWORD@HOST:5672/VHOST.",
    )
    began = time.monotonic()
    try:
        with address.connect() as connection:
            arrived = _through(connection, f"gale.doctor.{uuid4().hex}")
    except Exception as error:  # noqa: BLE001 - any driver's error means the same: it does not work
        said = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
        findings.fail("delivery", f"{masked(address.url)} takes no messages ({said}).", "Correct [celery] broker_url.")
        return
    _delivered(time.monotonic() - began, findings, arrived=arrived)


def _through(connection: Connection, name: str) -> bool:
    queue = connection.SimpleQueue(name)
    try:
        queue.put({"probe": True}, serializer="json")
        message = queue.get(block=True, timeout=DELIVERY_SECONDS)
        message.ack()
        # Rows of messages stay in the table otherwise.
        queue.clear()
    finally:
        queue.close()
    return True
