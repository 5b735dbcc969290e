"""Where a `next` parameter may lead: to this server, nowhere else."""

from typing import Final
from urllib.parse import urlsplit

HOME: Final = "/"


def local_path(target: str | None) -> str:
    r"""Return `target` if it is a path of this server, else the start page.

    Browsers read a backslash as a slash and drop tabs and newlines, so `/\evil` and `/<tab>/evil`
    lead elsewhere; whatever has such signs is not worth repairing.
    """
    if not target or not target.startswith("/") or target.startswith("//") or "\\" in target:
        return HOME
    if any(ord(sign) <= 0x20 or ord(sign) == 0x7F for sign in target):  # noqa: PLR2004 - control signs and space
        return HOME
    try:
        parts = urlsplit(target)
    except ValueError:
        return HOME
    return HOME if parts.scheme or parts.netloc else target
