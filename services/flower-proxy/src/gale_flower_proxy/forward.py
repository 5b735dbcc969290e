"""Hands a request to Flower and its answer back, as it comes. What is not named here does not pass."""

import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

import httpx
from flask import Response, request

from gale import telemetry
from gale_flower_proxy.child import USER
from gale_flower_proxy.context import services
from gale_flower_proxy.pages import page, sentence, texts, wants_page
from gale_flower_proxy.policy import encoded

#: No Cookie and no Authorization, which are ours; no X-Forwarded-… or X-Remote-User, which anybody can write; no
#: Origin, which we have checked and which names our address, not Flower's.
REQUEST_HEADERS: Final = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Content-Type",
    "If-Modified-Since",
    "If-None-Match",
    "X-Requested-With",
)
#: No Set-Cookie, no Access-Control-…, no Server, no WWW-Authenticate.
RESPONSE_HEADERS: Final = (
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "ETag",
    "Last-Modified",
)
#: Flower's own forms are small.
MAX_BODY_BYTES: Final = 1024 * 1024
TIMEOUT: Final = httpx.Timeout(60.0, connect=2.0)
CHUNK_BYTES: Final = 64 * 1024
HEALTH_SECONDS: Final = 2.0
logger: Final = logging.getLogger(__name__)


def make_client(threads: int) -> httpx.Client:
    """Return a client for Flower; no proxy of the environment comes in between."""
    limits = httpx.Limits(max_connections=threads + 2, max_keepalive_connections=threads)
    return httpx.Client(timeout=TIMEOUT, limits=limits, trust_env=False, follow_redirects=False)


def forward(path: str) -> Response:
    """Ask Flower and give its answer, or say that it does not run.

    Args:
        path: As `policy.canonical` returned it, prefix included.
    """
    used = services()
    upstream = used.flower.upstream()
    if upstream is None:
        return away()
    query = request.query_string.decode("ascii", "replace")
    asked = used.client.build_request(
        request.method,
        upstream.url + encoded(path) + (f"?{query}" if query else ""),
        headers={name: request.headers[name] for name in REQUEST_HEADERS if name in request.headers},
        content=request.get_data(cache=False) if request.method == "POST" else None,
    )
    try:
        answer = used.client.send(asked, stream=True, auth=(USER, upstream.password))
    except httpx.TransportError as error:
        logger.warning("%s %s", telemetry.FLOWER_AWAY, type(error).__name__)
        return away()
    headers = {name: answer.headers[name] for name in RESPONSE_HEADERS if name in answer.headers}
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        # Flower refuses the password of this very moment: another program listens on its port.
        answer.close()
        return away()
    response = Response(_stream(answer), answer.status_code, headers, direct_passthrough=True)
    response.call_on_close(answer.close)
    return response


def _stream(answer: httpx.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_raw(CHUNK_BYTES)
    except httpx.TransportError as error:  # the status has been sent; the browser sees a cut answer
        logger.warning("%s %s", telemetry.FLOWER_AWAY, type(error).__name__)


def answers() -> bool:
    """Return True if Flower answers."""
    used = services()
    upstream = used.flower.upstream()
    if upstream is None:
        return False
    try:
        url = f"{upstream.url}{used.prefix}/healthcheck"
        return used.client.get(url, timeout=HEALTH_SECONDS).status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False


def away() -> Response:
    """Say that Flower does not answer."""
    told = texts()
    if wants_page():
        response = page(HTTPStatus.BAD_GATEWAY, told["away_title"], said=told["away"], refresh=3)
    else:
        response = sentence(HTTPStatus.BAD_GATEWAY, told["away"])
    response.headers["Retry-After"] = "3"
    return response
