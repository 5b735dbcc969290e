"""Secrets: kept encrypted in the database, kept out of logs.

`FernetBox` is compatible with Airflow's `fernet_key` setting: the same key opens what Airflow
encrypted, and several keys separated by commas allow rotation (the first one encrypts).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gale.errors import ConfigError

MASK: Final = "***"
#: Shorter values would blank out half of every log line.
MIN_MASKED_LENGTH: Final = 5
_SENSITIVE: Final = re.compile(
    r"password|passwd|passphrase|secret|token|api_?key|apikey|authorization|private_?key|access_?key|keyfile_dict|service_account"
)


class FernetBox:
    """Encrypts what goes into the database and decrypts what comes out of it.

    Without a key it stores text as it is, as Airflow does with an empty `fernet_key`.
    """

    def __init__(self, keys: str = "") -> None:
        names = [key.strip() for key in keys.split(",") if key.strip()]
        try:
            self._fernet = MultiFernet([Fernet(key.encode("ascii")) for key in names]) if names else None
        except (ValueError, UnicodeEncodeError):
            raise ConfigError(
                "[core] fernet_key is no Fernet key, so secrets in the database can be neither read nor written. "
                "A key is 32 random bytes in URL-safe base64 (44 characters); several are separated by commas. "
                "Put back the key with which the database was made, or leave the setting empty to store "
                "secrets in clear."
            ) from None

    @property
    def is_on(self) -> bool:
        """True if there is a key."""
        return self._fernet is not None

    def encrypt(self, text: str) -> str:
        """Return `text` encrypted with the first key, or as it is without a key."""
        if self._fernet is None:
            return text
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def decrypt(self, text: str, *, what: str = "a value") -> str:
        """Return the clear text of `text`, which `encrypt` made with any of the keys.

        Raises:
            ConfigError: No key opens it; the message names `what`.
        """
        if self._fernet is None:
            raise ConfigError(
                f"{what} is encrypted in the database, but [core] fernet_key is empty. "
                "Set it to the key with which the value was stored."
            )
        try:
            return self._fernet.decrypt(text.encode()).decode()
        except InvalidToken:
            raise ConfigError(
                f"{what} was encrypted with another key than those of [core] fernet_key. "
                "Add the old key after the new one, separated by a comma, or set the value anew."
            ) from None

    def rotate(self, text: str, *, what: str = "a value") -> str:
        """Return `text`, encrypted by any of the keys, encrypted anew by the first."""
        return self.encrypt(self.decrypt(text, what=what))


def is_sensitive_name(name: str, extra: Iterable[str] = ()) -> bool:
    """Return True if a variable, setting or argument of this name likely holds a secret.

    Args:
        name: Upper and lower case do not matter; dashes count as underscores.
        extra: Further words, from `[core] sensitive_var_conn_names`.
    """
    plain = name.lower().replace("-", "_")
    return bool(_SENSITIVE.search(plain)) or any(word.lower() in plain for word in extra if word)


class Masker:
    """Replaces known secrets in text by asterisks. Values are added as they become known."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for value in values:
            self.add(value)

    def add(self, value: str | None) -> None:
        """Mask `value` from now on, unless it is too short to be told from ordinary words."""
        if value and len(value) >= MIN_MASKED_LENGTH and value not in self._values:
            self._values.add(value)
            self._pattern = None

    def mask(self, text: str) -> str:
        """Return `text` with every known secret replaced; longer secrets first."""
        if not self._values:
            return text
        if self._pattern is None:
            longest_first = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(re.escape(value) for value in longest_first))
        return self._pattern.sub(MASK, text)

    def mask_mapping(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy in which values with sensitive names, at any depth, and known secrets are replaced."""
        return {
            key: MASK if value and is_sensitive_name(key) else self._mask_any(value) for key, value in values.items()
        }

    def _mask_any(self, value: Any) -> Any:
        match value:
            case str():
                return self.mask(value)
            case Mapping():
                return self.mask_mapping(value)
            case list() | tuple():
                return [self._mask_any(item) for item in value]
            case _:
                return value
