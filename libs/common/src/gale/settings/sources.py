"""Where values come from: environment variables, `gale.cfg`, `airflow.cfg`.

Each source gives text with the place where it stands, so that every complaint can name it.
"""

import configparser
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gale.errors import ConfigError
from gale.settings.names import Name

#: Where `_secret` looks for names that are no absolute paths: Docker and Podman put secrets there.
SECRETS_FOLDER: Final = Path("/run/secrets")
COMMAND_SECONDS: Final = 10
_SUFFIXES: Final = ("_cmd", "_secret")


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody wrote it, and where."""

    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Source:
    """One place that gives values. A strict one is ours: a name that it gives and we do not know is an error."""

    label: str
    strict: bool
    values: Mapping[Name, Given]


def read_environment(environ: Mapping[str, str], prefix: str) -> dict[Name, Given]:
    """Return the values of variables such as `GALE__CORE__PARALLELISM`.

    Raises:
        ConfigError: A variable has the prefix but not both a section and a key.
    """
    values = {}
    for name in sorted(environ):
        if not name.startswith(f"{prefix}__"):
            continue
        match name.split("__", 2):
            case [_, section, key] if section and key:
                values[section.lower(), key.lower()] = Given(environ[name], f"environment variable {name}")
            case _:
                raise ConfigError(
                    f"The environment variable {name} does not name a setting. "
                    f"Write {prefix}__SECTION__KEY, for instance {prefix}__CORE__PARALLELISM."
                )
    return values


def read_file(path: Path, *, percent_escapes: bool = False) -> dict[Name, Given]:
    """Return the values of a configuration file; nothing if it does not exist.

    Args:
        path: The file.
        percent_escapes: Whether `%%` stands for `%`, as in `airflow.cfg`.

    Raises:
        ConfigError: The file cannot be read or is no configuration file; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not text in UTF-8 (byte {error.start + 1} is {error.object[error.start]:#04x}), so it cannot "
            "be a configuration file. Restore it from a copy, or move it away: Gale writes a new one at its next start."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Give this user the right to read it.") from None
    parser = _parse(path, text)
    lines = _line_numbers(text)
    values = {}
    for section in parser.sections():
        for key, raw in parser.items(section):
            value = raw.replace("%%", "%") if percent_escapes else raw
            place = f"{path}, line {lines.get((section.lower(), key), 0)}"
            values[section.lower(), key] = Given(value, place)
    return values


def _parse(path: Path, text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=True, default_section="\0", empty_lines_in_values=False)
    try:
        parser.read_string(text, source=str(path))
    except configparser.MissingSectionHeaderError as error:
        problem, line = "stands before the first [section]", error.lineno
    except configparser.DuplicateSectionError as error:
        problem, line = f"opens the section [{error.section}] for the second time", error.lineno or 0
    except configparser.DuplicateOptionError as error:
        problem, line = f"sets [{error.section}] {error.option} for the second time", error.lineno or 0
    except configparser.ParsingError as error:
        problem, line = "is neither [section], nor key = value, nor a comment", error.errors[0][0]
    else:
        return parser
    shown = text.splitlines()[line - 1].strip()[:60] if 0 < line <= len(text.splitlines()) else ""
    raise ConfigError(
        f"{path}, line {line} {problem}: {shown!r}. Correct the line, or move the file away: "
        "Gale writes a new one at its next start."
    )


def _line_numbers(text: str) -> dict[Name, int]:
    """Return where each key stands; configparser does not tell."""
    lines = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\[(.+)\]", line):
            section = header.group(1).lower()
        elif entry := re.match(r"([^\s#;=:][^=:]*?)\s*[=:]", line):
            lines[section, entry.group(1).lower()] = number
    return lines


def resolve_indirect(given: Given, suffix: str) -> Given:
    """Return the secret to which a `_cmd` or `_secret` setting points.

    `_cmd` is a command whose output is the value (run without a shell); `_secret` is the path of
    a file, or the name of one under `/run/secrets`.

    Raises:
        ConfigError: The command fails or the file cannot be read.
    """
    return Given(_run(given), given.place) if suffix == "_cmd" else Given(_read_secret(given), given.place)


def split_suffix(key: str) -> tuple[str, str]:
    """Return a key without `_cmd` or `_secret`, and which of the two it had."""
    for suffix in _SUFFIXES:
        if key.endswith(suffix):
            return key.removesuffix(suffix), suffix
    return key, ""


def _run(given: Given) -> str:
    command = given.text.split()
    try:
        done = subprocess.run(  # noqa: S603 - the user's own configuration asks for it
            command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True
        )
    except (OSError, IndexError, subprocess.SubprocessError) as error:
        detail = (getattr(error, "stderr", "") or str(error)).strip()
        raise ConfigError(f"{given.place}: the command {given.text!r} gave no value: {detail}. Correct it.") from None
    return done.stdout.rstrip("\n")


def _read_secret(given: Given) -> str:
    path = SECRETS_FOLDER / given.text.strip()
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{given.place}: the secret {path} cannot be read: {getattr(error, 'strerror', None) or error}. "
            "Give an absolute path, or the name of a file in /run/secrets."
        ) from None
