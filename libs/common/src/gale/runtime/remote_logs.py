"""Reading the log of an attempt from the worker that ran it.

The webserver asks with a token that is good for one log and half a minute. It is a JSON Web Token under a
key made from the installation's secret for this purpose alone, so that no other token of Gale opens a log,
and this one opens nothing else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import httpx
import jwt

from gale.clock import Clock
from gale.errors import GaleError
from gale.runtime.logs import LogPart, is_log_name
from gale.secrets import derive_key
from gale.settings import Settings

ALGORITHM: Final = "HS256"
AUDIENCE: Final = "gale worker logs"
PURPOSE: Final = "worker logs"
LIFETIME: Final = timedelta(seconds=30)
#: So much may the clocks of two machines differ.
LEEWAY: Final = timedelta(seconds=60)
#: A worker on the same network answers in milliseconds; a dead one must not hold up the page.
TIMEOUT: Final = httpx.Timeout(5.0, connect=2.0)
#: Path of a log on the worker's server.
PREFIX: Final = "/log/"
SIZE_HEADER: Final = "X-Gale-Log-Size"
OFFSET_HEADER: Final = "X-Gale-Log-Offset"
MAX_PART_BYTES: Final = 4 * 1024 * 1024
#: Names and addresses of hosts. What a worker called itself must not become another address when put into one.
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|[0-9A-Fa-f:.]{2,45}", re.ASCII)


class LogUnreachable(GaleError):
    """A log could not be read from where it was looked for; the message says why."""


def log_key(settings: Settings) -> bytes:
    """Return the key that signs tokens of logs.

    Raises:
        ConfigError: `[webserver] secret_key` is missing or short.
    """
    return derive_key(settings.webserver.secret_key, PURPOSE)


def sign(key: bytes, name: str, now: datetime) -> str:
    """Return a token for one log.

    Args:
        key: From `log_key`.
        name: Of the log, as `gale.runtime.logs.log_name` gives it.
        now: It is good from now on, for `LIFETIME`.
    """
    claims = {"aud": AUDIENCE, "log": name, "iat": now, "exp": now + LIFETIME}
    return jwt.encode(claims, key, algorithm=ALGORITHM)


def may_read(key: bytes, token: str, name: str, now: datetime) -> bool | None:
    """Return whether a token opens a log; None if it is none of ours or not valid now.

    The instants are checked against `now` here, not by the library, which would read the machine's clock.
    """
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            options={"require": ["aud", "log", "iat", "exp"], "verify_exp": False, "verify_iat": False},
        )
    except jwt.InvalidTokenError:
        return None
    begin, end = claims["iat"], claims["exp"]
    if not isinstance(begin, int | float) or not isinstance(end, int | float):
        return None
    instant, leeway = now.timestamp(), LEEWAY.total_seconds()
    if not begin - leeway <= instant < end + leeway:
        return None
    return isinstance(claims["log"], str) and claims["log"] == name


@dataclass(frozen=True, slots=True)
class WorkerLogs:
    """Reads logs from workers."""

    key: bytes
    port: int
    clock: Clock

    def read(self, hostname: str, name: str, offset: int, limit: int) -> LogPart:
        """Return a part of a log.

        Args:
            hostname: Of the worker, as it calls itself.
            name: Of the log.
            offset: In bytes.
            limit: Most bytes.

        Raises:
            LogUnreachable: The worker does not answer, has no such log, or refuses.
        """
        return read_from_worker(
            hostname, self.port, name, offset, limit=limit, token=sign(self.key, name, self.clock.now())
        )


def read_from_worker(
    hostname: str, port: int, name: str, offset: int, *, limit: int = 256 * 1024, token: str
) -> LogPart:
    """Return a part of a log from the server of a worker.

    Raises:
        LogUnreachable: It does not answer, has no such log, or refuses; the message tells which.
    """
    if not _HOST.fullmatch(hostname):
        raise LogUnreachable("the worker's name is no name of a host")
    if not is_log_name(name):
        raise LogUnreachable("the log's name is none that Gale makes")
    host = f"[{hostname}]" if ":" in hostname else hostname
    try:
        with httpx.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False) as client:
            answer = client.get(
                f"http://{host}:{port}{PREFIX}{quote(name)}",
                params={"offset": str(max(0, offset)), "limit": str(min(limit, MAX_PART_BYTES))},
                headers={"Authorization": f"Bearer {token}"},
            )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LogUnreachable(_why(error)) from None
    if answer.status_code != HTTPStatus.OK:
        raise LogUnreachable(_REFUSALS.get(answer.status_code, f"it answered {answer.status_code}"))
    try:
        return LogPart(answer.content, int(answer.headers[OFFSET_HEADER]), int(answer.headers[SIZE_HEADER]))
    except (KeyError, ValueError):
        raise LogUnreachable("something else than a worker of Gale answers there") from None


_REFUSALS: Final[Mapping[int, str]] = {
    HTTPStatus.NOT_FOUND: "it has no such log",
    HTTPStatus.UNAUTHORIZED: "it refuses our signature: set the same [webserver] secret_key on both, and their clocks",
    HTTPStatus.FORBIDDEN: "it refuses to give this log",
    HTTPStatus.SERVICE_UNAVAILABLE: "it gives out too many logs just now",
}


def _why(error: Exception) -> str:
    match error:
        case httpx.ConnectTimeout() | httpx.ReadTimeout():
            return "it does not answer in time"
        case httpx.ConnectError():
            return "nobody answers there"
        case _:
            return f"the connection broke off ({type(error).__name__})"
