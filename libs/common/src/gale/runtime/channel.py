"""Messages between service, zygote and hosts, with file descriptors that travel along.

A SEQPACKET socket pair on Linux, a stream elsewhere; the frames (length, number of
descriptors, body) are the same, so that only the creation of the pair differs. What is large
does not travel here: the output of a parse and the words of a task have sockets of their own.
"""

import array
import os
import selectors
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from gale.runtime.processes import IS_LINUX

_HEADER: Final = struct.Struct("!IB")
#: One SEQPACKET message must fit into the socket's send buffer (212,992 bytes by default).
MAX_MESSAGE: Final = 160_000
#: The kernel passes at most 253 descriptors with one message.
MAX_FDS: Final = 64
_RECEIVE: Final = 1 << 18


class ChannelClosed(Exception):
    """The other side is gone."""


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets for channels."""
    kind = socket.SOCK_SEQPACKET if IS_LINUX else socket.SOCK_STREAM
    return socket.socketpair(socket.AF_UNIX, kind)


class Channel:
    """One end of a channel. Blocking unless its socket was made otherwise."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._packets = sock.type == getattr(socket, "SOCK_SEQPACKET", None)
        self._buffer = bytearray()
        self._fds: deque[int] = deque()

    def fileno(self) -> int:
        """Return the descriptor, for selectors."""
        return self.socket.fileno()

    def send(self, body: bytes, fds: Sequence[int] = ()) -> None:
        """Send one message; the descriptors stay open here.

        Raises:
            BlockingIOError: The socket is non-blocking and full; nothing was sent.
            ChannelClosed: The other side is gone.
        """
        frame = _HEADER.pack(len(body), len(fds)) + body
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            sent = self.socket.sendmsg([frame], extra)
            if sent < len(frame):
                # Only a stream sends in parts. The rest must follow at once, else frames would mix.
                self._send_rest(frame[sent:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChannelClosed from error

    def _send_rest(self, rest: bytes) -> None:
        blocking = self.socket.getblocking()
        self.socket.setblocking(True)
        try:
            self.socket.sendall(rest)
        finally:
            self.socket.setblocking(blocking)

    def receive(self) -> list[tuple[bytes, list[int]]]:
        """Return the messages that are there, at least one if the socket is blocking.

        Raises:
            ChannelClosed: The other side is gone and nothing is left to read.
        """
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, _RECEIVE, MAX_FDS)
            except BlockingIOError:
                return []
            except ConnectionResetError as error:
                raise ChannelClosed from error
            if not data:
                raise ChannelClosed
            self._buffer += data
            self._fds.extend(fds)
            if messages := self._take():
                return messages

    def _take(self) -> list[tuple[bytes, list[int]]]:
        messages = []
        while len(self._buffer) >= _HEADER.size:
            length, count = _HEADER.unpack_from(self._buffer)
            end = _HEADER.size + length
            if len(self._buffer) < end:
                break
            body = bytes(memoryview(self._buffer)[_HEADER.size : end])
            del self._buffer[:end]
            messages.append((body, [self._fds.popleft() for _ in range(min(count, len(self._fds)))]))
        return messages

    def close(self) -> None:
        """Close this end, and what came with messages that nobody took."""
        self.socket.close()
        close_all(self._fds)
        self._fds.clear()


def close_all(fds: Sequence[int] | deque[int]) -> None:
    """Close descriptors, whether or not they are open."""
    for fd in fds:
        with suppress(OSError):
            os.close(fd)


class QueuedChannel(Channel):
    """The service's end: never blocks, keeps what does not fit, and owns the descriptors it is given."""

    def __init__(self, sock: socket.socket, selector: selectors.BaseSelector) -> None:
        super().__init__(sock)
        sock.setblocking(False)
        self._selector = selector
        self._waiting: deque[tuple[bytes, Sequence[int]]] = deque()

    def send(self, body: bytes, fds: Sequence[int] = ()) -> None:
        """Send one message now or as soon as there is room, and close its descriptors then.

        A channel whose other side is gone swallows messages: its end is noticed by reading.
        """
        self._waiting.append((body, fds))
        if len(self._waiting) == 1:
            self.flush()

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        while self._waiting:
            body, fds = self._waiting[0]
            try:
                super().send(body, fds)
            except BlockingIOError:
                break
            except ChannelClosed:
                pass
            self._waiting.popleft()
            close_all(fds)
        self._watch()

    def watch(self, callback: Callable[[], None]) -> None:
        """Have the selector's loop call `callback` when there is something to read."""
        self._selector.register(self.socket, selectors.EVENT_READ, partial(self._ready, callback))

    def _ready(self, callback: Callable[[], None]) -> None:
        if self._waiting:
            self.flush()
        callback()

    def _watch(self) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._waiting else 0)
        key = self._selector.get_map().get(self.socket)
        if key is not None and key.events != wanted:
            self._selector.modify(self.socket, wanted, key.data)

    def close(self) -> None:
        """Close this end and the descriptors of what was never sent. Closing twice does no harm."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(self.socket)
        while self._waiting:
            close_all(self._waiting.popleft()[1])
        super().close()
