"""The process that has imported one version of one DAG file and forks its task processes.

Forked from the zygote. An import is paid once per version of a file, not once per task. What
cannot be forked safely (a second thread, an open socket, a process that was started) makes
the host step back: then each task process imports the file itself ("fresh").
"""

import gc
import hashlib
import os
import signal
import stat
import sys
import sysconfig
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from gale.clock import Clock
from gale.runtime import messages, user_code
from gale.runtime.channel import Channel, ChannelClosed
from gale.runtime.judgement import EXIT_NO_SETUP
from gale.runtime.processes import MarkerRoom, children, outlive_parent, send_signal
from gale.runtime.reaper import Reaper
from gale.runtime.task_output import flush, restore_logging
from gale.runtime.task_process import NotPrepared, Prepared, end_politely, prepare, run_task_process
from gale.runtime.waiter import make_waiter

#: More helper files than this are not watched for changes.
MAX_WATCHED_FILES: Final = 400
MAX_TEXT: Final = 32_000
FAREWELL_SECONDS: Final = 1.0


def run_host(channel: Channel, order: messages.StartHost, dags_folder: str, clock: Clock, room: MarkerRoom) -> NoReturn:
    """Import the file (unless each task shall do so) and fork tasks until the service is gone."""
    loaded: user_code.LoadedFile | None = None
    stamps: list[messages.FileStamp] = []
    digest = _digest(order.file)
    if not order.fresh:
        before = _sockets()
        known = set(sys.modules)
        stamps = [_stamp(order.file)]
        try:
            loaded = user_code.load(order.file, dags_folder)
        except BaseException as error:  # noqa: BLE001  whatever user code raises ends this host and nothing else
            _step_back(channel, messages.HostBroken(reason=f"{type(error).__name__}: {error}"[:MAX_TEXT], text=""))
        if loaded.errors and not loaded.dags:
            text = "\n".join(error.trace or str(error) for error in loaded.errors)
            reason = "; ".join(str(error) for error in loaded.errors)
            _step_back(channel, messages.HostBroken(reason=reason[:MAX_TEXT], text=text[:MAX_TEXT]))
        if reason := _left_behind(before):
            _step_back(channel, messages.HostUnsuited(reason=reason))
        stamps += _helpers(known)
        user_code.warm_up_dags(loaded)
    outlive_parent()
    restore_logging()
    gc.collect()
    gc.freeze()
    host = Host(channel, clock, room, loaded=loaded, file=order.file, dags_folder=dags_folder)
    ready = messages.HostReady(pid=os.getpid(), source_digest=digest, files=stamps)
    with suppress(ChannelClosed):
        channel.send(messages.encode(ready))
        host.serve()
    host.farewell()
    os._exit(0)


def _step_back(channel: Channel, message: messages.HostBroken | messages.HostUnsuited) -> NoReturn:
    flush(sys.stdout, sys.stderr)
    with suppress(ChannelClosed):
        channel.send(messages.encode(message))
    os._exit(0)


