"""How the end of a process reads in a sentence."""

import os
import signal
from typing import Final

_HINTS: Final = {
    signal.SIGKILL: "not sent by Gale: often the kernel's out-of-memory killer, or somebody's kill -9",
    signal.SIGSEGV: "a crash in C code or an endless recursion",
    signal.SIGABRT: "a library gave up",
    signal.SIGBUS: "a crash in C code, or a file that was cut while it was mapped",
    signal.SIGXFSZ: "a file grew beyond the limit",
}


def signal_name(number: int) -> str:
    """Return a signal's name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def describe_exit(status: int) -> str:
    """Say how a process ended, from its wait status."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}"
    hint = _HINTS.get(-code)  # type: ignore[call-overload]  # an unknown number has no hint
    return f"killed by {signal_name(-code)}" + (f" ({hint})" if hint else "")
