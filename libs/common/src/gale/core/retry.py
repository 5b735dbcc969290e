"""How long a failed attempt waits before the next one.

The numbers are Airflow's: attempt n of a task with back-off waits between d and 2·d seconds,
d = retry_delay · factor^(n-1), at least one second. The place in that range comes from a hash
of the task instance, not from chance: asked again, after a restart or by another scheduler,
the same attempt gets the same answer, and tasks that failed together do not return together.
"""

import hashlib
import math
from typing import Final

#: No back-off grows beyond a day unless the task says so itself.
LONGEST_BACKOFF_SECONDS: Final = 86_400.0
_SHORTEST_BACKOFF_SECONDS: Final = 1.0


def _jitter(key: str) -> float:
    """Return a number in [0, 1) that depends on nothing but `key`."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    # 53 bits are what a float holds: one more and the quotient could round up to 1.
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)


def _grown(base: float, backoff: float, steps: int, ceiling: float) -> float:
    """Return base · backoff^steps, or `ceiling` if that would be more, without ever computing a huge power."""
    if base >= ceiling:
        return ceiling
    # Attempt 5,000 of a task that doubles would overflow a float: compare logarithms first.
    if backoff > 1 and steps * math.log(backoff) >= math.log(ceiling / base):
        return ceiling
    return max(base * backoff**steps, _SHORTEST_BACKOFF_SECONDS)


def retry_delay(*, base: float, backoff: float, max_delay: float | None, attempt: int, key: str) -> float:
    """Return the seconds between the end of a failed attempt and the start of the next.

    Args:
        base: The task's `retry_delay` in seconds.
        backoff: 0 for a constant delay, otherwise the factor by which it grows with each attempt.
        max_delay: The task's `max_retry_delay` in seconds; it also caps a constant delay.
        attempt: Number of the attempt that has just failed, from 1.
        key: Whatever names the attempt; two keys get delays that are apart, one key always gets the same.
    """
    base = max(base, 0.0)
    if backoff <= 0:
        return base if max_delay is None else min(base, max_delay)
    ceiling = max(base, LONGEST_BACKOFF_SECONDS) if max_delay is None else max_delay
    if ceiling <= 0:
        return 0.0
    shortest = _grown(max(base, _SHORTEST_BACKOFF_SECONDS), backoff, max(attempt - 1, 0), ceiling)
    return min(shortest * (1 + _jitter(key)), ceiling)
