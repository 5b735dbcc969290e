"""Bad settings, a bad database: one sentence that says what to do, a code that is not 0, no traceback."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine

from gale.settings.first_file import new_fernet_key

COMMANDS = [("dags", "list"), ("variables", "list"), ("info",), ("db", "check"), ("config", "list")]
DATABASE_COMMANDS = [("dags", "list"), ("variables", "set", "a", "b"), ("db", "check")]


def assert_told(said, code: int, *words: str) -> None:
    assert said.code == code, said
    assert said.err.startswith("gale: ")
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[core]\nwhat is this\n", ("gale.cfg, line 2", "Correct the line")),
        ("[core]\nparalelism = 3\n", ("gale.cfg, line 2", "Did you mean [core] parallelism?")),
        ("[core]\nparallelism = many\n", ("gale.cfg, line 2", "is no whole number")),
    ],
)
def test_settings_that_are_wrong_are_told(gale, home: Path, command, text: str, words: tuple[str, ...]) -> None:
    (home / "gale.cfg").write_text(text)
    assert_told(gale(*command), 2, *words)


def test_lint_lists_all_that_is_wrong_and_ends_with_the_same_code(gale, home: Path) -> None:
    (home / "gale.cfg").write_text("[core]\nparalelism = 3\ndag_concurrency = 4\n")
    said = gale("config", "lint")
    assert said.code == 2
    assert "paralelism" in said.out
    assert "max_active_tasks_per_dag today" in said.out


@pytest.mark.parametrize("command", DATABASE_COMMANDS)
def test_a_database_that_is_not_there_is_told(gale, command) -> None:
    assert_told(gale(*command), 3, "There is no database file", "gale db migrate")


@pytest.mark.parametrize("command", DATABASE_COMMANDS)
def test_a_database_without_tables_is_told(gale, home: Path, command) -> None:
    sqlite3.connect(home / "gale.db").close()
    assert_told(gale(*command), 3, "is empty", "gale db migrate")


@pytest.mark.parametrize("command", [*DATABASE_COMMANDS, ("db", "migrate")])
def test_a_database_of_a_newer_version_is_told(gale, home: Path, engine: Engine, command) -> None:
    del engine
    with sqlite3.connect(home / "gale.db") as connection:
        connection.execute("UPDATE gale_schema_version SET version_num = '9999'")
    assert_told(gale(*command), 3, "9999", "newer Gale")


@pytest.mark.parametrize("command", [("variables", "set", "a", "b"), ("db", "migrate")])
def test_a_database_that_is_locked_is_told(
    gale, home: Path, engine: Engine, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    del engine
    monkeypatch.setattr("gale.db.engine.LOCK_SECONDS", 0.1)  # nobody wants to wait here
    holder = sqlite3.connect(home / "gale.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert_told(gale(*command), 3, "locked by another program")
    holder.close()


@pytest.mark.parametrize("command", [("variables", "set", "a", "b"), ("db", "reset", "-y")])
def test_a_database_that_is_read_only_is_told(
    gale, home: Path, engine: Engine, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write every file, so SQLite itself is asked to refuse."""
    del engine
    monkeypatch.setenv("GALE__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///file:{home}/gale.db?mode=ro&uri=true")
    assert_told(gale(*command), 3, "can be read but not written")


def test_a_file_that_is_no_database_is_told(gale, home: Path) -> None:
    (home / "gale.db").write_text("not a database, but long enough to look like one " * 40)
    assert_told(gale("dags", "list"), 3, "no SQLite database")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("no url", ("is no database URL",)),
        ("oracle://x/y", ("oracle",)),
        ("sqlite:////does/not/exist/gale.db", ("There is no database file",)),
    ],
)
def test_a_database_that_cannot_be_is_told(gale, monkeypatch: pytest.MonkeyPatch, url: str, words) -> None:
    monkeypatch.setenv("GALE__DATABASE__SQL_ALCHEMY_CONN", url)
    said = gale("db", "check")
    assert said.code in {2, 3}
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


def test_a_home_that_cannot_be_made_is_told(gale, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("GALE_HOME", str(home / "file" / "below"))
    assert_told(gale("dags", "list"), 2, "Set GALE_HOME")


def test_a_lost_key_is_told(gale, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    del engine
    gale("variables", "set", "mine", "1")
    monkeypatch.setenv("GALE__CORE__FERNET_KEY", new_fernet_key())
    assert_told(gale("variables", "get", "mine"), 2, "'mine'", "another key")
    monkeypatch.setenv("GALE__CORE__FERNET_KEY", "short")
    assert_told(gale("variables", "get", "mine"), 2, "no Fernet key")
