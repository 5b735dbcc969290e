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

ALGORITHM: Final = "HS256"


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
