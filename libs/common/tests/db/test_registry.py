"""Variables, connections, pools: what is stored, what comes back, what is refused."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, select

from gale.core.attempt import ConnectionData
from gale.db import registry, tables
from gale.db.engine import open_engine
from gale.errors import BadRequest, ConfigError, InvalidId, NotFound
from gale.secrets import FernetBox
from gale.settings.first_file import new_fernet_key

BOX = FernetBox(new_fernet_key())


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = open_engine("sqlite://")
    with engine.connect() as opened:
        tables.metadata.create_all(opened)
        yield opened
    engine.dispose()


def test_a_variable_comes_back_as_it_was_set_and_is_not_stored_in_clear(connection: Connection) -> None:
    registry.set_variable(connection, BOX, "key", "välue", description="about")
    stored = connection.execute(select(tables.variable.c.value)).scalar_one()
    assert "välue" not in stored
    assert registry.get_variable(connection, BOX, "key") == "välue"
    assert registry.list_variables(connection, BOX)[0].description == "about"


def test_setting_a_variable_again_replaces_it_and_keeps_its_description(connection: Connection) -> None:
    registry.set_variable(connection, BOX, "key", "1", description="about")
    registry.set_variable(connection, BOX, "key", "2")
    (variable,) = registry.list_variables(connection, BOX)
    assert (variable.value, variable.description) == ("2", "about")


def test_an_empty_value_is_a_value(connection: Connection) -> None:
    registry.set_variable(connection, BOX, "key", "")
    assert registry.get_variable(connection, BOX, "key") == ""


def test_deleting_tells_whether_there_was_anything(connection: Connection) -> None:
    registry.set_variable(connection, BOX, "key", "1")
    assert registry.delete_variable(connection, "key")
    assert not registry.delete_variable(connection, "key")
    assert registry.get_variable(connection, BOX, "key") is None


@pytest.mark.parametrize("key", ["", "x" * 251])
def test_a_key_that_does_not_fit_is_refused(connection: Connection, key: str) -> None:
    with pytest.raises(BadRequest, match="1 to 250"):
        registry.set_variable(connection, BOX, key, "1")


def test_a_variable_of_a_lost_key_is_named_in_the_refusal(connection: Connection) -> None:
    registry.set_variable(connection, BOX, "mine", "1")
    with pytest.raises(ConfigError, match="Variable 'mine'"):
        registry.get_variable(connection, FernetBox(new_fernet_key()), "mine")


def test_without_a_key_values_are_stored_in_clear_and_stay_readable_with_one(connection: Connection) -> None:
    registry.set_variable(connection, FernetBox(), "key", "1")
    assert registry.get_variable(connection, BOX, "key") == "1"


FULL = ConnectionData(
    conn_id="db",
    conn_type="mysql",
    description="d",
    host="h",
    schema="s",
    login="l",
    password="p@ss",
    port=3306,
    extra='{"a": 1}',
)


@pytest.mark.parametrize("data", [FULL, ConnectionData(conn_id="db", conn_type="http")])
def test_a_connection_comes_back_whole(connection: Connection, data: ConnectionData) -> None:
    registry.set_connection(connection, BOX, data)
    assert registry.get_connection(connection, BOX, "db") == data
    assert registry.list_connections(connection, BOX) == [data]


def test_password_and_extra_of_a_connection_are_not_stored_in_clear(connection: Connection) -> None:
    registry.set_connection(connection, BOX, FULL)
    row = connection.execute(select(tables.connection)).one()
    assert "p@ss" not in row.password
    assert "a" not in row.extra or '"a"' not in row.extra


def test_setting_a_connection_again_replaces_all_of_it(connection: Connection) -> None:
    registry.set_connection(connection, BOX, FULL)
    registry.set_connection(connection, BOX, ConnectionData(conn_id="db", conn_type="http"))
    assert registry.get_connection(connection, BOX, "db") == ConnectionData(conn_id="db", conn_type="http")


def test_a_connection_without_a_type_is_refused(connection: Connection) -> None:
    with pytest.raises(BadRequest, match="has no type"):
        registry.set_connection(connection, BOX, ConnectionData(conn_id="db"))


def test_deleting_a_connection_tells_whether_there_was_one(connection: Connection) -> None:
    registry.set_connection(connection, BOX, FULL)
    assert registry.delete_connection(connection, "db")
    assert not registry.delete_connection(connection, "db")


def test_the_defaults_are_made_once_and_not_put_back_over_changes(connection: Connection) -> None:
    registry.ensure_defaults(connection, default_pool_slots=128)
    registry.set_pool(connection, registry.Pool(name="default_pool", slots=5))
    registry.ensure_defaults(connection, default_pool_slots=128)
    assert [pool.slots for pool in registry.list_pools(connection)] == [5]
    assert connection.execute(select(tables.grant_lock.c.id)).scalars().all() == [1]


def test_the_default_pool_cannot_be_deleted(connection: Connection) -> None:
    registry.ensure_defaults(connection, default_pool_slots=128)
    with pytest.raises(BadRequest, match="default_pool cannot be deleted"):
        registry.delete_pool(connection, "default_pool")


def test_a_pool_comes_back_as_it_was_set_and_can_be_deleted(connection: Connection) -> None:
    pool = registry.Pool(name="small", slots=2, description="two", include_deferred=True)
    registry.set_pool(connection, pool)
    assert registry.get_pool(connection, "small") == pool
    assert registry.delete_pool(connection, "small")
    assert registry.get_pool(connection, "small") is None


@pytest.mark.parametrize(("name", "slots", "error"), [("a/b", 1, InvalidId), ("a", -2, BadRequest)])
def test_pools_with_bad_names_or_slots_are_refused(
    connection: Connection, name: str, slots: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        registry.set_pool(connection, registry.Pool(name=name, slots=slots))


def test_rotation_encrypts_everything_with_the_first_key(connection: Connection) -> None:
    old, new = new_fernet_key(), new_fernet_key()
    registry.set_variable(connection, FernetBox(old), "sealed", "1")
    registry.set_variable(connection, FernetBox(), "clear", "2")
    registry.set_connection(connection, FernetBox(old), FULL)
    assert registry.rotate_keys(connection, FernetBox(f"{new},{old}")) == 3
    only_new = FernetBox(new)
    assert [v.value for v in registry.list_variables(connection, only_new)] == ["2", "1"]
    assert all(v.is_encrypted for v in registry.list_variables(connection, only_new))
    assert registry.get_connection(connection, only_new, "db") == FULL


def test_rotation_without_a_key_is_refused(connection: Connection) -> None:
    with pytest.raises(BadRequest, match="fernet_key is empty"):
        registry.rotate_keys(connection, FernetBox())


def test_what_is_missing_is_told_with_what_there_is() -> None:
    with pytest.raises(NotFound, match=r"There is no pool 'x'. There are: a, b"):
        registry.require(None, "pool", "x", ["a", "b"])
