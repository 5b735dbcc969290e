"""Notes that people leave at runs and task instances. No scheduler reads them, so they are written at once."""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, update

from gale.db.read.browse import AnyRow
from gale.db.requests import audit
from gale.db.tables import dag_run, task_instance
from gale.errors import BadRequest

MAX_NOTE: Final = 1000


def check_note(note: str | None) -> None:
    """Check a note.

    Raises:
        BadRequest: It is too long.
    """
    if note is not None and len(note) > MAX_NOTE:
        raise BadRequest(f"The note has {len(note)} characters; {MAX_NOTE} are allowed. Shorten it.")


def write_run_note(conn: Connection, run: AnyRow, note: str | None, *, user: str, now: datetime) -> None:
    """Replace the note of a run."""
    check_note(note)
    conn.execute(update(dag_run).where(dag_run.c.id == run.id).values(note=note))
    audit(conn, "set_run_note", user=user, now=now, dag_id=run.dag_id, run_id=run.run_id)


def write_task_notes(conn: Connection, tis: list[AnyRow], note: str | None, *, user: str, now: datetime) -> None:
    """Replace the notes of task instances."""
    check_note(note)
    conn.execute(update(task_instance).where(task_instance.c.id.in_([ti.id for ti in tis])).values(note=note))
    for ti in tis:
        audit(conn, "set_task_note", user=user, now=now, dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id)
