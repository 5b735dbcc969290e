"""How commands print what they found: as a table, JSON, YAML or plain columns."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar
from unicodedata import combining, east_asian_width

import click

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

FORMATS: Final = ("table", "json", "yaml", "plain")
_COLOURS: Final = {
    "success": "green",
    "running": "bright_green",
    "failed": "red",
    "upstream_failed": "yellow",
    "up_for_retry": "yellow",
    "up_for_reschedule": "cyan",
    "queued": "bright_black",
    "scheduled": "bright_black",
    "skipped": "magenta",
}


def output_option(function: F) -> F:
    """Add `--output` to a command."""
    return click.option(
        "-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="Form of the result."
    )(function)


def show_rows(rows: Iterable[Mapping[str, Any]], output: str, *, columns: Sequence[str] = ()) -> None:
    """Print rows, each with the same keys.

    Args:
        rows: What to show.
        output: One of FORMATS.
        columns: Which keys, in which order; default: those of the first row.
    """
    given = list(rows)
    names = list(columns) or (list(given[0]) if given else [])
    picked = [{name: _plain(row.get(name)) for name in names} for row in given]
    match output:
        case "json":
            click.echo(json.dumps(picked, ensure_ascii=False, indent=2))
        case "yaml":
            _echo_yaml(picked)
        case "plain":
            _echo_columns(names, picked)
        case _:
            _echo_table(names, picked)


def show_fields(fields: Mapping[str, Any], output: str) -> None:
    """Print one thing: its fields below each other, or one JSON or YAML object."""
    plain = {name: _plain(value) for name, value in fields.items()}
    match output:
        case "json":
            click.echo(json.dumps(plain, ensure_ascii=False, indent=2))
        case "yaml":
            _echo_yaml(plain)
        case _:
            width = max(map(len, plain), default=0)
            for name, value in plain.items():
                lines = _cell(value).splitlines() or [""]
                click.echo(f"{name:<{width}}  {lines[0]}".rstrip())
                for line in lines[1:]:
                    click.echo(f"{'':<{width}}  {line}".rstrip())


def track(items: Sequence[T], label: str) -> Iterator[T]:
    """Give the items, with a progress bar on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as bar

    yield from bar(items, label, console=Console(stderr=True), transient=True)


def _plain(value: Any) -> Any:
    """Return a value as JSON and YAML know it."""
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Enum():
            return value.value
        case Path():
            return str(value)
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case _:
            return value


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case list():
            return ", ".join(map(_cell, value))
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def _echo_yaml(value: Any) -> None:
    import yaml

    click.echo(yaml.safe_dump(value, allow_unicode=True, sort_keys=False), nl=False)


def _echo_columns(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print columns divided by at least two blanks, for `awk` and the eye."""
    lines = [list(names), *([_cell(row[name]).replace("\n", " ") for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines if names else []:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _echo_table(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a table. Written out here because loading rich takes as long as the rest of a short command."""
    if not rows:
        click.echo("Nothing found.")
        return
    lines = [[_cell(row[name]).replace("\n", " ") for name in names] for row in rows]
    columns = [[name, *(line[number] for line in lines)] for number, name in enumerate(names)]
    widths = [max(map(_width, column)) for column in columns]
    click.echo(_joined(names, widths))
    click.echo("─" * (sum(widths) + 3 * (len(widths) - 1)))
    for line in lines:
        click.echo(_joined(line, widths, colour=True))


def _joined(cells: Sequence[str], widths: Sequence[int], *, colour: bool = False) -> str:
    padded = [
        (click.style(cell, fg=_COLOURS.get(cell)) if colour and cell in _COLOURS else cell)
        + " " * (width - _width(cell))
        for cell, width in zip(cells, widths, strict=True)
    ]
    return "   ".join(padded).rstrip()


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese characters take two."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(char) in "WF" else 0 if combining(char) else 1 for char in text)
