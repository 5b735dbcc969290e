"""The source tree as the budgets see it: modules, functions, classes, each with its place."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = sorted(
    folder for pattern in ("libs/*/src", "services/*/src") for folder in ROOT.glob(pattern) if folder.is_dir()
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One Python file."""

    path: Path
    #: Path relative to the repository, for messages; for product code also relative to its `src`.
    place: str
    name: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """How long the file is."""
        return len(self.text.splitlines())


@dataclass(frozen=True)
class Placed:
    """A function or class and where it stands: `gale/db/apply.py:Applier.apply`."""

    node: ast.AST
    place: str
    is_method: bool
    #: Inside another function.
    is_nested: bool = False


def _module(path: Path, base: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    relative = path.relative_to(base)
    parts = relative.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(path, relative.as_posix(), name, text, ast.parse(text))


@cache
def product() -> tuple[Module, ...]:
    """Every module that is installed, with places such as `gale/db/apply.py`."""
    return tuple(_module(path, folder) for folder in PRODUCT for path in sorted(folder.rglob("*.py")))


@cache
def tests() -> tuple[Module, ...]:
    """Every test module."""
    folders = [ROOT / "tests", *ROOT.glob("libs/*/tests"), *ROOT.glob("services/*/tests")]
    return tuple(_module(path, ROOT) for folder in folders for path in sorted(folder.rglob("*.py")))


def definitions(module: Module) -> tuple[Placed, ...]:
    """Return every function and class of a module, nested ones too."""
    if module.place not in _definitions:
        _definitions[module.place] = tuple(_inside(module.tree, module.place, ":"))
    return _definitions[module.place]


_definitions: dict[str, tuple[Placed, ...]] = {}


def _inside(
    node: ast.AST, place: str, separator: str, *, in_class: bool = False, nested: bool = False
) -> Iterator[Placed]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            here = f"{place}{separator}{child.name}"
            yield Placed(child, here, in_class, nested)
            is_class = isinstance(child, ast.ClassDef)
            yield from _inside(child, here, ".", in_class=is_class, nested=nested or not is_class)
        else:
            yield from _inside(child, place, separator, in_class=in_class, nested=nested)


def functions(module: Module) -> Iterator[Placed]:
    """Give every function and method of a module."""
    return (placed for placed in definitions(module) if isinstance(placed.node, Function))


def body_lines(function: Function) -> int:
    """Return the lines of a body without its docstring."""
    body = function.body
    if ast.get_docstring(function, clean=False) is not None:
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for a chain of attributes, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def imports_in_functions(module: Module) -> Iterator[tuple[str, ast.stmt]]:
    """Give every import statement that stands inside a function, with its place."""
    outer = (placed for placed in functions(module) if not placed.is_nested)
    for placed in outer:
        for node in ast.walk(placed.node):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield f"{placed.place}, line {node.lineno}", node


def imported_modules(module: Module, known: frozenset[str]) -> Iterator[str]:
    """Give the modules out of `known` that a module imports, wherever the statement stands."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module
