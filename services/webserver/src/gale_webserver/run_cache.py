"""Runs of the grid as they were last sent, so that only those that changed are read and encoded again."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

#: What an entry costs besides its bytes, roughly.
_OVERHEAD_BYTES = 2000


@dataclass(frozen=True, slots=True)
class CachedRun:
    """One run, encoded, and which tasks it has."""

    encoded: bytes
    task_ids: frozenset[str]


class RunCache:
    """Encoded runs by digest of what they show; those not asked for longest go first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._runs: OrderedDict[str, CachedRun] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> CachedRun | None:
        """Return the run with a digest, if it is kept."""
        with self._lock:
            if digest in self._runs:
                self._runs.move_to_end(digest)
            return self._runs.get(digest)

    def put(self, digest: str, run: CachedRun) -> None:
        """Keep a run, and let others go if they are too many."""
        with self._lock:
            if digest not in self._runs:
                self._runs[digest] = run
                self._bytes += len(run.encoded) + _OVERHEAD_BYTES
            while self._bytes > self._max_bytes and self._runs:
                _, gone = self._runs.popitem(last=False)
                self._bytes -= len(gone.encoded) + _OVERHEAD_BYTES
