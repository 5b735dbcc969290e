"""Ids and tokens that the program makes."""

import os
import threading
from datetime import datetime
from typing import Final

_MILLISECOND = 1000
_RANDOM_BITS: Final = 74


class _Keys:
    """Makes ids that sort by time; those made within one millisecond sort in the order in which they were made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = (0, 0)

    def new(self, milliseconds: int) -> str:
        """Return the next id of this instant."""
        with self._lock:
            last, number = self._last
            if milliseconds == last:
                number += 1 + int.from_bytes(os.urandom(4), "big")
            else:
                # The highest bit stays free for counting up.
                number = int.from_bytes(os.urandom(10), "big") >> (80 - _RANDOM_BITS + 1)
            self._last = (milliseconds, number)
        high, low = number >> 62, number & ((1 << 62) - 1)
        return f"{(milliseconds << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low:032x}"


_keys: Final = _Keys()


def new_key(now: datetime) -> str:
    """Return an id of 32 hex digits that sorts by time (the layout of UUID version 7, RFC 9562).

    Ids made in time order keep inserts at the end of the index, let every writer lock rows in
    primary-key order without asking the database for that order first, and keep requests that
    were made together in their order.
    """
    return _keys.new(int(now.timestamp() * _MILLISECOND))


def new_token() -> str:
    """Return a token of 32 hex digits that nobody can guess."""
    return os.urandom(16).hex()
