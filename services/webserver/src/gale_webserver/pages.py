"""The web page: files that the front end's build left in `static`, and one page if it has not been built.

The page itself needs no login; everything that it shows comes from routes that do.
"""

from http import HTTPStatus
from pathlib import Path
from typing import Final

from flask import Flask, Response, request, send_from_directory

from gale_webserver.problems import Refused

STATIC: Final = Path(__file__).parent / "static"
#: Addresses that never are pages: an unknown one below them is a 404, not the start page.
_NOT_PAGES: Final = ("api/", "ui/", "auth/", "static/")
_FOREVER: Final = "public, max-age=31536000, immutable"
_NOT_BUILT: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Gale</title></head><body>
<h1>Gale runs, but its page has not been built</h1>
<p>The REST API works: see <a href="/api/v2/openapi.json">/api/v2/openapi.json</a>.</p>
<p>To build the page, run <code>make build</code> in the source folder (or <code>pip install</code>
the package <code>gale-webserver</code>, which builds it), then start the webserver again.</p>
</body></html>
"""


def start() -> Response:
    """Serve the page."""
    return _index()


def page(path: str) -> Response:
    """Serve the page at each of its own addresses, and the few files that stand at the root."""
    if path.startswith(_NOT_PAGES):
        raise Refused(
            HTTPStatus.NOT_FOUND, "There is nothing at this address. /api/v2/openapi.json lists all addresses."
        )
    if "." in path.rpartition("/")[2] and "text/html" not in request.headers.get("Accept", ""):
        return send_from_directory(STATIC, path, max_age=3600)
    return _index()


def asset(path: str) -> Response:
    """Serve a file of the page. Those in assets/ have a digest in their name, so they never change."""
    response = send_from_directory(STATIC, path, max_age=3600)
    if path.startswith("assets/"):
        response.headers["Cache-Control"] = _FOREVER
    return response


def _index() -> Response:
    if not (STATIC / "index.html").is_file():
        return Response(_NOT_BUILT, HTTPStatus.SERVICE_UNAVAILABLE, content_type="text/html; charset=utf-8")
    return send_from_directory(STATIC, "index.html", max_age=None)


def install(app: Flask) -> None:
    """Add the page to an application."""
    for rule, view in (("/", start), ("/<path:path>", page), ("/static/<path:path>", asset)):
        endpoint = f"pages.{view.__name__}"
        app.add_url_rule(rule, endpoint=endpoint, view_func=view, methods=["GET"], provide_automatic_options=False)
