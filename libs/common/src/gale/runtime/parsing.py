"""What it means to have a DAG file read: the request, the result, and the job in between."""

import os
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from gale.core.graph import DagSpec
from gale.runtime import messages
from gale.runtime.endings import describe_exit

#: Private writable memory that reading one file may take.
PARSE_MEMORY_BYTES: Final = 4 * 1024**3
#: An answer beyond this is refused: thousands of DAGs fit in a tenth of it.
MAX_ANSWER: Final = 256 * 1024 * 1024
_RECEIVE: Final = 1 << 20

_decode_answer: Final = msgspec.json.Decoder(messages.ParseAnswer).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseRequest:
    """A DAG file to be read."""

    path: Path
    timeout_seconds: float = 30.0
    dags_folder: Path | None = None
    memory_bytes: int = PARSE_MEMORY_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseResult:
    """What is in a DAG file. `errors` and `specs` may both be there: one broken DAG spoils no other."""

    path: Path
    #: SHA-256 of the file's bytes, "" if it could not be read.
    source_digest: str = ""
    #: The text; "" for zip files.
    source: str = ""
    specs: list[DagSpec] = field(default_factory=list)
    errors: list[messages.ParseProblem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0


class ParseJob:
    """One parse child, seen from the service: collects the answer and judges the end."""

    def __init__(
        self,
        request: ParseRequest,
        done: Callable[[ParseResult], None],
        selector: selectors.BaseSelector,
        on_too_much: Callable[[], None],
    ) -> None:
        self.request = request
        self.done = done
        #: How often it was handed to a zygote.
        self.tries = 0
        self._selector = selector
        self._on_too_much = on_too_much
        self._socket: socket.socket | None = None
        self._parts: list[bytes] = []
        self._size = 0

    def open(self) -> int:
        """Begin (anew), and return the descriptor that the child writes to."""
        self.close()
        self.tries += 1
        self._parts, self._size = [], 0
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        self._socket = ours
        self._selector.register(ours, selectors.EVENT_READ, self._read)
        return theirs.detach()

    def close(self) -> None:
        """Stop listening."""
        if self._socket is not None:
            with suppress(KeyError):
                self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_ANSWER:
            self.close()
            self._on_too_much()

    def judge(self, gone: messages.ChildGone) -> ParseResult:
        """Return the result, now that the child is gone."""
        while self._socket is not None:
            before = self._size
            self._read()
            if self._size == before:
                self.close()
        if gone.status == 0 and self._size <= MAX_ANSWER:
            try:
                answer = _decode_answer(b"".join(self._parts))
            except msgspec.DecodeError:
                return self.failed(_EXITED, "no exit", gone.error)
            return ParseResult(
                path=self.request.path,
                source_digest=answer.source_digest,
                source=answer.source,
                specs=answer.specs,
                errors=answer.errors,
                warnings=answer.warnings,
                seconds=answer.seconds,
            )
        return self.failed(*self._explain(gone), gone.error)

    def _explain(self, gone: messages.ChildGone) -> tuple[str, str]:
        if gone.overdue:
            told = (
                f"Importing the file took longer than {self.request.timeout_seconds:g} s, so it was stopped. "
                "Move slow work from the top of the file into tasks, or raise dagbag_import_timeout."
            )
            return told, "time limit"
        if self._size > MAX_ANSWER:
            return f"The DAGs of the file are larger than {MAX_ANSWER:,} bytes. Split the file.", "size"
        if gone.status < 0:
            return f"The file could not be read: {gone.error}.", "process"
        return f"Importing the file ended its process: {describe_exit(gone.status)}.", "no exit"

    def failed(self, message: str, rule: str, trace: str = "") -> ParseResult:
        """Return the result of a file that could not be read."""
        problem = messages.ParseProblem(message=message, file=_shown(self.request.path), rule=rule, trace=trace)
        return ParseResult(path=self.request.path, errors=[problem])


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


_EXITED: Final = (
    "Importing the file ended its process with exit code 0 before its DAGs could be read (os._exit or the like). "
    "A DAG file may only define things."
)
