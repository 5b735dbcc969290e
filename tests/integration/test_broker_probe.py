"""What `gale doctor` finds of a broker, well and unwell."""

import re
from pathlib import Path

import pytest
from kombu import Connection
from rabbitmq import PASSWORD, USER, VHOST, Server

from gale.broker.probe import probe_broker
from gale.cli.root import run
from gale.core.findings import Verdict
from gale.settings import Settings

pytestmark = [pytest.mark.rabbitmq, pytest.mark.integration]


@pytest.fixture
def found(tmp_path: Path):
    """Examine the broker at a URL."""

    def look(url, **more):
        environ = {f"GALE__CELERY__{name.upper()}": value for name, value in {**more, "broker_url": url}.items()}
        findings = probe_broker(Settings.load(tmp_path, environ))
        return {finding.check: finding for finding in findings}

    return look


def test_a_broker_as_the_notes_set_it_up_is_well(amqp_url, found):
    checks = found(amqp_url)
    assert [check for check in checks.values() if check.verdict is not Verdict.OK] == []
    assert list(checks) == ["login", "version", "permissions", "alarms", "delivery", "queue", "consumer_timeout"]
    assert "confirmed and delivered in" in checks["delivery"].sentence


def test_the_probe_leaves_no_queue_behind(broker: Server, found):
    found(broker.url)
    assert "gale.doctor" not in broker.control("list_queues", "-p", VHOST)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((f":{PASSWORD}@", ":s3cret@"), f"refuses the login of '{USER}'"),
        ((f"/{VHOST}", "/nowhere"), "rabbitmqctl add_vhost nowhere"),
        (("@[^:/]+", "@no.such.host.invalid"), "is not known"),
    ],
)
def test_a_login_that_fails_says_why_and_shows_no_password(amqp_url, found, change, words):
    (login,) = found(re.sub(*change, amqp_url)).values()
    assert login.verdict is Verdict.FAILED
    assert words in login.sentence
    assert "s3cret" not in login.sentence


def test_a_broker_that_is_not_there_says_that_it_cannot_be_reached(found):
    (login,) = found("amqp://airflow:airflow@127.0.0.1:1/vairflow").values()
    assert "cannot be reached" in login.sentence


def test_an_encrypted_broker_is_looked_at_as_well(broker: Server, found):
    checks = found(broker.tls_url, ssl_active="True", ssl_cacert=str(broker.certificate))
    assert checks["delivery"].verdict is Verdict.OK
    (login,) = found(broker.tls_url).values()
    assert "ssl_cacert" in login.sentence


def test_each_of_several_brokers_is_looked_at(amqp_url, found, tmp_path):
    settings = Settings.load(tmp_path, {"GALE__CELERY__BROKER_URL": f"amqp://a:b@127.0.0.1:1/v;{amqp_url}"})
    logins = [finding.verdict for finding in probe_broker(settings) if finding.check == "login"]
    assert logins == [Verdict.FAILED, Verdict.OK]


def test_a_user_without_permissions_is_told_the_command_that_gives_them(broker: Server, found):
    broker.control("add_user", "limited", "limited")
    broker.control("set_permissions", "-p", VHOST, "limited", "^none$", "^none$", "^none$")
    checks = found(broker.url.replace(f"{USER}:{PASSWORD}", "limited:limited"))
    assert checks["login"].verdict is Verdict.OK
    assert checks["permissions"].verdict is Verdict.FAILED
    assert f"set_permissions -p {VHOST} limited" in checks["permissions"].sentence


def test_a_memory_alarm_fails_within_seconds_and_is_gone_when_it_is_over(broker: Server, found):
    broker.control("set_vm_memory_high_watermark", "0.0001")
    try:
        checks = found(broker.url)
        assert checks["alarms"].verdict is Verdict.FAILED
        assert "memory or disk" in checks["alarms"].sentence
    finally:
        broker.control("set_vm_memory_high_watermark", "0.4")
    assert found(broker.url)["alarms"].verdict is Verdict.OK


def test_commands_that_wait_are_counted(amqp_url, found):
    with Connection(amqp_url) as connection:
        channel = connection.channel()
        channel.queue_declare("default", durable=True, auto_delete=False)
        channel.queue_purge("default")
        for _ in range(3):
            channel.basic_publish(channel.prepare_message(b"x"), exchange="", routing_key="default")
        try:
            assert "wait 3 commands, and 0 workers" in found(amqp_url)["queue"].sentence
        finally:
            channel.queue_purge("default")


# kombu has not yet heard of SQLAlchemy 2.1's newer ways.
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")
def test_a_database_as_broker_works_with_a_warning(mysql_url, found):
    checks = found(f"sqla+{mysql_url}")
    assert checks["kind"].verdict is Verdict.WARNING
    assert checks["delivery"].verdict in {Verdict.OK, Verdict.WARNING}


def test_the_command_tells_of_a_broker_that_is_unwell_and_exits_with_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GALE_HOME", str(tmp_path))
    monkeypatch.setenv("GALE__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("GALE__CELERY__BROKER_URL", "amqp://airflow:airflow@127.0.0.1:1/vairflow")
    assert run(["doctor", "--only", "broker"], "gale") == 1
    assert capsys.readouterr().out.startswith("failed   broker login")
