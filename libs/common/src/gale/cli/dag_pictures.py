"""`gale dags show`: a DAG as a tree of lines, or in the DOT language of Graphviz."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from gale.cli.session import Session, pass_session
from gale.core.graph import DagSpec
from gale.core.selection import downstream_of
from gale.errors import BadRequest

_FORMATS: Final = ("tree", "dot")


@click.command()
@click.argument("dag_id")
@click.option("-f", "--format", "form", type=click.Choice(_FORMATS), default="tree", show_default=True, help="How.")
@click.option("-s", "--save", type=click.Path(path_type=Path), help="Write DOT to this file instead.")
@click.option("--imgcat", is_flag=True, hidden=True)
@click.option("-sd", "--subdir", "_subdir", hidden=True, expose_value=False)
@pass_session
def show(session: Session, dag_id: str, *, form: str, save: Path | None, imgcat: bool) -> None:
    """Draw a DAG."""
    from gale.db.read.browse_dags import spec_of_dag

    del imgcat
    with session.read() as connection:
        spec = spec_of_dag(connection, dag_id)
    if save is None:
        click.echo("\n".join(tree(spec) if form == "tree" else dot(spec)))
        return
    try:
        save.write_text("\n".join(dot(spec)) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"{save} cannot be written: {error.strerror}.") from None
    click.echo(f"Written to {save}. Graphviz makes a picture of it: dot -Tsvg {save} -o {dag_id}.svg", err=True)


def tree(spec: DagSpec) -> Iterator[str]:
    """Give lines in which each task stands below one that is upstream of it; later mentions end with an ellipsis."""
    down = downstream_of(spec)
    operators = {task.task_id: task.operator for task in spec.tasks}
    shown: set[str] = set()

    def lines(task_id: str, lead: str, branch: str) -> Iterator[str]:
        again = task_id in shown
        yield f"{lead}{branch}{task_id} ({operators[task_id]}){' …' if again else ''}"
        if again:
            return
        shown.add(task_id)
        below = down(task_id)
        deeper = lead + {"": "", "├── ": "│   ", "└── ": "    "}[branch]
        for number, child in enumerate(below):
            yield from lines(child, deeper, "└── " if number == len(below) - 1 else "├── ")

    yield f"DAG {spec.dag_id}"
    roots = [task.task_id for task in spec.tasks if not task.upstream]
    for number, root in enumerate(roots):
        yield from lines(root, "", "└── " if number == len(roots) - 1 else "├── ")


def dot(spec: DagSpec) -> Iterator[str]:
    """Give the lines of a DOT file."""
    yield f"digraph {_quoted(spec.dag_id)} {{"
    yield "    rankdir=LR; node [shape=box, style=filled]"
    for task in spec.tasks:
        yield f"    {_quoted(task.task_id)} [fillcolor={_quoted(task.ui_color)}, tooltip={_quoted(task.operator)}]"
    for task in spec.tasks:
        for upstream in task.upstream:
            yield f"    {_quoted(upstream)} -> {_quoted(task.task_id)}"
    yield "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
