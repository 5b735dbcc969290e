"""The process that has imported one version of one DAG file and forks its task processes.

Forked from the zygote. An import is paid once per version of a file, not once per task. What
cannot be forked safely (a second thread, an open socket, a process that was started) makes
the host step back: then each task process imports the file itself ("fresh").
"""

import gc
import hashlib
import os
import signal
import socket
import stat
import sys
import sysconfig
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from gale.clock import Clock
from gale.runtime import messages, user_code
from gale.runtime.channel import Channel, ChannelClosed, channel_pair
from gale.runtime.judgement import EXIT_NO_SETUP
from gale.runtime.processes import MarkerRoom, children, die_with_parent, outlive_parent, send_signal
from gale.runtime.reaper import Reaper
from gale.runtime.spare import SPARE_SECONDS, Spare, SpareOrder, await_order
from gale.runtime.task_output import flush, restore_logging
from gale.runtime.task_process import (
    NotPrepared,
    Prepared,
    end_politely,
    prepare,
    run_task_process,
    set_environment,
)
from gale.runtime.waiter import make_waiter

#: More helper files than this are not watched for changes.
MAX_WATCHED_FILES: Final = 400
MAX_TEXT: Final = 32_000
FAREWELL_SECONDS: Final = 1.0
#: So long nothing must have happened before a process is forked ahead.
SPARE_DELAY_SECONDS: Final = 0.001
#: The number of the process in waiting, which is nobody's task yet.
_SPARE: Final = -1


def run_host(channel: Channel, order: messages.StartHost, dags_folder: str, clock: Clock, room: MarkerRoom) -> NoReturn:
    """Import the file (unless each task shall do so) and fork tasks until the service is gone."""
    loaded: user_code.LoadedFile | None = None
    stamps: list[messages.FileStamp] = []
    digest = _digest(order.file)
    if not order.fresh_because:
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
    host = Host(channel, clock, room, loaded=loaded, order=order, dags_folder=dags_folder, source_digest=digest)
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
        order: messages.StartHost,
        dags_folder: str,
        source_digest: str,
    ) -> None:
        self._channel = channel
        self._room = room
        self._loaded = loaded
        self._order = order
        self._digest = source_digest
        self._dags_folder = dags_folder
        self._pid = os.getpid()
        # After the import, which may have set handlers of its own.
        self._waiter = make_waiter(channel.fileno())
        self._reaper = Reaper(clock)
        self._pids: dict[int, int] = {}
        self._spare: Spare | None = None
        self._wants_spare = False
        self._clock = clock
        end_politely(self._pid)

    def serve(self) -> None:
        """Work until the channel closes."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.close(null)
        while True:
            began = self._clock.monotonic()
            patience = self._patience()
            if self._waiter.wait(patience):
                self._listen()
            elif patience is not None and self._clock.monotonic() - began >= patience:
                self._keep_spare()
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
        # Descriptors get lost on the way when this process has no room for them.
        gone = [_never_started(task, "The host has too many files open.") for task in tasks[len(fds) :]]
        ready = []
        # All that can be done ahead is done here, where memory is not yet shared with a child: each
        # page that is touched after a fork has to be copied, here as well as there.
        for task, fd in zip(tasks, fds, strict=False):
            try:
                prepared = prepare(
                    task, fd, self._clock, fresh_because=self._order.fresh_because, source_digest=self._digest
                )
            except NotPrepared as error:
                gone.append(_never_started(task, str(error)))
            else:
                ready.append((task, prepared))
        for index, (task, prepared) in enumerate(ready):
            pid = self._use_spare(task, prepared)
            if pid is None:
                pid = self._fork(task, prepared, [other for _, other in ready[index + 1 :]])
            if pid is None:
                gone.append(_never_started(task, "The operating system refused a new process."))
                continue
            self._pids[task.number] = pid
            self._reaper.add(pid, task.number)
            # The next one may well be as short: have a process ready for it as soon as there is time.
            self._wants_spare = True
        if gone:
            self._channel.send(messages.encode(messages.TasksGone(tasks=gone)))

    def _fork(self, task: messages.TaskStart, prepared: Prepared, others: list[Prepared]) -> int | None:
        """Fork a task process and return its pid, None if there can be no more."""
        set_environment(prepared.order, task.marker)
        self._room.write(task.marker)
        try:
            pid = os.fork()
        except OSError:
            self._room.restore()
            prepared.close()
            return None
        if pid == 0:
            self._in_child(prepared, others)
        self._room.restore()
        prepared.close()
        self._waiter.add_child(pid)
        return pid

    def _in_child(self, prepared: Prepared, others: list[Prepared]) -> NoReturn:
        try:
            self._waiter.leave_in_child()
            self._channel.socket.close()
            for other in others:
                other.close()
            run_task_process(prepared, self._pid, self._load)
        finally:
            # Whatever happens, a task process never gets back into the host's loop.
            os._exit(EXIT_NO_SETUP)

    # --- the process in waiting -----------------------------------------------------------

    def _use_spare(self, task: messages.TaskStart, prepared: Prepared) -> int | None:
        """Give the task to the process in waiting; None if there is none that could take it."""
        spare, self._spare = self._spare, None
        if spare is None:
            return None
        order = SpareOrder(prepared.order, task.marker, prepared.first_line, prepared.notes)
        if not spare.hand_over(order, (prepared.control.fileno(), prepared.log)):
            return None
        prepared.close()
        return spare.pid

    def _patience(self) -> float | None:
        """Return for how long to wait for news before the process in waiting is seen to."""
        if self._reaper.timeout is not None:
            return self._reaper.timeout
        if self._spare is not None:
            return SPARE_SECONDS
        return SPARE_DELAY_SECONDS if self._wants_spare else None

    def _keep_spare(self) -> None:
        """Nothing has happened for a while: make a process in waiting, or let it go."""
        if self._reaper.timeout is not None:
            return
        if self._spare is not None:
            self._spare.channel.close()
            self._spare = None
        elif self._wants_spare:
            self._make_spare()

    def _make_spare(self) -> None:
        self._wants_spare = False
        ours, theirs = channel_pair()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            return
        if pid == 0:
            ours.close()
            self._be_spare(Channel(theirs))
        theirs.close()
        self._spare = Spare(pid, Channel(ours))
        self._reaper.add(pid, _SPARE)
        self._waiter.add_child(pid)

    def _be_spare(self, channel: Channel) -> NoReturn:
        try:
            self._waiter.leave_in_child()
            self._channel.socket.close()
            die_with_parent(self._pid)
            user_code.rehearse()
            order, (control, log) = await_order(channel)
            set_environment(order.order, order.marker)
            self._room.write(order.marker)
            prepared = Prepared(
                order=order.order,
                control=socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=control),
                log=log,
                first_line=order.first_line,
                notes=order.notes,
            )
            run_task_process(prepared, self._pid, self._load)
        finally:
            os._exit(EXIT_NO_SETUP)

    def _load(self) -> user_code.LoadedFile:
        return self._loaded if self._loaded is not None else user_code.load(self._order.file, self._dags_folder)

    def _report(self) -> None:
        ends, strays = self._reaper.collect()
        if not ends:
            return
        gone = []
        for end in ends:
            if end.number == _SPARE:
                if self._spare is not None and self._spare.pid == end.pid:
                    self._spare.channel.close()
                    self._spare = None
                continue
            self._pids.pop(end.number, None)
            gone.append(messages.TaskGone(end.number, end.pid, end.status, end.cpu_seconds, end.max_rss_bytes, strays))
        if gone:
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
