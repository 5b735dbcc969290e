"""The store of finished logs: any place that fsspec knows, `[logging] remote_base_log_folder`.

A copy, made when an attempt has ended: logs outlive the machine that wrote them. Copying runs in a thread
of its own, so that neither a task's end nor a worker waits for a slow store.
"""

import queue
import threading
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import structlog
from fsspec.core import url_to_fs

from gale import telemetry
from gale.errors import ConfigError
from gale.runtime.logs import LogPart, is_log_name, log_name
from gale.runtime.remote_logs import LogUnreachable
from gale.settings import Settings

#: Pauses between the tries to copy a log.
PAUSES: Final = (1.0, 5.0, 15.0)
#: More waiting logs than this, and the oldest are given up: they stay where they were written.
MAX_WAITING: Final = 10_000


class LogStore:
    """Copies logs to the store, and reads them there.

    Args:
        url: Of the folder.
        base: Local folder of all logs.
        pauses: Seconds between tries.
    """

    def __init__(self, url: str, base: Path, *, pauses: tuple[float, ...] = PAUSES) -> None:
        self.url = shown(url)
        self._base = base
        self._pauses = pauses
        try:
            self._files, self._root = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"[logging] remote_base_log_folder is {self.url}, which cannot be used: {error}. Install the package "
                "that this kind of store needs, or name another folder, such as file:///mnt/logs."
            ) from None
        self._waiting: queue.Queue[Path | None] = queue.Queue(MAX_WAITING)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-store", daemon=True)
        self._log = structlog.get_logger()

    def start(self) -> "LogStore":
        """Start the thread that copies; needed for `put` only."""
        self._thread.start()
        return self

    def put(self, path: Path) -> None:
        """Copy the log of an attempt that has ended, some time soon. Never waits, never raises."""
        try:
            self._waiting.put_nowait(path)
        except queue.Full:
            self._log.error(telemetry.LOG_NOT_STORED, log=str(path), error="too many logs wait for the store")

    def close(self, seconds: float) -> None:
        """Copy what waits, for at most so many seconds, and end the thread."""
        if self._thread.ident is None:
            return
        try:
            self._waiting.put(None, timeout=seconds)
        except queue.Full:
            pass
        else:
            self._thread.join(seconds)
        self._closing.set()

    def copy(self, path: Path) -> None:
        """Copy a log now. One that is there already is replaced: a log of several parts grows.

        Raises:
            OSError: It cannot be read, or the store cannot be written.
            ValueError: It is no log of an attempt in the local folder.
        """
        name = log_name(self._base, path)
        if not is_log_name(name):
            raise ValueError(f"{name} is no log of an attempt")
        target = f"{self._root}/{name}"
        self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._files.put_file(str(path), target)

    def read(self, name: str, offset: int, limit: int) -> LogPart:
        """Return a part of a log.

        Raises:
            LogUnreachable: It is not there, or the store does not answer.
        """
        if not is_log_name(name):
            raise LogUnreachable("the log's name is none that Gale makes")
        place = f"{self._root}/{name}"
        try:
            size = int(self._files.size(place))
            offset = min(max(offset, 0), size)
            end = min(size, offset + max(limit, 4))
            data: bytes = self._files.cat_file(place, start=offset, end=end) if end > offset else b""
        except FileNotFoundError:
            raise LogUnreachable("it has no such log") from None
        except Exception as error:  # noqa: BLE001 - each kind of store has its own; the page shows their kind
            raise LogUnreachable(f"it does not answer ({type(error).__name__})") from None
        return LogPart(data, offset, size)

    def _run(self) -> None:
        while (path := self._waiting.get()) is not None:
            self._try(path)

    def _try(self, path: Path) -> None:
        error: Exception | None = None
        for pause in (*self._pauses, None):
            try:
                self.copy(path)
            except FileNotFoundError:
                return  # the attempt wrote nothing, or somebody tidied up
            except Exception as failed:  # noqa: BLE001 - each kind of store has its own
                error = failed
            else:
                self._log.debug(telemetry.LOG_STORED, log=str(path), store=self.url)
                return
            if pause is None or self._closing.wait(pause):
                break
        told = f"{type(error).__name__}: {error}"
        self._log.error(
            telemetry.LOG_NOT_STORED, log=str(path), store=self.url, error=told, next="it stays where it is"
        )


def shown(url: str) -> str:
    """Return a URL without user and password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a URL that cannot be read"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def open_store(settings: Settings, **more: Any) -> LogStore | None:
    """Return the store of the settings; None if `[logging] remote_logging` is off.

    Raises:
        ConfigError: It is on, but names no folder that can be used.
    """
    own = settings.logging
    if not own.remote_logging:
        return None
    if not own.remote_base_log_folder:
        raise ConfigError(
            "[logging] remote_logging is on, but remote_base_log_folder is empty. Name the folder for finished logs, "
            "such as s3://BUCKET/logs or file:///mnt/logs, or switch remote_logging off."
        )
    return LogStore(own.remote_base_log_folder, own.base_log_folder, **more)
