"""Bearer tokens of the REST API: JSON Web Tokens, signed with HMAC-SHA-256.

A token names its user by id and carries the user's `session_epoch` at the time it was made, so
that a change of password or role ends it; `jti` lets a single one be revoked.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import jwt

from gale.errors import ConfigError
from gale.settings import Settings

ALGORITHM: Final = "HS256"
MIN_SECRET_LENGTH: Final = 16
#: Values that stand in guides and images, so that everybody knows them.
_KNOWN_SECRETS: Final = frozenset(
    {"temporary_key", "secret", "secret_key", "changeme", "change_me", "cannot_be_empty", "airflow", "gale", "password"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Makes and checks tokens."""

    secret: str
    issuer: str
    audience: str
    lifetime_seconds: int

    def make(self, *, user_id: int, epoch: int, now: datetime, lifetime_seconds: int | None = None) -> str:
        """Return a new token for a user."""
        claims = {
            "sub": str(user_id),
            "epoch": epoch,
            "jti": secrets.token_hex(16),
            "iss": self.issuer,
            "aud": self.audience,
            "iat": now,
            "nbf": now,
            "exp": now + timedelta(seconds=lifetime_seconds or self.lifetime_seconds),
        }
        return jwt.encode(claims, self.secret, algorithm=ALGORITHM)

    def read(self, token: str, now: datetime) -> Mapping[str, Any] | None:
        """Return the claims of a token that we made and that is valid now; None for any other.

        The instants are checked against `now` here, not by the library, which would read the
        machine's clock by itself.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self.secret,
                algorithms=[ALGORITHM],
                audience=self.audience,
                issuer=self.issuer,
                options={
                    "require": ["sub", "epoch", "jti", "iat", "exp"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError:
            return None
        instant = now.timestamp()
        if not isinstance(claims["epoch"], int) or not str(claims["sub"]).isdecimal():
            return None
        return claims if claims.get("nbf", 0) <= instant < claims["exp"] else None


def check_settings(settings: Settings) -> str:
    """Return the secret that signs tokens.

    Raises:
        ConfigError: It is missing, short or known to everybody; or users would log in by other means than passwords.
    """
    backend = settings.webserver.auth_backend
    if "password" not in backend.lower():
        raise ConfigError(
            f"[webserver] auth_backend is {backend}, but this Gale knows only passwords in its own users table. "
            "Leave the setting out, and make users with `gale users create`."
        )
    secret = settings.api_auth.jwt_secret or settings.webserver.secret_key
    name = "[api_auth] jwt_secret" if settings.api_auth.jwt_secret else "[webserver] secret_key"
    advice = (
        f"Put a random one of at least {MIN_SECRET_LENGTH} characters there, for instance {secrets.token_urlsafe(32)}, "
        "the same on every webserver."
    )
    if not secret:
        raise ConfigError(f"{name} is empty, so anybody could sign tokens. {advice}")
    if secret.lower() in _KNOWN_SECRETS or len(set(secret)) < 4:  # noqa: PLR2004 - "aaaa…" is no secret
        raise ConfigError(f"{name} is a value that everybody knows, so anybody could sign tokens. {advice}")
    if len(secret) < MIN_SECRET_LENGTH:
        raise ConfigError(f"{name} has {len(secret)} characters, so it can be guessed. {advice}")
    return secret


def tokens_of(settings: Settings) -> Tokens:
    """Make what makes and checks tokens under the settings.

    Raises:
        ConfigError: A setting would leave the door open.
    """
    auth = settings.api_auth
    return Tokens(
        secret=check_settings(settings),
        issuer=auth.jwt_issuer,
        audience=auth.jwt_audience,
        lifetime_seconds=auth.jwt_expiration_time,
    )
