"""Build a mail and hand it to the mail server: for EmailOperator and for the scheduler's notices.

The settings come from the caller as plain values. A mail is built before anything is sent, so
that a wrong address or a missing attachment fails without half a delivery.
"""

from __future__ import annotations

import mimetypes
import re
import smtplib
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any, Final, Self

from gale.authoring.exceptions import TaskError

DEFAULT_SENDER: Final = "airflow@example.com"
_TRUE: Final = frozenset({"1", "t", "true", "yes", "on"})


class MailError(TaskError):
    """A mail could not be built or handed over."""


def _flag(value: Any) -> bool:
    return value.strip().lower() in _TRUE if isinstance(value, str) else bool(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """How to reach the mail server (the `[smtp]` settings under shorter names)."""

    host: str = "localhost"
    port: int = 25
    user: str = ""
    password: str = ""
    sender: str = DEFAULT_SENDER
    #: Encrypt after the greeting, if the server offers it or a login is set; encrypt from the start.
    starttls: bool = True
    ssl: bool = False
    timeout: float = 30.0
    attempts: int = 1

    @classmethod
    def of(cls, section: object) -> Self:
        """Return the settings from anything with `smtp_host` and the like: a section of settings, or a mapping."""

        def value(name: str, default: Any) -> Any:
            found = section.get(name) if isinstance(section, Mapping) else getattr(section, name, None)
            return default if found is None or found == "" else found

        if isinstance(section, cls):
            return section
        return cls(
            host=str(value("smtp_host", "localhost")),
            port=int(value("smtp_port", 25)),
            user=str(value("smtp_user", "")),
            password=str(value("smtp_password", "")),
            sender=str(value("smtp_mail_from", DEFAULT_SENDER)),
            starttls=_flag(value("smtp_starttls", True)),
            ssl=_flag(value("smtp_ssl", False)),
            timeout=float(value("smtp_timeout", 30.0)),
            attempts=int(value("smtp_retry_limit", 1)),
        )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings that `GALE__SMTP__SMTP_HOST` and the like hold; the rest are defaults."""
        found: dict[str, str] = {}
        for prefix in ("AIRFLOW__SMTP__", "GALE__SMTP__"):
            found |= {name[len(prefix) :].lower(): text for name, text in environ.items() if name.startswith(prefix)}
        return cls.of(found)


def addresses(value: str | Iterable[str] | None) -> list[str]:
    """Return addresses given as a list, or as one text with commas or semicolons between."""
    if value is None:
        return []
    given = re.split(r"[,;]+", value) if isinstance(value, str) else list(value)
    found = [address.strip() for address in given if address and address.strip()]
    for address in found:
        if "\n" in address or "\r" in address or "@" not in address:
            raise MailError(f"{address!r} is no mail address, so the mail is not sent. Correct it.")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What a mail says and to whom. Receivers are lists, or texts with commas or semicolons between."""

    to: str | Iterable[str]
    subject: str
    text: str
    sender: str
    subtype: str = "html"
    cc: str | Iterable[str] | None = None
    bcc: str | Iterable[str] | None = None
    #: Paths of the attachments.
    files: Iterable[str | Path] = ()
    headers: Mapping[str, Any] = field(default_factory=dict)


def build_message(mail: Mail) -> EmailMessage:
    """Return a mail in the form in which it is sent.

    Raises:
        MailError: There is nobody to send it to, an address is none, or an attachment is not there.
    """
    message = EmailMessage()
    receivers = {"To": addresses(mail.to), "Cc": addresses(mail.cc), "Bcc": addresses(mail.bcc)}
    if not any(receivers.values()):
        raise MailError(f"The mail {mail.subject!r} has no receiver, so it is not sent. Give at least one address.")
    # A line break in a subject would begin a header of somebody else's choice.
    message["Subject"] = " ".join(mail.subject.split())
    message["From"] = mail.sender
    for name, people in receivers.items():
        if people:
            message[name] = ", ".join(people)
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid()
    for name, value in mail.headers.items():
        message[name] = " ".join(str(value).split())
    message.set_content(mail.text, subtype=mail.subtype, charset="utf-8")
    for file in mail.files:
        _attach(message, Path(file))
    return message


def _attach(message: EmailMessage, path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MailError(f"The attachment {str(path)!r} cannot be read: {error}. The mail is not sent.") from error
    kind, encoding = mimetypes.guess_type(path.name)
    main, _, sub = (kind if kind and not encoding else "application/octet-stream").partition("/")
    message.add_attachment(content, maintype=main, subtype=sub, filename=path.name)


def send(message: EmailMessage, settings: MailSettings) -> None:
    """Hand a mail to the server, trying again while the server is not to be reached.

    Raises:
        MailError: The server could not be reached or refused the mail.
    """
    last: Exception | None = None
    for _ in range(max(1, settings.attempts)):
        try:
            _hand_over(message, settings)
        except smtplib.SMTPResponseException as error:
            if error.smtp_code >= 500:  # noqa: PLR2004  permanent, by RFC 5321
                raise MailError(_failure(settings, error)) from error
            last = error
        except smtplib.SMTPRecipientsRefused as error:
            raise MailError(_failure(settings, error)) from error
        except (OSError, smtplib.SMTPException) as error:
            last = error
        else:
            return
    assert last is not None  # noqa: S101  the loop ran
    raise MailError(_failure(settings, last)) from last


def _failure(settings: MailSettings, error: Exception) -> str:
    return (
        f"The mail server {settings.host}:{settings.port} did not take the mail: {type(error).__name__}: {error}. "
        "Check the [smtp] settings."
    )


def _hand_over(message: EmailMessage, settings: MailSettings) -> None:
    kind = smtplib.SMTP_SSL if settings.ssl else smtplib.SMTP
    with kind(settings.host, settings.port, timeout=settings.timeout) as server:
        server.ehlo()
        if settings.starttls and not settings.ssl:
            if server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
            elif settings.user:
                raise MailError(
                    f"The mail server {settings.host}:{settings.port} offers no encryption, so the login is not sent "
                    "in clear. Set smtp_starttls = False if that is what you want."
                )
        if settings.user:
            server.login(settings.user, settings.password)
        server.send_message(message)
