"""Refuses passwords that everybody knows, where anybody could try them.

The passwords of tutorials (the notes' airflow:airflow, RabbitMQ's guest:guest) are fine on one machine and
within a network that only containers of one compose file share. A server that others can reach must not
have them.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from gale.errors import ConfigError
from gale.settings import Settings

WELL_KNOWN: Final = frozenset({"", "airflow", "guest", "gale", "root", "admin", "password"})
#: Settings that hold a URL with a password.
_PLACES: Final = (("database", "sql_alchemy_conn"), ("celery", "broker_url"), ("celery", "result_backend"))

Resolve = Callable[[str], Iterable[str]]


def addresses_of(host: str) -> Iterable[str]:
    """Return the addresses of a host; none if its name is not known."""
    try:
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except OSError:
        return ()


def refuse_well_known(settings: Settings, resolve: Resolve = addresses_of) -> None:
    """Return if no server that others could reach is used with a password that everybody knows.

    Args:
        settings: Name the servers and the passwords.
        resolve: Gives the addresses of a host name.

    Raises:
        ConfigError: One is; the message names the setting.
    """
    problems = [problem for section, key in _PLACES if (problem := _problem(settings, section, key, resolve))]
    if problems:
        raise ConfigError("\n".join(problems))


def _problem(settings: Settings, section: str, key: str, resolve: Resolve) -> str:
    value = str(getattr(getattr(settings, section), key))
    for url in value.split(";"):
        host, password = _host_and_password(url.strip())
        if host is not None and password in WELL_KNOWN and not _is_private(host, resolve):
            shown = "an empty password" if not password else f"the password {password!r}"
            return (
                f"[{section}] {key} names the server {host} with {shown}, which everybody knows, and others than this "
                "machine can reach that server. Gale does not start like this. Give the server's user another "
                f"password, and set it in [{section}] {key} ({settings.places.get((section, key), 'a default')})."
            )
    return ""


def _host_and_password(url: str) -> tuple[str | None, str]:
    """Return whom a URL asks with which password; no host where nobody is asked over a network."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        # Whoever uses the URL says what is wrong with it.
        return None, ""
    if not parts.scheme or parts.scheme.removeprefix("db+").startswith(("sqlite", "sqla+sqlite")):
        return None, ""
    query = parse_qs(parts.query)
    if "unix_socket" in query or not parts.netloc:
        return None, ""
    if parts.username is None and parts.scheme.startswith(("amqp", "pyamqp")):
        # RabbitMQ's clients log in as guest then.
        return host or "localhost", "guest"
    password = unquote(parts.password or "") or query.get("password", query.get("passwd", [""]))[0]
    return host or "localhost", password


def _is_private(host: str, resolve: Resolve) -> bool:
    """Return True for this machine, and for a bare name that stands for private addresses only."""
    host = host.strip("[]").rstrip(".")
    if host == "localhost" or host.startswith("/"):
        return True
    literal = _address(host)
    if literal is not None:
        return literal.is_loopback
    if "." in host:
        return False
    found = [_address(address) for address in resolve(host)]
    # A name that is not known yet, such as a container's that is still to be started, leads nowhere.
    return all(address is not None and address.is_private for address in found)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
