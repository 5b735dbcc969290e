"""How many attempts this worker runs at once, and how many more it may take."""

import threading


class Slots:
    """Counts the slots. Any thread may take and give back."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._taken = 0
        self._shut: set[str] = set()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a slot; False if none is free or the worker takes no more work."""
        with self._lock:
            if self._shut or self._taken >= self.total:
                return False
            self._taken += 1
            return True

    def give(self, count: int) -> None:
        """Give slots back."""
        with self._lock:
            self._taken -= count

    @property
    def open(self) -> bool:
        """Whether a slot could be taken now."""
        with self._lock:
            return not self._shut and self._taken < self.total

    @property
    def taken(self) -> int:
        """How many are taken."""
        with self._lock:
            return self._taken

    def shut(self, why: str) -> None:
        """Take no more work for a reason."""
        with self._lock:
            self._shut.add(why)

    def reopen(self, why: str) -> None:
        """Take work again, as far as this reason is concerned."""
        with self._lock:
            self._shut.discard(why)
