"""One attempt in a process of its own, forked from a host: from the fork to `os._exit`.

Every statement here is paid for by every task, in page faults as much as in instructions.
"""

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

import msgspec

from gale.clock import SystemClock
from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome
from gale.runtime import user_code
from gale.runtime.judgement import EXIT_NO_LOG, EXIT_NO_ORDER, EXIT_UNTOLD
from gale.runtime.logs import gale_line, open_log
from gale.runtime.messages import TaskEnded, TaskStart, decode_order
from gale.runtime.processes import MARKER, become_subreaper, die_with_parent
from gale.runtime.stream import StreamBroken, receive_frame, send_frame
from gale.runtime.task_output import flush
from gale.runtime.task_services import SocketTaskServices, encode_ended

_log: Final = logging.getLogger("gale.task")


def run_task_process(
    task: TaskStart, control: socket.socket, host: int, load: Callable[[], user_code.LoadedFile]
) -> NoReturn:
    """Be the task process of an attempt. `host` is the pid of the parent."""
    become_subreaper()
    die_with_parent(host)
    os.setsid()
    try:
        log = open_log(task.log)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
    except OSError:
        os._exit(EXIT_NO_LOG)
    try:
        order = decode_order(receive_frame(control))
    except (StreamBroken, OSError, msgspec.DecodeError):
        os._exit(EXIT_NO_ORDER)
    signal.signal(signal.SIGTERM, _terminated)
    os.write(1, _first_line(order).encode("utf-8", "replace"))
    _set_environment(order, task.marker)
    ended = _run(order, control, load)
    flush(sys.stdout, sys.stderr)
    try:
        send_frame(control, encode_ended(TaskEnded(ended=ended)))
    except Exception:  # noqa: BLE001  user code may have done anything to the socket
        os.write(2, b"The end of this attempt could not be told to the supervisor.\n")
        os._exit(EXIT_UNTOLD)
    os._exit(0)


def _run(order: AttemptOrder, control: socket.socket, load: Callable[[], user_code.LoadedFile]) -> AttemptEnded:
    try:
        ended = user_code.run(load(), order, SocketTaskServices(control))
    except SystemExit as error:
        if error.code is None or error.code == 0:
            return AttemptEnded(ti=order.ti, token=order.token, outcome=Outcome.SUCCESS)
        return _failed(order, f"The task called sys.exit({error.code!r}).")
    except BaseException as error:  # whatever user code raises is the end of this attempt and of nothing else
        _log.exception("The task failed")
        return _failed(order, f"{type(error).__name__}: {error}")
    return ended


def _failed(order: AttemptOrder, reason: str) -> AttemptEnded:
    _log.error("%s", reason)
    return AttemptEnded(ti=order.ti, token=order.token, outcome=Outcome.FAILED, reason=reason)


def _first_line(order: AttemptOrder) -> str:
    what = f"{order.run.dag_id}.{order.task_id}" + (f"[{order.map_index}]" if order.map_index >= 0 else "")
    doing = f"{order.callback} of " if order.callback else ""
    return gale_line(
        SystemClock().now(),
        f"{doing}{what}, run {order.run.run_id}: attempt {order.try_number} of {order.max_tries} "
        f"on {order.hostname or os.uname().nodename}, pid {os.getpid()}",
    )


def _set_environment(order: AttemptOrder, marker: str) -> None:
    run = order.run
    values = {
        MARKER: marker,
        "GALE_ATTEMPT_ID": f"{order.ti}/{order.try_number}",
        "AIRFLOW_CTX_DAG_ID": run.dag_id,
        "AIRFLOW_CTX_TASK_ID": order.task_id,
        "AIRFLOW_CTX_DAG_RUN_ID": run.run_id,
        "AIRFLOW_CTX_TRY_NUMBER": str(order.try_number),
        "AIRFLOW_CTX_EXECUTION_DATE": run.logical_date.isoformat() if run.logical_date else "",
        "AIRFLOW_CTX_LOGICAL_DATE": run.logical_date.isoformat() if run.logical_date else "",
    }
    os.environ.update(values)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    """Let the operator clean up, then unwind: `finally` blocks of user code run, `except Exception` cannot hold it."""
    _log.warning("SIGTERM: the task is asked to end")
    user_code.kill_running_task()
    raise SystemExit(128 + number)
