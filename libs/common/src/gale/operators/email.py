"""EmailOperator: send a mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from gale.authoring import surroundings
from gale.authoring.arguments import TaskArguments
from gale.authoring.connection import Connection
from gale.authoring.operator import BaseOperator
from gale.notifiers.mail import DEFAULT_SENDER, Mail, MailSettings, build_message, send


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


class EmailOperator(BaseOperator):
    """Send a mail.

    Args:
        to: One address, several with commas or semicolons between, or a list; templated.
        subject: Templated.
        html_content: The text, as HTML; templated. May name an `.html` template file.
        files: Paths of files to attach; templated.
        cc: As `to`.
        bcc: As `to`; nobody sees these.
        mime_subtype: `html` or `plain`.
        from_email: Sender; default: the house's.
        conn_id: An smtp connection to send by; default: the house's settings.
        custom_headers: Further headers.
        options: See `TaskArguments`.
    """

    template_fields: Sequence[str] = ("to", "from_email", "subject", "html_content", "files", "cc", "bcc")
    template_ext: Sequence[str] = (".html",)
    ui_color = "#e6faf9"

    def __init__(
        self,
        *,
        to: str | list[str],
        subject: str,
        html_content: str,
        files: list[str] | None = None,
        cc: str | list[str] | None = None,
        bcc: str | list[str] | None = None,
        mime_subtype: str = "html",
        mime_charset: str = "utf-8",  # noqa: ARG002  taken for old files' sake; mails are UTF-8
        from_email: str | None = None,
        conn_id: str | None = None,
        custom_headers: Mapping[str, Any] | None = None,
        **options: Unpack[TaskArguments],
    ) -> None:
        super().__init__(**options)
        self.to = to
        self.subject = subject
        self.html_content = html_content
        self.files = files or []
        self.cc = cc
        self.bcc = bcc
        self.mime_subtype = mime_subtype
        self.from_email = from_email
        self.conn_id = conn_id
        self.custom_headers = dict(custom_headers or {})

    def execute(self, context: Mapping[str, Any]) -> None:  # noqa: ARG002  the operator's form
        """Send the mail."""
        settings = mail_settings(self.conn_id)
        mail = Mail(
            to=self.to,
            subject=self.subject,
            text=self.html_content,
            subtype=self.mime_subtype,
            sender=self.from_email or settings.sender,
            cc=self.cc,
            bcc=self.bcc,
            files=self.files,
            headers=self.custom_headers,
        )
        message = build_message(mail)
        send(message, settings)
        self.log.info("Sent %r to %s", self.subject, message["To"])
