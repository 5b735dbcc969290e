"""What the containers are and may do, and what the database and the broker are set up with."""

import pytest
from stack import Stack

OURS = ("scheduler", "worker", "webserver", "flower-proxy")
THEIRS = ("mysql", "rabbitmq")


def test_every_service_is_healthy_in_the_number_that_was_asked_for(stack: Stack) -> None:
    states = {
        service: [container["State"]["Health"]["Status"] for container in stack.containers(service)]
        for service in (*OURS, *THEIRS)
    }
    numbers = {"worker": 3, "scheduler": 2}
    assert states == {service: ["healthy"] * numbers.get(service, 1) for service in states}


def test_migrate_has_ended_well_and_is_not_started_again(stack: Stack) -> None:
    (migrate,) = stack.containers("migrate", ended=True)
    assert (migrate["State"]["Status"], migrate["State"]["ExitCode"]) == ("exited", 0)
    assert migrate["HostConfig"]["RestartPolicy"]["Name"] == "no"


@pytest.mark.parametrize("service", [*OURS, *THEIRS, "migrate"])
def test_a_container_has_no_more_rights_than_it_needs(stack: Stack, service: str) -> None:
    for container in stack.containers(service, ended=True):
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert not host["Privileged"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["Memory"] > 0
        assert "/tmp" in host["Tmpfs"]


@pytest.mark.parametrize("service", [*OURS, *THEIRS])
def test_no_process_of_a_container_is_root_or_has_a_capability(stack: Stack, service: str) -> None:
    look = "for p in /proc/[0-9]*; do cat $p/status 2>/dev/null; done | grep -E '^(Uid|CapEff|CapBnd):' | sort -u"
    seen = [line.split() for line in stack.run_in(service, "sh", "-c", look).splitlines()]
    uids = {uid for name, *values in seen if name == "Uid:" for uid in values}
    assert "0" not in uids
    if service in OURS:
        assert uids == {"50000"}
    assert {int(value, 16) for name, *values in seen if name.startswith("Cap") for value in values} == {0}


@pytest.mark.parametrize("service", OURS)
def test_nothing_can_be_written_into_the_image_or_the_dag_files(stack: Stack, service: str) -> None:
    for folder in ("/", "/usr/local", "/opt/gale/dags"):
        assert "can" not in stack.run_in(service, "sh", "-c", f"touch {folder}/x 2>/dev/null && echo can", check=False)
    assert "can" in stack.run_in(service, "sh", "-c", "touch /tmp/x && echo can")


def test_only_the_page_and_flower_are_published_and_only_to_this_machine(stack: Stack) -> None:
    published = {
        (container["Config"]["Labels"]["com.docker.compose.service"], port, place["HostIp"])
        for container in stack.containers()
        for port, places in container["NetworkSettings"]["Ports"].items()
        for place in places or ()
    }
    assert published == {("webserver", "8080/tcp", "127.0.0.1"), ("flower-proxy", "5555/tcp", "127.0.0.1")}


def test_services_come_back_after_a_crash_and_get_time_to_end(stack: Stack) -> None:
    for service in (*OURS, *THEIRS):
        (container, *_) = stack.containers(service)
        assert container["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        assert container["Config"]["StopTimeout"] >= 20
    assert stack.containers("worker")[0]["Config"]["StopTimeout"] >= 120


def test_both_databases_are_there_in_utf8mb4_for_the_user_of_env(stack: Stack) -> None:
    rows = stack.sql(
        "SELECT schema_name, default_character_set_name FROM information_schema.schemata "
        "WHERE schema_name IN ('airflow', 'celery_result_airflow') ORDER BY 1"
    )
    assert rows == [["airflow", "utf8mb4"], ["celery_result_airflow", "utf8mb4"]]
    assert stack.sql("SELECT @@transaction_isolation, @@innodb_flush_log_at_trx_commit") == [["READ-COMMITTED", "1"]]
    stack.sql("CREATE TABLE may_i (id int); DROP TABLE may_i", "celery_result_airflow")


def test_the_broker_has_the_vhost_the_user_and_the_plugins_of_the_notes(stack: Stack) -> None:
    def ask(*command: str) -> list[list[str]]:
        return [line.split("\t") for line in stack.run_in("rabbitmq", *command).splitlines()]

    assert ["vairflow"] in ask("rabbitmqctl", "-q", "--no-table-headers", "list_vhosts")
    users = ask("rabbitmqctl", "-q", "--no-table-headers", "list_users")
    assert users == [["airflow", "[administrator]"]]
    permissions = ask("rabbitmqctl", "-q", "--no-table-headers", "list_permissions", "-p", "vairflow")
    assert permissions == [["airflow", ".*", ".*", ".*"]]
    plugins = {name for (name,) in ask("rabbitmq-plugins", "-q", "list", "--enabled", "--minimal")}
    assert plugins == {"rabbitmq_management", "rabbitmq_prometheus"}
