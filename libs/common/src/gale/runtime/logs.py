"""Where the log of an attempt is, how it is read, and how it is kept from filling the disk.

A task writes straight to its file. A file beyond `LOG_LIMIT` is cut by the supervisor, which
keeps the beginning and the newest part and says in between how much it took out: cause and
end of a trouble are what people look for.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gale.core.attempt import AttemptOrder

#: A log grows to this size before it is cut, and to `LOG_KEPT_HEAD + LOG_KEPT_TAIL` afterwards.
LOG_LIMIT: Final = 64 * 1024 * 1024
LOG_KEPT_HEAD: Final = 8 * 1024 * 1024
LOG_KEPT_TAIL: Final = 8 * 1024 * 1024
_LOOKS_BEFORE_CUT: Final = 1000
#: Lines of Gale itself in a log carry this name.
SOURCE: Final = "gale"
#: UTF-8: the smallest byte that goes on with a character, and those that begin one of 2, 3, 4 bytes.
_CONTINUATION, _LEAD_OF_2, _LEAD_OF_3, _LEAD_OF_4 = 0x80, 0xC0, 0xE0, 0xF0
_SAFE: Final = r"A-Za-z0-9_.\-:+~@=,"
_UNSAFE: Final = re.compile(rf"[^{_SAFE}]")
_NAME: Final = re.compile(
    rf"dag_id=[{_SAFE}]+/run_id=[{_SAFE}]+/task_id=[{_SAFE}]+(?:/map_index=\d+)?/attempt=\d+\.log", re.ASCII
)


def log_path(
    base: str | os.PathLike[str], *, dag_id: str, run_id: str, task_id: str, try_number: int, map_index: int = -1
) -> Path:
    """Return the path of an attempt's log below the folder `base`."""
    name = f"dag_id={_part(dag_id)}/run_id={_part(run_id)}/task_id={_part(task_id)}"
    if map_index >= 0:
        name += f"/map_index={map_index}"
    return Path(base, f"{name}/attempt={try_number}.log")


def log_path_of(base: str | os.PathLike[str], order: AttemptOrder) -> Path:
    """Return the path of the log of what is ordered. A callback writes to the log of its attempt."""
    return log_path(
        base,
        dag_id=order.run.dag_id,
        run_id=order.run.run_id,
        task_id=order.task_id,
        try_number=order.try_number,
        map_index=order.map_index,
    )


def log_name(base: str | os.PathLike[str], path: str | os.PathLike[str]) -> str:
    """Return the name of a log: its path relative to the folder of all logs, with slashes."""
    return Path(path).relative_to(base).as_posix()


def is_log_name(name: str) -> bool:
    """Return True if `log_path` makes such names."""
    return _NAME.fullmatch(name) is not None and ".." not in name


def _part(text: str) -> str:
    # Ids are checked when a DAG is read. A row made by other means must not lead out of the folder either.
    return _UNSAFE.sub("_", text).replace("..", "__") or "_"


def stamp(now: datetime) -> str:
    """Return an instant as the lines of a log show it."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}+0000"


def gale_line(now: datetime, text: str, level: str = "INFO") -> str:
    """Return a line of Gale itself, in the form of all lines."""
    return f"[{stamp(now)}] {{{SOURCE}}} {level} - {text}\n"


def open_log(path: str) -> int:
    """Open a log for appending, with the folders that it needs, and return its descriptor."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o640)
    except FileNotFoundError:
        Path(path).parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        return os.open(path, flags, 0o640)


def append(path: Path, text: str) -> None:
    """Add lines to a log, on a line of their own whatever the task wrote last. Never raises."""
    with suppress(OSError):
        fd = open_log(os.fspath(path))
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                text = "\n" + text
            os.write(fd, text.encode("utf-8", "replace"))
        finally:
            os.close(fd)


def cut_if_too_long(path: Path, now: datetime) -> int:
    """Take the middle out of a log that is longer than `LOG_LIMIT`; return about how many bytes were taken out.

    A task that is at it meanwhile goes on at the new end, because its descriptor appends.
    """
    try:
        if path.stat().st_size <= LOG_LIMIT:
            return 0
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        tail, size = _cut(fd)
        gone = size - LOG_KEPT_HEAD - len(tail)
        says = f"The log was longer than {LOG_LIMIT:,} bytes; about {gone:,} bytes were cut out here."
        os.write(fd, b"\n" + gale_line(now, says, "WARNING").encode() + tail)
    except OSError:
        return 0
    finally:
        os.close(fd)
    return gone


def _cut(fd: int) -> tuple[bytes, int]:
    """Read the end of a log and cut it off at `LOG_KEPT_HEAD`; return what was read, and the size before."""
    size = os.fstat(fd).st_size
    parts = [os.pread(fd, LOG_KEPT_TAIL, size - LOG_KEPT_TAIL)]
    # The task goes on writing. What it wrote while its last lines were being read is read as well, so
    # that next to nothing can get in between the last look and the cut.
    for _ in range(_LOOKS_BEFORE_CUT):
        grown = os.fstat(fd).st_size
        if grown <= size:
            break
        parts.append(os.pread(fd, grown - size, size))
        size = grown
    os.ftruncate(fd, LOG_KEPT_HEAD)
    tail = b"".join(parts)[-LOG_KEPT_TAIL:]
    return tail[tail.find(b"\n") + 1 :], size


@dataclass(frozen=True, slots=True)
class LogPart:
    """Some bytes of a log: where they begin, and how long the log is now."""

    data: bytes
    offset: int
    size: int

    @property
    def at_end(self) -> bool:
        """True if the log has no more bytes for now."""
        return self.offset + len(self.data) >= self.size

    def text(self) -> tuple[str, int, bool]:
        """Return the text, the offset to go on from, and whether that is the end for now.

        Never splits a character: one that is not written completely comes with the next part. Bytes that
        are no UTF-8 are shown as U+FFFD.
        """
        data = self.data[: len(self.data) - _incomplete(self.data)]
        return data.decode("utf-8", "replace"), self.offset + len(data), self.at_end


def read_part(path: str | os.PathLike[str], offset: int, limit: int) -> LogPart:
    """Return bytes of a log from `offset` on. A log that was cut below `offset` goes on at its new end.

    Raises:
        FileNotFoundError: There is no log (yet).
    """
    with Path(path).open("rb") as log:
        size = os.fstat(log.fileno()).st_size
        offset = min(max(offset, 0), size)
        log.seek(offset)
        # One character has up to 4 bytes; fewer could stand still for ever.
        return LogPart(log.read(max(limit, 4)), offset, size)


def read_chunk(path: str | os.PathLike[str], offset: int = 0, limit: int = 256 * 1024) -> tuple[str, int, bool]:
    """Return what `LogPart.text` says of a part of a log.

    Raises:
        FileNotFoundError: There is no log (yet).
    """
    return read_part(path, offset, limit).text()


def _incomplete(data: bytes) -> int:
    """Return how many bytes at the end begin a character whose rest is missing."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < _CONTINUATION:
            return 0
        if byte >= _LEAD_OF_2:
            length = 2 + (byte >= _LEAD_OF_3) + (byte >= _LEAD_OF_4)
            return back if length > back else 0
    return 0
