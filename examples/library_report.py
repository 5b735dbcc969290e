"""### How is Python's own standard library written?

A small data pipeline over real data that every machine with Python has: the source files of the standard library.

1. **take_stock** lists the files, and leaves the list where **wait_for_list**, a sensor, finds it.
2. **measure** reads them in four parallel tasks: lines, functions, classes, docstrings, annotations, imports.
3. **aggregate** adds them up by five dimensions, one task each, made in a loop.
4. **validate** refuses to go on if the sums of the dimensions do not agree with each other.
5. **load** writes the result into a SQLite database. *Its first try fails on purpose*, so that you can see a retry.
6. **is_there_history** branches: **compare** with the run before, or **nothing_to_compare** the first time.
7. **write_report** draws an HTML page with charts, and **announce** prints where it is: open it in your browser.

Everything is written to `$GALE_HOME/reports/library`, unless you trigger the DAG with another `folder`.
"""

import ast
import html
import json
import os
import re
import sqlite3
import sysconfig
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gale import DAG, BashOperator, EmptyOperator, FileSensor, Label, Param, TaskFailedFinal, TaskGroup, task

Row = dict[str, Any]

PARTS = 4
#: Folders of the standard library that are tests, demonstrations or other people's code.
LEFT_OUT = {
    "__pycache__",
    "_bundled",
    "dist-packages",
    "idlelib",
    "lib2to3",
    "site-packages",
    "test",
    "tests",
    "turtledemo",
}


# --- where things are ---------------------------------------------------------------------------------


def work_folder(params: dict[str, Any], run_id: str) -> str:
    """Return the folder of one run, made if need be."""
    folder = report_folder(params) / re.sub(r"[^A-Za-z0-9_.-]", "_", run_id)
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def report_folder(params: dict[str, Any]) -> Path:
    """Return the folder of all runs."""
    home = Path(os.environ.get("GALE_HOME", "~/gale")).expanduser()
    return Path(params["folder"]).expanduser() if params["folder"] else home / "reports" / "library"


def source_files() -> list[list[str]]:
    """Return the standard library's source files: name relative to its folder, and path."""
    library = sysconfig.get_path("stdlib")
    found = []
    for folder, folders, files in os.walk(library):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT and not name.startswith("config-"))
        paths = [Path(folder, name) for name in sorted(files) if name.endswith(".py")]
        found += [[path.relative_to(library).as_posix(), str(path)] for path in paths]
    return found


# --- what is measured ---------------------------------------------------------------------------------


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements inside a node. Looking at expressions too would take five times as long."""
    for part in ("body", "handlers", "orelse", "finalbody", "cases"):
        for child in getattr(node, part, ()):
            yield child
            yield from statements(child)


def measure_file(name: str, path: Path) -> Row:
    """Return what there is to count in one source file."""
    with tokenize.open(path) as file:
        text = file.read()
    functions = classes = documented = annotated = 0
    imports: set[str] = set()
    for node in statements(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions += 1
            documented += ast.get_docstring(node, clean=False) is not None
            annotated += node.returns is not None or any(argument.annotation for argument in node.args.args)
        elif isinstance(node, ast.ClassDef):
            classes += 1
        elif isinstance(node, ast.Import):
            imports.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports.add(node.module.partition(".")[0])
    return {
        "file": name,
        "lines": text.count("\n"),
        "functions": functions,
        "classes": classes,
        "documented": documented,
        "annotated": annotated,
        "imports": sorted(imports),
    }


def share(part: str) -> Callable[[Row], str]:
    """Return a function that says how large a part of a file's functions is documented, or annotated."""

    def say(row: Row) -> str:
        if not row["functions"]:
            return "has no functions"
        ratio = row[part] / row["functions"]
        return "none" if not ratio else "all" if ratio == 1 else "more than half" if ratio > 1 / 2 else "up to half"

    return say


def package(row: Row) -> str:
    """Return the package that a file belongs to."""
    first, _, rest = row["file"].partition("/")
    return first if rest else "(single modules)"


def size(row: Row) -> str:
    """Return the size class of a file."""
    limits = {100: "up to 100 lines", 300: "101 to 300", 1000: "301 to 1,000", 3000: "1,001 to 3,000"}
    return next((name for limit, name in limits.items() if row["lines"] <= limit), "more than 3,000")


def kind(row: Row) -> str:
    """Return whether a file is meant to be imported by users."""
    private = any(part.startswith("_") and not part.startswith("__") for part in row["file"].split("/"))
    return "private (leading underscore)" if private else "public"


#: Each dimension gets a task, a table in the database and a chart in the report.
DIMENSIONS: dict[str, tuple[str, Callable[[Row], str]]] = {
    "package": ("Lines by package", package),
    "size": ("Lines by size of the file", size),
    "kind": ("Lines by audience", kind),
    "docstrings": ("Lines by share of functions with a docstring", share("documented")),
    "annotations": ("Lines by share of functions with type annotations", share("annotated")),
}


