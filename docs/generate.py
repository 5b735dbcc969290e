"""Prints the diagrams and tables of the docs from the code, between markers.

    python docs/generate.py            writes them
    python docs/generate.py --check    names the documents that are not current, and changes nothing

A part that is printed stands between `<!-- printed: name -->` and `<!-- /printed: name -->`. What
the code says in a table need not be said again by hand, where it would fall behind.
"""

import re
import sys
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from gale.core import states
from gale.core.states import ACTIVE_RUN, FINISHED, RunState, TaskState
from gale.core.transitions import MAX_INFRA_LOSSES, RUN_TRANSITIONS, TASK_TRANSITIONS, Choice
from gale.db.engine import CLOCK_CHECK_SECONDS
from gale.db.lease import LEASE_SECONDS
from gale.runtime.hosts import MAX_SERVED
from gale.runtime.logs import LOG_KEPT_HEAD, LOG_KEPT_TAIL, LOG_LIMIT
from gale.runtime.spare import SPARE_SECONDS
from gale.runtime.stream import MAX_FRAME
from gale_scheduler.book import ASIDE_SECONDS
from gale_scheduler.job import MARGIN_SECONDS
from gale_scheduler.loop import LOOK_SECONDS, LOOPS_PER_SCAN, SWEEP_SECONDS
from gale_scheduler.notices import MAX_TRIES

ROOT: Final = Path(__file__).resolve().parents[1]
#: An event that can happen in more states than this would hide the diagram behind its arrows: it gets a row.
MOST_ARROWS: Final = 3

Table = Mapping[tuple[Any, type], Any]
Document = Mapping[str, Callable[[], str]]


# --- the state diagrams ----------------------------------------------------------------------------


def task_states() -> str:
    """Return the diagram and the table of task instances."""
    return _machine(TASK_TRANSITIONS, TaskState, TaskState.NONE, FINISHED)


def run_states() -> str:
    """Return the diagram and the table of runs."""
    return _machine(RUN_TRANSITIONS, RunState, RunState.QUEUED, frozenset(RunState) - ACTIVE_RUN)


def _machine(table: Table, kind: type[StrEnum], first: StrEnum, last: Collection[StrEnum]) -> str:
    sources: dict[type, list[StrEnum]] = {}
    for state, event in table:
        sources.setdefault(event, []).append(state)
    wide = {event for event, found in sources.items() if len(found) > MOST_ARROWS}
    parts = [_diagram(table, kind, first, last, wide)]
    if wide:
        parts.append(_wide_events(table, kind, sources, wide))
    return "\n\n".join(parts)


def _diagram(table: Table, kind: type[StrEnum], first: StrEnum, last: Collection[StrEnum], wide: set[type]) -> str:
    arrows: dict[tuple[StrEnum, StrEnum], list[str]] = {}
    for (state, event), target in table.items():
        if event not in wide:
            for to in _targets(target, kind):
                arrows.setdefault((state, to), []).append(event.__name__)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first.value}"]
    lines += [f"    {a.value} --> {b.value}: {', '.join(events)}" for (a, b), events in arrows.items()]
    lines += [f"    {state.value} --> [*]" for state in kind if state in last]
    return "\n".join([*lines, "```"])


def _wide_events(table: Table, kind: type[StrEnum], sources: dict[type, list[StrEnum]], wide: set[type]) -> str:
    rows = []
    for event, found in sources.items():
        if event not in wide:
            continue
        by_target: dict[tuple[StrEnum, ...], list[StrEnum]] = {}
        for state in found:
            by_target.setdefault(_targets(table[state, event], kind), []).append(state)
        for targets, origins in by_target.items():
            rows.append((f"`{event.__name__}`", _listed(origins, kind), " or ".join(f"`{to.value}`" for to in targets)))
    return _table(("event that can happen in many states", "from", "to"), rows)


def _targets(target: Any, kind: type[StrEnum]) -> tuple[StrEnum, ...]:
    """Return where a row leads, in the order in which the states are declared."""
    possible = target.targets if isinstance(target, Choice) else {target}
    return tuple(state for state in kind if state in possible)


def _listed(found: Collection[StrEnum], kind: type[StrEnum]) -> str:
    return ", ".join(f"`{state.value}`" for state in kind if state in found)


