"""Celery's configuration, and what is said about settings that work but cost something."""

import pytest
from celery.backends.base import DisabledBackend

from gale.broker.app import broker_address, broker_notes, make_app
from gale.errors import ConfigError
from gale.settings import Settings

RABBIT = "amqp://airflow:airflow@localhost:5672/vairflow"
MYSQL = "mysql://airflow:airflow@localhost:3306/airflow"


@pytest.fixture
def settings(tmp_path):
    """Read settings from an airflow.cfg of the notes' time."""

    def read(**celery):
        lines = [f"{key} = {value}" for key, value in celery.items()]
        (tmp_path / "airflow.cfg").write_text("\n".join(["[celery]", *lines]))
        return Settings.load(tmp_path, {})

    return read


def test_the_notes_rabbitmq_settings_make_an_application_with_a_warning(settings):
    given = settings(broker_url=RABBIT, celery_result_backend=RABBIT)
    app = make_app(given)
    assert app.conf.broker_url == RABBIT
    assert app.conf.result_backend == "rpc://"
    (note,) = broker_notes(given)
    assert "rpc:// is used instead" in note


def test_the_notes_database_settings_make_an_application_with_a_warning(settings):
    given = settings(broker_url=f"sqla+{MYSQL}", celery_result_backend=f"db+{MYSQL}")
    app = make_app(given)
    assert app.conf.broker_url == f"sqla+{MYSQL}"
    assert app.conf.result_backend == f"db+{MYSQL}"
    # kombu hands these to SQLAlchemy's create_engine, which knows none of them.
    assert app.conf.broker_transport_options == {}
    assert not app.conf.worker_enable_remote_control
    (note,) = broker_notes(given)
    assert "every second" in note
    assert "use RabbitMQ" in note


def test_results_are_kept_only_where_a_backend_is_named(settings):
    without, with_one = (
        make_app(settings(broker_url=RABBIT)),
        make_app(settings(broker_url=RABBIT, result_backend="rpc://")),
    )
    assert (without.conf.task_ignore_result, isinstance(without.backend, DisabledBackend)) == (True, True)
    assert (with_one.conf.task_ignore_result, isinstance(with_one.backend, DisabledBackend)) == (False, False)


def test_only_json_is_ever_decoded(settings):
    conf = make_app(settings(broker_url=RABBIT)).conf
    assert (conf.accept_content, conf.result_accept_content) == (["json"], ["json"])


@pytest.mark.parametrize("key", ["broker_url", "celery_result_backend"])
def test_a_setting_of_ours_never_shows_in_the_name_of_the_application(settings, key):
    assert "airflow:airflow" not in repr(
        make_app(settings(broker_url=RABBIT, **({} if key == "broker_url" else {key: RABBIT})))
    )


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", r"\[celery\] broker_url is empty"),
        ("redis://localhost", "'redis'"),
        ("localhost", "'localhost'"),
        ("sqla+sqlite:////tmp/x", "'sqla\\+sqlite'"),
    ],
)
def test_a_broker_that_gale_cannot_use_is_refused_by_name(settings, url, complaint):
    with pytest.raises(ConfigError, match=complaint):
        make_app(settings(broker_url=url))


def test_encryption_checks_the_brokers_name_and_takes_the_files_that_are_named(settings):
    address = broker_address(settings(broker_url=RABBIT, ssl_active="True", ssl_cacert="/etc/ca.pem"))
    assert address.ssl["ca_certs"] == "/etc/ca.pem"
    assert "certfile" not in address.ssl
    assert address.ssl["cert_reqs"].name == "CERT_REQUIRED"
