"""An attempt's log: finding it without ever leaving the log folder, and reading it in parts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from gale.core.states import TaskState
from gale.db.read.browse import AnyRow
from gale.errors import BadRequest, NotFound
from gale.runtime.logs import log_path, read_chunk
from gale_webserver.context import services

MAX_TRY: Final = 10_000
CHUNK_BYTES: Final = 512 * 1024
#: In these states something may still be added to the log of the newest attempt.
_GOES_ON: Final = frozenset(
    {TaskState.SCHEDULED, TaskState.QUEUED, TaskState.RUNNING, TaskState.RESTARTING, TaskState.UP_FOR_RESCHEDULE}
)
#: `[instant] {source} LEVEL - message`, as `gale.runtime` writes it.
_LINE: Final = re.compile(
    r"\[(?P<timestamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000)\] "
    r"\{(?P<logger>[^}]*)\} (?P<level>[A-Z]+) - (?P<event>.*)"
)


def find_log(ti: AnyRow, try_number: int) -> Path | None:
    """Return the path of an attempt's log; None if nothing has been written yet.

    Args:
        ti: The task instance's row: its ids were checked when it was made.
        try_number: Which attempt, from 1.

    Raises:
        BadRequest: No attempt can have this number.
        NotFound: The path leads out of the log folder, or is no plain file.
    """
    if not 1 <= try_number <= MAX_TRY:
        raise BadRequest(f"try_number is {try_number}; attempts are counted from 1 to {MAX_TRY}.")
    base = services().settings.logging.base_log_folder
    path = log_path(
        base,
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        try_number=try_number,
        map_index=ti.map_index,
    ).resolve()
    # A link in the folder may lead anywhere; what counts is where the file really is.
    if not path.is_relative_to(Path(base).resolve()):
        raise NotFound("This log cannot be shown: its path leads out of the log folder.")
    if not path.exists():
        return None
    if not path.is_file():
        raise NotFound("This log cannot be shown: it is no plain file.")
    return path


def may_grow(ti: AnyRow, try_number: int) -> bool:
    """Return True if something may still be added to the log of this attempt."""
    return ti.state in _GOES_ON and try_number >= ti.try_number


def whole_lines(path: Path, offset: int, *, to_the_end: bool) -> tuple[str, int, bool]:
    """Return complete lines from an offset on, where to go on, and whether that is the end for now.

    Args:
        path: The log.
        offset: In bytes.
        to_the_end: The last line is taken even without its newline, because nothing will follow.
    """
    text, next_offset, at_end = read_chunk(path, offset, CHUNK_BYTES)
    if text.endswith("\n") or (at_end and to_the_end):
        return text, next_offset, at_end
    lines, newline, rest = text.rpartition("\n")
    if not newline and not at_end:  # one line longer than a chunk: better cut than never shown
        return text, next_offset, at_end
    return lines + newline, next_offset - _bytes_of(path, next_offset, rest), at_end


def _bytes_of(path: Path, end: int, rest: str) -> int:
    """Return how many bytes before `end` the unfinished line `rest` takes in the file.

    Not the length of its text: bytes that are no UTF-8 were replaced in it.
    """
    if not rest:
        return 0
    with path.open("rb") as file:
        start = max(0, end - 4 * len(rest) - 4)
        file.seek(start)
        data = file.read(end - start)
    return len(data) - (data.rfind(b"\n") + 1)


def stream(path: Path, offset: int) -> Iterator[bytes]:
    """Give a log from an offset to its present end."""
    while True:
        text, offset, at_end = read_chunk(path, offset, CHUNK_BYTES)
        yield text.encode()
        if at_end or not text:
            return


def structured(text: str) -> list[dict[str, Any]]:
    """Return the lines of a log as messages with their parts; other lines as an event alone."""
    messages: list[dict[str, Any]] = []
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            messages.append({"event": line})
            continue
        parts = found.groupdict()
        timestamp = parts["timestamp"].replace("+0000", "Z")
        messages.append(parts | {"timestamp": timestamp, "level": parts["level"].lower()})
    return messages
