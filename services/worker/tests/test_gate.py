"""The gate: who is let in, what is given back, when consuming stops and goes on."""

import pytest
from worker_parts import FakeConsumer, Message, message

from gale_worker.intake import Intake
from gale_worker.slots import Slots
from gale_worker.tickets import Ticket, Tickets


class Gate:
    """A gate with two slots, its consumer, and what it lets in."""

    def __init__(self, slots: int = 2) -> None:
        self.slots = Slots(slots)
        self.tickets = Tickets()
        self.claimed: list[Ticket] = []
        self.intake = Intake(self.slots, self.tickets, b"a key for tests", self.claimed.extend)
        self.attach()

    def attach(self) -> None:
        """Give it a new consumer, as a new connection does."""
        self.consumer = FakeConsumer()
        self.consumer.take = self.intake.attach(self.consumer)
        self.consumer.turn()

    def send(self, *numbers: int) -> list[Message]:
        """Have messages delivered."""
        messages = [message(number) for number in numbers]
        for one in messages:
            self.consumer.take(one)
        self.consumer.turn()
        return messages

    def end(self, ticket: Ticket) -> None:
        """Have an attempt end."""
        self.tickets.remove([ticket.command.token])
        self.slots.give(1)
        self.intake.look()
        self.consumer.turn()


@pytest.fixture
def gate() -> Gate:
    return Gate()


def fates(messages: list[Message]) -> list[str]:
    return [one.fate for one in messages]


def test_commands_are_let_in_while_slots_are_free_and_acknowledged_when_claimed(gate: Gate) -> None:
    messages = gate.send(1, 2)
    assert [ticket.command.task_id for ticket in gate.claimed] == ["t1", "t2"]
    assert fates(messages) == ["", ""]
    gate.intake.show(gate.claimed)
    gate.consumer.turn()
    assert fates(messages) == ["acknowledged", "acknowledged"]
    assert [one.headers["shadow"] for one in gate.consumer.shown] == ["etl.t1", "etl.t2"]


def test_what_comes_beyond_the_slots_is_held_a_moment_and_then_given_back(gate: Gate) -> None:
    messages = gate.send(1, 2, 3, 4)
    assert len(gate.claimed) == 2
    assert fates(messages)[2:] == ["", ""]
    assert gate.consumer.consuming
    gate.consumer.wait()
    assert not gate.consumer.consuming
    assert fates(messages) == ["", "", "given back", "given back"]


def test_a_slot_that_is_freed_in_time_takes_what_is_held(gate: Gate) -> None:
    messages = gate.send(1, 2, 3)
    gate.end(gate.claimed[0])
    assert [ticket.command.task_id for ticket in gate.claimed] == ["t1", "t2", "t3"]
    gate.consumer.wait()
    gate.consumer.wait()
    assert fates(messages) == ["", "", ""]


def test_as_long_as_slots_become_free_what_is_held_stays_and_consuming_goes_on(gate: Gate) -> None:
    messages = gate.send(1, 2, 3, 4)
    for number in range(2):
        gate.end(gate.claimed[number])
        gate.consumer.wait()
        assert gate.consumer.consuming
    gate.consumer.wait()
    assert not gate.consumer.consuming
    assert [ticket.command.task_id for ticket in gate.claimed] == ["t1", "t2", "t3", "t4"]
    assert "given back" not in fates(messages)


def test_consuming_stops_when_the_last_slot_is_taken_although_nothing_more_has_come(gate: Gate) -> None:
    gate.send(1, 2)
    gate.consumer.wait()
    assert not gate.consumer.consuming


def test_a_freed_slot_makes_it_consume_again(gate: Gate) -> None:
    gate.send(1, 2, 3)
    gate.consumer.wait()
    gate.end(gate.claimed[0])
    assert gate.consumer.consuming
    gate.send(3)
    assert len(gate.claimed) == 3


def test_what_arrives_while_consuming_is_being_stopped_is_given_back_too(gate: Gate) -> None:
    gate.send(1, 2)
    late = message(3)
    gate.consumer.on_their_way.append(late)
    gate.consumer.wait()
    assert late.fate == "given back"


def test_a_gate_that_is_shut_gives_back_everything_until_it_is_reopened(gate: Gate) -> None:
    gate.slots.shut("ending")
    gate.intake.look()
    gate.consumer.wait()
    assert not gate.consumer.consuming
    gate.slots.reopen("ending")
    gate.intake.look()
    gate.consumer.turn()
    assert gate.consumer.consuming


def test_a_new_connection_brings_a_new_consumer_and_the_old_ones_messages_are_forgotten(gate: Gate) -> None:
    held = gate.send(1, 2, 3)[2]
    old = gate.consumer
    gate.attach()
    old.wait()
    assert held.fate == "", "its channel is gone: the broker delivers it again"
    assert old.consuming, "nothing more is asked of it"
    gate.consumer.wait()
    assert not gate.consumer.consuming, "the slots are still taken"
    gate.end(gate.claimed[0])
    assert gate.consumer.consuming


def test_a_command_that_comes_again_while_it_is_here_is_acknowledged_and_dropped(gate: Gate) -> None:
    again = gate.send(1, 1)[1]
    assert again.fate == "acknowledged"
    assert len(gate.claimed) == 1
    assert gate.slots.taken == 1


@pytest.mark.parametrize(
    "bad",
    [
        Message({}, b"{}"),
        Message({"task": "os.system"}, b"[[], {}, {}]"),
        message(1, key=b"another key"),
        Message(message(1).headers, b"x" * 10_000_000),
        Message(message(1).headers, message(1).body, content_type="application/x-python-serialize"),
        Message(message(1).headers, message(2).body),
    ],
    ids=["empty", "foreign", "wrong key", "huge", "pickle", "other arguments"],
)
def test_a_message_that_is_no_command_of_ours_is_dropped_and_counted(gate: Gate, bad: Message) -> None:
    bad.fate = ""
    gate.consumer.take(bad)
    assert bad.fate == "dropped"
    assert gate.intake.refused == 1
    assert gate.claimed == []
    assert gate.slots.taken == 0


def test_celery_is_not_shown_what_could_make_it_do_something(gate: Gate) -> None:
    tricky = message(1)
    tricky.headers |= {"eta": "2030-01-01T00:00:00", "expires": "2020-01-01T00:00:00", "timelimit": [1, 1]}
    gate.consumer.take(tricky)
    gate.intake.show(gate.claimed)
    gate.consumer.turn()
    [shown] = gate.consumer.shown
    assert not {"eta", "expires", "timelimit"} & set(shown.headers)
    assert shown.headers["task"] == "gale.run"
    assert shown.payload[1]["task_id"] == "t1"


def test_a_message_whose_channel_is_gone_stops_nobody(gate: Gate) -> None:
    class Broken(Message):
        def ack(self) -> None:
            raise OSError("closed")

    packed = message(1)
    gate.consumer.take(Broken(packed.headers, packed.body))
    gate.intake.show(gate.claimed)
    gate.consumer.turn()
    assert len(gate.consumer.shown) == 1
