"""The migrations make the very tables of `tables.py`, on every database, from any state."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, insert, inspect, text

from gale.db import migrations, schema, tables
from gale.db.engine import open_engine, reading, writing
from gale.db.migrate import downgrade, migrate, reset
from gale.errors import BadRequest, SchemaOutdated, SchemaTooNew, StoreError, StoreLocked, StoreReadOnly
from gale.settings import environment

MYSQL_URL = environment("GALE_TEST_MYSQL_URL")


@pytest.fixture(params=["sqlite", pytest.param("mysql", marks=pytest.mark.mysql)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "mysql" and not MYSQL_URL:
        pytest.skip("GALE_TEST_MYSQL_URL names no server")
    opened = open_engine(MYSQL_URL if request.param == "mysql" else f"sqlite:///{tmp_path}/gale.db")
    if request.param == "mysql":
        _drop_everything(opened)
    yield opened
    opened.dispose()


def _drop_everything(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        for name in inspect(connection).get_table_names():
            connection.execute(text(f"DROP TABLE `{name}`"))


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return not (kind == "table" and name == schema.VERSION_TABLE)


def _make(engine: Engine) -> None:
    migrate(engine, default_pool_slots=128)


def _schema(connection: Connection) -> dict[str, object]:
    seen = inspect(connection)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in seen.get_columns(name)],
            seen.get_pk_constraint(name),
            sorted(map(repr, seen.get_foreign_keys(name))),
            sorted(map(repr, seen.get_indexes(name))),
            sorted(map(repr, seen.get_unique_constraints(name))),
        )
        for name in seen.get_table_names()
        if name != schema.VERSION_TABLE
    }


def test_the_migrations_make_exactly_the_tables_of_the_code(engine: Engine) -> None:
    _make(engine)
    with reading(engine) as connection:
        options = {"include_name": _is_ours, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, tables.metadata) == []
        migrated = _schema(connection)
    with writing(engine) as connection:
        tables.metadata.drop_all(connection)
        tables.metadata.create_all(connection)
    with reading(engine) as connection:
        assert _schema(connection) == migrated


def test_the_list_of_revisions_is_that_of_the_scripts() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    found = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(found)) == schema.REVISIONS


def test_a_fresh_database_has_the_default_pool_and_the_lock(engine: Engine) -> None:
    assert migrate(engine, default_pool_slots=7) == (None, schema.NEEDED)
    with reading(engine) as connection:
        assert connection.execute(tables.slot_pool.select()).one().slots == 7
        assert connection.execute(tables.grant_lock.select()).one().id == 1


def test_migrating_a_second_time_changes_nothing(engine: Engine) -> None:
    _make(engine)
    assert migrate(engine, default_pool_slots=1) == (schema.NEEDED, schema.NEEDED)
    schema.check_schema(engine)


def test_an_empty_database_is_refused_with_the_command_that_helps(engine: Engine) -> None:
    with pytest.raises(SchemaOutdated, match="Run `gale db migrate`"):
        schema.check_schema(engine)


def test_a_newer_schema_is_refused_and_left_alone(engine: Engine) -> None:
    _make(engine)
    with writing(engine) as connection:
        connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
    for refused in (schema.check_schema, _make, lambda e: downgrade(e, "base")):
        with pytest.raises(SchemaTooNew, match="'9999'"):
            refused(engine)
    with reading(engine) as connection:
        assert schema.current_revision(connection) == "9999"


def test_a_database_of_airflow_is_refused_and_left_alone(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("CREATE TABLE dag_run (id INTEGER)"))
    for refused in (schema.check_schema, _make, lambda e: reset(e, default_pool_slots=1)):
        with pytest.raises(StoreError, match=r"another program, probably Airflow \(alembic_version, dag_run\)"):
            refused(engine)
    with reading(engine) as connection:
        assert set(inspect(connection).get_table_names()) == {"alembic_version", "dag_run"}


def test_a_reset_empties_all_tables(engine: Engine) -> None:
    _make(engine)
    with writing(engine) as connection:
        connection.execute(insert(tables.variable), [{"key": "a", "value": "1", "is_encrypted": False}])
    reset(engine, default_pool_slots=128)
    with reading(engine) as connection:
        assert connection.execute(tables.variable.select()).first() is None
        assert connection.execute(tables.slot_pool.select()).one().pool == "default_pool"


def test_going_back_to_the_start_leaves_no_table(engine: Engine) -> None:
    _make(engine)
    assert downgrade(engine, "base") == (schema.NEEDED, "base")
    with reading(engine) as connection:
        assert inspect(connection).get_table_names() == [schema.VERSION_TABLE]
    _make(engine)
    schema.check_schema(engine)


def test_going_back_to_a_revision_that_never_was_is_refused(engine: Engine) -> None:
    with pytest.raises(BadRequest, match="There are: base, 0001"):
        downgrade(engine, "7777")
    with pytest.raises(BadRequest, match="nothing to take back"):
        downgrade(engine, "base")


def test_a_locked_database_is_told_as_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gale.db.engine.LOCK_SECONDS", 0.1)  # nobody wants to wait here
    path = tmp_path / "gale.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    engine = open_engine(f"sqlite:///{path}")
    with pytest.raises(StoreLocked, match="locked by another program"):
        _make(engine)
    holder.close()
    engine.dispose()


def test_a_database_that_cannot_be_written_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "gale.db"
    sqlite3.connect(path).execute("CREATE TABLE something (id INTEGER)").connection.close()
    engine = open_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    with pytest.raises(StoreReadOnly, match="can be read but not written"):
        _make(engine)
    engine.dispose()


def test_a_file_that_is_no_database_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "gale.db"
    path.write_text("this is no database, but it is long enough to look like one " * 20)
    engine = open_engine(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="not a database"):
        schema.check_schema(engine)
    engine.dispose()
