"""A line to a server that can be cut, or fall silent, and be mended: a TCP proxy in threads of its own."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Line:
    """Passes on what both sides say, while it is whole.

    Args:
        host: Of the server.
        port: Of the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        #: Cleared while nothing is passed on although the connections stand.
        self._talks = threading.Event()
        self._talks.set()
        self._whole = True
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where to connect to instead of the server."""
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        """Break all connections, and refuse new ones."""
        self._whole = False
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def silence(self) -> None:
        """Pass nothing on any more, without breaking anything: what a lost network looks like."""
        self._talks.clear()

    def mend(self) -> None:
        """Work again."""
        self._whole = True
        self._talks.set()

    def close(self) -> None:
        """End it."""
        self.cut()
        self._talks.set()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._whole:
                near.close()
                continue
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            self._ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._talks.wait()
                sink.sendall(data)
        # The one that reads closes what it reads from; the other direction's thread wakes up by the shutdown.
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        source.close()


@contextlib.contextmanager
def line_to(host: str, port: int) -> Iterator[Line]:
    """Give a line to a server."""
    line = Line(host, port)
    try:
        yield line
    finally:
        line.close()
