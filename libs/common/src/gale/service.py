"""The frame around every long-lived service: its first line, its last line, its exit code.

This is the one place where an unexpected exception is caught. A service does not try to go on
after one: its row in `job` and its leases tell the others, and whoever supervises it (systemd,
compose, `gale standalone`) starts a fresh one.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final

import structlog

from gale import telemetry
from gale.errors import GaleError
from gale.settings import Settings
from gale.settings.passwords import refuse_well_known

#: What sysexits.h calls an internal error.
EXIT_CRASHED: Final = 70
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def run_service(name: str, settings: Settings, work: Callable[[], str]) -> int:
    """Run a service until it ends; return the exit code of the process.

    Args:
        name: As it is called on the command line: scheduler, webserver.
        settings: Say how to log; older names in use are logged once.
        work: The service itself. It returns the reason why it ended.
    """
    telemetry.configure_logging(level=settings.logging.logging_level, json_lines=settings.logging.json_logs)
    telemetry.bind(service=name)
    log = structlog.get_logger()
    log.info(telemetry.SERVICE_START, home=str(settings.home), pid=os.getpid())
    for note in settings.notes:
        log.warning(telemetry.SETTING_NOTE, note=note)
    try:
        refuse_well_known(settings)
        reason = work()
    except GaleError as error:
        log.error(telemetry.SERVICE_REFUSED, error=str(error), next="the process ends")  # noqa: TRY400 - told in a sentence
        return error.exit_code
    except KeyboardInterrupt:
        reason = "it was interrupted"
    except Exception:
        log.exception(telemetry.SERVICE_CRASHED, next="the process ends; others take over what it owned")
        return EXIT_CRASHED
    log.info(telemetry.SERVICE_STOP, reason=reason)
    return 0


def on_stop_signals(stop: Callable[[str], None]) -> None:
    """Have SIGTERM and SIGINT call `stop` with the reason; it must only set a flag or wake a selector."""

    def handle(number: int, _frame: FrameType | None) -> None:
        stop(f"it got {signal.Signals(number).name}")

    for number in STOP_SIGNALS:
        signal.signal(number, handle)
