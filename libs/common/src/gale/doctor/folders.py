"""Looks at the folders: DAG files, and where logs go."""

import os
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from gale.core.findings import Finding, Findings
from gale.settings import Settings

#: Below that, logs and databases soon stop being written.
LEAST_FREE_BYTES: Final = 1 << 30
LEAST_FREE_SHARE: Final = 0.05


def probe_dags(settings: Settings) -> list[Finding]:
    """Return what was found of the DAG folder."""
    findings = Findings("dags")
    folder = settings.core.dags_folder
    if not folder.exists():
        findings.warn("folder", f"There is no folder {folder}.", "Make it, or name another in [core] dags_folder.")
    elif not folder.is_dir():
        findings.fail("folder", f"{folder} is no folder.", "Name a folder in [core] dags_folder.")
    elif not os.access(folder, os.R_OK | os.X_OK):
        findings.fail("folder", f"This user may not read {folder}.", f"Run: chmod a+rx {folder}")
    else:
        count = sum(1 for _ in folder.rglob("*.py"))
        findings.ok("folder", f"{folder} can be read; it has {count} Python files.")
    return findings.all


def probe_logs(settings: Settings) -> list[Finding]:
    """Return what was found of the stores of logs."""
    findings = Findings("logs")
    folder = settings.logging.base_log_folder
    if problem := _not_writable(folder):
        findings.fail(
            "folder",
            f"Logs cannot be written to {folder} ({problem}).",
            "Give this user the right to, or name another folder in [logging] base_log_folder.",
        )
    else:
        findings.ok("folder", f"Logs can be written to {folder}.")
        _space(folder, findings)
    if settings.logging.remote_logging:
        _remote(settings.logging.remote_base_log_folder, findings)
    return findings.all


def _not_writable(folder: Path) -> str:
    """Return why nothing can be written there; empty if something can."""
    trial = folder / f".gale-doctor-{uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(b"trial")
        trial.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _space(folder: Path, findings: Findings) -> None:
    usage = shutil.disk_usage(folder)
    told = f"{usage.free / (1 << 30):.1f} GiB of {usage.total / (1 << 30):.1f} GiB are free on the disk of {folder}."
    if usage.free < LEAST_FREE_BYTES or usage.free < LEAST_FREE_SHARE * usage.total:
        findings.warn("space", told, "Delete old logs, or name a folder on a larger disk in [logging] base_log_folder.")
    else:
        findings.ok("space", told)


def _remote(url: str, findings: Findings) -> None:
    if not url:
        findings.fail(
            "remote",
            "[logging] remote_logging is on, but remote_base_log_folder is empty.",
            "Set it to a URL such as s3://BUCKET/logs, or switch remote_logging off.",
        )
        return
    try:
        _write_remotely(url)
    except Exception as error:  # noqa: BLE001 - each kind of store has errors of its own; all mean that it does not work
        findings.fail(
            "remote",
            f"Logs cannot be copied to {url} ({type(error).__name__}: {error}).",
            "Correct [logging] remote_base_log_folder, its credentials, or install the store's driver for fsspec.",
        )
    else:
        findings.ok("remote", f"Finished logs can be copied to {url}.")


def _write_remotely(url: str) -> None:
    # Only who copies logs away needs fsspec, and it takes a tenth of a second.
    fsspec: Any = import_module("fsspec")
    files, path = fsspec.core.url_to_fs(url)
    trial = f"{path.rstrip('/')}/.gale-doctor-{uuid4().hex}"
    files.makedirs(path, exist_ok=True)
    files.pipe_file(trial, b"trial")
    files.rm_file(trial)
