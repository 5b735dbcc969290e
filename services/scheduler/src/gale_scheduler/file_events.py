"""Tells the loop when something in the DAG folder changes, so that nobody waits for the next scan."""

import os
import selectors
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import structlog
from watchfiles import DefaultFilter, watch

from gale import telemetry

log = structlog.get_logger()
#: Changes that come so close together are one event.
_DEBOUNCE_MILLISECONDS: Final = 200


class FileEvents:
    """A thread that watches folders and wakes the loop through a pipe."""

    def __init__(
        self, selector: selectors.BaseSelector, folders: Iterable[Path], on_change: Callable[[], None]
    ) -> None:
        self._folders = [folder for folder in folders if folder.is_dir()]
        self._selector = selector
        self._on_change = on_change
        self._read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="file-events", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._selector.register(self._read_end, selectors.EVENT_READ, self._wake)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(timeout=2)
        self._selector.unregister(self._read_end)

    def _watch(self) -> None:
        try:
            for _ in watch(
                *self._folders,
                watch_filter=DefaultFilter(),
                debounce=_DEBOUNCE_MILLISECONDS,
                stop_event=self._stop,
                raise_interrupt=False,
            ):
                os.write(self._write_end, b"!")
        except OSError as error:
            # For instance the limit of inotify watches: scans go on, only later.
            log.warning(telemetry.FILE_EVENTS_OFF, error=str(error), next="changes are seen at the next scan")

    def _wake(self) -> None:
        os.read(self._read_end, 1024)
        self._on_change()
