"""The publisher and the bus on a real broker, which is killed, stopped, and filled up meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import amqp
import pytest
from kombu import Connection
from rabbitmq import Server

from gale.broker import publisher as publishing
from gale.broker.app import broker_address, make_app
from gale.broker.bus import Bus, Ended, Stop
from gale.broker.publisher import Publisher
from gale.broker.wire import TaskCommand, open_message
from gale.errors import BadMessage
from gale.secrets import derive_key
from gale.settings import Settings

pytestmark = [pytest.mark.rabbitmq, pytest.mark.integration]

KEY = derive_key("a secret of sixteen and more", "task commands")
#: Of what takes milliseconds; tests wait no longer than they must.
SOON = 30.0


class Done:
    """What a publisher says is done, to wait for."""

    def __init__(self):
        self._condition = threading.Condition()
        self.commands: list[TaskCommand] = []
        self.troubles: list[str] = []

    def add(self, commands):
        with self._condition:
            self.commands += commands
            self._condition.notify_all()

    def trouble(self, text):
        with self._condition:
            self.troubles.append(text)
            self._condition.notify_all()

    def wait(self, is_so: Callable[[], bool], seconds: float = SOON) -> None:
        with self._condition:
            assert self._condition.wait_for(is_so, seconds), (len(self.commands), self.troubles)

    def wait_for(self, count: int) -> None:
        self.wait(lambda: len(self.commands) >= count)


def assert_told_once(done: Done) -> None:
    """Trouble is told, each kind once: a connection may first break and then be refused."""
    assert 1 <= len(done.troubles) == len(set(done.troubles)) <= 2, done.troubles


def commands(count: int, queue: str) -> list[TaskCommand]:
    return [
        TaskCommand(
            ti=uuid4().hex,
            token=uuid4().hex,
            try_number=1,
            dag_id="etl",
            run_id="manual__1",
            task_id=f"load_{number}",
            queue=queue,
        )
        for number in range(count)
    ]


@pytest.fixture
def queue() -> str:
    return f"queue_{uuid4().hex}"


@pytest.fixture
def publish(tmp_path: Path) -> Iterator[Callable[..., tuple[Publisher, Done]]]:
    """Make publishers, closed at the end."""
    with ExitStack() as stack:

        def make(url: str, **more: str) -> tuple[Publisher, Done]:
            done = Done()
            environ = {f"GALE__CELERY__{name.upper()}": value for name, value in more.items()}
            app = make_app(Settings.load(tmp_path, {"GALE__CELERY__BROKER_URL": url, **environ}))
            publisher = Publisher(app, KEY, done.add, done.trouble)
            stack.callback(publisher.close, 1.0)
            return publisher, done

        yield make


def messages_in(url: str, queue: str) -> Iterator[TaskCommand]:
    """Give the commands in a queue, and leave it empty."""
    with Connection(url) as connection:
        channel = connection.channel()
        with suppress(amqp.NotFound):
            while (message := channel.basic_get(queue, no_ack=True)) is not None:
                yield open_message(message.headers, message.body, message.properties["content_type"], KEY)


def test_a_thousand_commands_arrive_once_each_in_the_order_of_priority(amqp_url, queue, publish):
    publisher, done = publish(amqp_url)
    sent = commands(1000, queue)
    publisher.send(sent, 60)
    done.wait_for(1000)
    assert list(messages_in(amqp_url, queue)) == sent
    assert done.commands == sent
    assert done.troubles == []


def test_a_worker_of_celery_finds_what_it_expects_in_a_command(amqp_url, queue, publish):
    publisher, done = publish(amqp_url)
    publisher.send(commands(1, queue), 60)
    done.wait_for(1)
    with Connection(amqp_url) as connection:
        message = connection.channel().basic_get(queue, no_ack=True)
    assert message.properties["delivery_mode"] == 2
    assert message.properties["correlation_id"] == message.headers["id"]
    assert 50_000 < int(message.properties["expiration"]) <= 60_000
    assert message.headers["task"] == "gale.run"


def test_a_queue_that_somebody_deletes_is_made_again_and_no_command_is_lost(amqp_url, queue, publish):
    publisher, done = publish(amqp_url)
    first, second = commands(1, queue), commands(10, queue)
    publisher.send(first, 60)
    done.wait_for(1)
    with Connection(amqp_url) as connection:
        connection.channel().queue_delete(queue)
    publisher.send(second, 60)
    done.wait_for(11)
    assert {command.token for command in messages_in(amqp_url, queue)} == {command.token for command in second}


def test_a_queue_that_cannot_be_used_holds_up_no_other_queue(amqp_url, queue, publish):
    with Connection(amqp_url) as connection:
        connection.channel().queue_declare(queue, durable=False, auto_delete=False, exclusive=True)
        publisher, done = publish(amqp_url)
        bad, good = commands(1, queue), commands(2, f"{queue}_good")
        publisher.send([*bad, *good], 60)
        done.wait_for(2)
        assert done.commands == good
        assert_told_once(done)
        assert queue in done.troubles[0]


def test_an_unacknowledged_command_past_its_deadline_is_gone_by_itself(amqp_url, queue, publish):
    publisher, done = publish(amqp_url)
    publisher.send(commands(1, queue), 0.5)
    done.wait_for(1)
    deadline = time.monotonic() + SOON
    with Connection(amqp_url) as connection:
        channel = connection.channel()
        # Asking does not take the message, and the broker's answer paces the loop.
        while channel.queue_declare(queue, passive=True).message_count:
            assert time.monotonic() < deadline


def test_a_wrong_password_is_told_once_however_often_it_is_tried(amqp_url, queue, publish):
    publisher, done = publish(amqp_url.replace(":airflow@", ":wrong@"))
    publisher.send(commands(1, queue), 60)
    done.wait(lambda: bool(done.troubles))
    with pytest.raises(AssertionError):
        done.wait(lambda: len(done.troubles) > 1, seconds=2)
    assert "refuses the login of 'airflow'" in done.troubles[0]
    assert "wrong" not in done.troubles[0]


def test_a_missing_virtual_host_is_told_with_what_to_run(amqp_url, queue, publish):
    publisher, done = publish(amqp_url.rpartition("/")[0] + "/nowhere")
    publisher.send(commands(1, queue), 60)
    done.wait(lambda: bool(done.troubles))
    assert "rabbitmqctl add_vhost nowhere" in done.troubles[0]


def test_what_strangers_put_into_the_queue_is_refused(amqp_url, queue, publish):
    publisher, done = publish(amqp_url)
    publisher.send(commands(1, queue), 60)
    done.wait_for(1)
    with Connection(amqp_url) as connection:
        channel = connection.channel()
        genuine = channel.basic_get(queue, no_ack=True)
        strangers = (
            # RabbitMQ 4 takes no more than 16 MiB itself.
            {"body": bytes(15_000_000)},
            {"headers": {"task": "gale.run", "id": "a" * 32}},
            {"content_type": "application/x-python-serialize", "body": b"cos\nsystem\n(S'true'\ntR."},
            {"headers": {**genuine.headers, "id": "b" * 32}},
        )
        for change in strangers:
            parts = {"body": genuine.body, "headers": genuine.headers, "content_type": "application/json", **change}
            message = channel.prepare_message(
                parts["body"], 0, parts["content_type"], "utf-8", parts["headers"], {"delivery_mode": 1}
            )
            channel.basic_publish(message, exchange="", routing_key=queue)
        refused = 0
        for _ in strangers:
            message = channel.basic_get(queue, no_ack=True)
            with pytest.raises(BadMessage):
                open_message(message.headers, message.body, message.properties["content_type"], KEY)
            refused += 1
    assert refused == len(strangers)


# --- the broker is hurt --------------------------------------------------------------------------


def test_every_confirmed_command_survives_a_kill_of_the_broker(broker: Server, queue, publish):
    publisher, done = publish(broker.url)
    sent = commands(6000, queue)
    publisher.send(sent, 120)
    done.wait_for(1000)
    broker.kill()
    confirmed = {command.token for command in done.commands}
    assert len(confirmed) < len(sent), "the broker was killed too late to show anything"
    done.wait(lambda: bool(done.troubles))
    broker.start()
    done.wait_for(len(sent))
    found = [command.token for command in messages_in(broker.url, queue)]
    assert confirmed - set(found) == set()
    # What was not confirmed has been sent again, some of it for the second time.
    assert set(found) == {command.token for command in sent}
    assert_told_once(done)


def test_commands_wait_for_a_broker_that_is_away_and_go_out_soon_after_its_return(broker: Server, queue, publish):
    publisher, done = publish(broker.url)
    publisher.send(commands(1, queue), 60)
    done.wait_for(1)
    broker.stop()
    publisher.send(commands(10, queue), 60)
    done.wait(lambda: bool(done.troubles))
    assert len(done.commands) == 1
    broker.start()
    returned = time.monotonic()
    done.wait_for(11)
    assert time.monotonic() - returned < 10
    assert_told_once(done)


def test_commands_that_wait_past_their_deadline_are_forgotten(broker: Server, queue, publish):
    publisher, done = publish(broker.url)
    publisher.send(commands(1, queue), 60)
    done.wait_for(1)
    broker.stop()
    publisher.send(commands(10, queue), 0.1)
    done.wait(lambda: bool(done.troubles))
    broker.start()
    last = commands(1, queue)
    publisher.send(last, 60)
    done.wait_for(2)
    assert done.commands[1:] == last


def test_a_broker_short_of_memory_is_told_once_and_takes_the_commands_when_it_has_room_again(
    broker: Server, queue, publish
):
    publisher, done = publish(broker.url)
    publisher.send(commands(1, queue), 60)
    done.wait_for(1)
    broker.control("set_vm_memory_high_watermark", "0.0001")
    try:
        waiting = commands(50, queue)
        publisher.send(waiting, 60)
        done.wait(lambda: done.troubles == [publishing.BLOCKED])
        publisher.send(commands(50, queue), 60)
        assert len(done.commands) == 1
    finally:
        broker.control("set_vm_memory_high_watermark", "0.4")
    done.wait_for(101)
    assert done.troubles == [publishing.BLOCKED]


def test_a_publisher_that_is_closed_while_the_broker_is_away_ends_in_time(broker: Server, queue, publish):
    publisher, done = publish(broker.url)
    broker.stop()
    publisher.send(commands(1, queue), 60)
    done.wait(lambda: bool(done.troubles))
    began = time.monotonic()
    publisher.close(1.0)
    assert time.monotonic() - began < 5
    broker.start()


def test_a_broker_that_says_nothing_any_more_is_told_once_and_gets_everything_when_it_does(
    broker: Server, queue, publish, monkeypatch
):
    # A quarter of a minute is right between machines, and too long here.
    monkeypatch.setattr(publishing, "CONFIRM_SECONDS", 0.5)
    publisher, done = publish(broker.url)
    publisher.send(commands(1, queue), 60)
    done.wait_for(1)
    broker.freeze()
    try:
        publisher.send(commands(10, queue), 60)
        done.wait(lambda: bool(done.troubles))
        assert "has not said for 0.5 s" in done.troubles[0]
    finally:
        broker.thaw()
    done.wait_for(11)
    assert len({command.token for command in done.commands}) == 11


def test_a_command_that_no_message_can_hold_holds_up_no_other(amqp_url, queue, publish):
    publisher, done = publish(amqp_url)
    first, odd, last = commands(3, queue)
    publisher.send([first, replace(odd, dag_id="\ud800"), last], 60)
    done.wait_for(2)
    assert done.commands == [first, last]


@pytest.mark.parametrize("scheme", ["amqps", "amqp"])
def test_commands_and_hints_go_over_an_encrypted_connection(broker: Server, queue, publish, tmp_path, scheme):
    url = broker.tls_url.replace("amqps", scheme)
    files = {"ssl_active": "True", "ssl_cacert": str(broker.certificate)}
    publisher, done = publish(url, **files)
    publisher.send(commands(100, queue), 60)
    done.wait_for(100)
    assert done.troubles == []
    environ = {f"GALE__CELERY__{name.upper()}": value for name, value in {**files, "broker_url": url}.items()}
    address, heard = broker_address(Settings.load(tmp_path, environ)), Heard()
    with closing(Bus(address.url, KEY, ssl=address.ssl)) as giver, closing(Bus(url, KEY, ssl=address.ssl)) as listener:
        listener.listen(Ended, heard)
        connected(giver, Ended, heard)


@pytest.mark.parametrize("active", ["True", "False"])
def test_a_certificate_that_nobody_vouches_for_is_refused_with_the_settings_to_check(
    broker: Server, queue, publish, active
):
    publisher, done = publish(broker.tls_url, ssl_active=active)
    publisher.send(commands(1, queue), 60)
    done.wait(lambda: bool(done.troubles))
    assert "ssl_cacert" in done.troubles[0]


# --- the bus -------------------------------------------------------------------------------------


class Heard:
    """What a listener heard."""

    def __init__(self):
        self._condition = threading.Condition()
        self.hints = []

    def __call__(self, hint):
        with self._condition:
            self.hints.append(hint)
            self._condition.notify_all()

    def wait_for(self, hint, seconds=SOON):
        with self._condition:
            return self._condition.wait_for(lambda: hint in self.hints, seconds)


@pytest.fixture
def bus() -> Iterator[Callable[..., Bus]]:
    with ExitStack() as stack:

        def make(url: str, key: bytes = KEY) -> Bus:
            made = Bus(url, key)
            stack.callback(made.close)
            return made

        yield make


def connected(giver: Bus, kind: type, heard: Heard) -> None:
    """Give hints until the listener hears one: only then is it connected."""
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        hint = Ended((uuid4().hex,)) if kind is Ended else Stop("1", uuid4().hex, "trial")
        giver.publish(hint)
        if heard.wait_for(hint, 0.2):
            return
    raise AssertionError("the listener hears nothing")


def test_hints_arrive_within_milliseconds_at_every_listener_of_their_kind(amqp_url, bus):
    giver, ends, more_ends, stops = bus(amqp_url), Heard(), Heard(), Heard()
    bus(amqp_url).listen(Ended, ends)
    bus(amqp_url).listen(Ended, more_ends)
    bus(amqp_url).listen(Stop, stops)
    for kind, heard in ((Ended, ends), (Ended, more_ends), (Stop, stops)):
        connected(giver, kind, heard)
    seconds = []
    for number in range(20):
        hint = Ended((f"ti{number}", "another"))
        began = time.monotonic()
        giver.publish(hint)
        assert ends.wait_for(hint)
        seconds.append(time.monotonic() - began)
        assert more_ends.wait_for(hint)
    assert sorted(seconds)[10] < 0.02
    stop = Stop("1", "a", "cleared by a user")
    giver.publish(stop)
    assert stops.wait_for(stop)
    assert [hint for hint in stops.hints if isinstance(hint, Ended)] == []


def test_a_hint_with_another_signature_is_not_heard(amqp_url, bus):
    heard, giver = Heard(), bus(amqp_url)
    bus(amqp_url).listen(Ended, heard)
    connected(giver, Ended, heard)
    stranger, forged = bus(amqp_url, b"another key"), Ended(("forged",))
    reader = Heard()
    other = bus(amqp_url, b"another key")
    other.listen(Ended, reader)
    connected(stranger, Ended, reader)
    stranger.publish(forged)
    assert reader.wait_for(forged)
    last = Ended(("last",))
    giver.publish(last)
    assert heard.wait_for(last)
    assert forged not in heard.hints


def test_the_bus_comes_back_after_the_broker_was_killed_and_never_stops_its_users(broker: Server, bus):
    heard, giver = Heard(), bus(broker.url)
    bus(broker.url).listen(Ended, heard)
    connected(giver, Ended, heard)
    broker.kill()
    began = time.monotonic()
    for _ in range(20_000):
        giver.publish(Ended(("nobody hears this",)))
    assert time.monotonic() - began < 5
    broker.start()
    connected(giver, Ended, heard)
    assert giver.dropped > 0


def test_a_broker_without_fan_out_has_a_silent_bus(bus):
    silent, heard = bus("sqla+mysql://airflow:airflow@localhost/airflow"), Heard()
    silent.listen(Ended, heard)
    silent.publish(Ended(("1",)))
    assert heard.hints == []


# --- the database as broker ----------------------------------------------------------------------


# kombu has not yet heard of SQLAlchemy 2.1's newer ways.
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")
def test_the_notes_database_broker_carries_commands_too(mysql_url, queue, publish):
    url = f"sqla+{mysql_url}"
    publisher, done = publish(url)
    sent = commands(5, queue)
    publisher.send(sent, 60)
    done.wait_for(5)
    with Connection(url) as connection:
        simple = connection.SimpleQueue(queue)
        found = [simple.queue.get(no_ack=True) for _ in sent]
        simple.close()
    assert [open_message(one.headers, one.body, one.content_type, KEY) for one in found] == sent
    assert done.troubles == []


def test_a_database_broker_that_is_not_there_is_told_once(queue, publish):
    publisher, done = publish("sqla+mysql://airflow:s3cret@127.0.0.1:1/airflow")
    publisher.send(commands(1, queue), 60)
    done.wait(lambda: bool(done.troubles))
    with pytest.raises(AssertionError):
        done.wait(lambda: len(done.troubles) > 1, seconds=1)
    assert "s3cret" not in done.troubles[0]