# --- the page -----------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --ink: #1c2833; --soft: #5d6d7e; --bar: #2471a3; --back: #fdfefe; --line: #d5dbdb }
@media (prefers-color-scheme: dark) {
    :root { --ink: #eaeded; --soft: #aab7b8; --bar: #5dade2; --back: #17202a; --line: #2c3e50 }
}
body {
    font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1rem;
    color: var(--ink); background: var(--back);
}
h1 { font-size: 1.8rem }
h2 { font-size: 1.1rem; margin-top: 2.5rem }
p, footer { color: var(--soft) }
dl { display: flex; flex-wrap: wrap; gap: 2rem }
dt { color: var(--soft); font-size: .85rem; text-transform: capitalize }
dd { margin: 0; font-size: 1.8rem; font-weight: 600 }
svg { width: 100%; height: auto }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink) }
svg .value { fill: var(--soft) }
svg rect { fill: var(--bar) }
footer { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: 1rem; font-size: .85rem }
"""


def bar_chart(rows: list[tuple[str, int]]) -> str:
    """Return a bar chart as SVG: one line per row, longest bar first."""
    top = max((value for _, value in rows), default=1) or 1
    parts = []
    for index, (name, value) in enumerate(rows):
        middle = index * 26 + 18
        width = max(1, round(520 * value / top))
        parts.append(
            f'<text x="250" y="{middle}" text-anchor="end">{html.escape(name)}</text>'
            f'<rect x="260" y="{middle - 13}" width="{width}" height="17" rx="2"/>'
            f'<text class="value" x="{268 + width}" y="{middle}">{value:,}</text>'
        )
    height = len(rows) * 26 + 6
    return f'<svg viewBox="0 0 880 {height}" role="img">{"".join(parts)}</svg>'


def page(totals: Row, tables: dict[str, list[Row]], imports: list[list[Any]], change: str) -> str:
    """Return the report as an HTML page that needs nothing else."""
    facts = "".join(f"<div><dt>{name}</dt><dd>{value:,}</dd></div>" for name, value in totals.items())
    charts = ""
    for name, (title, _) in DIMENSIONS.items():
        rows = sorted(((row["name"], row["lines"]) for row in tables[name]), key=lambda row: -row[1])
        charts += f"<h2>{html.escape(title)}</h2>{bar_chart(rows[:15])}"
    charts += f"<h2>Modules that most files import</h2>{bar_chart([(name, count) for name, count in imports])}"
    version = sysconfig.get_python_version()
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>The library of Python {version}</title>'
        f"<style>{STYLE}</style><h1>How the standard library of Python {version} is written</h1>"
        f"<dl>{facts}</dl><p>{html.escape(change)}</p>{charts}"
        "<footer>Made by the DAG library_report. Tests and demonstrations are left out.</footer></html>"
    )


# --- the pipeline -------------------------------------------------------------------------------------


def read_parts(folder: str) -> list[Row]:
    """Return what the measuring tasks have written."""
    return [row for part in range(PARTS) for row in json.loads(Path(folder, f"part_{part}.json").read_text("utf-8"))]


@task
def take_stock(params: dict[str, Any], run_id: str) -> int:
    """List the source files and return how many there are."""
    found = source_files()
    if not found:
        raise TaskFailedFinal("This Python has no source files of its library, so there is nothing to measure.")
    folder = Path(work_folder(params, run_id))
    # Written under another name first: the sensor must never find half a list.
    draft = folder / "files.draft"
    draft.write_text(json.dumps(found), "utf-8")
    draft.rename(folder / "files.json")
    return len(found)


@task
def measure(part: int, params: dict[str, Any], run_id: str) -> Row:
    """Measure every fourth file, beginning with number `part`."""
    folder = work_folder(params, run_id)
    rows, unreadable = [], []
    for name, path in json.loads(Path(folder, "files.json").read_text("utf-8"))[part::PARTS]:
        try:
            rows.append(measure_file(name, Path(path)))
        except (SyntaxError, UnicodeDecodeError):
            unreadable.append(name)
    Path(folder, f"part_{part}.json").write_text(json.dumps(rows), "utf-8")
    return {"files": len(rows), "unreadable": unreadable}


@task
def add_up(dimension: str, params: dict[str, Any], run_id: str) -> list[Row]:
    """Add the files up by one dimension."""
    _, group_of = DIMENSIONS[dimension]
    sums: dict[str, Counter[str]] = {}
    for row in read_parts(work_folder(params, run_id)):
        counted = {column: row[column] for column in ("lines", "functions", "classes")}
        sums.setdefault(group_of(row), Counter()).update({"files": 1, **counted})
    return [{"name": name, **sums[name]} for name in sorted(sums)]


@task
def count_imports(params: dict[str, Any], run_id: str) -> list[list[Any]]:
    """Return the ten modules that most files import."""
    counts = Counter(name for row in read_parts(work_folder(params, run_id)) for name in row["imports"])
    return [[name, count] for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10]]


@task
def validate(tables: dict[str, list[Row]], measured: list[Row]) -> Row:
    """Return the totals, if every dimension adds up to the same ones."""
    totals = {
        name: {column: sum(row[column] for row in rows) for column in ("files", "lines", "functions", "classes")}
        for name, rows in tables.items()
    }
    first = totals["package"]
    wrong = [name for name, found in totals.items() if found != first]
    if wrong or first["files"] != sum(part["files"] for part in measured):
        raise TaskFailedFinal(f"The sums do not agree: {totals}. Measuring again would not help.")
    print(f"{first['files']} files, {first['lines']} lines: all {len(totals)} dimensions agree.")
    return first


@task(retries=2, retry_delay=timedelta(seconds=2))
def load(totals: Row, tables: dict[str, list[Row]], params: dict[str, Any], run_id: str, try_number: int) -> str:
    """Write totals and tables into the database, in one transaction, and return its path."""
    if try_number == 1:
        raise ConnectionError("The database cannot be reached. (This first failure is on purpose: watch the retry.)")
    path = report_folder(params) / "library.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS total (run_id PRIMARY KEY, python, files, lines, functions, classes)"
        )
        database.execute("CREATE TABLE IF NOT EXISTS line_count (run_id, dimension, name, files, lines)")
        # Tried again or run again, a run replaces its own rows: that makes the task idempotent.
        database.execute("DELETE FROM total WHERE run_id = ?", [run_id])
        database.execute("DELETE FROM line_count WHERE run_id = ?", [run_id])
        numbers = [totals[column] for column in ("files", "lines", "functions", "classes")]
        database.execute(
            "INSERT INTO total VALUES (?, ?, ?, ?, ?, ?)", [run_id, sysconfig.get_python_version(), *numbers]
        )
        database.executemany(
            "INSERT INTO line_count VALUES (?, ?, ?, ?, ?)",
            [[run_id, name, row["name"], row["files"], row["lines"]] for name, rows in tables.items() for row in rows],
        )
    return str(path)


@task.branch
def is_there_history(database: str, run_id: str) -> str:
    """Choose what comes next: another run's numbers to compare with, or none."""
    with closing(sqlite3.connect(database)) as connection:
        others = connection.execute("SELECT count(*) FROM total WHERE run_id <> ?", [run_id]).fetchone()[0]
    return "compare" if others else "nothing_to_compare"


