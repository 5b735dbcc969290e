"""The process that reads one DAG file once and answers with what is in it."""

import hashlib
import os
import socket
import traceback
from pathlib import Path
from typing import NoReturn

import msgspec

from gale.clock import Clock
from gale.runtime import messages, user_code
from gale.runtime.processes import limit_memory


def run_parse(answer_fd: int, order: messages.StartParse, dags_folder: str, clock: Clock) -> NoReturn:
    """Read the file, write the answer, end. Exit status 0 only if the answer is complete."""
    limit_memory(order.memory_bytes)
    try:
        body = msgspec.json.encode(_answer(os.fsdecode(order.file), dags_folder, clock))
    except UnicodeEncodeError:
        name = order.file.decode("utf-8", "replace")
        message = f"The name of the file, or one in its DAGs, is no valid text ({name}). Rename it in UTF-8."
        body = msgspec.json.encode(_failure(messages.ParseProblem(message=message, file=name, rule="readable")))
    with socket.socket(fileno=answer_fd) as answer:
        answer.sendall(body)
    os._exit(0)


def _answer(file: str, dags_folder: str, clock: Clock) -> messages.ParseAnswer:
    started = clock.monotonic()
    source, errors, warnings, specs = b"", [], [], []
    try:
        source = Path(file).read_bytes()
        loaded = user_code.load(file, dags_folder)
        errors = user_code.problems(loaded.errors)
        warnings = loaded.warnings
        specs = user_code.specs(loaded.dags, relative(file, dags_folder))
    except BaseException as error:  # noqa: BLE001  whatever user code raises is the answer
        errors = [*errors, _problem(error, file)]
        specs = []
    return messages.ParseAnswer(
        source_digest=hashlib.sha256(source).hexdigest(),
        source="" if file.endswith(".zip") else source.decode("utf-8", "replace"),
        specs=specs,
        errors=errors,
        warnings=warnings,
        seconds=clock.monotonic() - started,
    )


def _failure(problem: messages.ParseProblem) -> messages.ParseAnswer:
    return messages.ParseAnswer(source_digest="", source="", specs=[], errors=[problem], warnings=[], seconds=0.0)


def relative(file: str, dags_folder: str) -> str:
    """Return the path below the DAG folder, or the whole path of a file elsewhere (shipped examples)."""
    path = Path(file)
    return str(path.relative_to(dags_folder)) if dags_folder and path.is_relative_to(dags_folder) else file


def _problem(error: BaseException, file: str) -> messages.ParseProblem:
    if isinstance(error, OSError) and error.filename == file:
        return messages.ParseProblem(message=f"The file cannot be read: {error.strerror}.", file=file, rule="readable")
    return messages.ParseProblem(
        message=f"Importing the file failed: {type(error).__name__}: {error}",
        file=file,
        rule="import",
        trace="".join(traceback.format_exception(error)),
    )
