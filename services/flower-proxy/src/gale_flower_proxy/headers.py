"""Headers of every answer: what the browser may do with it, and who may keep it."""

import base64
import hashlib
from typing import Final

from flask import Response, request

from gale.serving import HSTS, SECURITY_HEADERS
from gale_flower_proxy.context import services

#: The only script that stands inside a page of Flower, with the two values that it can have. Tornado takes the
#: indentation of the template out.
INLINE_SCRIPTS: Final = tuple(f"\nvar autorefresh = {value};\n" for value in (0, 1))


def _source(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


#: Flower's pages have style attributes; nothing else of theirs needs more than their own address.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; "
    f"script-src 'self' {' '.join(map(_source, INLINE_SCRIPTS))}; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; "
    "font-src 'self'; "
    "connect-src 'self'; "
    "base-uri 'none'; "
    "form-action 'self'; "
    "frame-ancestors 'none'; "
    "object-src 'none'"
)
_ALWAYS: Final = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, **SECURITY_HEADERS}
#: Flower puts a digest into the addresses of its scripts and styles, which are behind the login all the same.
_STATIC: Final = "private, max-age=3600"


def add(response: Response) -> Response:
    """Return the response with the headers that are missing."""
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    used = services()
    is_static = request.path.startswith(f"{used.prefix}/static/") and response.status_code in {200, 304}
    response.headers["Cache-Control"] = _STATIC if is_static else "no-store"
    for name in ("Cookie", "Authorization", "Accept", "Accept-Language"):
        response.vary.add(name)
    if used.secure and request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    return response
