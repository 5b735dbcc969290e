"""Secrets that this process has seen, and their removal from text that is stored or logged.

A password becomes known when a connection or a variable with a telling name is read. Text
that leaves the process (rendered fields, log lines) has them replaced by three stars.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

MASK: Final = "***"
#: Names whose values are secrets (Airflow's list).
TELLING: Final = (
    "access_token", "api_key", "apikey", "authorization", "passphrase", "passwd", "password", "private_key", "secret",
    "token", "keyfile_dict", "service_account",
)  # fmt: skip
#: Shorter ones would blacken half of a log.
MIN_LENGTH: Final = 5

_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def is_telling(name: str) -> bool:
    """Return whether a value of that name is taken for a secret."""
    lowered = name.lower()
    return any(word in lowered for word in TELLING)


def add(secrets: Iterable[str | None]) -> None:
    """Remember values that must not be shown from now on."""
    global _pattern  # noqa: PLW0603  what a process has seen cannot be unseen
    new = {secret for secret in secrets if secret and len(secret) >= MIN_LENGTH} - _secrets
    if new:
        _secrets.update(new)
        longest_first = sorted(_secrets, key=len, reverse=True)
        _pattern = re.compile("|".join(map(re.escape, longest_first)))


def add_from(value: Any, name: str = "") -> None:
    """Remember the secrets inside a value: all texts under a telling name, however deep."""
    if isinstance(value, dict):
        for key, item in value.items():
            add_from(item, str(key) if is_telling(str(key)) else name)
    elif isinstance(value, list | tuple | set):
        for item in value:
            add_from(item, name)
    elif isinstance(value, str) and (not name or is_telling(name)):
        add([value])


def mask_secret(value: Any, name: str | None = None) -> None:
    """Hide a value, or the texts inside it, in logs and rendered fields from now on.

    Args:
        value: A text, or a mapping or sequence with texts in it.
        name: If given, only a telling name makes the value a secret.
    """
    add_from(value, name or "")


def forget_all() -> None:
    """Forget every secret (between tests)."""
    global _pattern  # noqa: PLW0603  see `add`
    _secrets.clear()
    _pattern = None


def mask(text: str) -> str:
    """Return the text with every known secret replaced by three stars."""
    return text if _pattern is None else _pattern.sub(MASK, text)
