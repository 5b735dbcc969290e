"""FileSensor: wait for a file or folder."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gale.authoring.connection import Connection
from gale.authoring.exceptions import MissingEntry
from gale.hooks.base import BaseHook
from gale.sensors.base import BaseSensorOperator


class FSHook(BaseHook):
    """A folder of this machine, named by the `path` in the extra of a connection."""

    def __init__(self, fs_conn_id: str = "fs_default") -> None:
        self.conn_id = fs_conn_id

    def get_path(self) -> str:
        """Return the folder; the root of the file system if the default connection is not there."""
        try:
            connection = Connection.get(self.conn_id)
        except MissingEntry:
            if self.conn_id != "fs_default":
                raise
            return "/"
        return str(connection.extra_dejson.get("path") or connection.host or "/")


class FileSensor(BaseSensorOperator):
    """Wait until a file, or a folder with a file in it, is there.

    Args:
        filepath: A path, relative to the connection's folder, or a glob pattern; templated.
        fs_conn_id: The connection that names the folder.
        recursive: Whether `**` in the pattern goes through all folders below.
        options: See `BaseSensorOperator`.
    """

    template_fields: Sequence[str] = ("filepath",)
    ui_color = "#91818a"

    def __init__(
        self,
        *,
        filepath: str,
        fs_conn_id: str = "fs_default",
        recursive: bool = False,
        deferrable: bool = False,  # noqa: ARG002  waits in a slot
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.filepath = filepath
        self.fs_conn_id = fs_conn_id
        self.recursive = recursive

    def poke(self, context: Mapping[str, Any]) -> bool:  # noqa: ARG002  the sensor's form
        """Return whether there is such a file."""
        pattern = str(Path(FSHook(self.fs_conn_id).get_path(), self.filepath))
        self.log.info("Looking for %s", pattern)
        for found in glob.glob(pattern, recursive=self.recursive):  # noqa: PTH207  absolute patterns, which pathlib refuses
            path = Path(found)
            if path.is_file():
                self.log.info("Found %s, %s bytes", path, path.stat().st_size)
                return True
            if any(files for _, _, files in os.walk(path)):
                return True
        return False
