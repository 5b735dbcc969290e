"""MySQL for tests in a container, where a Docker engine answers: the very image of the compose file."""

import contextlib
import sys
from collections.abc import Callable, Iterator

import docker
from docker.errors import DockerException
from testcontainers.community.mysql import MySqlContainer

MYSQL = "mysql:8.4"


def answers() -> bool:
    """Return True if a Docker engine answers on this machine."""
    try:
        client = docker.from_env(timeout=5)
    except DockerException:
        return False
    client.close()
    return True


@contextlib.contextmanager
def mysql() -> Iterator[str]:
    """Run MySQL and give the URL of an empty database on it."""
    with MySqlContainer(MYSQL, username="gale", password="gale", dbname="gale") as server:
        # By number: the driver takes the name localhost for a socket in a file.
        host, port = server.get_container_host_ip().replace("localhost", "127.0.0.1"), server.get_exposed_port(3306)
        yield f"mysql://gale:gale@{host}:{port}/gale"


@contextlib.contextmanager
def mysql_or(private: Callable[[], contextlib.AbstractContextManager[str]], *, has_private: bool) -> Iterator[str]:
    """Run MySQL in a container if that can be done, else a private server, and give its URL."""
    with contextlib.ExitStack() as stack:
        url = ""
        if answers():
            try:
                url = stack.enter_context(mysql())
            except Exception as error:  # no such image and no registry, no room, too slow: whatever it is
                if not has_private:
                    raise
                sys.stdout.write(f"No container ({error}); a server of this machine is used.\n")
        yield url or stack.enter_context(private())
