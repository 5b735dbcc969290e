"""Runs the checks: all of them, or those of some parts."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from gale.clock import Clock
from gale.core.findings import Finding, Findings, Verdict
from gale.db.engine import open_engine
from gale.db.probe import probe_database
from gale.doctor.folders import probe_dags, probe_logs
from gale.errors import ConfigError, GaleError
from gale.secrets import FernetBox, derive_key
from gale.settings import Settings
from gale.settings.passwords import refuse_well_known

CELERY: Final = "CeleryExecutor"


def examine(settings: Settings, clock: Clock, only: Collection[str] = ()) -> list[Finding]:
    """Return what was found.

    Args:
        settings: Those to look at.
        clock: This machine's.
        only: Names of PARTS; none = all. Each takes well under a second where all is well.
    """
    return [finding for part, look in PARTS.items() if not only or part in only for finding in look(settings, clock)]


def is_well(findings: Collection[Finding]) -> bool:
    """Return True if nothing failed; warnings do not count."""
    return all(finding.verdict is not Verdict.FAILED for finding in findings)


def _settings(settings: Settings, clock: Clock) -> list[Finding]:
    del clock
    findings = Findings("settings")
    findings.ok("home", f"Settings are read from {settings.home}.")
    for check, look, well in (
        ("secret_key", _secret_key, "[webserver] secret_key is long enough."),
        ("fernet_key", _fernet_key, "[core] fernet_key encrypts secrets in the database."),
        ("passwords", refuse_well_known, "No server that others can reach has a password that everybody knows."),
        ("executor", _executor, f"[core] executor is {settings.core.executor}."),
    ):
        try:
            look(settings)
        except ConfigError as error:
            findings.fail(check, str(error))
        else:
            findings.ok(check, well)
    return findings.all


def _secret_key(settings: Settings) -> None:
    derive_key(settings.webserver.secret_key, "a trial")


def _fernet_key(settings: Settings) -> None:
    if not FernetBox(settings.core.fernet_key).is_on:
        raise ConfigError("[core] fernet_key is empty, so passwords of connections are stored in clear.")


def _executor(settings: Settings) -> None:
    if settings.core.executor == CELERY and settings.database.sql_alchemy_conn.startswith("sqlite"):
        raise ConfigError(
            "[core] executor is CeleryExecutor, but the database is a SQLite file, which workers elsewhere cannot "
            "reach. Name a MySQL database in [database] sql_alchemy_conn, or choose LocalExecutor."
        )


def _database(settings: Settings, clock: Clock) -> list[Finding]:
    findings = Findings("database")
    try:
        engine = open_engine(settings.database.sql_alchemy_conn, must_exist=True)
    except GaleError as error:
        findings.fail("login", str(error))
        return findings.all
    try:
        return probe_database(engine, clock)
    finally:
        engine.dispose()


def _broker(settings: Settings, clock: Clock) -> list[Finding]:
    del clock
    findings = Findings("broker")
    if settings.core.executor != CELERY and not settings.celery.broker_url:
        findings.ok("kind", f"None is needed: the executor is {settings.core.executor}.")
        return findings.all
    try:
        # On one machine neither Celery nor pika has to be installed.
        from gale.broker.probe import probe_broker  # noqa: PLC0415

        return probe_broker(settings)
    except ModuleNotFoundError as error:
        findings.fail("kind", f"{error.name} is not installed.", "Run: pip install 'gale[celery,rabbitmq]'")
    except ConfigError as error:
        findings.fail("kind", str(error))
    return findings.all


#: Part to what looks at it.
PARTS: Final[Mapping[str, Callable[[Settings, Clock], list[Finding]]]] = {
    "settings": _settings,
    "database": _database,
    "broker": _broker,
    "dags": lambda settings, _: probe_dags(settings),
    "logs": lambda settings, _: probe_logs(settings),
}
