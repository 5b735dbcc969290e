"""What user code sees of the machine around it: the clock, the environment, the house's defaults.

Authoring stands below settings and clock, yet a sensor has to know the time and a DAG file
run by plain `python` has an environment. So both come through this one module: it starts with
the real machine, and whoever runs user code (or tests it) may put something else in place.
It is the only module of authoring and operators that touches `os.environ` or the clock.
"""

import os
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime


def _system_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """One set of surroundings; defaults are those of the real machine and of `gale.cfg`'s defaults."""

    now: Callable[[], datetime] = _system_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    environ: MutableMapping[str, str] = field(default_factory=lambda: os.environ)
    #: What a date without a zone means, an IANA name (`[core] default_timezone`).
    default_timezone: str = "UTC"
    catchup_by_default: bool = True
    default_task_retries: int = 0
    default_owner: str = "airflow"
    default_queue: str = "default"
    #: `[smtp]` and `[email]` settings for EmailOperator; None = mail is not set up.
    mail_settings: object | None = None


_current = Surroundings()


def current() -> Surroundings:
    """Return the surroundings that hold now."""
    return _current


def use(surroundings: Surroundings) -> None:
    """Make `surroundings` hold from now on (task processes, before user code is imported)."""
    global _current  # noqa: PLW0603  one process, one machine around it
    _current = surroundings


@contextmanager
def changed(**changes: object) -> Iterator[Surroundings]:
    """Let other surroundings hold inside a `with` block."""
    before = _current
    use(replace(before, **changes))  # type: ignore[arg-type]  # names are checked by `replace` itself
    try:
        yield _current
    finally:
        use(before)
