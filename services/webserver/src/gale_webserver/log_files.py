"""An attempt's log: finding it, here or elsewhere, without ever leaving the log folder; reading it in parts."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from gale.core.states import TaskState
from gale.db.read.browse import AnyRow
from gale.errors import BadRequest, NotFound
from gale.runtime.logs import LogPart, log_name, log_path, read_part
from gale.runtime.remote_logs import LogUnreachable
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A place where a log was looked for in vain. The page tells it in the reader's language."""

    #: "local", "worker" or "store".
    place: str
    #: The worker's host or the store's address; empty for this machine.
    name: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """An attempt's log, wherever it is."""

    #: Returns at most so many bytes from an offset on.
    read: Callable[[int, int], LogPart]


@dataclass(frozen=True, slots=True)
class NoLog:
    """Nothing can be shown, and where it was looked for."""

    tried: tuple[Tried, ...] = ()

    def sentences(self) -> list[str]:
        """Tell it in English, for those who ask without the page."""
        return [_SENTENCES[tried.place].format(name=tried.name, why=tried.why) for tried in self.tried]


_SENTENCES: Final = {
    "local": "The log is not in this machine's log folder.",
    "worker": "It could not be read from the worker on {name}: {why}.",
    "store": "It could not be read from the store {name}: {why}.",
}


def find_log(ti: AnyRow, try_number: int, hostname: str) -> Log | NoLog:
    """Find an attempt's log: in this machine's folder, at the worker that ran it, in the store of finished logs.

    Args:
        ti: The task instance's row: its ids were checked when it was made.
        try_number: Which attempt, from 1.
        hostname: Of the machine that ran it; empty if none has.

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
    )
    if (local := _local(Path(base), path)) is not None:
        return local
    if not hostname:  # nobody has run it, so there is nothing to look for
        return NoLog()
    return _elsewhere(log_name(base, path), hostname)


def _local(base: Path, path: Path) -> Log | None:
    path = path.resolve()
    # A link in the folder may lead anywhere; what counts is where the file really is.
    if not path.is_relative_to(base.resolve()):
        raise NotFound("This log cannot be shown: its path leads out of the log folder.")
    if not path.exists():
        return None
    if not path.is_file():
        raise NotFound("This log cannot be shown: it is no plain file.")
    return Log(partial(read_part, path))


def _elsewhere(name: str, hostname: str) -> Log | NoLog:
    logs = services().logs
    tried = [Tried(place="local")]
    sources: list[tuple[str, str, Callable[[int, int], LogPart]]] = []
    if hostname != logs.own_hostname and logs.workers is not None:
        sources.append(("worker", hostname, partial(logs.workers.read, hostname, name)))
    if logs.store is not None:
        sources.append(("store", logs.store.url, partial(logs.store.read, name)))
    for place, shown, read in sources:
        try:
            read(0, 1)
        except LogUnreachable as why:
            tried.append(Tried(place=place, name=shown, why=str(why)))
        else:
            return Log(read)
    return NoLog(tuple(tried))


def may_grow(ti: AnyRow, try_number: int) -> bool:
    """Return True if something may still be added to the log of this attempt."""
    return ti.state in _GOES_ON and try_number >= ti.try_number


def whole_lines(log: Log, offset: int, *, to_the_end: bool) -> tuple[str, int, bool]:
    """Return complete lines from an offset on, where to go on, and whether that is the end for now.

    Args:
        log: The log.
        offset: In bytes.
        to_the_end: The last line is taken even without its newline, because nothing will follow.
    """
    part = log.read(offset, CHUNK_BYTES)
    text, next_offset, at_end = part.text()
    if text.endswith("\n") or (at_end and to_the_end):
        return text, next_offset, at_end
    lines = part.data.rfind(b"\n") + 1
    if not lines and not at_end:  # one line longer than a chunk: better cut than never shown
        return text, next_offset, at_end
    return part.data[:lines].decode("utf-8", "replace"), part.offset + lines, at_end


def stream(log: Log, offset: int) -> Iterator[bytes]:
    """Give a log from an offset to its present end."""
    while True:
        try:
            text, offset, at_end = log.read(offset, CHUNK_BYTES).text()
        except LogUnreachable as why:  # the status has been sent, so only the text can tell
            yield f"\nThe log breaks off here: {why}.\n".encode()
            return
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
