"""Secrets: kept encrypted in the database, not shown to those who need not see them.

`FernetBox` is compatible with Airflow's `fernet_key` setting: the same key opens what Airflow
encrypted, and several keys separated by commas allow rotation (the first one encrypts).
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gale.authoring import masking
from gale.errors import ConfigError

#: What stands in the place of a secret.
MASK: Final = masking.MASK
#: Fewer could be tried out.
LEAST_SECRET_CHARACTERS: Final = 16


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


def derive_key(secret: str, purpose: str) -> bytes:
    """Return a key for one purpose, made from the installation's secret.

    With a key for each purpose, what is signed for one cannot be used for another.

    Args:
        secret: `[webserver] secret_key`.
        purpose: A name, such as "task commands".

    Raises:
        ConfigError: The secret is empty or too short.
    """
    if len(secret) < LEAST_SECRET_CHARACTERS:
        problem = f"has only {len(secret)} characters" if secret else "is empty"
        raise ConfigError(
            f"[webserver] secret_key {problem}, so {purpose} cannot be signed. "
            f"Set it to at least {LEAST_SECRET_CHARACTERS} random characters, the same for every service."
        )
    return hmac.new(secret.encode(), f"gale {purpose}".encode(), hashlib.sha256).digest()


def is_sensitive_name(name: str, extra: Iterable[str] = ()) -> bool:
    """Return True if a variable, setting or argument of this name likely holds a secret.

    Args:
        name: Upper and lower case do not matter; dashes count as underscores.
        extra: Further words, from `[core] sensitive_var_conn_names`.
    """
    plain = name.lower().replace("-", "_")
    return masking.is_telling(plain) or any(word.lower() in plain for word in extra if word)
