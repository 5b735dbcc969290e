"""Channels, streams and control links: whole messages or a clear end, never a wait."""

import os
import selectors
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gale.runtime import control, stream
from gale.runtime.channel import Channel, ChannelClosed, QueuedChannel, channel_pair
from gale.runtime.control import ControlLink
from gale.runtime.stream import FrameBuffer, StreamBroken, frame


@pytest.fixture
def selector():
    with selectors.DefaultSelector() as made:
        yield made


@pytest.fixture(params=["packets", "stream"])
def pair(request):
    """Both kinds of channel: the one of Linux and the one of the others."""
    made = channel_pair() if request.param == "packets" else socket.socketpair()
    yield made
    for sock in made:
        sock.close()


def test_messages_and_descriptors_arrive_together_and_in_order(pair):
    ours, theirs = Channel(pair[0]), Channel(pair[1])
    reader, writer = os.pipe()
    ours.send(b"first")
    ours.send(b"second", [writer])
    ours.send(b"")
    os.close(writer)
    got = []
    while len(got) < 3:
        got += theirs.receive()
    assert [body for body, _ in got] == [b"first", b"second", b""]
    (passed,) = got[1][1]
    os.write(passed, b"through")
    os.close(passed)
    assert os.read(reader, 100) == b"through"
    os.close(reader)


def test_the_end_of_the_other_side_is_an_exception_and_no_empty_message(pair):
    ours, theirs = Channel(pair[0]), Channel(pair[1])
    ours.send(b"last words")
    ours.close()
    assert theirs.receive() == [(b"last words", [])]
    with pytest.raises(ChannelClosed):
        theirs.receive()
    with pytest.raises(ChannelClosed):
        theirs.send(b"anybody?")


def test_a_queued_channel_never_blocks_and_loses_nothing(pair, selector):
    ours, theirs = QueuedChannel(pair[0], selector), Channel(pair[1])
    ours.watch(lambda: None)
    sent = [b"%d" % number * 1000 for number in range(300)]
    for body in sent:
        ours.send(body)
    pair[1].setblocking(False)
    got = []
    while len(got) < len(sent):
        got += theirs.receive()
        for key, _ in selector.select(0):
            key.data()
    assert [body for body, _ in got] == sent
    ours.close()
    ours.close()


def test_descriptors_of_messages_that_were_never_sent_are_closed(pair, selector):
    ours = QueuedChannel(pair[0], selector)
    ours.watch(lambda: None)
    reader, writer = os.pipe()
    for _ in range(300):
        ours.send(b"x" * 1000)
    ours.send(b"with descriptor", [writer])
    ours.close()
    assert os.read(reader, 10) == b"", "nobody holds the other end any more"
    os.close(reader)


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(min_value=1, max_value=9))
def test_frames_survive_being_cut_anywhere(bodies, step):
    data = b"".join(frame(body) for body in bodies)
    buffer, got = FrameBuffer(), []
    for start in range(0, len(data), step):
        buffer.feed(data[start : start + step])
        while (body := buffer.take()) is not None:
            got.append(body)
    assert got == bodies


@pytest.mark.parametrize(("length", "is_fine"), [(stream.MAX_FRAME, True), (stream.MAX_FRAME + 1, False)])
def test_only_a_frame_beyond_the_limit_is_refused(length, is_fine):
    buffer = FrameBuffer()
    buffer.feed(length.to_bytes(4, "big"))
    if is_fine:
        assert buffer.take() is None
    else:
        with pytest.raises(StreamBroken, match="was announced"):
            buffer.take()


@pytest.fixture
def link(selector):
    ours, theirs = socket.socketpair()
    heard, broken = [], []
    made = ControlLink(selector, ours, heard.append, broken.append)
    yield made, theirs, heard, broken
    made.close()
    theirs.close()


def test_a_link_hears_messages_and_answers_without_waiting(link, selector):
    made, theirs, heard, broken = link
    theirs.sendall(frame(b"question"))
    for key, _ in selector.select(1):
        key.data()
    assert heard == [b"question"]
    made.send(b"answer")
    assert theirs.recv(100) == frame(b"answer")
    assert broken == []


def test_a_link_whose_other_side_never_reads_is_given_up(link, selector):
    made, _, _, broken = link
    for _ in range(control.MAX_UNREAD // 1_000_000 + 3):
        made.send(b"x" * 1_000_000)
    assert len(broken) == 1
    assert "did not read" in broken[0]
    assert len(selector.get_map()) == 0


def test_one_large_answer_is_no_reason_to_give_up(link):
    made, theirs, _, broken = link
    made.send(b"x" * 3 * control.MAX_UNREAD)
    assert broken == []
    got = 0
    while got < 3 * control.MAX_UNREAD:
        got += len(theirs.recv(1 << 20))
        made.ready()


def test_a_link_reads_what_was_said_before_the_end(link):
    made, theirs, heard, broken = link
    theirs.sendall(frame(b"x" * 100_000))
    theirs.close()
    made.drain()
    assert heard == [b"x" * 100_000]
    assert broken == []


def test_requests_that_do_not_wait_for_answers_break_the_protocol(link):
    made, theirs, heard, broken = link
    theirs.sendall(frame(b"q") * 3)
    made.ready()
    assert heard == [b"q", b"q"]
    assert broken == ["it sent requests without waiting for the answers"]
