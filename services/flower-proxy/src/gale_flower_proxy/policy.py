"""Who may do what in Flower. Pure: method, path and role in, verdict out.

Flower's own list of addresses is `flower.urls.handlers`; a test compares it with the rules below, so
that an address which a new release adds is noticed. What no rule names is refused: the default is no.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from gale.access.roles import Permission, permissions_of


class Need(StrEnum):
    """What an address asks of people."""

    PUBLIC = "public"
    READ = "read"
    ACT = "act"
    #: Starts tasks past the scheduler. Workers of Gale take signed commands of the scheduler only.
    NOBODY = "nobody"


class Verdict(StrEnum):
    """What becomes of a request."""

    ALLOW = "allow"
    NEEDS_LOGIN = "needs login"
    DENY = "deny"


class BadAddress(ValueError):
    """A path that could mean one thing to us and another to Flower."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Some methods at some paths; `*` stands for one part of a path that is not empty."""

    methods: frozenset[str]
    path: str
    need: Need

    def covers(self, method: str, parts: Sequence[str]) -> bool:
        """Return True if the rule speaks of this request."""
        wanted = self.path.strip("/").split("/")
        return method in self.methods and _fits(wanted, parts)


def _fits(wanted: Sequence[str], parts: Sequence[str]) -> bool:
    if wanted[-1] == "**":
        head = wanted[:-1]
        return len(parts) > len(head) and all(map(_is, head, parts)) and all(parts)
    return len(wanted) == len(parts) and all(map(_is, wanted, parts))


def _is(wanted: str, part: str) -> bool:
    return bool(part) if wanted == "*" else wanted == part


_LOOK: Final = frozenset({"GET", "HEAD"})
_POST: Final = frozenset({"POST"})
_READS: Final = (
    "/",
    "/workers",
    "/worker/*",
    "/task/*",
    "/tasks",
    "/tasks/datatable",
    "/broker",
    "/api/workers",
    "/api/tasks",
    "/api/task/types",
    "/api/queues/length",
    "/api/task/info/*",
    "/api/task/result/*",
    "/metrics",
    "/static/**",
)
_ACTS: Final = (
    "/api/worker/shutdown/*",
    "/api/worker/pool/restart/*",
    "/api/worker/pool/grow/*",
    "/api/worker/pool/shrink/*",
    "/api/worker/pool/autoscale/*",
    "/api/worker/queue/add-consumer/*",
    "/api/worker/queue/cancel-consumer/*",
    "/api/task/abort/*",
    "/api/task/timeout/*",
    "/api/task/rate-limit/*",
    "/api/task/revoke/*",
)
_REFUSED: Final = ("/api/task/apply/*", "/api/task/async-apply/*", "/api/task/send-task/*")

RULES: Final[tuple[Rule, ...]] = (
    Rule(_LOOK, "/healthcheck", Need.PUBLIC),
    *(Rule(_LOOK, path, Need.READ) for path in _READS),
    # The table of tasks asks with POST because its question is long; it changes nothing.
    Rule(_POST, "/tasks/datatable", Need.READ),
    *(Rule(_POST, path, Need.ACT) for path in _ACTS),
    *(Rule(_POST, path, Need.NOBODY) for path in _REFUSED),
)


def need_of(method: str, path: str) -> Need | None:
    """Return what a request needs; None if no rule names it. `path` is one that `canonical` returned."""
    parts = path.strip("/").split("/")
    return next((rule.need for rule in RULES if rule.covers(method, parts)), None)


def decide(method: str, path: str, role: str | None) -> Verdict:
    """Judge a request.

    Args:
        method: In capitals.
        path: As `canonical` returned it, without the prefix under which Flower is served.
        role: Of who asks; None if nobody is signed in.
    """
    need = need_of(method, path)
    if need is Need.PUBLIC:
        return Verdict.ALLOW
    if role is None:
        # Whether an address exists is nobody's business before a login.
        return Verdict.NEEDS_LOGIN
    wanted = {Need.READ: Permission.FLOWER_READ, Need.ACT: Permission.FLOWER_EDIT}.get(need) if need else None
    return Verdict.ALLOW if wanted is not None and wanted in permissions_of(role) else Verdict.DENY


def canonical(raw: str) -> str:
    """Return the path of a request line, decoded once.

    Flower gets this path encoded anew, so that both of us speak of the same one.

    Args:
        raw: As it came, without the query.

    Raises:
        BadAddress: An absolute address, or one with signs that programs read differently: encoded slashes
            and dots, backslashes, double encoding, empty parts, control signs.
    """
    if not raw.startswith("/") or raw.startswith("//"):
        raise BadAddress("The request names no path of this server.")
    if re.search(r"%(?:2f|5c|2e|25|00)", raw, re.IGNORECASE):
        raise BadAddress("The path has encoded slashes, dots, backslashes or percent signs.")
    try:
        path = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise BadAddress("The path is no UTF-8.") from None
    if "\\" in path or "//" in path or "%" in path or any(not sign.isprintable() for sign in path):
        raise BadAddress("The path has backslashes, empty parts, percent signs or control signs.")
    if any(part in {".", ".."} for part in path.split("/")):
        raise BadAddress("The path has dots for parts.")
    return path


def encoded(path: str) -> str:
    """Return a canonical path as it stands in a request."""
    return quote(path, safe="/@:~-._")
