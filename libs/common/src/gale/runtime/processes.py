"""What the runtime asks of the operating system, in one place, with what is done where it cannot.

Linux gives sub-reapers (orphans come to us instead of to process 1), a signal at the parent's
death and `/proc`. Elsewhere these functions do nothing or find nothing, and killing falls
back on process groups.
"""

import ctypes
import hashlib
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from gale.clock import Clock

IS_LINUX: Final = sys.platform.startswith("linux")
#: The variable that every process of an attempt carries in its environment.
MARKER: Final = "GALE_ATTEMPT"
#: A process cannot make its initial environment longer, so room for the marker is made at its start.
MARKER_ROOM: Final = 64
_PADDING: Final = "."

_LISTING: Final = 65_536
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36

_libc = ctypes.CDLL(None, use_errno=True)
_libc.getenv.argtypes = [ctypes.c_char_p]
_libc.getenv.restype = ctypes.c_void_p
if IS_LINUX:
    _libc.prctl.argtypes = [ctypes.c_int, *([ctypes.c_ulong] * 4)]


def become_subreaper() -> None:
    """Receive orphans among the descendants as children. Not inherited by children."""
    if IS_LINUX:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent ends; `parent` is the pid before the fork."""
    if not IS_LINUX:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        # The parent died between the fork and the call above, so no signal will come.
        os._exit(1)


def outlive_parent() -> None:
    """Take `die_with_parent` back."""
    if IS_LINUX:
        _libc.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)


def limit_memory(size: int) -> None:
    """Let allocations beyond `size` bytes fail with MemoryError in this process and its children.

    Counts private writable memory (RLIMIT_DATA), because libraries reserve far more address
    space than they use. 0 = no limit.
    """
    if not size:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        size = min(size, hard)
    # Some systems refuse a limit below what is in use already.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def max_rss_bytes(usage: resource.struct_rusage) -> int:
    """Return the peak memory of a resource usage, whose unit differs between systems."""
    return usage.ru_maxrss * 1024 if IS_LINUX else usage.ru_maxrss


def send_signal(pid: int, number: int, *, group: bool) -> bool:
    """Signal a process (that has not been waited for yet), or also its group; False if it is gone."""
    try:
        if group and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


# --- children -----------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    """Return the pids of the children of a process; empty where the system does not tell."""
    if not IS_LINUX:
        return []
    try:
        # Not by pathlib: a host does this after each task.
        listing = os.open(f"/proc/{pid}/task/{pid}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        found = b""
        while part := os.read(listing, _LISTING):
            found += part
    except OSError:
        return []
    finally:
        os.close(listing)
    return [int(word) for word in found.split()]


def kill_strays(known: Collection[int]) -> int:
    """Kill every child of this process that is not `known`, and return how many there were.

    Such a child was left over by a process that died. Its own children come to us when it is
    dead, so the caller repeats this until it returns 0.
    """
    count = 0
    for pid in children(os.getpid()):
        if pid not in known:
            count += 1
            send_signal(pid, signal.SIGKILL, group=True)
    return count


# --- the marker of an attempt -------------------------------------------------------------


def marker_of(token: str) -> str:
    """Return what `GALE_ATTEMPT` is for an attempt's token: the token, shortened if it is long."""
    if re.fullmatch(rf"[A-Za-z0-9_\-]{{1,{MARKER_ROOM}}}", token, re.ASCII):
        return token
    return hashlib.sha256(token.encode()).hexdigest()


def padded(marker: str) -> str:
    """Return a marker that fills the room for any marker."""
    return marker.ljust(MARKER_ROOM, _PADDING)


class MarkerRoom:
    """The place in this process' initial environment where the marker stands.

    `/proc/<pid>/environ` shows the environment of the last `exec`. A forked process has the
    one of its ancestor, whatever it does to `os.environ`. So the zygote is started with a
    marker that fills this room, and a task process writes its own into that memory.
    """

    def __init__(self) -> None:
        """Find the room. To be called before anything changes the environment."""
        address = _libc.getenv(MARKER.encode())
        there = len(ctypes.string_at(address)) if address else 0
        self._address: int = address if address and there >= MARKER_ROOM else 0
        self._first = ctypes.string_at(self._address, MARKER_ROOM) if self._address else b""

    def write(self, marker: str) -> None:
        """Mark this process and its children to come."""
        if self._address:
            ctypes.memmove(self._address, padded(marker).encode(), MARKER_ROOM)

    def restore(self) -> None:
        """Take the marker of an attempt off this process again."""
        if self._address:
            ctypes.memmove(self._address, self._first, MARKER_ROOM)


_MARKED: Final = re.compile(rb"(?:\A|\0)" + MARKER.encode() + rb"=([A-Za-z0-9_\-]+)\.*(?:\0|\Z)")


def marked_processes(markers: Collection[str]) -> list[int]:
    """Return the pids of all processes that carry one of the markers. Empty without `/proc`."""
    found: list[int] = []
    if not IS_LINUX or not markers:
        return found
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            match = _MARKED.search((folder / "environ").read_bytes())
        except OSError:
            continue
        if match and match[1].decode() in markers:
            found.append(int(folder.name))
    return found


def kill_marked(markers: Collection[str], *, clock: Clock, seconds: float) -> list[int]:
    """Kill all that carries one of the markers, until nothing does or `seconds` have passed.

    Returns:
        The pids that are still there.
    """
    deadline = clock.monotonic() + seconds
    # The environment of a zombie reads as empty, so what is dead is not found again.
    while found := marked_processes(markers):
        for pid in found:
            send_signal(pid, signal.SIGKILL, group=False)
        if clock.monotonic() > deadline:
            return found
        time.sleep(0.002)
    return []
