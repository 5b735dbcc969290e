"""variables, connections, pools, users: what goes in comes out, and nothing secret is shown unasked."""

import json
import stat
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine, select

from gale.db import tables
from gale.db.engine import reading
from gale.settings import Settings
from gale.settings.first_file import new_fernet_key

pytestmark = pytest.mark.usefixtures("engine")


def test_a_variable_that_is_set_can_be_got_listed_and_deleted(gale) -> None:
    assert gale("variables", "set", "key", "value", "--description", "d").code == 0
    assert gale("variables", "get", "key").out == "value\n"
    assert json.loads(gale("variables", "list", "-o", "json").out) == [
        {"key": "key", "description": "d", "is_encrypted": True}
    ]
    assert gale("variables", "delete", "key").code == 0
    said = gale("variables", "get", "key")
    assert said.code == 1
    assert "There is no variable 'key'" in said.err
    assert gale("variables", "get", "key", "--default", "else").out == "else\n"


def test_values_of_secret_variables_are_not_listed(gale) -> None:
    gale("variables", "set", "my_password", "hidden")
    gale("variables", "set", "plain", "shown")
    listed = gale("variables", "list", "--show-values").out
    assert "hidden" not in listed
    assert "shown" in listed


def test_a_value_that_is_no_json_is_refused_where_json_is_promised(gale) -> None:
    said = gale("variables", "set", "--json", "key", "{no")
    assert said.code == 1
    assert "is no JSON" in said.err


@pytest.mark.parametrize("name", ["v.json", "v.yaml", "v.env"])
def test_variables_come_through_a_file_unchanged(gale, tmp_path: Path, name: str) -> None:
    gale("variables", "set", "text", "ein Wört")
    gale("variables", "set", "number", "007")
    gale("variables", "set", "object", '{"a": [1]}')
    file = tmp_path / name
    assert gale("variables", "export", str(file)).code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for key in ("text", "number", "object"):
        gale("variables", "delete", key)
    assert gale("variables", "import", str(file)).code == 0
    assert gale("variables", "get", "text").out == "ein Wört\n"
    assert gale("variables", "get", "number").out == "007\n"
    assert json.loads(gale("variables", "get", "object").out) == {"a": [1]}


@pytest.mark.parametrize(("action", "code", "left"), [("overwrite", 0, "new"), ("skip", 0, "old"), ("fail", 1, "old")])
def test_an_import_does_with_what_is_there_as_it_is_told(
    gale, tmp_path: Path, action: str, code: int, left: str
) -> None:
    gale("variables", "set", "key", "old")
    (tmp_path / "v.json").write_text('{"key": "new"}')
    assert gale("variables", "import", str(tmp_path / "v.json"), "-a", action).code == code
    assert gale("variables", "get", "key").out == f"{left}\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [("v.json", "{"), ("v.json", "[1]"), ("v.yaml", "a: ["), ("v.env", "no equals sign"), ("gone.json", None)],
)
def test_a_file_that_cannot_be_imported_is_told_in_a_sentence(
    gale, tmp_path: Path, name: str, text: str | None
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    said = gale("variables", "import", str(tmp_path / name))
    assert said.code == 1
    assert name in said.err


def test_the_options_of_airflow_1_work_for_variables(gale, tmp_path: Path) -> None:
    gale("variables", "--set", "key", "value")
    assert gale("variables", "--get", "key").out == "value\n"
    gale("variables", "-e", str(tmp_path / "v.json"))
    gale("variables", "-x", "key")
    gale("variables", "-i", str(tmp_path / "v.json"))
    assert gale("variables", "-g", "key").out == "value\n"


def test_a_connection_given_as_a_uri_comes_back_in_parts(gale) -> None:
    gale("connections", "add", "db", "--conn-uri", "mysql://me:p%40ss@host:3306/schema?charset=utf8")
    found = json.loads(gale("connections", "get", "db", "-o", "json").out)
    assert (found["conn_type"], found["host"], found["port"], found["password"]) == ("mysql", "host", 3306, "p@ss")
    listed = gale("connections", "list", "--show-values")
    assert "p@ss" not in listed.out
    assert "host" in listed.out


def test_a_connection_can_be_given_field_by_field_and_as_json(gale) -> None:
    fields = ("--conn-type", "http", "--conn-host", "h", "--conn-extra", '{"a": 1}')
    assert gale("connections", "add", "one", *fields).code == 0
    assert gale("connections", "add", "two", "--conn-json", '{"conn_type": "http", "host": "h"}').code == 0
    assert json.loads(gale("connections", "get", "two", "-o", "json").out)["host"] == "h"


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--conn-uri", "x://y", "--conn-type", "z"),
        ("--conn-type", "x", "--conn-extra", "no"),
        ("--conn-uri", "nothing"),
    ],
)
def test_a_connection_that_is_not_clear_is_refused(gale, options: tuple[str, ...]) -> None:
    assert gale("connections", "add", "bad", *options).code == 1
    assert json.loads(gale("connections", "list", "-o", "json").out) == []


