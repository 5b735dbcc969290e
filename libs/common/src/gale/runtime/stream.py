"""Length-prefixed JSON on the stream socket between a task process and its supervisor."""

import socket
import struct
from typing import Final

from gale.errors import GaleError

_LENGTH: Final = struct.Struct("!I")
#: A longer frame is no message but garbage, or an XCom that belongs into a file.
MAX_FRAME: Final = 64 * 1024 * 1024


class StreamBroken(GaleError):
    """What came in is no frame, or the other side is gone."""


class MessageTooLarge(GaleError):
    """A message is larger than any that has a place here."""


def check_size(body: bytes) -> bytes:
    """Return a message if it can be sent.

    Raises:
        MessageTooLarge: It cannot.
    """
    if len(body) > MAX_FRAME:
        raise MessageTooLarge(
            f"A message of {len(body):,} bytes is too large (limit {MAX_FRAME:,}). "
            "Store the value in a file or a database and pass its address instead."
        )
    return body


def frame(body: bytes) -> bytes:
    """Return the frame of a message."""
    check_size(body)
    return _LENGTH.pack(len(body)) + body


def send_frame(sock: socket.socket, body: bytes) -> None:
    """Send one message on a blocking socket."""
    sock.sendall(frame(body))


def receive_frame(sock: socket.socket) -> bytes:
    """Return the next message from a blocking socket.

    Raises:
        StreamBroken: The other side is gone.
    """
    (length,) = _LENGTH.unpack(_exactly(sock, _LENGTH.size))
    return _exactly(sock, length)


def _exactly(sock: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = sock.recv(min(size, 1 << 20))
        if not part:
            raise StreamBroken("The supervisor is gone, so nothing can be asked or stored any more.")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class FrameBuffer:
    """Collects bytes as they come and gives out whole messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Add bytes."""
        self._buffer += data

    def take(self) -> bytes | None:
        """Return the next whole message, or None if it is not there yet.

        Raises:
            StreamBroken: The bytes cannot be a frame.
        """
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > MAX_FRAME:
            raise StreamBroken(f"A frame of {length:,} bytes was announced (limit {MAX_FRAME:,}).")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(memoryview(self._buffer)[_LENGTH.size : end])
        del self._buffer[:end]
        return body
