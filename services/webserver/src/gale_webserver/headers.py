"""Headers of every answer: what the browser may do with it, and who may keep it."""

from typing import Final

from flask import Flask, Response, request

from gale.serving import HSTS, SECURITY_HEADERS
from gale_webserver.context import services

#: Everything comes from this address; no inline script or style, no frame, no plug-in.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self'; "
    "img-src 'self' data: blob:; "
    "font-src 'self'; "
    "connect-src 'self'; "
    "worker-src 'self'; "
    "manifest-src 'self'; "
    "base-uri 'none'; "
    "form-action 'self'; "
    "frame-ancestors 'none'; "
    "object-src 'none'"
)
_ALWAYS: Final = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, **SECURITY_HEADERS}


def install(app: Flask) -> None:
    """Put the headers on every answer of `app`."""
    app.after_request(add)


def add(response: Response) -> Response:
    """Return the response with the headers that are missing."""
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    # An answer that may be kept says so itself (hashed assets); everything else is for this person, now.
    response.headers.setdefault("Cache-Control", "no-store")
    for name in ("Cookie", "Authorization", "Accept"):
        response.vary.add(name)
    if services().secure and request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    return response
