"""How a task sends mail: by a connection that it names, or by the house's `[smtp]` settings."""

from gale.authoring import surroundings
from gale.authoring.connection import Connection
from gale.notifiers.mail import DEFAULT_SENDER, MailSettings


def mail_settings(conn_id: str | None = None) -> MailSettings:
    """Return how mail is sent from a task: by a connection, or by the house's `[smtp]` settings."""
    if conn_id is None:
        here = surroundings.current()
        given = here.mail_settings
        return MailSettings.of(given) if given is not None else MailSettings.from_environment(here.environ)
    connection = Connection.get(conn_id)
    extra = connection.extra_dejson
    return MailSettings(
        host=connection.host or "localhost",
        port=connection.port or 25,
        user=connection.login or "",
        password=connection.password or "",
        sender=extra.get("from_email", DEFAULT_SENDER),
        starttls=not extra.get("disable_tls", False) and not extra.get("use_ssl", False),
        ssl=bool(extra.get("use_ssl", False)),
    )
