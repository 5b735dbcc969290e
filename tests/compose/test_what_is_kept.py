"""What must be kept: secrets, data, patience. Runs last: by then everybody has written a log."""

import configparser
import re
from functools import partial
from pathlib import Path

from stack import ROOT, Stack, until

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


def remembered(stack: Stack) -> list[object]:
    """Return what must not get lost: the first login, the keys, the history, a secret that only the keys can read."""
    return [
        stack.admin_password(),
        keys(stack, "webserver"),
        sorted(stack.run_states("dag")),
        stack.run_in("scheduler", "gale", "variables", "get", "an_api_key").strip(),
    ]


def test_all_data_outlive_the_containers(stack: Stack) -> None:
    stack.run_in("scheduler", "gale", "variables", "set", "an_api_key", "only-for-us")
    before = remembered(stack)
    stack.compose("down", "--timeout", "5", seconds=180)
    stack.up()
    assert remembered(stack) == before
    assert before[-1] == "only-for-us"


def test_a_backup_made_and_restored_as_the_readme_says_brings_everything_back(stack: Stack, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    (backup,) = [block for block in blocks if "mysqldump" in block]
    (restore,) = [block for block in blocks if "<gale.sql" in block]
    before = remembered(stack)
    stack.run_documented(backup, tmp_path)
    stack.down()
    stack.run_documented(restore, tmp_path)
    assert remembered(stack) == before
