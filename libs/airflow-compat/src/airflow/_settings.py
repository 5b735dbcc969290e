"""`airflow.configuration.conf` and `airflow.settings`, by way of Gale's settings.

A task process has no `gale.cfg` to read secrets from: there, what the environment says counts,
and settings that are secrets are refused everywhere.
"""

from functools import cache
from typing import Any, Final

from airflow._adapters import to_boolean
from gale.authoring import services, surroundings
from gale.authoring.instants import zone_of
from gale.errors import ConfigError
from gale.settings import ExplainedSetting, Settings

_ABSENT: Final = object()


@cache
def _explained() -> dict[tuple[str, str], ExplainedSetting]:
    return {(setting.section, setting.key): setting for setting in Settings.load().explain()}


class Configuration:
    """Settings by section and key, as text or converted."""

    def get(self, section: str, key: str, fallback: Any = _ABSENT, **_: Any) -> Any:
        """Return a setting as text.

        Raises:
            ConfigError: There is none of that name, or it is a secret.
        """
        environ = surroundings.current().environ
        name = f"{section.upper()}__{key.upper()}"
        for prefix in ("GALE", "AIRFLOW"):
            if f"{prefix}__{name}" in environ:
                return environ[f"{prefix}__{name}"]
        found = None if services.current() is not None else _explained().get((section.lower(), key.lower()))
        if found is not None and not found.secret:
            return found.value
        if fallback is not _ABSENT:
            return fallback
        raise ConfigError(
            f"conf.get({section!r}, {key!r}) has no answer here: there is no such setting, it is a secret, or a task "
            f"asks that may only see its environment. Set GALE__{name}, or give a fallback."
        )

    def getboolean(self, section: str, key: str, **options: Any) -> bool:
        """Return a setting as yes or no."""
        return to_boolean(str(self.get(section, key, **options)))

    def getint(self, section: str, key: str, **options: Any) -> int:
        """Return a setting as a whole number."""
        return int(self.get(section, key, **options))

    def getfloat(self, section: str, key: str, **options: Any) -> float:
        """Return a setting as a number."""
        return float(self.get(section, key, **options))

    def has_option(self, section: str, key: str) -> bool:
        """Return whether there is such a setting."""
        return self.get(section, key, fallback=None) is not None


conf: Final = Configuration()
get = conf.get
getboolean = conf.getboolean
getint = conf.getint
getfloat = conf.getfloat
has_option = conf.has_option


def __getattr__(name: str) -> Any:
    # Worked out when asked for: reading settings at import would make every DAG file pay for them.
    if name == "AIRFLOW_HOME":
        environ = surroundings.current().environ
        return environ.get("GALE_HOME") or environ.get("AIRFLOW_HOME") or str(Settings.load().home)
    if name == "DAGS_FOLDER":
        return conf.get("core", "dags_folder")
    if name == "TIMEZONE":
        return zone_of(surroundings.current().default_timezone)
    message = f"module 'airflow.settings' has no name {name!r} in Gale"
    raise AttributeError(message)
