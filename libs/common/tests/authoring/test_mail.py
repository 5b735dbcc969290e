"""Mail, against a real SMTP server."""

import base64
import email
import socket
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from gale.authoring import surroundings
from gale.authoring.execution import run_callback
from gale.core.attempt import ConnectionData, Outcome
from gale.notifiers.base import BaseNotifier
from gale.notifiers.mail import Mail, MailError, MailSettings, addresses, build_message, send
from gale.notifiers.smtp import SmtpNotifier
from gale.operators.email import EmailOperator
from gale.operators.empty import EmptyOperator


class Inbox:
    """Keeps what arrives, with the addresses that it was handed over for."""

    def __init__(self):
        self.mails = []
        self.answers = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  aiosmtpd's name
        if self.answers:
            return self.answers.pop(0)
        parsed = email.message_from_bytes(envelope.content, policy=default)
        self.mails.append((parsed, envelope.rcpt_tos))
        return "250 OK"


@pytest.fixture
def inbox():
    """Run a mail server on a free port."""
    inbox = Inbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=port,
        auth_require_tls=False,
        authenticator=lambda *given: AuthResult(success=given[-1].password == b"right", handled=False),
    )
    controller.start()
    inbox.port = port
    yield inbox
    controller.stop()


@pytest.fixture
def house(inbox):
    """Let the house send its mail to that server."""
    with surroundings.changed(mail_settings={"smtp_host": "127.0.0.1", "smtp_port": inbox.port}):
        yield inbox


def settings(inbox, **changes):
    return MailSettings(**{"host": "127.0.0.1", "port": inbox.port, "sender": "gale@example.com", **changes})


def mail(**changes):
    return build_message(
        Mail(**{"to": "a@example.com", "subject": "Hi", "text": "<b>hi</b>", "sender": "g@example.com", **changes})
    )


def test_a_mail_arrives_as_it_was_written(dag, run, house, tmp_path):
    (tmp_path / "numbers.csv").write_text("1,2")
    EmailOperator(
        task_id="t",
        dag=dag,
        to="a@example.com; b@example.com",
        cc=["c@example.com"],
        bcc="secret@example.com",
        subject="Report of {{ ds }} 报告",
        html_content="<p>Fine: ä 中</p>",
        files=[str(tmp_path / "numbers.csv")],
        custom_headers={"X-Run": "r"},
    )
    ended = run(dag)
    assert ended.outcome is Outcome.SUCCESS, ended.reason
    ((message, receivers),) = house.mails
    assert sorted(receivers) == ["a@example.com", "b@example.com", "c@example.com", "secret@example.com"]
    assert message["Subject"] == "Report of 2026-03-14 报告"
    assert (message["To"], message["Cc"], message["Bcc"]) == ("a@example.com, b@example.com", "c@example.com", None)
    assert (message["From"], message["X-Run"]) == ("airflow@example.com", "r")
    assert "Fine: ä 中" in message.get_body().get_content()
    (attachment,) = message.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content()) == ("numbers.csv", "1,2")


def test_the_environment_can_say_how_to_send(dag, run, inbox):
    environ = {"GALE__SMTP__SMTP_HOST": "127.0.0.1", "AIRFLOW__SMTP__SMTP_PORT": str(inbox.port)}
    EmailOperator(task_id="t", dag=dag, to="a@example.com", subject="s", html_content="x")
    with surroundings.changed(environ=environ):
        assert run(dag).outcome is Outcome.SUCCESS
    assert len(inbox.mails) == 1


def test_a_connection_can_say_how_to_send(dag, run, inbox, services):
    services.connections["mx"] = ConnectionData(
        conn_id="mx", host="127.0.0.1", port=inbox.port, extra='{"from_email": "team@example.com", "disable_tls": true}'
    )
    EmailOperator(task_id="t", dag=dag, to="a@example.com", subject="s", html_content="x", conn_id="mx")
    assert run(dag).outcome is Outcome.SUCCESS
    assert inbox.mails[0][0]["From"] == "team@example.com"


def test_a_server_that_is_not_there_is_told_with_its_address(dag, run):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    EmailOperator(task_id="t", dag=dag, to="a@example.com", subject="s", html_content="x")
    with surroundings.changed(mail_settings=MailSettings(host="127.0.0.1", port=port)):
        ended = run(dag)
    assert ended.outcome is Outcome.FAILED
    assert f"127.0.0.1:{port} did not take the mail" in ended.reason


