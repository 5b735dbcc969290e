"""What a task process finds in its environment: nothing that opens Gale's own doors."""

import json
import os

import pytest

from gale.runtime.environment import without_credentials, zygote_environment
from gale.runtime.processes import IS_LINUX, MARKER, MARKER_ROOM, marked_processes, marker_of


@pytest.mark.parametrize(
    "name",
    [
        "GALE__DATABASE__SQL_ALCHEMY_CONN",
        "GALE__DATABASE__SQL_ALCHEMY_CONN_CMD",
        "AIRFLOW__CORE__SQL_ALCHEMY_CONN",
        "AIRFLOW__CELERY__BROKER_URL",
        "GALE__CELERY__RESULT_BACKEND_SECRET",
        "GALE__CELERY_BROKER_TRANSPORT_OPTIONS__PASSWORD",
        "GALE__CORE__FERNET_KEY",
        "AIRFLOW__WEBSERVER__SECRET_KEY",
        "GALE__API_AUTH__JWT_SECRET",
        "GALE_ADMIN_PASSWORD",
    ],
)
def test_credentials_of_gale_do_not_reach_tasks(name):
    assert without_credentials({name: "secret", "PATH": "/bin"}) == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "name", ["GALE_HOME", "GALE__CORE__DAGS_FOLDER", "AIRFLOW_VAR_X", "GALE_CONN_DB", "MY_SECRET_KEY"]
)
def test_what_belongs_to_the_user_stays(name):
    assert without_credentials({name: "value"}) == {name: "value"}


def test_a_zygote_starts_with_room_for_the_marker_of_its_tasks():
    assert len(zygote_environment({}, "household")[MARKER]) == MARKER_ROOM


@pytest.mark.parametrize(
    ("token", "kept"),
    [("a" * MARKER_ROOM, True), ("a" * (MARKER_ROOM + 1), False), ("a-b_C1", True), ("a b", False), ("", False)],
)
def test_a_token_is_its_own_marker_where_it_fits(token, kept):
    assert (marker_of(token) == token) is kept
    assert 0 < len(marker_of(token)) <= MARKER_ROOM


@pytest.mark.integration
def test_tasks_see_the_services_environment_without_its_secrets(make_rig):
    secret = "mysql://user:geheim@host/db"
    rig = make_rig(environment={**os.environ, "GALE__DATABASE__SQL_ALCHEMY_CONN": secret, "COLOUR": "blue"})
    done = rig.run("environment")
    seen = json.loads(done.end.xcoms["return_value"])
    assert seen["COLOUR"] == "blue"
    assert secret not in seen.values()


@pytest.mark.integration
@pytest.mark.skipif(not IS_LINUX, reason="reads /proc")
def test_a_forked_task_carries_its_marker_though_it_was_never_executed(make_rig):
    rig = make_rig()
    first, second = rig.order("wait"), rig.order("wait")
    rig.start(first)
    rig.wait_for_log(first, "waiting")
    rig.start(second)
    rig.wait_for_log(second, "waiting")
    assert len(marked_processes({first.token})) == 1
    assert len(marked_processes({second.token})) == 1
    assert marked_processes({first.token}) != marked_processes({second.token})
    assert marked_processes({"nobody"}) == []