@task
def compare(database: str, totals: Row, run_id: str) -> str:
    """Return in a sentence what has changed since the run before."""
    with closing(sqlite3.connect(database)) as connection:
        python, lines = connection.execute(
            "SELECT python, lines FROM total WHERE run_id <> ? ORDER BY rowid DESC LIMIT 1", [run_id]
        ).fetchone()
    difference = totals["lines"] - lines
    change = "as many lines" if not difference else f"{abs(difference):,} lines {'more' if difference > 0 else 'less'}"
    return f"Compared with the run before (Python {python}): {change}."


@task(trigger_rule="none_failed_min_one_success")
def write_report(  # noqa: PLR0917
    totals: Row,
    tables: dict[str, list[Row]],
    imports: list[list[Any]],
    change: str | None,
    params: dict[str, Any],
    run_id: str,
) -> str:
    """Write the page and return its path."""
    text = page(totals, tables, imports, change or "This is the first report, so there is nothing to compare it with.")
    path = Path(work_folder(params, run_id), "report.html")
    path.write_text(text, "utf-8")
    (report_folder(params) / "latest.html").write_text(text, "utf-8")
    return str(path)


with DAG(
    "library_report",
    description="Measures Python's standard library and draws a report",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=10),
    default_args={"owner": "gale", "retries": 1, "retry_delay": timedelta(seconds=5)},
    params={"folder": Param("", "Where to write the report; empty: $GALE_HOME/reports/library", type="string")},
    user_defined_macros={"work_folder": work_folder},
    tags=["example"],
    doc_md=__doc__,
) as dag:
    wait_for_list = FileSensor(
        task_id="wait_for_list",
        filepath="{{ work_folder(params, run_id) }}/files.json",
        poke_interval=1,
        timeout=300,
        # Gives its slot back between two looks, so that one slot is enough for the whole DAG.
        mode="reschedule",
    )
    # The sensor does not come after this task: it waits for the file, whoever makes it.
    stock = take_stock()

    with TaskGroup("measure", tooltip="Read the files, in parallel") as measuring:
        measured = [measure.override(task_id=f"part_{part}")(part) for part in range(PARTS)]

    with TaskGroup("aggregate", tooltip="Add up, by one dimension each") as aggregating:
        added_up = {name: add_up.override(task_id=f"by_{name}")(name) for name in DIMENSIONS}
        imported = count_imports()

    checked = validate(added_up, measured)
    loaded = load(checked, added_up)
    branch = is_there_history(loaded)
    compared = compare(loaded, checked)
    nothing_to_compare = EmptyOperator(task_id="nothing_to_compare")
    report = write_report(checked, added_up, imported, compared)
    announce = BashOperator(
        task_id="announce",
        bash_command="""
            ls -l '{{ ti.xcom_pull('write_report') }}' '{{ ti.xcom_pull('load') }}'
            echo 'Open file://{{ ti.xcom_pull('write_report') }}'
        """,
    )

    [stock, wait_for_list] >> measuring >> aggregating
    branch >> Label("an earlier run") >> compared
    branch >> Label("first run") >> nothing_to_compare >> report
    report >> announce