class Host:
    """Forks task processes, signals them, tells of their ends."""

    def __init__(
        self,
        channel: Channel,
        clock: Clock,
        room: MarkerRoom,
        *,
        loaded: user_code.LoadedFile | None,
        file: str,
        dags_folder: str,
    ) -> None:
        self._channel = channel
        self._room = room
        self._loaded = loaded
        self._file = file
        self._dags_folder = dags_folder
        self._pid = os.getpid()
        # After the import, which may have set handlers of its own.
        self._waiter = make_waiter(channel.fileno())
        self._reaper = Reaper(clock)
        self._pids: dict[int, int] = {}
        self._clock = clock
        end_politely(self._pid)

    def serve(self) -> None:
        """Work until the channel closes."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.close(null)
        while True:
            if self._waiter.wait(self._reaper.timeout):
                self._listen()
            self._report()

    def _listen(self) -> None:
        for body, fds in self._channel.receive():
            match messages.decode_to_host(body):
                case messages.StartTasks(tasks=tasks):
                    self._start(tasks, fds)
                case messages.SignalTask(number=number, signal=which):
                    if pid := self._pids.get(number):
                        send_signal(pid, which, group=True)
                        if which == signal.SIGKILL:
                            # A stopped process would not even notice a signal that it can handle.
                            send_signal(pid, signal.SIGCONT, group=True)
                    self._channel.send(messages.encode(messages.Signalled(number=number)))

    def _start(self, tasks: list[messages.TaskStart], fds: list[int]) -> None:
        gone = []
        for index, task in enumerate(tasks):
            # All that can be done ahead is done here, where memory is not yet shared with a child.
            try:
                prepared = prepare(task, fds[index], self._clock)
            except NotPrepared as error:
                gone.append(_never_started(task, str(error)))
                continue
            self._room.write(task.marker)
            try:
                pid = os.fork()
            except OSError as error:
                gone.append(_never_started(task, f"The operating system refused a new process: {error}."))
                continue
            finally:
                if os.getpid() == self._pid:
                    self._room.write("")
                    prepared.close()
            if pid == 0:
                self._in_child(prepared, fds[index + 1 :])
            self._pids[task.number] = pid
            self._reaper.add(pid, task.number)
            self._waiter.add_child(pid)
        if gone:
            self._channel.send(messages.encode(messages.TasksGone(tasks=gone)))

    def _in_child(self, prepared: Prepared, others: list[int]) -> NoReturn:
        try:
            self._waiter.leave_in_child()
            self._channel.socket.close()
            for fd in others:
                os.close(fd)
            run_task_process(prepared, self._pid, self._load)
        finally:
            # Whatever happens, a task process never gets back into the host's loop.
            os._exit(EXIT_NO_SETUP)

    def _load(self) -> user_code.LoadedFile:
        return self._loaded if self._loaded is not None else user_code.load(self._file, self._dags_folder)

    def _report(self) -> None:
        ends, strays = self._reaper.collect()
        if not ends:
            return
        gone = []
        for end in ends:
            self._pids.pop(end.number, None)
            gone.append(messages.TaskGone(end.number, end.pid, end.status, end.cpu_seconds, end.max_rss_bytes, strays))
        self._channel.send(messages.encode(messages.TasksGone(tasks=gone)))

    def farewell(self) -> None:
        """Kill all tasks and what they started: nobody is left to tell of their ends."""
        self._reaper.kill_all(FAREWELL_SECONDS)


def _never_started(task: messages.TaskStart, error: str) -> messages.TaskGone:
    return messages.TaskGone(task.number, 0, 0, 0.0, 0, 0, error)


def _digest(file: str) -> str:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return ""


def _stamp(file: str) -> messages.FileStamp:
    try:
        facts = Path(file).stat()
    except OSError:
        return messages.FileStamp(file, 0, -1)
    return messages.FileStamp(file, facts.st_mtime_ns, facts.st_size)


def _helpers(known: set[str]) -> list[messages.FileStamp]:
    """Return the stamps of the files that importing read, without those of installed packages."""
    installed = {os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found = []
    for name in set(sys.modules) - known:
        file = getattr(sys.modules.get(name), "__file__", None)
        if not isinstance(file, str) or os.path.realpath(file).startswith(tuple(installed)):
            continue
        found.append(_stamp(file))
    return found[:MAX_WATCHED_FILES]


def _sockets() -> set[tuple[int, int]]:
    found = set()
    for entry in Path("/dev/fd").iterdir():
        with suppress(OSError):
            facts = os.fstat(int(entry.name))
            if stat.S_ISSOCK(facts.st_mode):
                found.add((facts.st_dev, facts.st_ino))
    return found


def _left_behind(sockets_before: set[tuple[int, int]]) -> str:
    """Return what importing left behind that a forked process could not use; "" if nothing."""
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        return f"a second thread ({', '.join(others[:3])})"
    with suppress(OSError):
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            return "a second thread (of a library)"
    if _sockets() - sockets_before:
        return "an open socket"
    if left := children(os.getpid()):
        return f"a running process (pid {left[0]})"
    return ""
