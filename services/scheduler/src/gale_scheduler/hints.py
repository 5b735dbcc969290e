"""Wakes the loop when workers say that attempts have ended.

What they say is a hint: which rows to read. It comes in on the event bus's own thread and is
handed to the loop's thread here. A hint that gets lost costs at most a second, because the loop
reads the rows of all attempts under way that often anyway.
"""

import os
import selectors
import threading
from collections.abc import Iterable
from contextlib import suppress


class Hints:
    """Task instances whose rows are worth a look.

    Args:
        selector: Of the loop; it is woken through it.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._lock = threading.Lock()
        self._tis: set[str] = set()
        self._ours, self._theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        selector.register(self._ours, selectors.EVENT_READ, self._drain)

    def add(self, tis: Iterable[str]) -> None:
        """Take in a hint. From any thread."""
        with self._lock:
            is_first = not self._tis
            self._tis.update(tis)
            if is_first and self._tis:
                with suppress(BlockingIOError):  # full of bytes that wake it just as well
                    os.write(self._theirs, b"!")

    def take(self) -> set[str]:
        """Return what came in since the last call."""
        if not self._tis:
            return set()
        with self._lock:
            tis, self._tis = self._tis, set()
        return tis

    def _drain(self) -> None:
        try:
            os.read(self._ours, 4096)
        except BlockingIOError:
            return