def test_a_mail_refused_for_now_is_tried_again_as_often_as_the_settings_say(inbox):
    inbox.answers = ["451 later", "451 later"]
    send(mail(), settings(inbox, attempts=3))
    assert len(inbox.mails) == 1
    inbox.answers = ["451 later"] * 3
    with pytest.raises(MailError, match="451"):
        send(mail(), settings(inbox, attempts=3))


def test_a_mail_refused_for_good_is_not_tried_again(inbox):
    inbox.answers = ["554 no", "250 would be taken"]
    with pytest.raises(MailError, match="554"):
        send(mail(), settings(inbox, attempts=3))
    assert len(inbox.answers) == 1


def test_a_login_is_not_sent_in_clear_unless_wanted(inbox):
    with pytest.raises(MailError, match="offers no encryption"):
        send(mail(), settings(inbox, user="u", password="right"))
    send(mail(), settings(inbox, user="u", password="right", starttls=False))
    with pytest.raises(MailError, match="535"):
        send(mail(), settings(inbox, user="u", password="wrong", starttls=False))
    assert len(inbox.mails) == 1


def test_a_line_break_in_a_subject_begins_no_header():
    message = mail(subject="Hi\r\nBcc: everybody@example.com", headers={"X-A": "1\r\nX-B: 2"})
    assert message["Subject"] == "Hi Bcc: everybody@example.com"
    assert (message["Bcc"], message["X-B"]) == (None, None)


@pytest.mark.parametrize("to", ["", None, [], " ; ,"])
def test_a_mail_to_nobody_is_refused(to):
    with pytest.raises(MailError, match="has no receiver"):
        mail(to=to)


@pytest.mark.parametrize("address", ["nobody", "a@b\nBcc: c@d"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(MailError, match="is no mail address"):
        addresses([address])


def test_an_attachment_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(MailError, match="cannot be read"):
        mail(files=[tmp_path / "missing"])


def test_an_attachment_of_any_kind_keeps_its_bytes(tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG\x00")
    (part,) = mail(files=[tmp_path / "x.png"]).iter_attachments()
    assert part.get_content_type() == "image/png"
    assert base64.b64decode(part.get_payload()) == b"\x89PNG\x00"


def test_settings_are_read_from_anything_with_their_names():
    class Section:
        smtp_host = "mx.example.com"
        smtp_port = 2525
        smtp_starttls = "false"
        smtp_user = ""

    found = MailSettings.of(Section())
    assert (found.host, found.port, found.starttls, found.user, found.sender) == (
        "mx.example.com", 2525, False, "", "airflow@example.com",
    )  # fmt: skip
    assert MailSettings.of(found) is found


def test_a_notifier_sends_a_mail_when_it_is_called_back(dag, make_order, services, house):
    notifier = SmtpNotifier(to="{{ task.owner }}@example.com", html_content="{{ exception }}")
    EmptyOperator(task_id="t", dag=dag, owner="anna", on_failure_callback=notifier)
    order = make_order(callback="on_failure_callback", callback_reason="exit code 1")
    assert run_callback(dag, order, services).outcome is Outcome.SUCCESS
    ((message, receivers),) = house.mails
    assert receivers == ["anna@example.com"]
    assert message["Subject"] == "d: t"
    assert message.get_content().strip() == "exit code 1"
    assert notifier.to == "{{ task.owner }}@example.com"


def test_a_notifier_of_a_dag_names_the_run(dag, make_order, services, house):
    dag.on_failure_callback = [SmtpNotifier(to="a@example.com")]
    run_callback(dag, make_order("", callback="on_failure_callback"), services)
    assert house.mails[0][0]["Subject"] == "d: r"


def test_a_notifier_of_ones_own_gets_the_context(dag, make_order, services):
    seen = []

    class Note(BaseNotifier):
        template_fields = ("text",)

        def __init__(self, text):
            super().__init__()
            self.text = text

        def notify(self, context):
            seen.append((self.text, context["ti"].task_id))

    EmptyOperator(task_id="t", dag=dag, on_success_callback=Note("{{ ds }}"))
    run_callback(dag, make_order(callback="on_success_callback"), services)
    assert seen == [("2026-03-14", "t")]
