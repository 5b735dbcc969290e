"""Logs of attempts: as JSON with a continuation token, as lines of JSON, or as plain text."""

from collections.abc import Iterator
from typing import Final

import msgspec
from flask import Response, request
from itsdangerous import BadSignature, URLSafeSerializer

from gale.db.engine import reading
from gale.db.read import browse_tasks
from gale.errors import BadRequest
from gale.runtime.logs import SOURCE
from gale_webserver.api import shapes
from gale_webserver.context import services
from gale_webserver.log_files import Log, NoLog, find_log, may_grow, stream, structured, whole_lines
from gale_webserver.query import Query, flag, integer, text
from gale_webserver.routing import JSON_TYPE, Routes

routes: Final = Routes("logs", prefix="/api/v2/dags/<dag_id>/dagRuns/<run_id>/taskInstances/<task_id>")

TEXT: Final = "text/plain"
LINES: Final = "application/x-ndjson"


def _tokens() -> URLSafeSerializer:
    # Bound to the address, so that a token of one log means nothing at another.
    return URLSafeSerializer(services().tokens.secret, salt=f"log:{request.path}")


def _offset_of(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(_tokens().loads(token)["offset"])
    except (BadSignature, KeyError, TypeError, ValueError):
        raise BadRequest(
            "token is not one that this address gave out. Send the continuation_token of the last answer, or none."
        ) from None


@routes.get(
    "/logs/<index:try_number>",
    query=(*integer("map_index", default=-1), *flag("full_content"), *text("token")),
    answer=shapes.Log,
)
def get_log(dag_id: str, run_id: str, task_id: str, try_number: int, query: Query) -> Response:
    """Give the log of one try. The form is that which the header Accept prefers.

    As JSON it comes in parts: ask again with the `continuation_token` until there is none. While
    the task runs there always is one.
    """
    with reading(services().engine) as conn:
        ti = browse_tasks.task_instance_with_id(conn, dag_id, run_id, task_id, query.values["map_index"])
        hostname = browse_tasks.hostname_of_try(conn, ti, try_number)
    offset = _offset_of(query.text("token"))
    log = find_log(ti, try_number, hostname)
    goes_on = may_grow(ti, try_number)
    form = request.accept_mimetypes.best_match([JSON_TYPE, TEXT, LINES], JSON_TYPE)
    if isinstance(log, NoLog):
        return _nothing(log, form, goes_on=goes_on)
    if form == TEXT:
        return Response(stream(log, offset), content_type="text/plain; charset=utf-8")
    if form == LINES:
        return Response(_lines(log, offset), content_type=LINES)
    lines, next_offset, at_end = whole_lines(log, offset, to_the_end=not goes_on)
    more = goes_on or not at_end
    token = _tokens().dumps({"offset": next_offset}) if more else None
    return Response(
        msgspec.json.encode(shapes.Log(content=structured(lines), continuation_token=token)), content_type=JSON_TYPE
    )


def _nothing(log: NoLog, form: str, *, goes_on: bool) -> Response:
    """Answer for a log that is nowhere: say where it was looked for, as lines with the name of their source."""
    said = [{"event": sentence, "level": "warning", "logger": SOURCE} for sentence in log.sentences()]
    if form == TEXT:
        content = "".join(f"{line['event']}\n" for line in said)
        return Response(content, content_type="text/plain; charset=utf-8")
    if form == LINES:
        return Response(b"".join(msgspec.json.encode(line) + b"\n" for line in said), content_type=LINES)
    token = _tokens().dumps({"offset": 0}) if goes_on else None
    # While it may still come, its absence is no news.
    shown = shapes.Log(content=[] if goes_on else said, continuation_token=token)
    return Response(msgspec.json.encode(shown), content_type=JSON_TYPE)


def _lines(log: Log, offset: int) -> Iterator[bytes]:
    at_end = False
    while not at_end:
        lines, next_offset, at_end = whole_lines(log, offset, to_the_end=True)
        yield b"".join(msgspec.json.encode(message) + b"\n" for message in structured(lines))
        if next_offset == offset:
            return
        offset = next_offset


@routes.get(
    "/externalLogUrl/<index:try_number>",
    query=integer("map_index", default=-1),
    answer=shapes.ExternalLog,
)
def get_external_log_url(dag_id: str, run_id: str, task_id: str, try_number: int, query: Query) -> shapes.ExternalLog:
    """Refuse: this Gale keeps its logs itself."""
    del dag_id, run_id, task_id, try_number, query
    raise BadRequest("Logs are kept by Gale itself, so there is no other address for them. Read them under …/logs/.")
