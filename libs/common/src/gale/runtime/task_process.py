"""One attempt in a process of its own, forked from a host: from the fork to `os._exit`.

A task process costs page faults before it costs instructions: all memory that it touches has to
be copied first, and each function of Python touches some pages. So `prepare` does in the host
whatever can be done there, and the child does little more than run the task.
"""

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Final, NoReturn

import msgspec

from gale.clock import Clock
from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome
from gale.errors import GaleError
from gale.runtime import user_code
from gale.runtime.judgement import EXIT_UNTOLD
from gale.runtime.logs import gale_line, open_log
from gale.runtime.messages import TaskEnded, TaskStart, decode_order
from gale.runtime.processes import MARKER, become_subreaper, die_with_parent
from gale.runtime.stream import MessageTooLarge, StreamBroken, check_size, receive_frame, send_frame
from gale.runtime.task_output import flush
from gale.runtime.task_services import SocketTaskServices, encode_ended

_log: Final = logging.getLogger("gale.task")
_SIGTERM: Final = frozenset({signal.SIGTERM})


class NotPrepared(GaleError):
    """What a task process needs is not there; the message says what."""


@dataclass(slots=True, kw_only=True)
class Prepared:
    """What the host hands to a task process."""

    order: AttemptOrder
    control: socket.socket
    log: int
    #: Only the pid is missing.
    first_line: bytes
    #: Whole lines to follow it.
    notes: bytes

    def close(self) -> None:
        """Close the host's copies."""
        self.control.close()
        os.close(self.log)


def prepare(task: TaskStart, control_fd: int, clock: Clock, *, fresh_because: str, source_digest: str) -> Prepared:
    """Do in the host what need not be done in the task process.

    Args:
        task: What to start.
        control_fd: Its end of the control socket.
        clock: For the first line of the log.
        fresh_because: Why the task has to import the DAG file itself, "" if it has not.
        source_digest: Of the file as the host has found it.

    Raises:
        NotPrepared: Order or log file are not there. The descriptor is closed.
    """
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=control_fd)
    try:
        order = decode_order(receive_frame(control))
        log = open_log(task.log)
    except (StreamBroken, msgspec.MsgspecError) as error:
        control.close()
        raise NotPrepared(f"The order could not be read: {error}.") from error
    except OSError as error:
        control.close()
        raise NotPrepared(
            f"The log file {task.log} could not be opened: {error.strerror}. "
            "Is the disk full, or the log folder not writable?"
        ) from error
    notes = ""
    if fresh_because:
        notes += gale_line(
            clock.now(), f"The DAG file is imported afresh for each task: importing it leaves {fresh_because} behind"
        )
    if order.source_digest and source_digest not in {"", order.source_digest}:
        notes += gale_line(clock.now(), "The DAG file has changed since it was read; the task runs as the file is now")
    return Prepared(
        order=order,
        control=control,
        log=log,
        first_line=_first_line(order, clock),
        notes=notes.encode("utf-8", "replace"),
    )


def run_task_process(prepared: Prepared, host: int, load: Callable[[], user_code.LoadedFile]) -> NoReturn:
    """Be the task process of an attempt. `host` is the pid of the parent."""
    become_subreaper()
    die_with_parent(host)
    os.setsid()
    _spare_forks_the_handler()
    os.dup2(prepared.log, 1)
    os.dup2(prepared.log, 2)
    os.close(prepared.log)
    os.write(1, b"%b%d\n%b" % (prepared.first_line, os.getpid(), prepared.notes))
    control = prepared.control
    ended = _run(prepared.order, control, load)
    flush(sys.stdout, sys.stderr)
    try:
        send_frame(control, _told(ended, prepared.order))
    except Exception:  # noqa: BLE001  user code may have done anything to the socket
        os.write(2, b"The end of this attempt could not be told to the supervisor.\n")
        os._exit(EXIT_UNTOLD)
    os._exit(0)


