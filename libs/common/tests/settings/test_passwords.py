"""Passwords that everybody knows are fine on one machine, and refused where others could try them."""

import pytest

from gale.errors import ConfigError
from gale.settings import Settings
from gale.settings.passwords import WELL_KNOWN, refuse_well_known

PRIVATE = ["10.1.2.3", "fd00::5"]
PUBLIC = ["10.1.2.3", "203.0.113.9", "8.8.8.8"]


@pytest.fixture
def settings(tmp_path):
    def make(**values):
        names = {"database": "SQL_ALCHEMY_CONN", "broker": "BROKER_URL", "results": "RESULT_BACKEND"}
        sections = {"database": "DATABASE", "broker": "CELERY", "results": "CELERY"}
        environ = {f"GALE__{sections[name]}__{names[name]}": value for name, value in values.items()}
        return Settings.load(tmp_path, environ)

    return make


def refused(settings, addresses=()):
    try:
        refuse_well_known(settings, lambda _: addresses)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "values",
    [
        {"database": "mysql://airflow:airflow@localhost:3306/airflow"},
        {"broker": "amqp://airflow:airflow@localhost:5672/vairflow"},
        {"broker": "sqla+mysql://airflow:airflow@localhost:3306/airflow"},
        {"results": "db+mysql://airflow:airflow@localhost:3306/airflow"},
        {"results": "amqp://airflow:airflow@localhost:5672/vairflow"},
    ],
)
def test_every_url_of_the_notes_goes_on_working(settings, values):
    assert refused(settings(**values)) == ""


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root:root@127.0.0.1/gale",
        "mysql://root@[::1]:3306/gale",
        "mysql://root:@127.1.2.3/gale",
        "mysql://root@/gale?unix_socket=/run/mysqld/mysqld.sock",
        "mysql://root@db.example.com/gale?unix_socket=/run/mysqld/mysqld.sock",
        "mysql:///gale",
        "sqlite:////var/lib/gale.db",
        "mysql://gale:long-and-random@db.example.com/gale",
        "mysql://gale:AIRFLOW@db.example.com/gale",
        "mysql://gale@db.example.com/gale?passwd=long-and-random",
    ],
)
def test_a_server_that_only_this_machine_reaches_or_a_good_password_is_accepted(settings, url):
    assert refused(settings(database=url), PUBLIC) == ""


@pytest.mark.parametrize("password", sorted(WELL_KNOWN))
def test_each_well_known_password_is_refused_on_a_server_elsewhere(settings, password):
    told = refused(settings(database=f"mysql://someone:{password}@db.example.com/gale"))
    assert "[database] sql_alchemy_conn names the server db.example.com" in told
    assert "environment variable GALE__DATABASE__SQL_ALCHEMY_CONN" in told


@pytest.mark.parametrize(
    ("values", "setting"),
    [
        ({"broker": "amqp://a:guest@mq.example.com//"}, "[celery] broker_url"),
        ({"broker": "amqp://mq.example.com//"}, "[celery] broker_url"),
        ({"broker": "amqp://a:fine-and-long@one/v;amqps://a:guest@mq.example.com/v"}, "[celery] broker_url"),
        ({"broker": "amqp://a:%61irflow@mq.example.com/v"}, "[celery] broker_url"),
        ({"broker": "sqla+mysql://a:airflow@10.0.0.8/v"}, "[celery] broker_url"),
        ({"results": "db+mysql://a:airflow@[2001:db8::1]/v"}, "[celery] result_backend"),
        ({"database": "mysql://a:airflow@192.168.1.5/v"}, "[database] sql_alchemy_conn"),
        ({"database": "mysql://a@db.example.com/v?password=airflow"}, "[database] sql_alchemy_conn"),
    ],
)
def test_each_place_of_a_password_is_looked_at_and_named(settings, values, setting):
    assert setting in refused(settings(**values))


@pytest.mark.parametrize(
    ("addresses", "is_refused"), [(PRIVATE, False), (["127.0.0.1"], False), ([], False), (PUBLIC, True)]
)
def test_a_bare_name_is_accepted_while_it_stands_for_private_addresses_only(settings, addresses, is_refused):
    told = refused(settings(broker="amqp://airflow:airflow@rabbitmq:5672/vairflow"), addresses)
    assert bool(told) == is_refused


def test_all_problems_are_told_at_once_and_no_good_password_is_shown(settings):
    told = refused(
        settings(
            database="mysql://a:airflow@db.example.com/v",
            broker="amqp://a:s3cret-of-ours@mq.example.com/v",
            results="db+mysql://a:root@db.example.com/v",
        )
    )
    assert len(told.splitlines()) == 2
    assert "s3cret" not in told
