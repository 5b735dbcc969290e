"""Run a shell command, its output line by line in the task's log.

The command is the leader of a process group of its own, so that a pipeline can be stopped as
a whole. The output ends when the command does, even if something it left behind in the
background still holds the pipe open.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from gale.authoring import surroundings
from gale.authoring.exceptions import TaskError
from gale.authoring.operator import task_log

#: A longer command does not fit into one argument of a program on Linux (131,072 bytes).
_LONGEST_ARGUMENT: Final = 100_000
_CHUNK: Final = 65_536
#: A line without end is logged in pieces of this size.
_LONGEST_LINE: Final = 65_536
#: How often to look whether the command has ended while nothing comes through the pipe.
_LOOK_SECONDS: Final = 0.1
#: Between the polite and the other way to stop a command.
_GRACE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class ShellResult:
    """How a command ended, and the last line that it wrote."""

    exit_code: int
    last_line: str


class Shell:
    """Runs one command at a time; `stop` may be called from a signal handler meanwhile."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self,
        command: str,
        *,
        environment: Mapping[str, str] | None = None,
        encoding: str = "utf-8",
        cwd: str | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> ShellResult:
        """Run `command` with bash and return how it ended.

        Args:
            command: Shell text.
            environment: All its variables; None = those of this process.
            encoding: Of its output; what cannot be decoded is shown as escapes.
            cwd: Where it runs; None = a temporary folder that is removed afterwards.
            on_line: What is done with each line beside logging it.

        Raises:
            TaskError: There is no bash, or `cwd` is no folder.
        """
        bash = shutil.which("bash")
        if bash is None:
            raise TaskError("There is no bash on this machine, so the command cannot run. Install bash.")
        if cwd is not None and not Path(cwd).is_dir():
            raise TaskError(f"The command shall run in {cwd!r}, which is no folder on this machine. Correct cwd.")
        with tempfile.TemporaryDirectory(prefix="gale-bash-") as folder:
            arguments = [bash, "-c", command]
            if len(command.encode("utf-8", "surrogateescape")) > _LONGEST_ARGUMENT:
                script = Path(folder, "command.sh")
                script.write_text(command, "utf-8", "surrogateescape")
                arguments = [bash, str(script)]
            self._process = subprocess.Popen(  # noqa: S603  running the author's command is the point
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=cwd or folder,
                env=None if environment is None else dict(environment),
                process_group=0,
            )
            last = ""
            for raw in _lines(self._process):
                last = raw.decode(encoding, "backslashreplace").rstrip()
                task_log.info("%s", last)
                if on_line is not None:
                    on_line(last)
            exit_code = self._process.wait()
        return ShellResult(exit_code, last)

    def stop(self) -> None:
        """Stop the running command and all of its process group."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        task_log.info("Stopping the command and its process group %s", process.pid)
        here = surroundings.current()
        _signal_group(process.pid, signal.SIGTERM)
        give_up = here.monotonic() + _GRACE_SECONDS
        while process.poll() is None and here.monotonic() < give_up:
            here.sleep(_LOOK_SECONDS / 2)
        _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # All gone, or (macOS) only zombies are left.
        return


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Yield the lines of a process's output until it has ended and nothing more is waiting."""
    pipe: IO[bytes] | None = process.stdout
    assert pipe is not None  # noqa: S101  made with PIPE
    rest = b""
    with pipe, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(_LOOK_SECONDS):
                if process.poll() is None:
                    continue
                break
            chunk = os.read(pipe.fileno(), _CHUNK)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > _LONGEST_LINE:
                yield rest
                rest = b""
    if rest:
        yield rest


def describe_exit(exit_code: int) -> str:
    """Return an exit code in words; a negative one is a signal."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"signal {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"signal {-exit_code}"