def keepers() -> str:
    """Return who moves a row out of each state: the comments in `states.py`."""
    source = Path(states.__file__).read_text(encoding="utf-8")
    sections = re.split(r"^class (\w+)\(StrEnum\):", source, flags=re.MULTILINE)[1:]
    rows = []
    for name, body in zip(sections[::2], sections[1::2], strict=True):
        of = {"TaskState": "task instance", "RunState": "run"}[name]
        for comment, state in re.findall(r'((?:    #: .*\n)+)    \w+ = "(\w+)"', body):
            words = " ".join(line.strip().removeprefix("#: ") for line in comment.splitlines())
            rows.append((of, f"`{state}`", words))
    return _table(("of", "state", "what it means, who moves a row out of it, and who does if that one dies"), rows)


# --- the house and its numbers ---------------------------------------------------------------------


def layers() -> str:
    """Return the layers of the house from the import-linter's contract."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    found = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return "\n".join(["```text", *(layer.replace("gale.", "").replace(" : ", "   ") for layer in found), "```"])


def limits() -> str:
    """Return the constants that the text speaks of."""
    rows: list[tuple[str, str, str]] = [
        ("`loop.LOOK_SECONDS`", f"{LOOK_SECONDS:g} s", "between two looks whether others have changed the database"),
        ("`loop.SWEEP_SECONDS`", f"{SWEEP_SECONDS:g} s", "between two rounds that look at the rows whatever happens"),
        ("`loop.LOOPS_PER_SCAN`", str(LOOPS_PER_SCAN), "heartbeats between two scans of the DAG folder"),
        ("`lease.LEASE_SECONDS`", f"{LEASE_SECONDS:g} s", "for which a lease holds that is not renewed"),
        ("`job.MARGIN_SECONDS`", f"{MARGIN_SECONDS:g} s", "before the end of a lease: attempts are being stopped"),
        ("`transitions.MAX_INFRA_LOSSES`", str(MAX_INFRA_LOSSES), "lost attempts that use up none of the retries"),
        ("`book.ASIDE_SECONDS`", f"{ASIDE_SECONDS:g} s", "for which a run that makes trouble is left alone"),
        ("`notices.MAX_TRIES`", str(MAX_TRIES), "tries of a mail or callback"),
        ("`engine.CLOCK_CHECK_SECONDS`", f"{CLOCK_CHECK_SECONDS:g} s", "between two comparisons with its clock"),
        ("`spare.SPARE_SECONDS`", f"{SPARE_SECONDS:g} s", "for which a host without work keeps a process in waiting"),
        ("`hosts.MAX_SERVED`", f"{MAX_SERVED:,}", "tasks that a host forks before a new one takes its place"),
        ("`stream.MAX_FRAME`", _size(MAX_FRAME), "the largest message between a task and its supervisor"),
        ("`logs.LOG_LIMIT`", _size(LOG_LIMIT), "the log of an attempt before its middle is cut out"),
        (
            "`logs.LOG_KEPT_HEAD`, `LOG_KEPT_TAIL`",
            f"{_size(LOG_KEPT_HEAD)}, {_size(LOG_KEPT_TAIL)}",
            "what stays of it",
        ),
    ]
    return _table(("constant", "value", "what it limits"), rows)


def _size(count: int) -> str:
    return f"{count / 2**20:g} MiB"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


# --- printing --------------------------------------------------------------------------------------

#: Document to the parts that are printed into it.
DOCUMENTS: Final[Mapping[str, Document]] = {
    "ARCHITECTURE.md": {
        "layers": layers,
        "task states": task_states,
        "run states": run_states,
        "keepers": keepers,
        "limits": limits,
    },
}


def printed(text: str, parts: Document) -> str:
    """Return a document's text with its printed parts made anew.

    Raises:
        ValueError: A part's markers are missing, or there is more than one pair.
    """
    for name, make in parts.items():
        begin, end = f"<!-- printed: {name} -->", f"<!-- /printed: {name} -->"
        if (text.count(begin), text.count(end)) != (1, 1):
            raise ValueError(f"The part {name!r} needs one line {begin!r} and one line {end!r} below it.")
        head, rest = text.split(begin)
        _, tail = rest.split(end)
        text = f"{head}{begin}\n{make()}\n{end}{tail}"
    return text


def outdated() -> Iterator[tuple[Path, str]]:
    """Yield the documents whose printed parts are not what the code says, with the text that they should have."""
    for name, parts in DOCUMENTS.items():
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        current = printed(text, parts)
        if current != text:
            yield path, current


def main(arguments: Collection[str]) -> int:
    """Write the parts, or with `--check` only name what is not current; return the exit code."""
    found = list(outdated())
    for path, text in found:
        if "--check" in arguments:
            sys.stdout.write(f"{path.name} is not what the code says. Run `make docs`.\n")
        else:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path.name} is printed anew.\n")
    return int(bool(found) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
