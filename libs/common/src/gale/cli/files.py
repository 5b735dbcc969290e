"""Import and export files of variables, connections and pools: JSON, YAML or `.env`, told by the ending."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from gale.errors import BadRequest

_YAML: Final = frozenset({".yaml", ".yml"})
_ENV: Final = frozenset({".env"})


def _kind(file: Path) -> str:
    ending = file.suffix.lower() or (".env" if file.name == ".env" else "")
    if ending in _YAML:
        return "yaml"
    return "env" if ending in _ENV else "json"


def read_entries(file: Path) -> dict[str, Any]:
    """Return what a file holds: names to values.

    Raises:
        BadRequest: It cannot be read, or is not of the form that its ending promises.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise BadRequest(f"{file} cannot be read: {reason}.") from None
    try:
        found = _parse(text, _kind(file))
    except ValueError as error:
        raise BadRequest(f"{file} is no {_kind(file).upper()} file: {error}. Nothing was imported.") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise BadRequest(f"{file} must hold an object of names and values. Nothing was imported.")
    return found


def _parse(text: str, kind: str) -> Any:
    if kind == "json":
        return json.loads(text)
    if kind == "yaml":
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(str(error).replace("\n", " ")) from None
    return dict(_env_line(number, line) for number, line in enumerate(text.splitlines(), 1) if _says(line))


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _env_line(number: int, line: str) -> tuple[str, str]:
    name, equals, value = line.strip().partition("=")
    if not equals or not name.strip():
        message = f"line {number} is not NAME=value"
        raise ValueError(message)
    return name.strip().removeprefix("export "), value.strip().strip("'\"")


def write_entries(file: Path, entries: Mapping[str, Any], *, kind: str | None = None) -> None:
    """Write names and values; the file is readable by its owner only, for it may hold secrets.

    Args:
        file: Where to; `-` = standard output.
        entries: What to write.
        kind: json, yaml or env; default: what the file's ending says.

    Raises:
        BadRequest: The file cannot be written.
    """
    text = _format(entries, kind or _kind(file))
    if str(file) in {"-", "/dev/stdout"}:
        click.echo(text, nl=False)
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise BadRequest(f"{file} cannot be written: {error.strerror}.") from None


def _format(entries: Mapping[str, Any], kind: str) -> str:
    if kind == "yaml":
        import yaml

        return str(yaml.safe_dump(dict(entries), allow_unicode=True, sort_keys=False))
    if kind == "env":
        lines = [
            f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
            for name, value in entries.items()
        ]
        return "".join(f"{line}\n" for line in lines)
    return json.dumps(dict(entries), indent=2, ensure_ascii=False) + "\n"
