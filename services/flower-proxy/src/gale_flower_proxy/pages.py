"""The few pages of the proxy's own: signing in and out, and why Flower does not answer."""

import base64
import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from flask import Response, request
from jinja2 import Environment

from gale_flower_proxy.texts import LANGUAGES, TEXTS

STYLE: Final = """
:root { color-scheme: light dark; --line: #d0d5dd; --accent: #2563a8; --warn: #b42318; }
@media (prefers-color-scheme: dark) { :root { --line: #475467; --accent: #6aa9e9; --warn: #fda29b; } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 16px/1.5 system-ui, sans-serif; }
main { width: min(22rem, calc(100vw - 3rem)); padding: 2rem 0; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
label { display: block; margin-top: 1rem; font-weight: 600; }
input { box-sizing: border-box; width: 100%; margin-top: .25rem; padding: .55rem .7rem; font: inherit;
  border: 1px solid var(--line); border-radius: 6px; background: transparent; color: inherit; }
button { margin-top: 1.5rem; width: 100%; padding: .6rem; font: inherit; font-weight: 600; border: 0;
  border-radius: 6px; background: var(--accent); color: Canvas; cursor: pointer; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
a { color: var(--accent); }
.alert { color: var(--warn); font-weight: 600; }
nav { margin-top: 1.5rem; }
"""
_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
#: Pages of our own: one style, no script, forms to this address only.
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)

_FRAME: Final = """<!doctype html>
<html lang="{{ t.lang }}">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
{% if refresh %}<meta http-equiv="refresh" content="{{ refresh }}">{% endif %}
<title>{{ title }}</title><link rel="icon" href="data:,">
<style>{{ style|safe }}</style>
</head>
<body><main>
<h1>{{ heading }}</h1>
{% if said %}<p{% if alert %} class="alert" role="alert"{% endif %}>{{ said }}</p>{% endif %}
{% if form == "sign_in" %}
<p>{{ t.about }}</p>
<form method="post" action="{{ action }}">
<input type="hidden" name="next" value="{{ next }}"><input type="hidden" name="lang" value="{{ language }}">
<label for="username">{{ t.username }}</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" required autofocus>
<label for="password">{{ t.password }}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">{{ t.sign_in }}</button>
</form>
<nav><a href="{{ other_language }}">{{ t.other_language }}</a></nav>
{% elif form == "sign_out" %}
<form method="post" action="{{ action }}"><button type="submit">{{ t.sign_out }}</button></form>
{% endif %}
{% if back %}<nav><a href="{{ back }}">{{ t.back }}</a></nav>{% endif %}
</main></body>
</html>
"""
_TEMPLATE: Final = Environment(autoescape=True, trim_blocks=True).from_string(_FRAME)


def language() -> str:
    """Return the language to answer in: the one that was chosen, else the one that the browser prefers."""
    chosen = request.values.get("lang", "")
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(LANGUAGES, LANGUAGES[0]) or LANGUAGES[0]


def texts() -> Mapping[str, str]:
    """Return the texts in the language to answer in."""
    return TEXTS[language()]


def wants_page() -> bool:
    """Return True if a person looks at the answer, not a program and not a script of a page."""
    if request.headers.get("X-Requested-With") or request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        return False
    return "text/html" in request.headers.get("Accept", "")


def page(status: HTTPStatus, heading: str, **fields: object) -> Response:
    """Return a page of our own."""
    fields = {"title": heading, "heading": heading, "t": texts(), "language": language(), "style": STYLE, **fields}
    response = Response(_TEMPLATE.render(**fields), status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Content-Language"] = texts()["lang"]
    return response


def sentence(status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer for programs and for Flower's scripts, which show it as it is."""
    response = Response(f"{text}\n", status, content_type="text/plain; charset=utf-8")
    response.headers.update(headers or {})
    return response
