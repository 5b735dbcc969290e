"""Did somebody mean it? Flower's pages change things by requests that carry no token of ours.

So a browser must say that the request comes from a page of this very address. Pure.
"""

from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import urlsplit


class Origin(StrEnum):
    """Where a request comes from, as far as its headers tell."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    #: No browser of this decade sends a changing request without any of these headers.
    UNTOLD = "untold"


def origin_of(headers: Mapping[str, str], host: str) -> Origin:
    """Tell where a request comes from.

    Args:
        headers: Of the request; the web page on another port of the same host counts as elsewhere.
        host: What the browser asked for: name and port.
    """
    # A script cannot set this header, so it has the last word where it is sent.
    if site := headers.get("Sec-Fetch-Site", ""):
        return Origin.HERE if site == "same-origin" else Origin.ELSEWHERE
    for name in ("Origin", "Referer"):
        if told := headers.get(name, ""):
            return Origin.HERE if _host_of(told) == host.lower() else Origin.ELSEWHERE
    return Origin.UNTOLD


def _host_of(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return parts.netloc.lower() if parts.scheme in {"http", "https"} else ""
