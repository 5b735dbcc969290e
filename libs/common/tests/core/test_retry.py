"""Retry delays: what grows, what is clamped, and that two schedulers agree."""

from hypothesis import given
from hypothesis import strategies as st

from gale.core.retry import LONGEST_BACKOFF_SECONDS, retry_delay

DAY = 86_400.0


def delay(*, base=300.0, backoff=2.0, max_delay=None, attempt=1, key="etl#load#2026-01-01#1"):
    return retry_delay(base=base, backoff=backoff, max_delay=max_delay, attempt=attempt, key=key)


def test_without_back_off_every_attempt_waits_the_same():
    assert [delay(backoff=0, attempt=n) for n in (1, 2, 3, 5_000)] == [300.0] * 4


def test_without_back_off_max_retry_delay_still_caps_the_delay():
    assert delay(backoff=0, base=300, max_delay=299) == 299
    assert delay(backoff=0, base=300, max_delay=301) == 300


def test_back_off_doubles_with_each_attempt_plus_up_to_as_much_again():
    for attempt, least in ((1, 300), (2, 600), (3, 1_200), (4, 2_400)):
        assert least <= delay(attempt=attempt) < 2 * least


def test_back_off_by_another_factor_grows_by_that_factor():
    assert 300 * 1.5**3 <= delay(backoff=1.5, attempt=4) < 2 * 300 * 1.5**3


def test_attempt_five_thousand_is_clamped_and_not_computed():
    """2 ** 5000 seconds overflow a float; the ceiling must be found without them."""
    assert delay(attempt=5_000) == LONGEST_BACKOFF_SECONDS
    assert delay(attempt=5_000, max_delay=7) == 7


def test_the_ceiling_holds_on_both_sides_of_the_attempt_that_reaches_it():
    """1024 s · 2^6 is less than a day, 1024 s · 2^7 is more."""
    assert 65_536 <= delay(base=1_024, attempt=7) <= DAY
    assert delay(base=1_024, attempt=8) == DAY


def test_a_base_longer_than_a_day_is_kept_unless_the_task_caps_it():
    assert delay(base=2 * DAY, attempt=1) == 2 * DAY
    assert delay(base=2 * DAY, attempt=1, max_delay=DAY) == DAY


def test_a_max_retry_delay_longer_than_a_day_is_honoured():
    assert DAY < delay(base=DAY, attempt=4, max_delay=10 * DAY) <= 10 * DAY


def test_back_off_over_a_base_of_nothing_waits_at_least_a_second():
    assert 1 <= delay(base=0, attempt=1) < 2
    assert delay(base=0, backoff=0) == 0


def test_attempts_that_failed_together_do_not_return_together():
    delays = {delay(key=f"etl#load#2026-01-01#{n}") for n in range(100)}
    assert len(delays) == 100


@given(
    base=st.floats(0, 1e9),
    backoff=st.floats(0, 100),
    max_delay=st.none() | st.floats(0, 1e9),
    attempt=st.integers(0, 10_000),
    key=st.text(),
)
def test_any_delay_is_finite_within_its_ceiling_and_the_same_when_asked_again(base, backoff, max_delay, attempt, key):
    first = retry_delay(base=base, backoff=backoff, max_delay=max_delay, attempt=attempt, key=key)
    assert first == retry_delay(base=base, backoff=backoff, max_delay=max_delay, attempt=attempt, key=key)
    assert 0 <= first <= (max(base, LONGEST_BACKOFF_SECONDS) if max_delay is None else max_delay)


@given(base=st.floats(0, 1e6), backoff=st.floats(1, 10), attempt=st.integers(1, 50), key=st.text())
def test_the_shortest_delay_never_shrinks_from_attempt_to_attempt(base, backoff, attempt, key):
    """One key, so one place in the range: what is left is the growth."""
    later = retry_delay(base=base, backoff=backoff, max_delay=None, attempt=attempt + 1, key=key)
    earlier = retry_delay(base=base, backoff=backoff, max_delay=None, attempt=attempt, key=key)
    assert later >= earlier * (1 - 1e-9)
