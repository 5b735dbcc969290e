"""How commands print what they found: as a table, JSON, YAML or plain columns."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

import click

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

FORMATS: Final = ("table", "json", "yaml", "plain")
_COLOURS: Final = {
    "success": "green",
    "running": "bright_green",
    "failed": "red",
    "upstream_failed": "dark_orange",
    "up_for_retry": "gold1",
    "up_for_reschedule": "turquoise2",
    "queued": "grey62",
    "scheduled": "tan",
    "skipped": "hot_pink",
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
    if not rows:
        click.echo("Nothing found.")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row[name]), style=_COLOURS.get(_cell(row[name]), "")) for name in names))
    is_terminal = sys.stdout.isatty()
    # Into a file or a pipe nothing is folded: programs read it.
    Console(file=sys.stdout, width=None if is_terminal else 10_000).print(table)
