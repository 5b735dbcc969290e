"""Asking the scheduler for something, and giving it a moment to do it.

A client that marks a task and then looks at it expects to see what it asked for. The scheduler
acts within a tenth of a second, so a short wait makes the answer true; if none runs, the
request stays and the answer shows how things are.
"""

import time
from collections.abc import Sequence
from typing import Final

from gale.db.engine import reading
from gale.db.read.browse_admin import unhandled_requests
from gale_webserver.context import services

STEP_SECONDS: Final = 0.025


def wait_for(requests: Sequence[str]) -> None:
    """Return when the scheduler has handled the requests, or when patience is at its end."""
    used = services()
    end = used.clock.monotonic() + used.patience_seconds
    while requests and used.clock.monotonic() < end:
        with reading(used.engine) as conn:
            if not unhandled_requests(conn, requests):
                return
        time.sleep(STEP_SECONDS)
