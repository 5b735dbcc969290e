"""Other sites whose scripts may call the API, if `[api] access_control_allow_origins` names any.

They must send a token: cookies of the page are never accepted from another site, because no
answer says Access-Control-Allow-Credentials.
"""

from typing import Final

from flask import Flask, Response, request

from gale.settings.sections import ApiSection
from gale_webserver.context import services

_OPEN: Final = ("/api/v2/", "/auth/token")
_HEADERS: Final = ("Authorization", "Content-Type")
_METHODS: Final = ("GET", "POST", "PATCH", "DELETE")
PREFLIGHT_SECONDS: Final = 600


def install(app: Flask) -> None:
    """Answer questions of other sites, and tell their browsers that they may read."""
    app.before_request(answer_preflight)
    app.after_request(allow)


def _settings_for_origin() -> ApiSection | None:
    settings = services().settings.api
    is_allowed = request.headers.get("Origin", "") in settings.access_control_allow_origins
    return settings if is_allowed and request.path.startswith(_OPEN) else None


def answer_preflight() -> Response | None:
    """Tell what an allowed site may send; anything else is left to the routes."""
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return None
    settings = _settings_for_origin()
    if settings is None:
        return None
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = ", ".join(settings.access_control_allow_methods or _METHODS)
    response.headers["Access-Control-Allow-Headers"] = ", ".join(settings.access_control_allow_headers or _HEADERS)
    response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    return response


def allow(response: Response) -> Response:
    """Let an allowed site read the answer."""
    response.vary.add("Origin")
    if _settings_for_origin() is not None:
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
    return response
