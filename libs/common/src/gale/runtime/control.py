"""The service's end of an attempt's socket: never blocks, trusts nothing that comes in."""

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gale.runtime.stream import FrameBuffer, StreamBroken, frame

_RECEIVE: Final = 256 * 1024
#: A task process that sends requests but does not read the answers is not listened to any more.
MAX_UNREAD: Final = 4 * 1024 * 1024
#: The task's side waits for each answer, so more than a request and the end are never on the way.
_MAX_FRAMES_AT_ONCE: Final = 2


class ControlLink:
    """Frames from and to one task process.

    Args:
        selector: The service's loop.
        sock: Our end of the pair.
        on_message: Called with each message.
        on_broken: Called once with a sentence when the other side does not keep to the protocol.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        sock: socket.socket,
        on_message: Callable[[bytes], None],
        on_broken: Callable[[str], None],
    ) -> None:
        self._selector = selector
        self._socket = sock
        self._on_message = on_message
        self._on_broken = on_broken
        self._incoming = FrameBuffer()
        self._outgoing = bytearray()
        self._open = True
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ, self.ready)

    def send(self, body: bytes) -> None:
        """Send a message now or as soon as there is room."""
        if self._open and len(self._outgoing) > MAX_UNREAD:
            self._break(f"it did not read {len(self._outgoing):,} bytes of answers")
        if not self._open:
            return
        self._outgoing += frame(body)
        self._flush()

    def ready(self) -> None:
        """Read and write what can be read and written now."""
        if self._open and self._outgoing:
            self._flush()
        if self._open:
            self._read()

    def drain(self) -> None:
        """Read all that is there, now that nobody writes any more, and close."""
        while self._open and self._read():
            pass
        self.close()

    def close(self) -> None:
        """Close our end."""
        if self._open:
            self._open = False
            with suppress(KeyError):
                self._selector.unregister(self._socket)
            self._socket.close()

    def _flush(self) -> None:
        try:
            sent = self._socket.send(self._outgoing)
            del self._outgoing[:sent]
        except BlockingIOError:
            pass
        except OSError:
            # Nobody reads any more. What was said before is still to be read.
            self._outgoing.clear()
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)
        key = self._selector.get_key(self._socket)
        if key.events != wanted:
            self._selector.modify(self._socket, wanted, self.ready)

    def _read(self) -> bool:
        """Read once; False if there was nothing."""
        try:
            data = self._socket.recv(_RECEIVE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        self._incoming.feed(data)
        try:
            taken = 0
            while self._open and (body := self._incoming.take()) is not None:
                taken += 1
                if taken > _MAX_FRAMES_AT_ONCE:
                    self._break("it sent requests without waiting for the answers")
                    return False
                self._on_message(body)
        except StreamBroken as error:
            self._break(str(error))
        return True

    def _break(self, why: str) -> None:
        self.close()
        self._on_broken(why)
