"""DAG files as the command line reads them: in its own process, for tests and reports.

Services never do this; they have a child process read a file. Here the user asks for it, and sees
what the file prints.
"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gale.authoring import surroundings
from gale.authoring.discovery import Syntax, list_dag_files, might_contain_dag
from gale.authoring.loading import LoadedFile, load_file
from gale.errors import DagDefinitionError, GaleError, NotFound

if TYPE_CHECKING:
    from gale.authoring.dag import DAG
    from gale.cli.session import Session


def prepare(session: "Session") -> None:
    """Let user code see the settings that it would see in a task process."""
    settings = session.settings
    surroundings.use(
        surroundings.Surroundings(
            default_timezone=settings.core.default_timezone,
            catchup_by_default=settings.scheduler.catchup_by_default,
            default_task_retries=settings.core.default_task_retries,
            default_owner=settings.operators.default_owner,
            default_queue=settings.operators.default_queue,
            mail_settings=asdict(settings.smtp) if settings.smtp.smtp_host else None,
        )
    )


def files(session: "Session") -> list[Path]:
    """Return all files that may define DAGs, the user's before the examples."""
    syntax: Syntax = "regexp" if session.settings.core.dag_ignore_file_syntax == "regexp" else "glob"
    found: list[Path] = []
    for folder in session.settings.dag_folders():
        found += [path for path in list_dag_files(folder, airflowignore_syntax=syntax) if path not in found]
    return found


def load(session: "Session", path: Path) -> LoadedFile:
    """Import a DAG file; what is wrong with it stands in the result."""
    return load_file(path, session.settings.core.dags_folder)


def find_dag(session: "Session", dag_id: str, subdir: Path | None = None) -> tuple["DAG", Path]:
    """Return a DAG and its file.

    Args:
        session: The settings and the database, which knows the file of a DAG that was read before.
        dag_id: Which DAG.
        subdir: Look only in this file or folder.

    Raises:
        DagDefinitionError: Its file has mistakes, which the message names.
        NotFound: No file defines it.
    """
    prepare(session)
    errors: list[str] = []
    for path in _candidates(session, dag_id, subdir):
        loaded = load(session, path)
        if dag_id in loaded.dags:
            return loaded.dags[dag_id], path
        errors += [str(error) for error in loaded.errors]
    if errors:
        raise DagDefinitionError(
            f"No file defines the DAG {dag_id!r}, but these could not be read whole:\n" + "\n".join(errors)
        )
    where = subdir or session.settings.core.dags_folder
    raise NotFound(
        f"No file in {where} defines the DAG {dag_id!r}. `gale dags list --local` shows those that there are."
    )


def _candidates(session: "Session", dag_id: str, subdir: Path | None) -> Iterator[Path]:
    """Give files in the order in which they are worth reading."""
    if subdir is not None and subdir.is_file():
        yield subdir
        return
    known = None if subdir else _known_file(session, dag_id)
    if known is not None and known.is_file():
        yield known
    others = list_dag_files(subdir) if subdir else files(session)
    texts = {path: _text(path) for path in others if path != known}
    # Most ids stand in their file as they are; those that a loop makes do not.
    yield from (path for path, text in texts.items() if dag_id in text)
    yield from (path for path, text in texts.items() if dag_id not in text and _is_worth_it(path, text))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _is_worth_it(path: Path, text: str) -> bool:
    return path.suffix == ".zip" or might_contain_dag(text)


def _known_file(session: "Session", dag_id: str) -> Path | None:
    """Ask the database where the DAG is; testing must work without one."""
    from gale.db.read.cli import file_of_dag

    try:
        with session.read() as connection:
            fileloc = file_of_dag(connection, dag_id)
    except GaleError:
        return None
    return None if fileloc is None else session.settings.core.dags_folder / fileloc
