"""Servers for tests of several parts together: those that the environment names, or private ones."""

import os
from collections.abc import Iterator

import mariadb
import pytest
import rabbitmq


@pytest.fixture(scope="session")
def amqp_url() -> Iterator[str]:
    """A virtual host on a broker that runs all the time."""
    if url := os.environ.get("GALE_TEST_AMQP_URL"):
        yield url
        return
    if not rabbitmq.is_installed():
        pytest.skip("no broker: install rabbitmq-server, or name an empty virtual host in GALE_TEST_AMQP_URL")
    with rabbitmq.running() as url:
        yield url


@pytest.fixture(scope="session")
def mysql_url() -> Iterator[str]:
    """A database on a server that runs all the time."""
    if url := os.environ.get("GALE_TEST_MYSQL_URL"):
        yield url
        return
    if not mariadb.is_installed():
        pytest.skip("no server: install mariadb-server, or name an empty database in GALE_TEST_MYSQL_URL")
    with mariadb.running() as url:
        yield url


@pytest.fixture(scope="module")
def broker() -> Iterator[rabbitmq.Server]:
    """A broker of this module's own, to be hurt."""
    if not rabbitmq.is_installed():
        pytest.skip("no broker of our own can be started: install rabbitmq-server")
    with rabbitmq.server() as server:
        yield server
