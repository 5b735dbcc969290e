"""Runs follow the version of a DAG that was read last without errors, whatever the file says meanwhile.

Where the file on disk is still that version, it is used. Where it is broken, or changed and not
read yet, the text that was stored with the version is written to a file of its own, and the task
imports that.
"""

import hashlib
import secrets
from pathlib import Path

from sqlalchemy import Connection, select

from gale.db import tables as t


class FileVersions:
    """Finds the file for a version.

    Args:
        dags_folder: What stored paths are relative to.
        kept: Folder of the texts that are no longer on disk.
    """

    def __init__(self, dags_folder: Path, kept: Path) -> None:
        self._dags_folder = dags_folder
        self._kept = kept
        self._digests: dict[Path, tuple[tuple[int, int], str]] = {}

    def file_for(self, connection: Connection, fileloc: str, digest: str) -> Path:
        """Return the path of a file with the text of that digest; the DAG's own file if there is none."""
        path = self._dags_folder / fileloc
        if not digest or self._digest_on_disk(path) == digest:
            return path
        kept = self._kept / digest / path.name
        if kept.exists():
            return kept
        text = connection.execute(
            select(t.dag_source.c.content).where(t.dag_source.c.digest == digest)
        ).scalar_one_or_none()
        if not text:  # a zip file, whose text is not stored
            return path
        kept.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: workers on other machines may share the folder and be at the same version.
        half_written = kept.with_suffix(f".{secrets.token_hex(8)}.part")
        half_written.write_text(text, encoding="utf-8", newline="")
        half_written.replace(kept)
        return kept

    def _digest_on_disk(self, path: Path) -> str:
        try:
            stat = path.stat()
            signature = (stat.st_mtime_ns, stat.st_size)
            known = self._digests.get(path)
            if known is None or known[0] != signature:
                known = (signature, hashlib.sha256(path.read_bytes()).hexdigest())
                self._digests[path] = known
        except OSError:
            return ""
        return known[1]
