"""What can be wrong with a broker, in sentences that say what to do."""

import re
import socket
import ssl
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from gale.errors import BrokerError

_SETTING: Final = "[celery] broker_url"
#: Replies of a broker that is being stopped.
_GONE: Final = frozenset({320, 541})
_CODE: Final = re.compile(r"\b(320|403|404|405|406|530|541)\b")


def masked(url: str) -> str:
    """Return a broker's URL (or several, separated by semicolons) without its passwords."""
    return ";".join(_masked(part) for part in url.split(";"))


def _masked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "(a URL that cannot be read)"
    if not parts.password:
        return url
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}{port}"))


def user_and_vhost(url: str) -> tuple[str, str]:
    """Return the user and the virtual host that an AMQP URL names; Celery's defaults are guest and /."""
    parts = urlsplit(url.split(";", maxsplit=1)[0])
    return unquote(parts.username or "guest"), unquote(parts.path.removeprefix("/")) or "/"


def explain(error: BaseException, url: str) -> str:
    """Return in a few sentences what an error of the broker's client means and what to do."""
    if isinstance(error, BrokerError):
        return str(error)
    where, said = masked(url), _said(error)
    user, vhost = user_and_vhost(url) if url.startswith(("amqp", "pyamqp")) else ("", "")
    match _code(error):
        case 403 if "login" in said.lower() or "auth" in said.lower():
            return (
                f"The broker {where} refuses the login of {user!r} ({said}). Correct user and password in {_SETTING}, "
                f"or make the user: rabbitmqctl add_user {user} PASSWORD."
            )
        case 403:
            return (
                f"The broker {where} lets {user!r} log in but not do what is needed ({said}). "
                f'Run: rabbitmqctl set_permissions -p {vhost} {user} ".*" ".*" ".*"'
            )
        case 530:
            return (
                f"The broker {where} has no virtual host {vhost!r}, or {user!r} may not use it ({said}). "
                f"Run: rabbitmqctl add_vhost {vhost}; "
                f'rabbitmqctl set_permissions -p {vhost} {user} ".*" ".*" ".*"'
            )
        case 405 | 406:
            return (
                f"A queue on the broker {where} is another program's, or was made otherwise than Gale makes it "
                f"({said}). Delete that queue when it is empty (rabbitmqctl delete_queue NAME), or use another vhost."
            )
    return _explain_network(error, where, said)


def kind_of(error: BaseException) -> str:
    """Return what kind of trouble an error is: a broker that goes away gives several errors in a row."""
    if isinstance(error, BrokerError):
        return "told"
    code = _code(error)
    if code in _GONE or (not code and isinstance(error, OSError) and not isinstance(error, ssl.SSLError)):
        return "away"
    return f"{type(error).__name__} {code}"


def _explain_network(error: BaseException, where: str, said: str) -> str:
    if isinstance(error, socket.gaierror):
        return f"The name of the broker {where} is not known ({said}). Correct the host in {_SETTING}."
    if isinstance(error, ssl.SSLError):
        return (
            f"The broker {where} and this machine cannot agree on encryption ({said}). "
            "Check [celery] ssl_active, ssl_cacert, ssl_cert and ssl_key, and the port."
        )
    if isinstance(error, OSError) or _code(error) in _GONE:
        return f"The broker {where} cannot be reached ({said}). Check that it runs and that {_SETTING} names it."
    return f"The broker {where} had trouble: {type(error).__name__}: {said}"


def _code(error: BaseException) -> int:
    for name in ("reply_code", "code"):
        code = getattr(error, name, None)
        if isinstance(code, int) and code:
            return code
    found = _CODE.search(str(error)) if not isinstance(error, OSError) else None
    return int(found.group(1)) if found else 0


def _said(error: BaseException) -> str:
    text = getattr(error, "reply_text", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:300]
