"""Looks whether a database can carry Gale: for `gale doctor`, the page on health, and containers."""

import re
from datetime import UTC
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from gale.clock import Clock
from gale.core.findings import Finding, Findings
from gale.db.engine import reading
from gale.db.schema import NEEDED, check_schema
from gale.errors import GaleError, StoreError

#: Leases and due times follow the database's clock; a log that is seconds off misleads whoever reads it.
CLOCK_WARNING_SECONDS: Final = 2.0
CLOCK_FAILURE_SECONDS: Final = 3600.0
#: With SKIP LOCKED, by which schedulers share runs.
_LEAST: Final = {"MySQL": (8, 0), "MariaDB": (10, 6)}
_TESTED: Final = {"MySQL": "8.4", "MariaDB": "10.11"}
_STRICT: Final = frozenset({"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES", "TRADITIONAL"})


def probe_database(engine: Engine, clock: Clock) -> list[Finding]:
    """Return what was found of a database; only the first finding if it cannot be reached."""
    findings = Findings("database")
    where = engine.url.render_as_string(hide_password=True)
    try:
        with reading(engine) as connection:
            connection.execute(text("SELECT 1"))
            findings.ok("login", f"{where} answers.")
            if engine.dialect.name == "sqlite":
                _sqlite(connection, findings)
            else:
                for check in (_version, _charset, _isolation, _strictness):
                    check(connection, findings)
                _clock(connection, findings, clock)
    except StoreError as error:
        findings.fail("login", str(error))
        return findings.all
    _migrations(engine, findings)
    return findings.all


def _sqlite(connection: Connection, findings: Findings) -> None:
    version = connection.execute(text("SELECT sqlite_version()")).scalar_one()
    findings.ok("version", f"SQLite {version}: for one machine.")


def _version(connection: Connection, findings: Findings) -> None:
    said = str(connection.execute(text("SELECT VERSION()")).scalar_one())
    kind = "MariaDB" if "mariadb" in said.lower() else "MySQL"
    # MariaDB before 11 puts a 5.5.5- in front, for old replicas.
    found = re.search(r"(\d+)\.(\d+)", said.removeprefix("5.5.5-"))
    version = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    least = ".".join(map(str, _LEAST[kind]))
    if version < _LEAST[kind]:
        findings.fail(
            "version",
            f"{kind} {said} has no SKIP LOCKED, by which schedulers share runs.",
            f"Upgrade it to {kind} {least} or later (tested: {_TESTED[kind]}).",
        )
    else:
        findings.ok("version", f"{kind} {said} (tested: {_TESTED[kind]}; needed: {least}).")


def _charset(connection: Connection, findings: Findings) -> None:
    used = _variable(connection, "character_set_connection")
    default = connection.execute(text("SELECT @@character_set_database")).scalar_one()
    narrow = connection.execute(
        text(
            "SELECT table_name, table_collation FROM information_schema.tables WHERE table_schema = DATABASE() "
            "AND table_name IN ('dag', 'dag_run', 'task_instance', 'xcom') AND table_collation NOT LIKE 'utf8mb4%'"
        )
    ).all()
    if used != "utf8mb4":
        findings.fail(
            "charset",
            f"The connection speaks {used}, which cannot carry every character.",
            "Remove `charset` from [database] sql_alchemy_conn: Gale sets utf8mb4 itself.",
        )
    elif narrow:
        names = ", ".join(f"{row[0]} ({row[1]})" for row in narrow)
        findings.warn(
            "charset",
            f"These tables cannot hold every character: {names}.",
            "ALTER TABLE name CONVERT TO CHARACTER SET utf8mb4; ids keep a binary collation of their own.",
        )
    elif default != "utf8mb4":
        findings.ok("charset", f"The database's default is {default}, but Gale's own tables have utf8mb4.")
    else:
        findings.ok("charset", "utf8mb4.")


def _isolation(connection: Connection, findings: Findings) -> None:
    names = ("transaction_isolation", "tx_isolation")
    found = next((value for name in names if (value := _variable(connection, name))), "unknown")
    if found == "READ-COMMITTED":
        findings.ok("isolation", "Transactions see what others have committed (READ COMMITTED).")
    else:
        findings.fail(
            "isolation",
            f"Transactions are isolated by {found}, under which states overwrite each other.",
            "Remove `isolation_level` from [database] sql_alchemy_conn: Gale sets READ COMMITTED itself.",
        )


def _strictness(connection: Connection, findings: Findings) -> None:
    modes = set((_variable(connection, "sql_mode") or "").split(","))
    if modes & _STRICT:
        findings.ok("strictness", "What does not fit into a column is refused.")
    else:
        findings.fail(
            "strictness",
            "The server cuts off what does not fit into a column, without a word (sql_mode is not strict).",
            "Set sql_mode = STRICT_TRANS_TABLES in the server's configuration.",
        )


def _clock(connection: Connection, findings: Findings, clock: Clock) -> None:
    before = clock.now()
    theirs = connection.execute(text("SELECT UTC_TIMESTAMP(6)")).scalar_one().replace(tzinfo=UTC)
    ours = before + (clock.now() - before) / 2
    seconds = (theirs - ours).total_seconds()
    told = f"The database's clock is {abs(seconds):.3f} s {'ahead of' if seconds > 0 else 'behind'} this machine's."
    advice = "Let all machines set their clocks by NTP. Gale itself follows the database's clock."
    if abs(seconds) > CLOCK_FAILURE_SECONDS:
        findings.fail("clock", told, advice)
    elif abs(seconds) > CLOCK_WARNING_SECONDS:
        findings.warn("clock", told, advice)
    else:
        findings.ok("clock", told)


def _migrations(engine: Engine, findings: Findings) -> None:
    try:
        check_schema(engine)
    except GaleError as error:
        findings.fail("migrations", str(error))
    else:
        findings.ok("migrations", f"The tables have schema {NEEDED}, as this Gale needs it.")


def _variable(connection: Connection, name: str) -> str | None:
    """Return a variable of the session, None if the server has none of that name."""
    row: Any = connection.execute(text("SHOW SESSION VARIABLES LIKE :name"), {"name": name}).first()
    return None if row is None else str(row[1])
