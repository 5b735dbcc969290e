"""Writes what the DAG files say: DAGs, versions, sources, import errors, warnings.

A version is stored only when it says something new, so that the history of a DAG is the history
of its changes.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from gale.core.graph import DagSpec
from gale.core.timetables import from_spec
from gale.db import tables as t
from gale.db.keys import new_key
from gale.db.manners import insert_if_absent, upsert
from gale.runtime.messages import ParseProblem
from gale.runtime.parsing import ParseResult
from gale_scheduler.due_runs import next_columns, plan_next


@dataclass(frozen=True, slots=True)
class _File:
    """A DAG file: its path as stored, the digest of its bytes, its text."""

    fileloc: str
    digest: str
    text: str


class DagStore:
    """Brings the results of reading DAG files into the database.

    Args:
        dags_folder: Paths inside it are stored relative to it.
        are_paused: Whether a new DAG starts paused when it does not say so itself.
        max_active_tasks: For DAGs that set no limit.
        max_active_runs: For DAGs that set no limit.
    """

    def __init__(self, dags_folder: Path, *, are_paused: bool, max_active_tasks: int, max_active_runs: int) -> None:
        self._folder = dags_folder
        self._are_paused = are_paused
        self._max_active_tasks = max_active_tasks
        self._max_active_runs = max_active_runs

    def fileloc(self, path: Path) -> str:
        """Return a file's path as the database has it: relative to the DAG folder where it lies in it."""
        return str(path.relative_to(self._folder)) if path.is_relative_to(self._folder) else str(path)

    def save(self, connection: Connection, result: ParseResult, now: datetime) -> bool:
        """Store a reading of one file; True if any DAG, error or warning changed."""
        fileloc = self.fileloc(Path(result.path))
        source = result.source_digest
        specs, clashes = self._without_clashes(connection, fileloc, result.specs)
        errors = [*(_told(problem) for problem in result.errors), *clashes]
        changed = self._save_errors(connection, fileloc, errors, now)
        for spec in specs:
            changed |= self._save_dag(connection, spec, _File(fileloc, source, result.source), now)
        changed |= self._save_warnings(connection, specs, result.warnings, now)
        known = frozenset(spec.dag_id for spec in result.specs)
        mine = t.dag.c.fileloc == fileloc
        if result.errors:
            # What did not come back may be hidden by the error: keep the last good version, and say so.
            hidden = update(t.dag).where(mine, t.dag.c.is_active, t.dag.c.dag_id.not_in(known))
            connection.execute(hidden.values(has_import_errors=True))
        else:
            gone = connection.execute(
                update(t.dag).where(mine, t.dag.c.dag_id.not_in(known), t.dag.c.is_active).values(is_active=False)
            )
            changed |= gone.rowcount > 0
            connection.execute(update(t.dag).where(mine, t.dag.c.has_import_errors).values(has_import_errors=False))
        return changed

    def retire_missing(
        self, connection: Connection, present: Collection[Path], is_hidden: Callable[[Path], bool]
    ) -> list[str]:
        """Take DAGs off the list whose file is proved absent by a complete scan; return their ids.

        Args:
            connection: A transaction that writes.
            present: The files that the scan found.
            is_hidden: Tells whether a file that it did not find may be there all the same.
        """
        filelocs = {self.fileloc(path) for path in present}
        rows = connection.execute(select(t.dag.c.dag_id, t.dag.c.fileloc).where(t.dag.c.is_active)).all()
        missing = {loc for loc in {row.fileloc for row in rows} - filelocs if not is_hidden(self._folder / loc)}
        gone = [row.dag_id for row in rows if row.fileloc in missing]
        if gone:
            connection.execute(update(t.dag).where(t.dag.c.dag_id.in_(gone)).values(is_active=False))
        errors = connection.execute(select(t.import_error.c.filename)).scalars()
        fixed = [name for name in errors if name not in filelocs and not is_hidden(self._folder / name)]
        if fixed:
            connection.execute(delete(t.import_error).where(t.import_error.c.filename.in_(fixed)))
        return gone

    # --- one DAG ---------------------------------------------------------------------------------

    def _without_clashes(
        self, connection: Connection, fileloc: str, specs: Iterable[DagSpec]
    ) -> tuple[list[DagSpec], list[str]]:
        """Refuse DAG ids that another file already defines: the last file must not win in silence."""
        specs = list(specs)
        ids = [spec.dag_id for spec in specs]
        query = select(t.dag.c.dag_id, t.dag.c.fileloc).where(t.dag.c.dag_id.in_(ids), t.dag.c.is_active)
        owners = {row.dag_id: row.fileloc for row in connection.execute(query)}
        good: list[DagSpec] = []
        errors: list[str] = []
        for spec in specs:
            owner = owners.get(spec.dag_id, fileloc)
            if owner == fileloc or not (self._folder / owner).exists():
                good.append(spec)
                continue
            errors.append(
                f"{fileloc}, line {spec.lineno}: the DAG id {spec.dag_id!r} is already defined in {owner}. "
                "An id names one DAG: rename one of them or delete one of the files."
            )
        return good, errors

    def _save_dag(self, connection: Connection, spec: DagSpec, file: _File, now: datetime) -> bool:
        data = msgspec.json.encode(spec)
        digest = hashlib.sha256(data).hexdigest()
        row = connection.execute(select(t.dag).where(t.dag.c.dag_id == spec.dag_id)).first()
        version = self._version(connection, row.version_id if row else None)
        is_new_version = version is None or version.digest != digest or version.source_digest != file.digest
        if row is not None and not is_new_version and row.is_active and not row.has_import_errors:
            connection.execute(update(t.dag).where(t.dag.c.dag_id == spec.dag_id).values(last_parsed_at=now))
            return False
        values = self._columns(spec, file.fileloc, now)
        values["version_id"] = version.id if version is not None else None
        if is_new_version:
            insert_if_absent(connection, t.dag_source, [{"digest": file.digest, "content": file.text}])
            values["version_id"] = _add_version(connection, spec.dag_id, data, file.digest, now)
        if row is None:
            paused = self._are_paused if spec.is_paused_upon_creation is None else spec.is_paused_upon_creation
            connection.execute(insert(t.dag), [{**values, "dag_id": spec.dag_id, "is_paused": paused}])
        else:
            connection.execute(update(t.dag).where(t.dag.c.dag_id == spec.dag_id).values(**values))
        connection.execute(delete(t.dag_tag).where(t.dag_tag.c.dag_id == spec.dag_id))
        if spec.tags:
            upsert(
                connection,
                t.dag_tag,
                [{"dag_id": spec.dag_id, "name": tag[:100]} for tag in dict.fromkeys(spec.tags)],
                changing=("name",),
            )
        coming = plan_next(connection, spec, now)
        connection.execute(update(t.dag).where(t.dag.c.dag_id == spec.dag_id).values(**next_columns(coming)))
        return True

    def _version(self, connection: Connection, version_id: str | None) -> Any:
        if version_id is None:
            return None
        table = t.dag_version
        query = select(table.c.id, table.c.digest, table.c.source_digest).where(table.c.id == version_id)
        return connection.execute(query).first()

    def _columns(self, spec: DagSpec, fileloc: str, now: datetime) -> dict[str, Any]:
        timetable = from_spec(spec.timetable)
        limits = (spec.max_active_runs or self._max_active_runs, timetable.max_active_runs)
        return {
            "fileloc": fileloc,
            "is_active": True,
            "has_import_errors": False,
            "display_name": spec.display_name or spec.dag_id,
            "description": spec.description,
            "owners": ", ".join(spec.owners),
            "timetable_summary": timetable.summary,
            "timetable_description": timetable.description,
            "max_active_tasks": spec.max_active_tasks or self._max_active_tasks,
            "max_active_runs": min(limit for limit in limits if limit),
            "max_consecutive_failed_dag_runs": spec.max_consecutive_failed_dag_runs,
            "has_sla": any(task.sla is not None for task in spec.tasks),
            "last_parsed_at": now,
        }

    # --- errors and warnings ---------------------------------------------------------------------

    def _save_errors(self, connection: Connection, fileloc: str, errors: Iterable[str], now: datetime) -> bool:
        text = "\n\n".join(errors)
        table = t.import_error
        old = connection.execute(select(table.c.stacktrace).where(table.c.filename == fileloc)).scalar_one_or_none()
        if old == (text or None):
            return False
        connection.execute(delete(table).where(table.c.filename == fileloc))
        if text:
            connection.execute(insert(table), [{"filename": fileloc, "stacktrace": text, "timestamp": now}])
        return True

    def _save_warnings(
        self, connection: Connection, specs: Iterable[DagSpec], warnings: Iterable[str], now: datetime
    ) -> bool:
        ids = [spec.dag_id for spec in specs]
        if not ids:
            return False
        table = t.dag_warning
        old = {
            (row.dag_id, row.message)
            for row in connection.execute(select(table.c.dag_id, table.c.message).where(table.c.dag_id.in_(ids)))
        }
        new = {(dag_id, message) for dag_id in ids for message in warnings}
        if old == new:
            return False
        connection.execute(delete(table).where(table.c.dag_id.in_(ids)))
        rows: list[Mapping[str, Any]] = [
            {"dag_id": dag_id, "warning_type": "definition", "message": message, "timestamp": now}
            for dag_id, message in sorted(new)
        ]
        if rows:
            connection.execute(insert(table), rows)
        return True


def _add_version(connection: Connection, dag_id: str, data: bytes, source: str, now: datetime) -> str:
    newest = connection.execute(
        select(func.max(t.dag_version.c.version_number)).where(t.dag_version.c.dag_id == dag_id)
    ).scalar_one()
    key = new_key(now)
    values = {
        "id": key,
        "dag_id": dag_id,
        "version_number": (newest or 0) + 1,
        "digest": hashlib.sha256(data).hexdigest(),
        "data": data.decode(),
        "source_digest": source,
        "created_at": now,
    }
    connection.execute(insert(t.dag_version), [values])
    return key


def _told(problem: ParseProblem) -> str:
    """Return a problem as people read it: file, line, rule, then the trace if there is one."""
    line = f", line {problem.line}" if problem.line else ""
    rule = f" [{problem.rule}]" if problem.rule else ""
    trace = f"\n\n{problem.trace}" if problem.trace else ""
    return f"{problem.file}{line}{rule}: {problem.message}{trace}"
