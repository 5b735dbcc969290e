"""An event that may be set inside a signal handler.

`threading.Event` may not: the handler runs in the main thread, and if that one holds the event's
lock at the moment, it waits for itself for ever.
"""

import os
import select


class Latch:
    """Set once, for good; any thread may wait for it."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._is_set = False

    def set(self) -> bool:
        """Set it; False if it was set already."""
        if self._is_set:
            return False
        self._is_set = True
        os.write(self._write, b"\0")
        return True

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is set, for `seconds` at the most (None = for ever); tell whether it is."""
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        return bool(poll.poll(None if seconds is None else max(0.0, seconds) * 1000))

    @property
    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set
