"""Where prints and log records of user code go: to this process' stdout, line by line.

A task's stdout is its log file. Lines are written when they are complete, so that all that
was printed before a kill is there.
"""

import faulthandler
import io
import logging
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

from gale.runtime.logs import stamp

#: Airflow's form, which people's log tools know.
FORMAT: Final = "[%(asctime)s] {%(filename)s:%(lineno)d} %(levelname)s - %(message)s"


class _Formatter(logging.Formatter):
    """Instants in UTC with milliseconds."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802  its name
        """Return the instant of a record."""
        return stamp(datetime.fromtimestamp(record.created, UTC))


class StdoutHandler(logging.Handler):
    """Writes to whatever `sys.stdout` is at that moment, or else to the real one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            line = self.format(record) + "\n"
            stream = sys.stdout
            if stream is None or stream.closed:
                stream = sys.__stdout__
            if stream is not None:
                stream.write(line)
                stream.flush()
        except Exception:  # noqa: BLE001  as in all handlers of the standard library
            self.handleError(record)


_handler: Final = StdoutHandler()
_handler.setFormatter(_Formatter(FORMAT))


def prepare_output() -> None:
    """Make stdout and stderr write UTF-8 whatever the locale, never fail on a character, and lose no line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    # The stack of a crash in C code goes to the log as well.
    faulthandler.enable(file=2, all_threads=True)


def prepare_logging(level: str) -> None:
    """Send all log records to stdout, from `level` on."""
    root = logging.getLogger()
    root.setLevel(level)
    if _handler not in root.handlers:
        root.addHandler(_handler)
    logging.captureWarnings(capture=True)


def restore_logging() -> None:
    """Undo what the import of a DAG file did to the handlers that task logs go through."""
    root = logging.getLogger()
    if _handler not in root.handlers:
        root.addHandler(_handler)


def flush(*streams: TextIO | None) -> None:
    """Write out what is buffered; user code may have closed or replaced anything."""
    for stream in streams:
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:  # noqa: BLE001, S112  a broken stream of user code cannot be reported on itself
            continue
