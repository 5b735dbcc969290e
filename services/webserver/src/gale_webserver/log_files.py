"""Where an attempt's log is, and reading it without ever leaving the log folder."""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row

from gale.errors import BadRequest, NotFound
from gale_webserver.context import services

MAX_TRY: Final = 10_000


def checked_log(ti: Row[*tuple[Any, ...]], try_number: int) -> Path | None:
    """Return the path of an attempt's log; None if nothing has been written yet.

    Args:
        ti: The task instance's row: its ids were checked when it was made.
        try_number: Which attempt, from 1.

    Raises:
        BadRequest: No attempt can have this number.
        NotFound: The path leads out of the log folder, or is no plain file.
    """
    if not 1 <= try_number <= MAX_TRY:
        raise BadRequest(f"try_number is {try_number}; attempts are counted from 1 to {MAX_TRY}.")
    base = Path(services().settings.logging.base_log_folder)
    path = log_path(base, ti, try_number)
    real = path.resolve()
    if not real.is_relative_to(base.resolve()):
        raise NotFound("This log cannot be shown: its path leads out of the log folder.")
    if not real.exists():
        return None
    if not real.is_file():
        raise NotFound("This log cannot be shown: it is no plain file.")
    return real


def log_path(base: Path, ti: Row[*tuple[Any, ...]], try_number: int) -> Path:
    folder = base / f"dag_id={ti.dag_id}" / f"run_id={ti.run_id}" / f"task_id={ti.task_id}"
    if ti.map_index >= 0:
        folder = folder / f"map_index={ti.map_index}"
    return folder / f"attempt={try_number}.log"


def read_chunk(path: Path, offset: int, limit: int) -> tuple[str, int, bool]:
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(limit)
        return data.decode("utf-8", "replace"), offset + len(data), len(data) < limit
