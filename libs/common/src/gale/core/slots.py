"""Who goes next: pools, limits of DAGs and tasks, priorities, and the executor's free slots.

The ledger knows who wants a slot and who has one. `grant` hands out what is free, always to the
candidate with the highest weight, among equals to the oldest run. Two rules keep it fair:

- A candidate whose DAG or task is at its limit steps aside and delays nobody; it comes back
  when that very limit has room. So a thousand candidates behind a full limit cost nothing.
  One of each pool comes back, for the best of all may find its pool full and the next not.
- Inside a pool nobody overtakes the first in line, even if he would fit and the first does not:
  otherwise small tasks could starve a big one for ever. Other pools are not affected.

Cost: logarithmic in the number of candidates for each want, grant and release.
"""

import heapq
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

#: Slots of a pool without limit.
UNLIMITED: Final = -1


class Limit(StrEnum):
    """What can hold a candidate back, in the order in which it is looked at."""

    POOL_MISSING = "pool_missing"
    POOL_TOO_SMALL = "pool_too_small"
    DAG = "max_active_tasks"
    TASK = "max_active_tis_per_dag"
    TASK_IN_RUN = "max_active_tis_per_dagrun"
    POOL = "pool"
    PARALLELISM = "parallelism"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A task instance that wants a slot, with all that limits it."""

    ti: str
    run: str
    dag_id: str
    task_id: str
    pool: str = "default_pool"
    pool_slots: int = 1
    weight: int = 1
    #: Among equal weights the smaller goes first: the run's logical date or `run_after`.
    since: datetime
    max_active_tasks: int | None = None
    #: Whether `max_active_tasks` counts this run alone (Airflow 3) or all runs of the DAG.
    per_run: bool = False
    max_active_tis_per_dag: int | None = None
    max_active_tis_per_dagrun: int | None = None

    def limits(self) -> tuple[tuple[Limit, Hashable, int | None], ...]:
        """Return the counted limits: which, of what, how many."""
        return (
            (Limit.DAG, self.run if self.per_run else self.dag_id, self.max_active_tasks),
            (Limit.TASK, (self.dag_id, self.task_id), self.max_active_tis_per_dag),
            (Limit.TASK_IN_RUN, (self.run, self.task_id), self.max_active_tis_per_dagrun),
        )

    def place(self) -> tuple[int, datetime, str]:
        """Return what a line is ordered by: heavier first, then older."""
        return -self.weight, self.since, self.ti


_Key = tuple[Limit, Hashable]
_Of = TypeVar("_Of", bound=Hashable)
_Entry = tuple[int, datetime, str]
#: For each pool a heap of places. An entry whose candidate has gone or changed is passed over.
_Lines = dict[str, list[_Entry]]


class _Usage:
    """What is taken: the holders, counted by pool and by each limit."""

    def __init__(self, pools: Iterable[tuple[str, int]]) -> None:
        self.pools = dict(pools)
        self.held: dict[str, Candidate] = {}
        self._of_pool: dict[str, int] = {}
        self._of_limit: dict[_Key, int] = {}

    def replace(self, held: Iterable[Candidate]) -> None:
        self.held.clear()
        self._of_pool.clear()
        self._of_limit.clear()
        for candidate in held:
            self.add(candidate)

    def add(self, candidate: Candidate) -> None:
        if candidate.ti not in self.held:
            self.held[candidate.ti] = candidate
            self._count(candidate, 1)

    def remove(self, ti: str) -> Candidate | None:
        candidate = self.held.pop(ti, None)
        if candidate is not None:
            self._count(candidate, -1)
        return candidate

    def _count(self, candidate: Candidate, by: int) -> None:
        _bump(self._of_pool, candidate.pool, by * candidate.pool_slots)
        for limit, of, _ in candidate.limits():
            _bump(self._of_limit, (limit, of), by)

    def could_ever_fit(self, candidate: Candidate) -> bool:
        size = self.pools.get(candidate.pool)
        return size is not None and (size == UNLIMITED or candidate.pool_slots <= size)

    def fits_pool(self, candidate: Candidate) -> bool:
        size = self.pools.get(candidate.pool, 0)
        return size == UNLIMITED or self._of_pool.get(candidate.pool, 0) + candidate.pool_slots <= size

    def limit_of(self, candidate: Candidate) -> _Key | None:
        """Return the first limit that the candidate is at."""
        for limit, of, at_most in candidate.limits():
            if at_most is not None and self._of_limit.get((limit, of), 0) >= at_most:
                return limit, of
        return None

    def with_room(self, candidate: Candidate) -> list[_Key]:
        """Return the limits of the candidate that have room for one more."""
        return [
            (limit, of)
            for limit, of, at_most in candidate.limits()
            if at_most is not None and self._of_limit.get((limit, of), 0) < at_most
        ]

    def holders_in(self, pool: str) -> list[Candidate]:
        return [held for held in self.held.values() if held.pool == pool]

    def holders_under(self, key: _Key) -> list[Candidate]:
        return [held for held in self.held.values() if key in {(limit, of) for limit, of, _ in held.limits()}]


class SlotLedger:
    """The book of slots: `want`, `grant`, `release`. It holds no clock and asks nobody."""

    def __init__(self, pools: Iterable[tuple[str, int]] = ()) -> None:
        self._usage = _Usage(pools)
        self._wanted: dict[str, Candidate] = {}
        self._lines: _Lines = {}
        self._aside: dict[_Key, _Lines] = {}

    # --- the book --------------------------------------------------------------------------------

    def set_pools(self, pools: Iterable[tuple[str, int]]) -> None:
        """Replace the pools. Where nothing changes, nothing is done."""
        sizes = dict(pools)
        if sizes != self._usage.pools:
            self._usage.pools = sizes
            self._line_up_all()

    def set_held(self, held: Iterable[Candidate]) -> None:
        """Replace who holds slots, e.g. by what the database says about all schedulers."""
        self._usage.replace(held)
        for ti in self._usage.held:
            self._wanted.pop(ti, None)
        self._line_up_all()

    def want(self, candidate: Candidate) -> None:
        """Put a candidate in line. Twice is once; a changed one gets the place that it now deserves."""
        known = self._wanted.get(candidate.ti)
        if known == candidate:
            return
        self._wanted[candidate.ti] = candidate
        self._line_up(candidate)
        if known is not None:
            self._call_others(known)

    def unwant(self, ti: str) -> None:
        """Take a candidate out of the line, e.g. because it was cleared or its run is gone."""
        candidate = self._wanted.pop(ti, None)
        if candidate is not None:
            self._call_others(candidate)

    def hold(self, candidate: Candidate) -> None:
        """Book a slot that was granted elsewhere, e.g. found in the database."""
        self._wanted.pop(candidate.ti, None)
        self._usage.add(candidate)

    def release(self, ti: str) -> None:
        """Give a slot back. Twice is once."""
        candidate = self._usage.remove(ti)
        if candidate is not None:
            self._call_others(candidate)

    def holds(self, ti: str) -> bool:
        """Tell whether `ti` has a slot."""
        return ti in self._usage.held

    def wanted(self) -> int:
        """Return how many candidates wait."""
        return len(self._wanted)

    def held(self) -> int:
        """Return how many slots are taken."""
        return len(self._usage.held)

    def grant(self, free: int, *, except_for: frozenset[str] = frozenset()) -> list[Candidate]:
        """Hand out up to `free` slots of the executor; the receivers hold them from now on.

        Args:
            free: Slots that the executor has open.
            except_for: Task instances that must wait although they could go, because processes of
                an earlier attempt are still being stopped.
        """
        granted: list[Candidate] = []
        put_back: list[Candidate] = []
        while len(granted) < free:
            candidate = self._first_in_line(except_for)
            if candidate is None:
                break
            heapq.heappop(self._lines[candidate.pool])
            if candidate.ti in except_for:
                put_back.append(candidate)
                self._call_others(candidate)
                continue
            block = self._usage.limit_of(candidate)
            if block is None:
                self.hold(candidate)
                granted.append(candidate)
            else:
                _push(self._aside.setdefault(block, {}), candidate)
                self._call_others(candidate)
        for candidate in put_back:
            self._line_up(candidate)
        return granted

    # --- for explain -----------------------------------------------------------------------------

    def blocked_by(self, candidate: Candidate, free: int) -> tuple[Limit, list[Candidate]] | None:
        """Return the first limit that holds a candidate back and who uses it up, or None.

        None means that it would be granted a slot now.
        """
        usage = self._usage
        if candidate.pool not in usage.pools:
            return Limit.POOL_MISSING, []
        if not usage.could_ever_fit(candidate):
            return Limit.POOL_TOO_SMALL, []
        block = usage.limit_of(candidate)
        if block is not None:
            return block[0], usage.holders_under(block)
        if not usage.fits_pool(candidate) or self._is_behind_a_bigger_one(candidate):
            return Limit.POOL, usage.holders_in(candidate.pool)
        if free <= 0:
            return Limit.PARALLELISM, list(usage.held.values())
        return None

    def _is_behind_a_bigger_one(self, candidate: Candidate) -> bool:
        """Tell whether someone before it in the pool's line waits for more room than there is. Looks at all."""
        usage = self._usage
        before = (
            other
            for other in self._wanted.values()
            if other.pool == candidate.pool and other.place() < candidate.place() and usage.could_ever_fit(other)
        )
        return any(not usage.fits_pool(other) and usage.limit_of(other) is None for other in before)

    # --- the lines -------------------------------------------------------------------------------

    def _line_up(self, candidate: Candidate) -> None:
        """Put a candidate into the line of its pool, unless it could never get through."""
        if self._usage.could_ever_fit(candidate):
            _push(self._lines, candidate)

    def _line_up_all(self) -> None:
        self._lines.clear()
        self._aside.clear()
        for candidate in self._wanted.values():
            self._line_up(candidate)

    def _head(self, lines: _Lines, pool: str) -> Candidate | None:
        """Return the first who still wants this place in a line, dropping the entries before his."""
        line = lines[pool]
        while line:
            candidate = self._wanted.get(line[0][2])
            if candidate is not None and candidate.pool == pool and candidate.place() == line[0]:
                return candidate
            heapq.heappop(line)
        return None

    def _call_others(self, candidate: Candidate) -> None:
        """This one does not use its place under its limits now: whoever waits for one of them may try."""
        for key in self._usage.with_room(candidate):
            self._call_next(key)

    def _call_next(self, key: _Key) -> None:
        """Let the best of each pool among those who stepped aside for this limit get in line again."""
        waiting = self._aside.get(key, {})
        for pool in list(waiting):
            candidate = self._head(waiting, pool)
            if candidate is not None:
                heapq.heappop(waiting[pool])
                _push(self._lines, candidate)
            if not waiting[pool]:
                del waiting[pool]

    def _first_in_line(self, except_for: frozenset[str]) -> Candidate | None:
        """Return the best among the heads of all pools that have room for their head."""
        best: Candidate | None = None
        for pool in self._lines:
            head = self._head(self._lines, pool)
            if head is None or (best is not None and best.place() < head.place()):
                continue
            if head.ti in except_for or self._may_pass(head):
                best = head
        return best

    def _may_pass(self, candidate: Candidate) -> bool:
        """A head without room in its pool blocks the pool, unless it steps aside anyway."""
        return self._usage.fits_pool(candidate) or self._usage.limit_of(candidate) is not None


def _push(lines: _Lines, candidate: Candidate) -> None:
    heapq.heappush(lines.setdefault(candidate.pool, []), candidate.place())


def _bump(counts: dict[_Of, int], of: _Of, by: int) -> None:
    """Count, and forget what has come back to nothing: runs come and go for years."""
    now = counts.get(of, 0) + by
    if now:
        counts[of] = now
    else:
        counts.pop(of, None)
