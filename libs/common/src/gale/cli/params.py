"""Kinds of arguments: instants, JSON, and how a user names a run."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from gale.errors import BadRequest, ConfigError, NotFound

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gale.cli.session import Session
    from gale.db.read.browse import AnyRow


class InstantType(click.ParamType[datetime]):
    """A date, or a date with a time, in ISO 8601. Without a zone it is in `[core] default_timezone`."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the instant; naive ones are completed by `aware`."""
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(str(value).strip())
        except ValueError:
            self.fail(f"{value!r} is no date. Write 2016-05-14 or 2016-05-14T12:30:00+02:00.", param, ctx)


class JsonType(click.ParamType[dict[str, Any]]):
    """A JSON object."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return the object."""
        if isinstance(value, dict):
            return value
        try:
            parsed = json.loads(value)
        except ValueError as error:
            self.fail(f"{value!r} is no JSON: {error}.", param, ctx)
        if not isinstance(parsed, dict):
            self.fail(f'{value!r} is no JSON object. Write {{"key": "value"}}.', param, ctx)
        return parsed


INSTANT: Final = InstantType()
JSON: Final = JsonType()


def zone_of(session: "Session") -> ZoneInfo:
    """Return the zone of dates that name none.

    Raises:
        ConfigError: The setting is no zone.
    """
    name = session.settings.core.default_timezone
    try:
        return ZoneInfo({"utc": "UTC", "system": "localtime"}.get(name.lower(), name))
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(
            f"[core] default_timezone = {name!r} is no time zone. Write an IANA name such as Europe/Berlin."
        ) from None


def aware(session: "Session", instant: datetime) -> datetime:
    """Return an instant in UTC; a naive one is on the clock of `[core] default_timezone`."""
    return (instant if instant.tzinfo else instant.replace(tzinfo=zone_of(session))).astimezone(UTC)


def as_instant(session: "Session", text: str) -> datetime | None:
    """Return what the text says as an instant in UTC, None if it is no date."""
    try:
        return aware(session, datetime.fromisoformat(text))
    except ValueError:
        return None


def find_run(connection: "Connection", session: "Session", dag_id: str, named: str) -> "AnyRow":
    """Return the run that a user names by its run id or its logical date.

    Raises:
        NotFound: The DAG has no such run.
    """
    from gale.db.read.browse_runs import run_with_id
    from gale.db.read.cli import run_with_logical_date

    try:
        return run_with_id(connection, dag_id, named)
    except NotFound:
        instant = as_instant(session, named)
        row = None if instant is None else run_with_logical_date(connection, dag_id, instant)
        if row is None:
            raise NotFound(
                f"DAG {dag_id!r} has no run {named!r}. `gale runs list {dag_id}` shows those that there are."
            ) from None
        return row


def require_one(**named: object) -> None:
    """Raise `BadRequest` unless exactly one of the options was given."""
    given = [name for name, value in named.items() if value]
    if len(given) != 1:
        options = " or ".join(f"--{name.replace('_', '-')}" for name in named)
        raise BadRequest(f"Give exactly one of {options}.")
