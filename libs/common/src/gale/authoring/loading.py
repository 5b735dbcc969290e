"""Import a DAG file and hand out its DAGs, or say in which line which rule was broken.

The file becomes a module of a name of its own, so that two files called `etl.py` do not
meet. It is compiled from its text each time: Python's cache goes by whole seconds and
size, and an author saves faster than that. One broken DAG spoils no other of its file.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
import types
import warnings
import zipfile
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

from gale.authoring import dag as dag_module
from gale.authoring import groups
from gale.authoring.dag import DAG
from gale.authoring.discovery import list_dag_files, might_contain_dag
from gale.authoring.exceptions import GaleAuthoringWarning
from gale.authoring.serialization import dag_to_spec
from gale.core.timetables import from_spec
from gale.errors import CyclicDag, DagDefinitionError, DuplicateTaskId, InvalidId, UnknownArgument

__all__ = ["FileError", "LoadedFile", "list_dag_files", "load_file", "might_contain_dag"]

#: Which rule an exception stands for; the first match counts.
_RULES: tuple[tuple[type[BaseException], str], ...] = (
    (SyntaxError, "syntax"),
    (UnicodeDecodeError, "encoding"),
    (ImportError, "import"),
    (CyclicDag, "no circles"),
    (DuplicateTaskId, "unique ids"),
    (InvalidId, "valid ids"),
    (UnknownArgument, "known arguments"),
    (DagDefinitionError, "definition"),
    (SystemExit, "no exit"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileError:
    """What is wrong with a DAG file, where, and by which rule."""

    file: str
    line: int
    rule: str
    message: str
    #: Python's own account of it, for those who want to know more.
    trace: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: [{self.rule}] {self.message}"


@dataclass(slots=True, kw_only=True)
class LoadedFile:
    """What a DAG file holds: its good DAGs, its mistakes, and what is legal but surely not meant."""

    dags: dict[str, DAG] = field(default_factory=dict)
    errors: list[FileError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class _FreshLoader(SourceFileLoader):
    """Compiles from the text, never from `__pycache__`: see the head of this file."""

    def get_code(self, fullname: str) -> types.CodeType:  # noqa: ARG002  importlib's form
        return compile(self.get_data(self.path), self.path, "exec", dont_inherit=True)


class _ZipLoader(_FreshLoader):
    """Compiles a member of a zip file."""

    def __init__(self, fullname: str, path: str, source: bytes) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_data(self, path: str) -> bytes:
        return self._source if path == self.path else super().get_data(path)


def load_file(path: Path, dags_folder: Path | None = None) -> LoadedFile:
    """Import one DAG file, or the DAG files at the top of a zip file.

    Args:
        path: A `.py` or `.zip` file.
        dags_folder: From where the file imports its neighbours; default: its own folder.
    """
    loaded = LoadedFile()
    _see(str(dags_folder or path.parent))
    if path.suffix == ".zip":
        _see(str(path))
        _load_zip(path, loaded)
    else:
        name = _module_name(str(path))
        _load_module(_FreshLoader(name, str(path)), str(path), loaded)
    return loaded


def _see(folder: str) -> None:
    if folder not in sys.path:
        sys.path.append(folder)


def _module_name(path: str) -> str:
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    stem = "".join(char if char.isalnum() else "_" for char in Path(path).stem)
    return f"dag_file_{digest}_{stem}"


def _load_zip(path: Path, loaded: LoadedFile) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".py") and "/" not in name]
            sources = {name: archive.read(name) for name in sorted(members)}
    except (zipfile.BadZipFile, OSError, RuntimeError) as error:
        loaded.errors.append(
            FileError(file=str(path), line=0, rule="zip", message=f"The zip file cannot be read: {error}.")
        )
        return
    for name, source in sources.items():
        if might_contain_dag(source.decode("utf-8", "replace")):
            member = f"{path}/{name}"
            _load_module(_ZipLoader(_module_name(member), member, source), member, loaded)


def _load_module(loader: _FreshLoader, file: str, loaded: LoadedFile) -> None:
    """Run the file as a module and judge the DAGs that it made."""
    entered: list[DAG] = []
    spec = spec_from_loader(loader.name, loader, origin=file)
    assert spec is not None  # noqa: S101  only for loaders that refuse
    # Gives the module its `__file__`, by which DAG files find their SQL and data beside them.
    spec.has_location = True
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GaleAuthoringWarning)
        dag_module.watch(entered)
        try:
            module = _run(spec)
        except (Exception, SystemExit) as error:  # noqa: BLE001  user code raises what it likes
            loaded.errors.append(_error_of(error, file))
            return
        finally:
            dag_module.unwatch()
            groups.close_all()
    loaded.warnings += _sentences(caught)
    at_top = [value for value in vars(module).values() if isinstance(value, DAG)]
    _judge(entered + at_top, file, loaded)


def _run(spec: ModuleSpec) -> types.ModuleType:
    module = module_from_spec(spec)
    # Dataclasses and pickle look classes up by the name of their module.
    sys.modules[spec.name] = module
    try:
        assert spec.loader is not None  # noqa: S101  we made it with one
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise
    return module


def _judge(found: list[DAG], file: str, loaded: LoadedFile) -> None:
    """Sort DAGs into good ones and errors."""
    for dag in {id(dag): dag for dag in found}.values():
        if dag.dag_id in loaded.dags:
            first = loaded.dags[dag.dag_id]
            message = (
                f"The dag_id {dag.dag_id!r} is used twice in this file, first in line {first.lineno}. An id names one "
                "DAG, so only the first is used: give the second one another id."
            )
            loaded.errors.append(FileError(file=file, line=dag.lineno, rule="unique ids", message=message))
            continue
        try:
            spec = dag_to_spec(dag, file)
        except DagDefinitionError as error:
            message = f"DAG {dag.dag_id!r}: {error}"
            loaded.errors.append(
                FileError(file=file, line=_line_in(error, file) or dag.lineno, rule=_rule(error), message=message)
            )
            continue
        loaded.dags[dag.dag_id] = dag
        if spec.start_date is None and spec.era == "interval" and from_spec(spec.timetable).periodic:
            loaded.warnings.append(
                f"DAG {dag.dag_id!r}: it has a schedule but no start_date, so there is no first interval to run for. "
                "Give it a start_date, or schedule=None for runs on request only."
            )


def _sentences(caught: list[warnings.WarningMessage]) -> list[str]:
    found = []
    for warning in caught:
        if issubclass(warning.category, GaleAuthoringWarning):
            found.append(f"line {warning.lineno}: {warning.message}")
        else:
            # Other people's warnings are theirs to read in the parser's log.
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno, source=warning.source
            )
    return list(dict.fromkeys(found))


def _rule(error: BaseException) -> str:
    return next((rule for kind, rule in _RULES if isinstance(error, kind)), "import")


def _line_in(error: BaseException, file: str) -> int:
    """Return the last line of `file` that the error passed through, 0 if none."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno or 0
    lines = [frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return lines[-1] if lines else 0


def _error_of(error: BaseException, file: str) -> FileError:
    """Return the account of an import that failed, without the frames of this loader."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, SyntaxError) and error.filename == file:
        message = f"Python cannot read this line: {error.msg}. Correct it; the last good version stays in use."
    elif isinstance(error, SystemExit):
        message = "The file ended the program (sys.exit) while being imported. A DAG file may only define things."
    elif isinstance(error, DagDefinitionError):
        message = str(error)
    else:
        message = f"Importing the file failed: {type(error).__name__}: {error}"
        if type(error) is ImportError and (error.name or "").startswith("airflow"):
            message += ". This version of Gale has no counterpart of that name."
    return FileError(file=file, line=_line_in(error, file), rule=_rule(error), message=message, trace=trace)
