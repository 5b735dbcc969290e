"""Servers for tests of several parts together: those that the environment names, or private ones."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import mariadb
import pytest
import rabbitmq

# The tests are no package, so what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from cluster_home import ClusterHome


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


@pytest.fixture
def home(tmp_path: Path, mysql_url: str, broker: rabbitmq.Server) -> Iterator[ClusterHome]:
    """Give a cluster a home of its own; end what it started."""
    made = ClusterHome(tmp_path / "home", mysql_url, broker)
    yield made
    made.close()
