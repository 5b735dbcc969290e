"""An executor without processes: a test says by hand how each attempt ends.

It keeps to the port `gale.core.ports.Executor`. Real processes are the matter of the runtime's
own tests; here they would only make the scheduler's tests slow.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome


class HandExecutor:
    """Runs nothing, and knows what it was told to run.

    Args:
        slots: How many attempts it takes at once.
        stops_at_once: Whether an attempt that is stopped ends at once. If not, `end` has to be called for it.
    """

    def __init__(self, slots: int = 32, *, stops_at_once: bool = True) -> None:
        self._slots = slots
        self._stops_at_once = stops_at_once
        #: Every order that ever came, in this order.
        self.started: list[AttemptOrder] = []
        #: (ti, token, reason) of every stop that was asked for.
        self.stopped: list[tuple[str, str, str]] = []
        #: (ti, token) to the seconds within which a stop was to be done.
        self.hurried: dict[tuple[str, str], float] = {}
        self._running: dict[tuple[str, str], AttemptOrder] = {}
        self._ended: list[AttemptEnded] = []

    # --- the port --------------------------------------------------------------------------------

    @property
    def slots(self) -> int:
        """How many attempts it runs at once."""
        return self._slots

    @property
    def claims_here(self) -> bool:
        """True: what is started here is claimed by this process."""
        return True

    def open_slots(self) -> int:
        """Return how many more attempts it takes now."""
        return max(0, self._slots - len(self._running))

    def start(self, orders: Sequence[AttemptOrder]) -> None:
        """Take attempts.

        Raises:
            AssertionError: The same attempt was started before, or there is no slot for it.
        """
        for order in orders:
            if any((known.ti, known.token) == (order.ti, order.token) for known in self.started):
                raise AssertionError(f"The attempt {order.token} of {order.task_id!r} was started twice.")
            if self.open_slots() == 0 and not order.callback:
                raise AssertionError(f"{order.task_id!r} was started although all {self._slots} slots are taken.")
            self.started.append(order)
            self._running[order.ti, order.token] = order

    def stop(self, ti: str, token: str, reason: str, within: float | None = None) -> None:
        """Stop an attempt, as the supervisor does: its end is reported as failed."""
        if within is not None:
            self.hurried[ti, token] = within
        order = self._running.get((ti, token))
        if order is None or any(stopped[:2] == (ti, token) for stopped in self.stopped):
            return
        self.stopped.append((ti, token, reason))
        if self._stops_at_once:
            self.end(order, Outcome.FAILED, reason=reason)

    def settle(self, tis: Collection[str]) -> None:
        """Do nothing: no worker runs anything for this executor."""

    def ended(self) -> list[AttemptEnded]:
        """Return the ends since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def running(self) -> frozenset[tuple[str, str]]:
        """Return (ti, token) of the attempts whose ends were not handed out."""
        return frozenset(self._running) | {(end.ti, end.token) for end in self._ended}

    def next_deadline(self) -> float | None:
        """Return None: nothing here is due by time."""
        return None

    def tick(self) -> None:
        """Do nothing: nothing here is due by time."""

    def shutdown(self, seconds: float) -> list[AttemptEnded]:
        """Stop everything, which thereby ends as lost."""
        del seconds
        for order in list(self._running.values()):
            self.end(order, Outcome.LOST, reason="The service was shut down")
        return self.ended()

    # --- the hand --------------------------------------------------------------------------------

    def end(
        self, order: AttemptOrder, outcome: Outcome = Outcome.SUCCESS, *, due_at: datetime | None = None, **more: Any
    ) -> AttemptEnded:
        """Let an attempt end. `more` are other fields of `AttemptEnded`."""
        del self._running[order.ti, order.token]
        end = AttemptEnded(ti=order.ti, token=order.token, outcome=outcome, due_at=due_at, **more)
        self._ended.append(end)
        return end

    def orders(self) -> list[AttemptOrder]:
        """Return the orders of the attempts that run now, oldest first."""
        return list(self._running.values())

    def order_of(self, task_id: str, run_id: str | None = None) -> AttemptOrder:
        """Return the order of the one attempt of a task that runs now.

        Raises:
            AssertionError: There is none, or more than one.
        """
        found = [o for o in self.orders() if o.task_id == task_id and run_id in {None, o.run.run_id} and not o.callback]
        if len(found) != 1:
            running = [(order.run.run_id, order.task_id) for order in self.orders()]
            raise AssertionError(f"{len(found)} attempts of {task_id!r} run now, not one; there run: {running}")
        return found[0]
