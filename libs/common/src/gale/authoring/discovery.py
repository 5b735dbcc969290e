"""Which files of a folder may hold DAGs.

`.airflowignore` and `.galeignore` name what to leave out, for the folder they stand in and
those below. `.galeignore` is written as a `.gitignore` is. So is `.airflowignore` (Airflow 3),
unless Airflow 2's form is asked for, by setting or by a line `# syntax: regexp` in the file.
"""

import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Syntax = Literal["glob", "regexp"]

_SYNTAX_LINE: Final = re.compile(r"#\s*syntax:\s*(glob|regexp)\s*$", re.IGNORECASE)
_DAG: Final = re.compile(r"dag", re.IGNORECASE)
_ENGINE: Final = re.compile(r"airflow|gale", re.IGNORECASE)


def might_contain_dag(text: str) -> bool:
    """Return whether a file's text speaks of DAGs and of Airflow or Gale at all (safe mode)."""
    return bool(_DAG.search(text) and _ENGINE.search(text))


@dataclass(frozen=True, slots=True)
class _Rule:
    """One line of an ignore file, for paths relative to the folder of that file."""

    pattern: re.Pattern[str]
    folder: Path
    keeps: bool = False
    folders_only: bool = False
    anywhere: bool = False

    def matches(self, path: Path, *, is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        relative = path.relative_to(self.folder).as_posix()
        return bool(self.pattern.search(relative) if self.anywhere else self.pattern.fullmatch(relative))


def _glob_to_regexp(glob: str) -> str:
    """Return the regular expression of a `.gitignore` pattern without its leading and trailing slash."""
    out = []
    for part in re.findall(r"/?\*\*/|/\*\*$|^\*\*$|\*|\?|\[!?\]?[^\]]*\]|\\.|.", glob):
        if part in {"**/", "/**/"}:
            out.append("(?:.*/)?" if part == "**/" else "/(?:.*/)?")
        elif part in {"/**", "**"}:
            out.append("/.*" if part == "/**" else ".*")
        elif part == "*":
            out.append("[^/]*")
        elif part == "?":
            out.append("[^/]")
        elif part.startswith("[") and len(part) > 1:
            out.append("[" + part[1:-1].replace("!", "^", 1 if part[1] == "!" else 0).replace("\\", "\\\\") + "]")
        else:
            out.append(re.escape(part[-1]))
    return "".join(out)


def _glob_rule(line: str, folder: Path) -> _Rule:
    keeps = line.startswith("!")
    body = line[1:] if keeps else line
    folders_only = body.endswith("/")
    body = body.rstrip("/")
    anchored = "/" in body
    expression = _glob_to_regexp(body.lstrip("/"))
    prefix = "" if anchored else "(?:.*/)?"
    return _Rule(re.compile(prefix + expression), folder, keeps=keeps, folders_only=folders_only)


def read_ignore_file(text: str, folder: Path, syntax: Syntax) -> list[_Rule]:
    """Return the rules of an ignore file. A line that is no valid pattern is left out."""
    rules = []
    for line in map(str.strip, text.splitlines()):
        if named := _SYNTAX_LINE.match(line):
            syntax = "regexp" if named[1].lower() == "regexp" else "glob"
        body = re.sub(r"(^|\s)#.*", "", line).strip()
        if not body:
            continue
        try:
            rules.append(
                _Rule(re.compile(body), folder, anywhere=True) if syntax == "regexp" else _glob_rule(body, folder)
            )
        except re.error:
            continue
    return rules


def _ignored(path: Path, rules: Iterable[_Rule], *, is_folder: bool) -> bool:
    verdict = False
    for rule in rules:
        if rule.matches(path, is_folder=is_folder):
            verdict = not rule.keeps
    return verdict


def _rules_in(folder: Path, syntax: Syntax) -> list[_Rule]:
    rules = []
    for name, written_in in ((".airflowignore", syntax), (".galeignore", "glob")):
        try:
            text = (folder / name).read_text("utf-8", "replace")
        except OSError:
            continue
        rules += read_ignore_file(text, folder, "regexp" if written_in == "regexp" else "glob")
    return rules


def _walk(folder: Path, rules: list[_Rule], syntax: Syntax, seen: frozenset[tuple[int, int]]) -> Iterator[Path]:
    """Yield the files below a folder. `seen` are the folders on the way down, so that no loop of links is followed."""
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    here = (status.st_dev, status.st_ino)
    if here in seen:
        return
    rules = rules + _rules_in(folder, syntax)
    for entry in entries:
        path = folder / entry.name
        try:
            is_folder = entry.is_dir()
        except OSError:
            continue
        # Hidden folders hold versions, environments and the real targets of Kubernetes' ConfigMaps.
        if is_folder and (entry.name.startswith(".") or entry.name == "__pycache__"):
            continue
        if _ignored(path, rules, is_folder=is_folder):
            continue
        if is_folder:
            yield from _walk(path, rules, syntax, seen | {here})
        elif _may_hold_dags(path):
            yield path


def _may_hold_dags(path: Path) -> bool:
    if path.suffix == ".py":
        return path.is_file()
    return path.suffix == ".zip" and path.is_file() and zipfile.is_zipfile(path)


def list_dag_files(folder: Path, *, airflowignore_syntax: Syntax = "glob") -> list[Path]:
    """Return the Python and zip files below a folder that no ignore file names, sorted.

    Symbolic links are followed, but never in a circle. A folder that is not there has no files.
    """
    if folder.is_file():
        return [folder]
    return list(_walk(folder, [], airflowignore_syntax, frozenset()))