def test_a_connection_is_not_replaced_unless_that_is_asked_for(gale) -> None:
    add = ("connections", "add", "db", "--conn-uri")
    gale(*add, "http://one")
    assert gale(*add, "http://two").code == 1
    assert gale(*add, "http://two", "--replace").code == 0
    assert "two" in gale("connections", "get", "db").out


@pytest.mark.parametrize("name", ["c.json", "c.yaml", "c.env"])
def test_connections_come_through_a_file_unchanged(gale, tmp_path: Path, name: str) -> None:
    gale("connections", "add", "db", "--conn-uri", "mysql://me:p%40ss@host:3306/schema?charset=utf8")
    before = gale("connections", "get", "db", "-o", "json").out
    assert gale("connections", "export", str(tmp_path / name)).code == 0
    gale("connections", "delete", "db")
    assert gale("connections", "import", str(tmp_path / name)).code == 0
    assert gale("connections", "get", "db", "-o", "json").out == before


def test_pools_can_be_set_listed_exported_and_deleted(gale, tmp_path: Path) -> None:
    assert gale("pools", "set", "small", "2", "two at once").code == 0
    (small,) = [p for p in json.loads(gale("pools", "list", "-o", "json").out) if p["pool"] == "small"]
    assert (small["slots"], small["open"]) == (2, 2)
    gale("pools", "export", str(tmp_path / "p.json"))
    assert gale("pools", "delete", "small").code == 0
    assert gale("pools", "get", "small").code == 1
    gale("pools", "import", str(tmp_path / "p.json"))
    assert gale("pools", "get", "small").code == 0


def test_a_pool_may_be_without_limit(gale) -> None:
    assert gale("pools", "set", "big", "-1").code == 0
    assert json.loads(gale("pools", "get", "big", "-o", "json").out)[0]["open"] == "unlimited"


def test_the_pool_command_of_airflow_1_works(gale) -> None:
    gale("pool", "-s", "old", "3", "about")
    assert "about" in gale("pool", "-g", "old").out
    assert gale("pool", "-x", "old").code == 0
    assert gale("pool", "-s", "old", "many", "about").code == 1


def test_users_can_be_made_changed_and_deleted(gale) -> None:
    gale("users", "create", "-u", "boss", "-r", "Admin", "-p", "x")
    made = gale("users", "create", "-u", "test", "-r", "op", "-e", "test@test.com", "-p", "test")
    assert "with the role Op" in made.out
    assert "test" not in made.out.replace("User test", "")
    gale("users", "set-role", "-u", "test", "-r", "Viewer")
    gale("users", "reset-password", "-u", "test", "--use-random-password")
    rows = {row["username"]: row for row in json.loads(gale("users", "list", "-o", "json").out)}
    assert rows["test"]["role"] == "Viewer"
    assert "password" not in json.dumps(rows)
    assert gale("users", "delete", "-u", "test", "--yes").code == 0
    assert gale("users", "delete", "-u", "test", "--yes").code == 1


def test_the_last_admin_stays_whoever_asks(gale) -> None:
    gale("create_user", "-u", "boss", "-r", "Admin", "-p", "x", "-f", "A", "-l", "B", "-e", "c@d")
    said = gale("users", "delete", "-u", "boss", "-y")
    assert said.code == 1
    assert "last Admin" in said.err


def test_what_a_user_changes_is_in_the_audit_log_without_the_secret(gale, engine: Engine) -> None:
    gale("variables", "set", "key", "topsecret")
    gale("users", "create", "-u", "a", "-p", "topsecret")
    with reading(engine) as connection:
        rows = connection.execute(select(tables.log)).all()
    assert [row.event for row in rows] == ["variable.set", "user.create"]
    assert "topsecret" not in str(rows)


def test_yaml_output_is_read_back_as_it_was(gale) -> None:
    gale("variables", "set", "key", "ein Wört")
    assert yaml.safe_load(gale("variables", "list", "--show-values", "-o", "yaml").out)[0]["value"] == "ein Wört"


def test_plain_output_has_one_line_for_each_row(gale) -> None:
    gale("variables", "set", "a", "1")
    lines = gale("variables", "list", "-o", "plain").out.splitlines()
    assert lines[0].split() == ["key", "description", "is_encrypted"]
    assert len(lines) == 2


def test_rotating_the_key_makes_old_values_readable_with_the_new_one(
    gale, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gale("variables", "set", "key", "value")
    old, new = Settings.load(home).core.fernet_key, new_fernet_key()
    monkeypatch.setenv("GALE__CORE__FERNET_KEY", f"{new},{old}")
    assert gale("rotate_fernet_key").code == 0
    monkeypatch.setenv("GALE__CORE__FERNET_KEY", new)
    assert gale("variables", "get", "key").out == "value\n"
