"""The runtime's only door to user code: loading a DAG file and running one attempt.

Imported by the zygote and what is forked from it, never by a service's own process.
"""

import dataclasses
import socket
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

from gale.authoring import execution, surroundings
from gale.authoring.dag import DAG
from gale.authoring.loading import FileError, LoadedFile, load_file
from gale.authoring.serialization import dag_to_spec
from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome, RunFacts, TaskServices
from gale.core.graph import DagSpec
from gale.operators.python import PythonOperator
from gale.runtime import messages, task_output
from gale.runtime.task_services import SocketTaskServices, encode_ended

__all__ = [
    "LoadedFile",
    "environment",
    "kill_running_task",
    "load",
    "problems",
    "run",
    "specs",
    "warm_up",
    "warm_up_dags",
]

kill_running_task = execution.kill_running_task

_OWN_SURROUNDINGS: Final = {field.name for field in dataclasses.fields(surroundings.Surroundings)}


def warm_up(wanted: messages.Surroundings) -> None:
    """Make ready, before any fork, what user code will see and what running it needs."""
    values = {name: getattr(wanted, name) for name in wanted.__struct_fields__ if name in _OWN_SURROUNDINGS}
    surroundings.use(surroundings.Surroundings(**values))
    task_output.prepare_logging(wanted.logging_level)
    execution.warm_up()
    rehearse()


def environment() -> MutableMapping[str, str]:
    """Return the environment that user code sees, to be changed."""
    return surroundings.current().environ


def warm_up_dags(loaded: LoadedFile) -> None:
    """Make ready what is special to the DAGs of one file."""
    execution.warm_up(loaded.dags.values())


def rehearse() -> None:
    """Run a task that does nothing: what is touched now need not be touched when a task waits."""
    with DAG("rehearsal", schedule=None) as dag:
        PythonOperator(task_id="task", python_callable=_nothing)
    order = AttemptOrder(ti="", token="", run=RunFacts(dag_id="rehearsal", run_id="rehearsal"), task_id="task", file="")
    with socket.socket(socket.AF_UNIX) as nobody:
        ended = execution.run_task(dag, order, SocketTaskServices(nobody))
    encode_ended(messages.TaskEnded(ended=ended))
    task_output.flush(sys.stdout, sys.stderr)


def _nothing() -> None:
    pass


def load(file: str, dags_folder: str) -> LoadedFile:
    """Import a DAG file in this process. What is wrong with it stands in the result."""
    return load_file(Path(file), Path(dags_folder) if dags_folder else None)


def problems(errors: list[FileError]) -> list[messages.ParseProblem]:
    """Return the mistakes of a file in the form in which they travel."""
    return [
        messages.ParseProblem(
            message=error.message, file=error.file, line=error.line, rule=error.rule, trace=error.trace
        )
        for error in errors
    ]


def specs(dags: Mapping[str, DAG], fileloc: str) -> list[DagSpec]:
    """Return what the scheduler needs of the DAGs of a file."""
    return [dag_to_spec(dag, fileloc) for dag in dags.values()]


def run(loaded: LoadedFile, order: AttemptOrder, services: TaskServices) -> AttemptEnded:
    """Run the task, or the callback, that is ordered, as the only one of this process."""
    dag = loaded.dags.get(order.run.dag_id)
    if dag is None:
        return AttemptEnded(ti=order.ti, token=order.token, outcome=Outcome.FAILED, reason=_missing(loaded, order))
    if order.callback:
        return execution.run_callback(dag, order, services)
    return execution.run_task(dag, order, services, alone=True)


def _missing(loaded: LoadedFile, order: AttemptOrder) -> str:
    said = "; ".join(str(error) for error in loaded.errors) or "it has no error, so it was probably renamed"
    return (
        f"The DAG {order.run.dag_id!r} is not in {order.file} as it is now ({said}). Bring it back or remove the run."
    )
