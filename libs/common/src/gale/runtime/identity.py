"""Who a process is: a pid alone is not enough, because pids are used again."""

import os
import socket
from pathlib import Path

from gale.runtime.processes import IS_LINUX


def process_key(pid: int) -> str:
    """Return what tells the process `pid` from a later one with the same pid; "" if it is gone.

    On Linux the machine's boot id and the tick at which the process started; elsewhere only that
    some process has this pid now.
    """
    if not IS_LINUX:
        return "pid" if _exists(pid) else ""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    # The name in parentheses may hold blanks; state is the first field behind it, start time the 20th.
    fields = stat[stat.rindex(")") + 2 :].split()
    return "" if fields[0] in {"Z", "X"} else f"{boot}:{fields[19]}"


def is_alive(pid: int, key: str) -> bool:
    """Tell whether the process that had this pid and key still runs on this host."""
    return process_key(pid) == key


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def host_name(how: str) -> str:
    """Return what this machine calls itself, by `[core] hostname_callable`.

    Args:
        how: `socket.getfqdn`, `socket.gethostname` (also written with a colon), or a fixed name.
    """
    match how.replace(":", ".").rsplit(".", 1)[-1]:
        case "getfqdn":
            return socket.getfqdn()
        case "gethostname":
            return socket.gethostname()
        case _:
            return how
