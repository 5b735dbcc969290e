"""EmailOperator: send a mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from gale.authoring.arguments import TaskArguments
from gale.authoring.operator import BaseOperator
from gale.notifiers.mail import Mail, build_message, send
from gale.notifiers.mail_settings import mail_settings


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
