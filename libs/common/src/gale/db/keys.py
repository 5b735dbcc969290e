"""Ids and tokens that the program makes."""

import os
from datetime import datetime

_MILLISECOND = 1000


def new_key(now: datetime) -> str:
    """Return an id of 32 hex digits that sorts by time (the layout of UUID version 7, RFC 9562).

    Ids made in time order keep inserts at the end of the index, and let every writer lock rows in
    primary-key order without asking the database for that order first.
    """
    milliseconds = int(now.timestamp() * _MILLISECOND)
    random = int.from_bytes(os.urandom(10), "big")
    high = (random >> 62) & 0xFFF
    low = random & ((1 << 62) - 1)
    return f"{(milliseconds << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low:032x}"


def new_token() -> str:
    """Return a token of 32 hex digits that nobody can guess."""
    return os.urandom(16).hex()
