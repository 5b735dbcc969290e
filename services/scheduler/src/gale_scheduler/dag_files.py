"""Reads the DAG folder: every file in a child process with a time limit, what comes back as JSON.

The folder is scanned on every tenth loop and when the file system reports a change. A file is
read again when it has changed, or when `min_file_process_interval` has passed since the last
reading (DAG files may look at more than their own text).

A broken file gives an import error and nothing else: its DAGs keep their last good version. A DAG
is taken off the list only when a reading without errors, or a complete scan, proves it absent.
"""

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Engine, exc

from gale import telemetry
from gale.authoring.discovery import Syntax, list_dag_files, might_contain_dag
from gale.clock import Clock
from gale.db.engine import writing
from gale.errors import GaleError, StoreLocked
from gale.runtime.client import ZygoteClient
from gale.runtime.parsing import ParseRequest, ParseResult
from gale_scheduler.dag_store import DagStore

log = structlog.get_logger()

#: How often a reading is stored that other schedulers get in the way of.
SAVE_TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOptions:
    """How files are read: `dagbag_import_timeout`, `parsing_processes`, `min_file_process_interval`."""

    #: The DAG folder first, then others such as the shipped examples.
    folders: tuple[Path, ...]
    timeout_seconds: float = 30.0
    processes: int = 2
    min_interval_seconds: float = 30.0
    #: `dag_discovery_safe_mode`: leave out files that do not speak of DAGs at all.
    safe_mode: bool = True
    #: `dag_ignore_file_syntax`: how `.airflowignore` is written.
    ignore_syntax: Syntax = "glob"


@dataclass(slots=True)
class _Known:
    """What is known of a file: its signature when it was read last, and when that was."""

    signature: tuple[int, int]
    read_at: float


class DagFiles:
    """Keeps the database's DAGs in step with the files.

    Args:
        engine: The database.
        zygote: Where files are read.
        store: Writes what was read.
        clock: For the age of readings.
        options: Folders, time limit, number of parallel readers.
    """

    def __init__(
        self,
        engine: Engine,
        zygote: ZygoteClient,
        store: DagStore,
        clock: Clock,
        options: ReadingOptions,
    ) -> None:
        self._engine = engine
        self._zygote = zygote
        self._store = store
        self._clock = clock
        self._folders = options.folders
        self._options = options
        #: Called after a change of any DAG was committed.
        self.on_change: Callable[[], None] = lambda: None
        self._known: dict[Path, _Known] = {}
        #: Whether a file with this signature speaks of DAGs, so that a scan opens only what has changed.
        self._speaks: dict[Path, tuple[tuple[int, int] | None, bool]] = {}
        self._queue: deque[Path] = deque()
        self._reading: dict[Path, tuple[int, int]] = {}

    @property
    def busy(self) -> bool:
        """Whether files wait to be read or are being read."""
        return bool(self._queue or self._reading)

    def scan(self) -> None:
        """Look at all folders: queue what is new or changed, take off the list what is gone."""
        present: dict[Path, Path] = {}
        for folder in self._folders:
            files = list_dag_files(folder, airflowignore_syntax=self._options.ignore_syntax)
            present.update((path, folder) for path in files if self._may_hold_dags(path))
        now = self._clock.monotonic()
        for path in present:
            signature = _signature(path)
            known = self._known.get(path)
            stale = known is None or known.signature != signature or self._is_old(known, now)
            if signature is not None and stale and path not in self._reading and path not in self._queue:
                self._queue.append(path)
        self._forget_vanished(frozenset(present))
        self._start_reading()

    def _may_hold_dags(self, path: Path) -> bool:
        """Tell whether a file is worth reading. One that was read before is: half saved, it may say nothing."""
        if not self._options.safe_mode or path.suffix != ".py" or path in self._known:
            return True
        signature = _signature(path)
        before = self._speaks.get(path)
        if before is None or before[0] != signature:
            try:
                speaks = might_contain_dag(path.read_text("utf-8", "replace"))
            except OSError:
                speaks = True  # reading it will tell what is wrong
            before = self._speaks[path] = (signature, speaks)
        return before[1]

    def _is_old(self, known: _Known, now: float) -> bool:
        return now - known.read_at >= self._options.min_interval_seconds

    def _forget_vanished(self, present: frozenset[Path]) -> None:
        for path in [path for path in self._known if path not in present]:
            del self._known[path]
        with writing(self._engine) as connection:
            vanished = self._store.retire_missing(connection, present, self._is_hidden)
        if vanished:
            log.info(telemetry.DAG_GONE, dag_ids=vanished)
            self.on_change()

    def _is_hidden(self, path: Path) -> bool:
        """Tell whether a file that was not found may be there all the same: its folder cannot be looked at."""
        if any(path.is_relative_to(folder) and not _can_be_listed(folder) for folder in self._folders):
            return True
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return False  # there, but an ignore file names it

    def _now(self) -> datetime:
        return self._clock.now()

    def _start_reading(self) -> None:
        while self._queue and len(self._reading) < self._options.processes:
            path = self._queue.popleft()
            signature = _signature(path)
            if signature is None:
                continue
            self._reading[path] = signature
            request = ParseRequest(
                path=path, timeout_seconds=self._options.timeout_seconds, dags_folder=self._folder_of(path)
            )
            self._zygote.parse(request, self._finish)

    def _folder_of(self, path: Path) -> Path:
        return next((folder for folder in self._folders if path.is_relative_to(folder)), path.parent)

    def _save(self, result: ParseResult) -> bool:
        """Store a reading; True if anything changed.

        Where another scheduler stores the same new DAG at the same moment, one of the two is refused (or both wait
        for each other). Done again, it finds what the other one has stored.
        """
        # SQLite has one writer, and has waited for its lock long enough.
        tries = 1 if self._engine.dialect.name == "sqlite" else SAVE_TRIES
        for left in range(tries - 1, -1, -1):
            try:
                with writing(self._engine) as connection:
                    return self._store.save(connection, result, self._now())
            except (exc.IntegrityError, StoreLocked):
                if not left:
                    raise
        raise AssertionError("unreachable: the loop returns or raises")

    def _finish(self, result: ParseResult) -> None:
        path = Path(result.path)
        signature = self._reading.pop(path, None)
        if signature is not None:
            self._known[path] = _Known(signature, self._clock.monotonic())
        try:
            changed = self._save(result)
        except (GaleError, exc.DBAPIError) as error:
            self._known.pop(path, None)
            log.error(  # noqa: TRY400 - told in a sentence
                telemetry.DAG_FILE_NOT_STORED,
                file=str(path),
                error=str(error),
                next="it is read again at the next scan",
            )
        else:
            log.info(
                telemetry.DAG_FILE_READ,
                file=str(path),
                dags=len(result.specs),
                errors=len(result.errors),
                seconds=round(result.seconds, 3),
                changed=changed,
            )
            if changed:
                self.on_change()
        self._start_reading()


def _can_be_listed(folder: Path) -> bool:
    try:
        with os.scandir(folder):
            return True
    except NotADirectoryError:
        return folder.is_file()
    except OSError:
        return False


def _signature(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is written; None if it cannot be looked at."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
