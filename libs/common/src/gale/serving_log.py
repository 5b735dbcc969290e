"""gunicorn's log lines through our own logging: one form, one stream, and only those that tell something."""

import logging
from typing import Any

from gunicorn.glogging import Logger


class ServerLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Leaves the handlers to `gale.telemetry`; "Booting worker" and the like are of no use to a reader."""

    def setup(self, cfg: Any) -> None:
        """Take over the levels, not the handlers."""
        super().setup(cfg)
        self.error_log.handlers[:] = []
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
