"""Variables, connections and what the environment says about them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gale.authoring import services as door
from gale.authoring import surroundings
from gale.authoring.connection import Connection, format_uri, parse_text, parse_uri
from gale.authoring.exceptions import MissingEntry, TaskError, VariableMissing
from gale.authoring.variable import Variable
from gale.core.attempt import ConnectionData
from gale.errors import BadRequest
from gale.hooks.base import BaseHook
from gale.hooks.dbapi import SqliteHook

TEXT = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable())


@pytest.fixture
def shared(services):
    """Let the services answer."""
    with door.use(services):
        yield services


def test_a_variable_is_read_as_text_or_json(shared):
    shared.variables["a"] = '{"x": [1]}'
    assert Variable.get("a") == '{"x": [1]}'
    assert Variable.get("a", deserialize_json=True) == {"x": [1]}


@pytest.mark.parametrize("given", [{"default_var": 7}, {"default": 7}])
def test_a_variable_that_is_not_there_has_its_default(shared, given):
    assert Variable.get("missing", **given) == 7
    assert Variable.get("missing", default_var=None) is None


@pytest.mark.parametrize("kind", [VariableMissing, KeyError, MissingEntry, TaskError])
def test_a_variable_that_is_not_there_is_an_error_of_every_kind_that_authors_catch(shared, kind):
    with pytest.raises(kind) as caught:
        Variable.get("missing")
    assert str(caught.value).startswith("There is no variable 'missing'. Set it with")


def test_variables_are_written_and_deleted(shared):
    Variable.set("a", {"x": 1}, serialize_json=True)
    assert json.loads(shared.variables["a"]) == {"x": 1}
    Variable.update("a", 5)
    assert shared.variables["a"] == "5"
    assert Variable.setdefault("a", "other") == "5"
    assert Variable.setdefault("b", [1], deserialize_json=True) == [1]
    assert Variable.delete("a") is True
    assert Variable.delete("a") is False
    with pytest.raises(VariableMissing):
        Variable.update("a", 1)


def test_the_environment_goes_before_the_store(shared):
    shared.variables["x"] = "store"
    with surroundings.changed(environ={"AIRFLOW_VAR_X": "airflow"}):
        assert Variable.get("x") == "airflow"
    with surroundings.changed(environ={"AIRFLOW_VAR_X": "airflow", "GALE_VAR_X": "gale"}):
        assert Variable.get("x") == "gale"


def test_without_a_store_the_environment_is_all_there_is():
    with surroundings.changed(environ={"GALE_CONN_DB": "mysql://db.example.com"}):
        assert Connection.get("db").host == "db.example.com"
        with pytest.raises(MissingEntry, match="GALE_CONN_OTHER"):
            Connection.get("other")
    with pytest.raises(TaskError, match="no task is running"):
        Variable.set("a", 1)


def test_a_connection_is_found_by_every_name_of_the_way_to_it(shared):
    shared.connections["db"] = ConnectionData(conn_id="db", conn_type="mysql", extra='{"a": {"b": 1}}', port=3306)
    for found in (Connection.get("db"), Connection.get_connection_from_secrets("db"), BaseHook.get_connection("db")):
        assert (found.conn_type, found.port, found.extra_dejson) == ("mysql", 3306, {"a": {"b": 1}})
    assert [one.conn_id for one in BaseHook.get_connections("db")] == ["db"]


def test_a_password_is_never_shown_by_the_connection_itself(shared):
    assert "hunter22" not in repr(Connection("db", "mysql", password="hunter22"))


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("mysql://bob:pw@db.example.com:3306/sales", ("mysql", "db.example.com", "sales", "bob", "pw", 3306, None)),
        ("postgresql://db/x", ("postgres", "db", "x", None, None, None, None)),
        ("http://", ("http", None, None, None, None, None, None)),
        ("google-cloud-platform://", ("google_cloud_platform", None, None, None, None, None, None)),
        ("aws://a%2Fb:c%40d@", ("aws", None, None, "a/b", "c@d", None, None)),
        ("ssh://[::1]:22", ("ssh", "::1", None, None, None, 22, None)),
        ("http://h?x=1&y=", ("http", "h", None, None, None, None, '{"x": "1", "y": ""}')),
        ("http://h/?__extra__=%7B%22a%22%3A+1%7D", ("http", "h", None, None, None, None, '{"a": 1}')),
        ("sqlite://%2Ftmp%2Fx.db", ("sqlite", "/tmp/x.db", None, None, None, None, None)),
    ],
)
def test_a_uri_is_read_part_by_part(uri, parts):
    found = parse_uri("c", uri)
    assert (found.conn_type, found.host, found.schema, found.login, found.password, found.port, found.extra) == parts


@pytest.mark.parametrize("uri", ["", "db.example.com", "mysql://h:port", "://h", "mysql://[::1"])
def test_what_is_no_uri_is_refused_with_the_form(uri):
    with pytest.raises(BadRequest, match="type://login:password@host:port/schema"):
        parse_uri("c", uri)


@given(
    st.builds(
        ConnectionData,
        conn_id=st.just("c"),
        conn_type=st.sampled_from(["mysql", "http", "google_cloud_platform"]),
        host=st.none() | st.sampled_from(["db.example.com", "::1", "/var/run/x.sock", "https://deep/url"]),
        schema=st.none() | TEXT,
        login=st.none() | TEXT,
        password=st.none() | TEXT,
        port=st.none() | st.integers(1, 65535),
        extra=st.none() | st.dictionaries(TEXT, TEXT | st.integers(), min_size=1, max_size=3).map(json.dumps),
    )
)
def test_a_connection_survives_the_trip_through_its_uri(data):
    again = parse_uri("c", format_uri(data))
    expected = {**json.loads(data.extra)} if data.extra else None
    assert (json.loads(again.extra) if again.extra else None) == expected
    for part in ("conn_type", "host", "schema", "login", "password", "port"):
        assert getattr(again, part) == getattr(data, part)


def test_a_connection_can_be_json():
    found = parse_text("c", '{"conn_type": "mysql", "host": "h", "port": "3306", "extra": {"a": 1}}')
    assert (found.conn_type, found.host, found.port, found.extra) == ("mysql", "h", 3306, '{"a": 1}')


@pytest.mark.parametrize("text", ['{"conn_type": ', '{"hots": "h"}'])
def test_broken_json_of_a_connection_is_refused(text):
    with pytest.raises(BadRequest, match="JSON of connection 'c'"):
        parse_text("c", text)


def test_a_connection_object_gives_its_uri():
    made = Connection("c", "mysql", host="h", login="a", password="b/c", extra={"x": {"y": 1}})
    assert Connection("c", uri=made.get_uri()).extra_dejson == {"x": {"y": 1}}
    assert made.get_uri().startswith("mysql://a:b%2Fc@h/?__extra__=")


def test_a_sqlite_hook_runs_sql_by_way_of_a_connection(tmp_path, shared):
    shared.connections["sqlite_default"] = ConnectionData(conn_id="sqlite_default", host=str(tmp_path / "x.db"))
    hook = SqliteHook()
    hook.run(["CREATE TABLE t (a, b)", "INSERT INTO t VALUES (1, 'x')"])
    assert hook.insert_rows("t", [(n, "y") for n in range(5)], target_fields=["a", "b"], commit_every=2) == 5
    assert hook.get_first("SELECT count(*) FROM t WHERE b = ?", ["y"]) == (5,)
    assert len(hook.get_records("SELECT * FROM t")) == 6


def test_a_sqlite_connection_without_a_file_is_refused(shared):
    shared.connections["mine"] = ConnectionData(conn_id="mine")
    with pytest.raises(TaskError, match="'mine' names no file"):
        SqliteHook(sqlite_conn_id="mine").get_conn()


def test_a_sqlite_uri_with_three_slashes_means_an_absolute_path(tmp_path, shared):
    shared.connections["s"] = parse_uri("s", f"sqlite:///{str(tmp_path / 'y.db').lstrip('/')}")
    SqliteHook("s").run("CREATE TABLE t (a)")
    assert (tmp_path / "y.db").exists()