def _run(order: AttemptOrder, control: socket.socket, load: Callable[[], user_code.LoadedFile]) -> AttemptEnded:
    try:
        return user_code.run(load(), order, SocketTaskServices(control))
    except SystemExit as error:
        if error.code is None or error.code == 0:
            return AttemptEnded(ti=order.ti, token=order.token, outcome=Outcome.SUCCESS)
        return _failed(order, f"The task called sys.exit({error.code!r}).")
    except BaseException as error:  # noqa: BLE001  whatever user code raises is the end of this attempt and of nothing else
        _log.exception("The task failed")
        return _failed(order, f"{type(error).__name__}: {error}")


def _told(ended: AttemptEnded, order: AttemptOrder) -> bytes:
    try:
        return check_size(encode_ended(TaskEnded(ended=ended)))
    except MessageTooLarge as error:
        return encode_ended(TaskEnded(ended=_failed(order, f"The task's result cannot be stored. {error}")))


def _failed(order: AttemptOrder, reason: str) -> AttemptEnded:
    _log.error("%s", reason)
    return AttemptEnded(ti=order.ti, token=order.token, outcome=Outcome.FAILED, reason=reason)


def _first_line(order: AttemptOrder, clock: Clock) -> bytes:
    what = f"{order.run.dag_id}.{order.task_id}" if order.task_id else order.run.dag_id
    if order.map_index >= 0:
        what += f"[{order.map_index}]"
    doing = f"{order.callback} of " if order.callback else ""
    line = gale_line(
        clock.now(),
        f"{doing}{what}, run {order.run.run_id}: attempt {order.try_number} of {order.max_tries} "
        f"on {order.hostname or os.uname().nodename}, pid ",
    )
    return line.rstrip("\n").encode("utf-8", "replace")


def set_environment(order: AttemptOrder, marker: str) -> None:
    """Make the environment that of an attempt. Done before the fork where that is possible."""
    run = order.run
    logical_date = run.logical_date.isoformat() if run.logical_date else ""
    user_code.environment().update(
        {
            MARKER: marker,
            "GALE_ATTEMPT_ID": f"{order.ti}/{order.try_number}",
            "AIRFLOW_CTX_DAG_ID": run.dag_id,
            "AIRFLOW_CTX_TASK_ID": order.task_id,
            "AIRFLOW_CTX_DAG_RUN_ID": run.run_id,
            "AIRFLOW_CTX_TRY_NUMBER": str(order.try_number),
            "AIRFLOW_CTX_EXECUTION_DATE": logical_date,
            "AIRFLOW_CTX_LOGICAL_DATE": logical_date,
        }
    )


class _PoliteEnd:
    """What SIGTERM does in a host and in the task processes that are forked from it."""

    def __init__(self, host: int) -> None:
        self._host = host
        self._mask: set[int] = set()

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  the form is given
        """End the host; let the operator of a task clean up, and unwind its code."""
        if os.getpid() == self._host:
            os._exit(128 + number)
        _log.warning("SIGTERM: the task is asked to end")
        user_code.kill_running_task()
        # `finally` blocks of user code run, and `except Exception` cannot hold it.
        raise SystemExit(128 + number)

    # What a task forks (multiprocessing, for one) shall end by SIGTERM as any program does: it is not its
    # business to clean up for the operator. The signal waits during the fork, because Python forgets in a
    # new process what its handlers have not handled yet.

    def hold(self) -> None:
        """Let the signal wait, before a fork."""
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGTERM)

    def release(self) -> None:
        """Let the signal come, after a fork."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def forget(self) -> None:
        """Leave the signal to its default in a forked process, unless user code handles it."""
        if signal.getsignal(signal.SIGTERM) is self:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.release()


def end_politely(host: int) -> None:
    """Handle SIGTERM from now on: a host just ends, a task process forked from it lets its operator clean up."""
    signal.signal(signal.SIGTERM, _PoliteEnd(host))


def _spare_forks_the_handler() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    if isinstance(handler, _PoliteEnd):
        os.register_at_fork(before=handler.hold, after_in_parent=handler.release, after_in_child=handler.forget)
