"""`gale db prepare`: tables, a first user, and nothing told that need not be."""

import sqlite3
import stat
from pathlib import Path

from gale.db.users import password_matches


def password_hash(home: Path) -> str:
    with sqlite3.connect(home / "gale.db") as connection:
        ((stored,),) = connection.execute("SELECT password_hash FROM user WHERE username = 'admin'").fetchall()
    return stored


def test_the_first_start_makes_up_a_password_shows_it_and_keeps_it(gale, home: Path) -> None:
    said = gale("db", "prepare")
    kept = (home / "admin-password").read_text().strip()
    assert said.code == 0, said
    assert f"Password:  {kept} " in said.out
    assert password_matches(password_hash(home), kept)
    assert stat.S_IMODE((home / "admin-password").stat().st_mode) == 0o600


def test_the_second_start_changes_nothing_and_shows_the_same_password(gale, home: Path) -> None:
    first = gale("db", "prepare")
    stored = password_hash(home)
    assert gale("db", "prepare").out == first.out
    assert password_hash(home) == stored


def test_a_password_that_is_given_is_set_and_never_shown(gale, home: Path, monkeypatch) -> None:
    gale("db", "prepare")
    monkeypatch.setenv("GALE_ADMIN_PASSWORD", "chosen-by-me")
    said = gale("db", "prepare")
    assert "chosen-by-me" not in said.out + said.err
    assert "the one that you have set" in said.out
    assert password_matches(password_hash(home), "chosen-by-me")


def test_a_password_that_is_no_longer_right_is_not_shown(gale, home: Path) -> None:
    gale("db", "prepare")
    old = (home / "admin-password").read_text().strip()
    gale("users", "reset-password", "-u", "admin", "-p", "changed-on-the-page")
    assert old not in gale("db", "prepare").out
    assert password_matches(password_hash(home), "changed-on-the-page")
