"""SmtpNotifier: a mail as a callback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gale.notifiers.base import BaseNotifier
from gale.notifiers.mail import Mail, build_message, send
from gale.notifiers.mail_settings import mail_settings


class SmtpNotifier(BaseNotifier):
    """Send a mail when it is called back.

    Args:
        to: Receivers; templated.
        subject: Templated.
        html_content: The text, as HTML; templated.
        from_email: Sender; default: the house's.
        smtp_conn_id: An smtp connection to send by; default: the house's settings.
        options: `cc`, `bcc`, `files`.
    """

    template_fields: Sequence[str] = ("to", "subject", "html_content", "from_email", "cc", "bcc", "files")

    def __init__(
        self,
        to: str | list[str],
        subject: str = "{{ dag.dag_id }}: {{ ti.task_id if ti else run_id }}",
        html_content: str = "<p>{{ dag.dag_id }}, run {{ run_id }}: {{ reason or exception or '' }}</p>",
        from_email: str | None = None,
        smtp_conn_id: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.to = to
        self.subject = subject
        self.html_content = html_content
        self.from_email = from_email
        self.smtp_conn_id = smtp_conn_id
        self.cc: str | list[str] | None = options.pop("cc", None)
        self.bcc: str | list[str] | None = options.pop("bcc", None)
        self.files: list[str] = options.pop("files", None) or []

    def notify(self, context: Mapping[str, Any]) -> None:  # noqa: ARG002  the notifier's form
        """Send the mail."""
        settings = mail_settings(self.smtp_conn_id)
        mail = Mail(
            to=self.to,
            subject=self.subject,
            text=self.html_content,
            sender=self.from_email or settings.sender,
            cc=self.cc,
            bcc=self.bcc,
            files=self.files,
        )
        send(build_message(mail), settings)
