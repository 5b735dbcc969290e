"""Tasks that do what no task should."""
# ruff: noqa: DTZ001, T201  as authors write DAG files

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from gale.authoring.context import get_current_context
from gale.authoring.dag import DAG
from gale.authoring.variable import Variable
from gale.operators.bash import BashOperator
from gale.operators.python import PythonOperator


def wait_for_ever() -> None:
    print("waiting", flush=True)
    while True:
        signal.pause()


def segfault() -> None:
    print("about to crash")
    ctypes.string_at(0)


def exit_now(code: int) -> None:
    print("leaving at once", flush=True)
    os._exit(code)


def kill_myself() -> None:
    print("memory is running out")
    os.kill(os.getpid(), signal.SIGKILL)


def daemon() -> None:
    """Double fork into a session of its own, with a pure fork and with an exec."""
    for with_exec in (False, True):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                if with_exec:
                    os.execlp("sleep", "sleep", "86421")
                wait_for_ever()
            os._exit(0)
        os.wait()
    # One that hides: no marker in its environment, no common session.
    subprocess.Popen(["/usr/bin/env", "-i", "sleep", "86421"], start_new_session=True)
    print("daemons run")


def daemon_then_wait() -> None:
    daemon()
    wait_for_ever()


def strange_bytes() -> None:
    os.write(1, b"before \xff\xfe\x00 after\n")
    sys.stdout.buffer.write(b"\xe4\xf6\xfc\n")
    sys.stdout.flush()
    print("lone surrogate: \udcff")


def long_log() -> None:
    line = "x" * 999 + "\n"
    for _ in range(100):
        sys.stdout.write(line * 1000)
    print("\nthe last words")


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait_for_ever()


def block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})
    print("waiting", flush=True)
    while True:
        signal.sigwait({signal.SIGUSR1})


def stop_myself() -> None:
    print("waiting", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)


def close_output() -> None:
    print("now it gets dark")
    sys.stdout.close()
    os.close(1)
    os.close(2)


def threads() -> None:
    for _ in range(20):
        threading.Thread(target=threading.Event().wait).start()
    print("threads run")


def control_socket() -> int:
    """Return the descriptor of the socket to the supervisor, as a snooping task would find it."""
    for entry in Path("/dev/fd").iterdir():
        try:
            with socket.socket(fileno=os.dup(int(entry.name))) as found:
                if found.family == socket.AF_UNIX and found.type == socket.SOCK_STREAM:
                    return int(entry.name)
        except OSError:
            continue
    raise AssertionError("no socket found")


def garbage() -> None:
    os.write(control_socket(), b"\0\0\0\x05hello")


def huge_frame() -> None:
    os.write(control_socket(), b"\xff\xff\xff\xff" + b"x" * 100)


def flood() -> None:
    """Ask and ask and never listen."""
    body = b'{"type":"GetVariable","key":"k"}'
    request = len(body).to_bytes(4, "big") + body
    fd = control_socket()
    try:
        while True:
            os.write(fd, request * 1000)
    except OSError as error:
        print(f"not listened to any more: {type(error).__name__}")


def forged_success() -> None:
    """Claim success for somebody else, then die."""
    body = b'{"type":"TaskEnded","ended":{"ti":"other","token":"other","outcome":"success"}}'
    os.write(control_socket(), len(body).to_bytes(4, "big") + body)
    os._exit(0)


def said_and_died() -> None:
    body = b'{"type":"TaskEnded","ended":{"ti":"other","token":"other","outcome":"success"}}'
    os.write(control_socket(), len(body).to_bytes(4, "big") + body)
    os.kill(os.getpid(), signal.SIGSEGV)


def recursion() -> None:
    recursion()


def deep_c_recursion() -> None:
    """Recurse through C, so that the stack overflows and not the heap."""
    sys.setrecursionlimit(10**9)

    def deeper(_: object) -> object:
        return list(map(deeper, [0]))

    deeper(0)


def leave(with_what: object) -> None:
    sys.exit(with_what)  # type: ignore[arg-type]


def interrupt() -> None:
    raise KeyboardInterrupt


def raise_base() -> None:
    class Odd(BaseException):
        pass

    raise Odd("odd")


def in_a_fork() -> None:
    """Ask for a variable from a process that the task has forked."""
    pid = os.fork()
    if pid == 0:
        try:
            Variable.get("k")
        except Exception as error:  # noqa: BLE001
            print(f"in the fork: {type(error).__name__}: {error}", flush=True)
        os._exit(0)
    os.waitpid(pid, 0)


def terminate_a_fork() -> str:
    """End a forked process by SIGTERM, as multiprocessing ends its workers."""
    pid = os.fork()
    if pid == 0:
        wait_for_ever()
    os.kill(pid, signal.SIGTERM)
    return str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def environment() -> dict[str, str]:
    return dict(os.environ)


def processes() -> dict[str, int]:
    return {"pid": os.getpid(), "sid": os.getsid(0), "pgid": os.getpgid(0), "ppid": os.getppid()}


def processes_then_wait() -> None:
    print(f"my pid is {os.getpid()} ", flush=True)
    wait_for_ever()


def big_result() -> str:
    return "x" * 5_000_000


def huge_result() -> str:
    return "x" * 70_000_000


def conf_size() -> int:
    return len(get_current_context()["dag_run"].conf["big"])


class Guarded(PythonOperator):
    """Tells what happens to it when it is stopped."""

    def on_kill(self) -> None:
        print("on_kill was called", flush=True)


def wait_and_clean_up() -> None:
    try:
        wait_for_ever()
    finally:
        print("finally was reached", flush=True)


with DAG("hostile", start_date=datetime(2024, 1, 1), schedule=None) as dag:

    def task(task_id: str, function: Callable[..., object], *arguments: object) -> None:
        PythonOperator(task_id=task_id, python_callable=function, op_args=arguments)

    task("fine", lambda: "fine")
    task("segfault", segfault)
    task("exit_0", exit_now, 0)
    task("exit_3", exit_now, 3)
    task("kill_myself", kill_myself)
    task("daemon", daemon)
    task("daemon_then_wait", daemon_then_wait)
    task("strange_bytes", strange_bytes)
    task("long_log", long_log)
    task("ignore_sigterm", ignore_sigterm)
    task("block_signals", block_signals)
    task("stop_myself", stop_myself)
    task("close_output", close_output)
    task("threads", threads)
    task("garbage", garbage)
    task("huge_frame", huge_frame)
    task("flood", flood)
    task("forged_success", forged_success)
    task("said_and_died", said_and_died)
    task("recursion", recursion)
    task("deep_c_recursion", deep_c_recursion)
    task("leave_text", leave, "text")
    task("leave_3", leave, 3)
    task("leave_0", leave, 0)
    task("interrupt", interrupt)
    task("raise_base", raise_base)
    task("in_a_fork", in_a_fork)
    Guarded(task_id="terminate_a_fork", python_callable=terminate_a_fork)
    task("environment", environment)
    task("processes", processes)
    task("big_result", big_result)
    task("processes_then_wait", processes_then_wait)
    task("huge_result", huge_result)
    task("conf_size", conf_size)
    task("wait", wait_for_ever)
    Guarded(task_id="guarded", python_callable=wait_and_clean_up)
    BashOperator(task_id="bash_family", bash_command="sleep 86421 & (setsid sleep 86421 &) ; echo family runs; wait")
