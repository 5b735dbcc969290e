"""Connections as authors see them, and their one-line form, the URI.

`type://login:password@host:port/schema?key=value`, each part percent-encoded. The extra of a
connection is JSON: simple keys stand in the query, anything deeper under `__extra__`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from gale.authoring import masking, services
from gale.authoring.exceptions import MissingEntry
from gale.core.attempt import ConnectionData
from gale.errors import BadRequest


def parse_uri(conn_id: str, uri: str) -> ConnectionData:
    """Return the connection that a URI describes.

    Raises:
        BadRequest: It is no URI of a connection.
    """
    try:
        parts = urlsplit(uri.strip())
        port = parts.port
    except ValueError as error:
        raise BadRequest(f"The URI of connection {conn_id!r} cannot be read: {error}. {_FORM}") from error
    # urlsplit wants no underscores in a scheme, so types such as google_cloud_platform are written with dashes.
    conn_type = parts.scheme.replace("-", "_") or uri.partition("://")[0]
    if "://" not in uri or not conn_type:
        raise BadRequest(f"The URI of connection {conn_id!r} names no type. {_FORM}")
    host = parts.netloc.rpartition("@")[2]
    host = (host[: host.index("]") + 1] if host.startswith("[") else host.partition(":")[0]) if host else ""
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    extra = query.pop("__extra__", None) or (json.dumps(query) if query else None)
    return ConnectionData(
        conn_id=conn_id,
        conn_type="postgres" if conn_type == "postgresql" else conn_type,
        host=unquote(host).strip("[]") or None,
        schema=unquote(parts.path.lstrip("/")) or None,
        login=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        port=port,
        extra=extra,
    )


_FORM = "Write it as type://login:password@host:port/schema, special characters percent-encoded."


def parse_text(conn_id: str, text: str) -> ConnectionData:
    """Return the connection that a URI or a JSON object describes (both forms stand in the environment).

    Raises:
        BadRequest: It is neither.
    """
    if not text.lstrip().startswith("{"):
        return parse_uri(conn_id, text)
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadRequest(f"The JSON of connection {conn_id!r} cannot be read: {error}.") from error
    given["conn_type"] = given.pop("conn_type", "")
    extra = given.pop("extra", None)
    unknown = set(given) - {"conn_type", "description", "host", "schema", "login", "password", "port"}
    if unknown:
        raise BadRequest(f"The JSON of connection {conn_id!r} has unknown keys {', '.join(sorted(unknown))}.")
    if given.get("port") is not None:
        given["port"] = int(given["port"])
    return ConnectionData(conn_id=conn_id, extra=json.dumps(extra) if isinstance(extra, dict) else extra, **given)


def format_uri(data: ConnectionData) -> str:
    """Return the connection as a URI, secrets in clear."""
    uri = f"{data.conn_type.lower().replace('_', '-')}://"
    if data.login is not None or data.password is not None:
        uri += quote(data.login or "", safe="")
        uri += f":{quote(data.password, safe='')}@" if data.password is not None else "@"
    if data.host:
        uri += f"[{data.host}]" if ":" in data.host and "://" not in data.host else quote(data.host, safe="")
    uri += f":{data.port}" if data.port is not None else ""
    uri += "/" + (quote(data.schema, safe="") if data.schema else "")
    if data.extra:
        extra = _object(data.extra)
        flat = extra and all(isinstance(value, str) for value in extra.values())
        uri += "?" + urlencode(extra if flat and extra else {"__extra__": data.extra})
    return uri


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


class Connection:
    """How to reach another system: host, login and the like, under one id.

    >>> Connection(uri="postgres://bob:secret@db.example.com:5432/sales").host
    'db.example.com'
    """

    def __init__(self, conn_id: str = "", conn_type: str = "", *, uri: str | None = None, **fields: Any) -> None:
        if uri is not None:
            data = parse_uri(conn_id, uri)
        else:
            extra = fields.pop("extra", None)
            extra = json.dumps(extra) if isinstance(extra, dict) else extra
            data = ConnectionData(conn_id=conn_id, conn_type=conn_type, extra=extra, **fields)
        self._data = data
        self.conn_id = data.conn_id
        self.conn_type = data.conn_type
        self.description = data.description
        self.host = data.host
        self.schema = data.schema
        self.login = data.login
        self.password = data.password
        self.port = data.port
        self.extra = data.extra

    @classmethod
    def of(cls, data: ConnectionData) -> Connection:
        """Return the connection that `data` describes, its secrets remembered for masking."""
        masking.add([data.password])
        if data.extra:
            masking.add_from(_object(data.extra), "extra")
        return cls(**asdict(data))

    @classmethod
    def get(cls, conn_id: str) -> Connection:
        """Return a connection by id: from the environment if it has it, else from Gale.

        Raises:
            MissingEntry: There is none.
        """
        text = services.from_environment("CONN", conn_id)
        if text is not None:
            return cls.of(parse_text(conn_id, text))
        source = services.current()
        data = source.get_connection(conn_id) if source else None
        if data is None:
            raise MissingEntry(
                f"There is no connection {conn_id!r}. Add it with `gale connections add {conn_id} --conn-uri …`, "
                f"in the web page under Connections, or as the environment variable GALE_CONN_{conn_id.upper()}."
            )
        return cls.of(data)

    get_connection_from_secrets = get

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extra as a dict; empty if it is none."""
        return _object(self.extra) if self.extra else {}

    def get_uri(self) -> str:
        """Return the connection as a URI, secrets in clear."""
        names = ("conn_id", "conn_type", "description", "host", "schema", "login", "password", "port", "extra")
        return format_uri(ConnectionData(**{name: getattr(self, name) for name in names}))

    def get_password(self) -> str | None:
        """Return the password in clear (Airflow 1.x's name)."""
        return self.password

    def __repr__(self) -> str:
        return f"Connection({self.conn_id!r}, {self.conn_type!r}, host={self.host!r})"
