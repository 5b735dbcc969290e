"""Batch threads: what waits is done together; trouble makes them wait; what is bad is taken out."""

import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import exc

from gale.clock import SystemClock
from gale.errors import StoreError, StoreUnreachable
from gale_worker.batches import Batches, Job

SOON = 30.0


class Recording:
    """A job that notes its batches, and can be told to fail."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.refused: list[str] = []
        self.troubles: list[Exception] = []
        self.bad: dict[str, Exception] = {}
        self.crashed: list[str] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.batches_of = Batches(
            Job(
                name="recording", do=self.do, refuse=lambda item, _: self.refused.append(item), key=lambda item: item[0]
            ),
            SystemClock(),
            self.crashed.append,
        )

    def do(self, batch: Sequence[str]) -> None:
        assert self.may_go_on.wait(SOON)
        if self.troubles:
            raise self.troubles.pop(0)
        for item in batch:
            if item in self.bad:
                raise self.bad[item]
        self.batches.append(list(batch))


@pytest.fixture
def recording():
    made = Recording()
    made.batches_of.start()
    yield made
    assert made.batches_of.close(SOON)
    assert made.crashed == []


def test_what_comes_while_a_batch_is_done_is_the_next_batch(recording: Recording) -> None:
    recording.may_go_on.clear()
    recording.batches_of.put(["a"])
    while recording.batches_of.drop():  # until the thread has taken it
        recording.batches_of.put(["a"])
    recording.batches_of.put(["b"])
    recording.batches_of.put(["c", "d"])
    recording.may_go_on.set()
    assert recording.batches_of.wait_until_idle(SOON)
    assert recording.batches[-1] == ["b", "c", "d"]


def test_two_items_about_the_same_thing_go_into_different_batches(recording: Recording) -> None:
    recording.batches_of.put(["a1", "b1", "a2", "c1"])
    assert recording.batches_of.wait_until_idle(SOON)
    assert recording.batches == [["a1", "b1", "c1"], ["a2"]]


def test_a_batch_waits_for_a_database_that_is_away_and_is_done_then(recording: Recording) -> None:
    recording.troubles = [StoreUnreachable("away"), StoreError("the disk is full")]
    recording.batches_of.put(["a", "b"])
    assert recording.batches_of.wait_until_idle(SOON)
    assert recording.batches == [["a", "b"]]
    assert recording.refused == []


def refusal() -> StoreError:
    """An error as the database gives it about values that it does not take."""
    error = StoreError("Data too long")
    error.__cause__ = exc.DataError("INSERT", None, Exception("Data too long"))
    return error


@pytest.mark.parametrize("error", [refusal(), ValueError("a bug")], ids=["refused by the database", "a bug"])
def test_one_bad_item_is_taken_out_and_the_others_are_done(recording: Recording, error: Exception) -> None:
    recording.bad["b"] = error
    recording.batches_of.put(["a", "b", "c"])
    assert recording.batches_of.wait_until_idle(SOON)
    assert recording.batches == [["a"], ["c"]]
    assert recording.refused == ["b"]


def test_an_end_does_not_wait_for_a_database_that_stays_away() -> None:
    made = Recording()
    made.troubles = [StoreUnreachable("away")] * 1000
    made.batches_of.start()
    made.batches_of.put(["a"])
    assert not made.batches_of.close(0.2)
    assert made.batches == []
