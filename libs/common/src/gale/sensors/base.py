"""BaseSensorOperator: ask again and again until the answer is yes.

In mode "poke" the task keeps its slot between two questions; in mode "reschedule" it gives the
slot back and is asked again later, in a new process. The timeout counts from the first question
in both. It is an end, not a failed try: waiting once more from the start would be no timeout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Unpack

from gale.authoring import surroundings
from gale.authoring.arguments import TaskArguments
from gale.authoring.exceptions import SensorTimeout, TaskFailedFinal, TaskRescheduled, TaskSkipped
from gale.authoring.instants import to_seconds
from gale.authoring.operator import BaseOperator, task_log
from gale.core.retry import retry_delay
from gale.errors import DagDefinitionError

MODES: Final = ("poke", "reschedule")


class PokeReturnValue:
    """The answer of a sensor that also has a result."""

    def __init__(self, is_done: bool, xcom_value: Any = None) -> None:
        self.is_done = is_done
        self.xcom_value = xcom_value

    def __bool__(self) -> bool:
        return self.is_done


class BaseSensorOperator(BaseOperator):
    """Wait for something. Subclasses write `poke`, which says whether it is there.

    Args:
        poke_interval: Seconds (or a timedelta) between two questions.
        timeout: Seconds (or a timedelta) after which to give up.
        soft_fail: Whether giving up means "skipped" instead of "failed".
        mode: "poke" or "reschedule".
        exponential_backoff: Whether the interval doubles each time.
        max_wait: The longest interval with back-off.
        silent_fail: Whether an error while asking counts as "not yet".
        never_fail: Whether any error means "skipped".
        options: See `TaskArguments`.
    """

    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        poke_interval: timedelta | float = 60,
        timeout: timedelta | float = timedelta(days=7),
        soft_fail: bool = False,
        mode: str = "poke",
        exponential_backoff: bool = False,
        max_wait: timedelta | float | None = None,
        silent_fail: bool = False,
        never_fail: bool = False,
        **options: Unpack[TaskArguments],
    ) -> None:
        super().__init__(**options)
        if mode not in MODES:
            raise DagDefinitionError(f"mode of sensor {self.task_id!r} is {mode!r}. Use one of {', '.join(MODES)}.")
        if soft_fail and never_fail:
            raise DagDefinitionError(f"The sensor {self.task_id!r} has soft_fail and never_fail. Choose one of them.")
        self.poke_interval = to_seconds(poke_interval, what=f"poke_interval of {self.task_id!r}") or 0.0
        self.timeout = to_seconds(timeout, what=f"timeout of {self.task_id!r}") or 0.0
        self.max_wait = to_seconds(max_wait, what=f"max_wait of {self.task_id!r}")
        self.soft_fail = soft_fail
        self.mode = mode
        self.exponential_backoff = exponential_backoff
        self.silent_fail = silent_fail
        self.never_fail = never_fail

    @property
    def reschedule(self) -> bool:
        """Whether the slot is given back between two questions."""
        return self.mode == "reschedule"

    def poke(self, context: Mapping[str, Any]) -> bool | PokeReturnValue:
        """Return whether what the sensor waits for is there."""
        raise NotImplementedError(
            f"{type(self).__name__} has no poke(). Write one: it returns True when the wait is over."
        )

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Ask until the answer is yes, and return the answer's result if it has one.

        Raises:
            TaskRescheduled: Not yet, and the mode says to be asked again later.
            TaskSkipped: Given up, softly.
            SensorTimeout: Given up.
        """
        here = surroundings.current()
        order = context["ti"].order
        began: datetime = (order.first_reschedule_at if self.reschedule else None) or here.now()
        asked = 0
        while True:
            answer = self._ask(context)
            if answer:
                self.log.info("The wait is over.")
                return answer.xcom_value if isinstance(answer, PokeReturnValue) else None
            asked += 1
            waited = (here.now() - began).total_seconds()
            if waited >= self.timeout:
                self._give_up(waited)
            pause = self._pause(asked, waited, f"{order.run.dag_id} {order.run.run_id} {order.task_id}")
            if self.reschedule:
                raise TaskRescheduled(here.now() + timedelta(seconds=pause))
            here.sleep(pause)

    def _ask(self, context: Mapping[str, Any]) -> bool | PokeReturnValue:
        try:
            return self.poke(context)
        except (TaskSkipped, TaskRescheduled):
            raise
        except (TaskFailedFinal, SensorTimeout) as error:
            if self.soft_fail or self.never_fail:
                raise TaskSkipped(f"The sensor failed, which counts as skipped here: {error}") from error
            raise
        except Exception as error:
            if self.silent_fail:
                task_log.exception("Asking failed; this counts as: not yet.")
                return False
            if self.never_fail:
                raise TaskSkipped(f"Asking failed, which counts as skipped here: {error}") from error
            raise

    def _give_up(self, waited: float) -> None:
        sentence = f"The sensor gave up after {waited:.0f} s (its timeout is {self.timeout:.0f} s)."
        if self.soft_fail or self.never_fail:
            raise TaskSkipped(sentence)
        raise SensorTimeout(sentence)

    def _pause(self, asked: int, waited: float, key: str) -> float:
        """Return the seconds until the next question."""
        if not self.exponential_backoff:
            return self.poke_interval
        if self.reschedule and self.poke_interval:
            # A new process does not know how often was asked; with doubling pauses the time waited tells.
            asked = int(math.log2(waited / self.poke_interval + 1)) + 1
        return retry_delay(
            base=self.poke_interval, backoff=2.0, max_delay=self.max_wait, attempt=asked, key=f"{key} {asked}"
        )
