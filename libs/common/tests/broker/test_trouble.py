"""What users read when the broker is wrong: what happened, and what to do."""

import socket
import ssl

import pytest
from amqp.exceptions import AccessRefused, NotAllowed, PreconditionFailed

from gale.broker.trouble import explain, masked

URL = "amqp://airflow:s3cret@mq:5672/vairflow"


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (
            AccessRefused("ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN", (10, 40)),
            ["refuses the login of 'airflow'", "rabbitmqctl add_user airflow"],
        ),
        (
            AccessRefused("ACCESS_REFUSED - access to queue 'default' in vhost 'vairflow' refused", (50, 10)),
            ["not do what is needed", "set_permissions -p vairflow airflow"],
        ),
        (NotAllowed("NOT_ALLOWED - vhost vairflow not found", (10, 40)), ["no virtual host 'vairflow'", "add_vhost"]),
        (
            PreconditionFailed("PRECONDITION_FAILED - inequivalent arg 'durable'", (50, 10)),
            ["made otherwise", "durable"],
        ),
        (ConnectionRefusedError(111, "Connection refused"), ["cannot be reached", "Check that it runs"]),
        (socket.gaierror(-2, "Name or service not known"), ["The name of the broker", "not known"]),
        (ssl.SSLError(1, "wrong version number"), ["encryption", "ssl_active"]),
        (TimeoutError("timed out"), ["cannot be reached"]),
        (ValueError("odd"), ["had trouble: ValueError: odd"]),
    ],
)
def test_each_kind_of_trouble_says_what_to_do_and_no_password(error, parts):
    text = explain(error, URL)
    assert [part for part in parts if part not in text] == []
    assert "s3cret" not in text
    assert "amqp://airflow:***@mq:5672/vairflow" in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://a:b@h/v;amqp://c:d@i/v", "amqp://a:***@h/v;amqp://c:***@i/v"),
        ("amqp://h", "amqp://h"),
        ("sqla+mysql://a:b%40c@[::1]:3306/x", "sqla+mysql://a:***@[::1]:3306/x"),
        ("amqp://a:b@[broken", "(a URL that cannot be read)"),
    ],
)
def test_a_url_is_shown_without_its_passwords(url, shown):
    assert masked(url) == shown
