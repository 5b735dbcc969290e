"""Keys are made at the first start and known to nobody else. Runs last: by then everybody has written a log."""

import configparser
import re
from functools import partial

from stack import Stack, until

OURS = ("scheduler", "worker", "webserver", "flower-proxy")


def keys(stack: Stack, service: str) -> dict[str, str]:
    """Return the keys with which a service works."""
    parser = configparser.RawConfigParser()
    parser.read_string(stack.run_in(service, "cat", "/opt/gale/gale.cfg"))
    return {key: parser.get(section, key) for section, key in (("core", "fernet_key"), ("webserver", "secret_key"))}


def test_all_services_share_keys_that_were_made_for_this_cluster(stack: Stack) -> None:
    first, *others = [keys(stack, service) for service in OURS]
    assert all(other == first for other in others)
    assert all(re.fullmatch(r"[\w-]{43}=", key) for key in first.values())
    assert len(set(first.values())) == len(first)
    assert stack.run_in("scheduler", "stat", "-c", "%a %u", "/opt/gale/gale.cfg").split() == ["600", "50000"]


def test_no_log_tells_a_secret_but_the_first_password(stack: Stack) -> None:
    logs = stack.logs()
    password = stack.admin_password()
    secrets = {stack.mysql_password, stack.root_password, stack.broker_password, *keys(stack, "scheduler").values()}
    assert [secret for secret in secrets if secret in logs] == []
    assert password not in logs.replace(stack.logs("migrate"), "")
    assert len(re.findall(re.escape(password), stack.logs("migrate"))) == 1


def test_services_that_find_neither_database_nor_broker_wait_for_them_and_say_so(stack: Stack) -> None:
    """As after a start of the machine, when nobody minds the order."""
    stack.compose("stop", "mysql", "rabbitmq")
    stack.compose("restart", "--timeout", "5", *OURS)

    def are_waiting(service: str) -> bool:
        return stack.logs(service).count("waits for it before") >= len(stack.containers(service))

    for service in OURS:
        until(f"{service} says that it waits", partial(are_waiting, service))
    assert all(container["RestartCount"] == 0 for service in OURS for container in stack.containers(service))
    stack.compose("start", "mysql", "rabbitmq")
    until("everything is healthy", stack.is_healthy, 60, every=1)


def test_data_outlive_the_containers(stack: Stack) -> None:
    before = (stack.admin_password(), keys(stack, "webserver"), sorted(stack.run_states("dag")))
    stack.compose("down", "--timeout", "5", seconds=180)
    stack.up()
    assert (stack.admin_password(), keys(stack, "webserver"), sorted(stack.run_states("dag"))) == before
    assert stack.api("GET", "/dags/dag")["dag_id"] == "dag"
