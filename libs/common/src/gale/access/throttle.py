"""How often somebody may try passwords.

Two counts: one per user name and address, which grows quickly, so that a guesser is slowed
down at once; one per address, which is generous. A user name alone is never locked: that
would let anybody lock out anybody.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: So many failures cost nothing: people mistype.
FREE_TRIES: Final = 5
FREE_TRIES_PER_ADDRESS: Final = 20
MAX_WAIT_SECONDS: Final = 300.0
#: After so long without a failure all is forgotten.
FORGET_SECONDS: Final = 900.0
#: A guesser with many names must not fill the memory.
MAX_ENTRIES: Final = 10_000


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0


class Throttle:
    """Remembers failed logins of this process."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def seconds_to_wait(self, username: str, address: str) -> float:
        """Return for how long this name from this address must wait before the next try; 0 = try now."""
        with self._lock:
            return max(self._wait((username, address), FREE_TRIES), self._wait(("", address), FREE_TRIES_PER_ADDRESS))

    def failed(self, username: str, address: str) -> None:
        """Count a failure."""
        with self._lock:
            for key in ((username, address), ("", address)):
                entry = self._failures.setdefault(key, _Failures())
                entry.count += 1
                entry.last = self._monotonic()
                self._failures.move_to_end(key)
            while len(self._failures) > MAX_ENTRIES:
                self._failures.popitem(last=False)

    def succeeded(self, username: str, address: str) -> None:
        """Forget the failures of this name from this address."""
        with self._lock:
            self._failures.pop((username, address), None)

    def _wait(self, key: tuple[str, str], free: int) -> float:
        entry = self._failures.get(key)
        if entry is None:
            return 0.0
        passed = self._monotonic() - entry.last
        if passed > FORGET_SECONDS:
            del self._failures[key]
            return 0.0
        if entry.count < free:
            return 0.0
        # The exponent is bounded first: 2.0 ** 5000 would be an OverflowError.
        return max(0.0, min(2.0 ** min(entry.count - free, 20), MAX_WAIT_SECONDS) - passed)
