"""Name and password with every request, as `curl -u` and Prometheus send them.

argon2 is slow on purpose, so a password that was right is remembered for a while: not itself, but a digest
under a key that only this process has. The account is read each time; a change of it ends the memory.
"""

import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from gale.access.people import Doorkeeper, Person
from gale.db.read.browse import AnyRow

REMEMBER_SECONDS: Final = 600.0
MAX_ENTRIES: Final = 1000


@dataclass(frozen=True, slots=True)
class _Known:
    digest: bytes
    password_hash: str
    until: float


class BasicLogins:
    """Finds out who sends a name and a password."""

    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def person(self, username: str, password: str, address: str) -> Person:
        """Return who it is.

        Raises:
            LoginRefused: Name and password do not belong together.
            TooManyLogins: There were too many such failures.
        """
        digest = hmac.digest(self._key, f"{username}\0{password}".encode("utf-8", "surrogateescape"), "sha256")
        account = self._remembered(username, digest)
        if account is None:
            account = self._doorkeeper.by_password(username, password, address)
            self._remember(username, digest, account.password_hash)
        return Person(user_id=account.id, username=account.username, role=account.role)

    def _remembered(self, username: str, digest: bytes) -> AnyRow | None:
        with self._lock:
            known = self._known.get(username)
        if known is None or self._doorkeeper.clock.monotonic() > known.until:
            return None
        if not hmac.compare_digest(known.digest, digest):
            return None
        account = self._doorkeeper.account_with_name(username)
        if account is None or not account.is_active or account.password_hash != known.password_hash:
            return None
        return account

    def _remember(self, username: str, digest: bytes, password_hash: str) -> None:
        until = self._doorkeeper.clock.monotonic() + REMEMBER_SECONDS
        with self._lock:
            self._known[username] = _Known(digest, password_hash, until)
            self._known.move_to_end(username)
            while len(self._known) > MAX_ENTRIES:
                self._known.popitem(last=False)
