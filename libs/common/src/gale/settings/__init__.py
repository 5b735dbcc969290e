"""The one frozen `Settings`, and the only place that reads the environment.

Strongest first: `GALE__SECTION__KEY`, `AIRFLOW__SECTION__KEY`, `$GALE_HOME/gale.cfg`,
`$AIRFLOW_HOME/airflow.cfg`, the default. Whoever needs a setting is handed it.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self

from gale.errors import ConfigError
from gale.settings import first_file
from gale.settings.names import Name
from gale.settings.reading import OPTIONS, Reading, read
from gale.settings.sections import (
    SECTIONS,
    ApiAuthSection,
    ApiSection,
    CelerySection,
    CoreSection,
    DatabaseSection,
    EmailSection,
    LoggingSection,
    OperatorsSection,
    SchedulerSection,
    SmtpSection,
    WebserverSection,
)
from gale.settings.sources import Source, read_environment, read_file

DEFAULT_HOME: Final = "gale"
CONFIG_FILE: Final = "gale.cfg"


@dataclass(frozen=True, slots=True)
class ExplainedSetting:
    """One setting as `gale config list` shows it."""

    section: str
    key: str
    #: As text; secrets are not masked here.
    value: str
    default: str
    #: "default", or the file and line or the environment variable.
    source: str
    secret: bool
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set, read once, passed to whoever needs it."""

    home: Path
    core: CoreSection
    database: DatabaseSection
    logging: LoggingSection
    scheduler: SchedulerSection
    webserver: WebserverSection
    api: ApiSection
    api_auth: ApiAuthSection
    smtp: SmtpSection
    email: EmailSection
    operators: OperatorsSection
    celery: CelerySection
    #: Where each value that is no default comes from.
    places: Mapping[Name, str] = field(default_factory=dict)
    #: Older names in use and settings without a counterpart: one line each, for the log of a start.
    notes: tuple[str, ...] = ()

    @classmethod
    def load(cls, home: Path | None = None, environ: Mapping[str, str] | None = None) -> Self:
        """Read all sources; the first start writes `gale.cfg` with fresh secrets.

        Args:
            home: Folder of `gale.cfg`; default `$GALE_HOME`, `$AIRFLOW_HOME`, `~/gale`.
            environ: Environment variables; default those of this process.

        Raises:
            ConfigError: A name is misspelt, a value of the wrong type, a file broken or not readable.
        """
        variables = os.environ if environ is None else environ
        home = find_home(variables) if home is None else home.absolute()
        reading = _read_sources(home, variables)
        if not (home / CONFIG_FILE).exists():
            fresh = first_file.fresh_secrets(set(reading.places))
            first_file.write(home / CONFIG_FILE, first_file.render(fresh))
            reading = _read_sources(home, variables)
        if reading.problems:
            raise ConfigError("\n".join(reading.problems))
        sections: dict[str, Any] = {
            section: section_class(**{o.name: reading.values[section, o.name] for o in fields(section_class)})
            for section, section_class in SECTIONS.items()
        }
        return cls(home=home, places=reading.places, notes=_notes(reading), **sections)

    def is_set(self, section: str, key: str) -> bool:
        """Return True if somebody set the value, False if it is the default."""
        return (section, key) in self.places

    def dag_folders(self) -> tuple[Path, ...]:
        """Return the folders in which DAG files are looked for: the user's, then the shipped examples if wanted."""
        examples = shipped_examples() if self.core.load_examples else None
        return (self.core.dags_folder,) if examples is None else (self.core.dags_folder, examples)

    def explain(self) -> Iterator[ExplainedSetting]:
        """Give every setting with its value, its default and where it comes from."""
        for (section, key), option in OPTIONS.items():
            yield ExplainedSetting(
                section=section,
                key=key,
                value=as_text(getattr(getattr(self, section), key)),
                default=as_text(option.default),
                source=self.places.get((section, key), "default"),
                secret=option.metadata["secret"],
                about=option.metadata["about"],
            )


def find_home(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of Gale's files: `$GALE_HOME`, else `$AIRFLOW_HOME`, else `~/gale`."""
    variables = os.environ if environ is None else environ
    named = variables.get("GALE_HOME") or variables.get("AIRFLOW_HOME")
    if named:
        return Path(os.path.expanduser(named)).absolute()  # noqa: PTH111 - `Path.expanduser` raises for users without a home
    return Path(variables.get("HOME", "/")) / DEFAULT_HOME


def shipped_examples() -> Path | None:
    """Return the folder of the examples: inside the installed package, or at the root of a source tree."""
    package = Path(__file__).parents[1]
    candidates = (package / "example_dags", *(parent / "examples" for parent in package.parents[3:4]))
    return next((folder for folder in candidates if folder.is_dir()), None)


def environment(name: str, default: str = "") -> str:
    """Return a variable of this process's environment that is no setting, such as NO_COLOR."""
    return os.environ.get(name, default)


def whole_environment() -> dict[str, str]:
    """Return a copy of this process's environment, for child processes and DAG authors' variables."""
    return dict(os.environ)


def inspect(home: Path | None = None, environ: Mapping[str, str] | None = None) -> Reading:
    """Return all problems and notes of the sources without refusing anything: for `gale config lint`."""
    variables = os.environ if environ is None else environ
    return _read_sources(find_home(variables) if home is None else home, variables)


def as_text(value: Any) -> str:
    """Return a value as it would stand in `gale.cfg`."""
    match value:
        case None:
            return ""
        case tuple():
            return ", ".join(value)
        case _:
            return str(value)


def _read_sources(home: Path, environ: Mapping[str, str]) -> Reading:
    airflow_home = Path(environ.get("AIRFLOW_HOME") or home)
    places = {**environ, "GALE_HOME": str(home), "AIRFLOW_HOME": str(airflow_home)}
    gale_file, airflow_file = home / CONFIG_FILE, airflow_home / "airflow.cfg"
    sources = (
        Source("GALE__", strict=True, values=read_environment(environ, "GALE")),
        Source("AIRFLOW__", strict=False, values=read_environment(environ, "AIRFLOW")),
        Source(str(gale_file), strict=True, values=read_file(gale_file)),
        Source(str(airflow_file), strict=False, values=read_file(airflow_file, percent_escapes=True)),
    )
    return read(sources, places)


def _notes(reading: Reading) -> tuple[str, ...]:
    if not reading.ignored:
        return tuple(reading.notes)
    ignored = (
        f"{len(reading.ignored)} settings of Airflow have no counterpart in Gale and have no effect; "
        "`gale config lint` lists them."
    )
    return (*reading.notes, ignored)
