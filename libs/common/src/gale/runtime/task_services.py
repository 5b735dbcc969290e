"""What a task may ask of Gale, as messages: the task's side asks, the supervisor's side answers.

An error travels by its name, so that the task sees the exception that the services raised.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from gale import errors
from gale.core.attempt import ConnectionData, TaskServices
from gale.errors import GaleError
from gale.runtime.messages import TaskEnded
from gale.runtime.stream import check_size, receive_frame, send_frame

_log = logging.getLogger(__name__)


class ServicesUnreachable(GaleError):
    """Gale cannot be asked from here."""


class _Request(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One call. The fields are the arguments of the method of `TaskServices`."""


class GetVariable(_Request, frozen=True):
    """Ask for a variable."""

    key: str

    def answer(self, services: TaskServices) -> object:
        """Call the services."""
        return services.get_variable(self.key)


class SetVariable(_Request, frozen=True):
    """Create or replace a variable."""

    key: str
    value: str
    description: str | None = None

    def answer(self, services: TaskServices) -> object:
        """Call the services."""
        services.set_variable(self.key, self.value, self.description)
        return None


class DeleteVariable(_Request, frozen=True):
    """Delete a variable."""

    key: str

    def answer(self, services: TaskServices) -> object:
        """Call the services."""
        return services.delete_variable(self.key)


class GetConnection(_Request, frozen=True):
    """Ask for a connection."""

    conn_id: str

    def answer(self, services: TaskServices) -> object:
        """Call the services."""
        return services.get_connection(self.conn_id)


class GetXCom(_Request, frozen=True):
    """Ask for an XCom of a run."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    key: str | None

    def answer(self, services: TaskServices) -> object:
        """Call the services."""
        return services.get_xcom(**msgspec.structs.asdict(self))


class GetPriorXCom(_Request, frozen=True):
    """Ask for the newest XCom of earlier runs."""

    dag_id: str
    before: datetime
    task_id: str
    key: str | None

    def answer(self, services: TaskServices) -> object:
        """Call the services."""
        return services.get_prior_xcom(**msgspec.structs.asdict(self))


class SetXCom(_Request, frozen=True):
    """Store an XCom."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    key: str
    value: str

    def answer(self, services: TaskServices) -> object:
        """Call the services."""
        services.set_xcom(**msgspec.structs.asdict(self))
        return None


class TriggerRun(_Request, frozen=True):
    """Ask for a run."""

    dag_id: str
    run_id: str | None
    logical_date: datetime | None
    conf: Mapping[str, Any]
    reset: bool

    def answer(self, services: TaskServices) -> object:
        """Call the services."""
        return services.trigger_run(**msgspec.structs.asdict(self))


class AskRunState(_Request, frozen=True):
    """Ask for the state of a run."""

    dag_id: str
    run_id: str

    def answer(self, services: TaskServices) -> object:
        """Call the services."""
        return services.run_state(dag_id=self.dag_id, run_id=self.run_id)


class CountStates(_Request, frozen=True):
    """Count task instances or runs."""

    dag_id: str
    task_ids: Sequence[str]
    logical_dates: Sequence[datetime]
    states: Sequence[str]

    def answer(self, services: TaskServices) -> object:
        """Call the services."""
        return services.count_states(**msgspec.structs.asdict(self))


class AskLatest(_Request, frozen=True):
    """Ask whether a run is the latest."""

    dag_id: str
    logical_date: datetime

    def answer(self, services: TaskServices) -> object:
        """Call the services."""
        return services.is_latest_run(dag_id=self.dag_id, logical_date=self.logical_date)


Request = (
    GetVariable
    | SetVariable
    | DeleteVariable
    | GetConnection
    | GetXCom
    | GetPriorXCom
    | SetXCom
    | TriggerRun
    | AskRunState
    | CountStates
    | AskLatest
)


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The value as JSON, or the name of an error and its message."""

    value: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    message: str = ""


_encode: Final = msgspec.json.Encoder().encode
_decode_answer: Final = msgspec.json.Decoder(Answer).decode
_decode_text: Final[Callable[[bytes], str | None]] = msgspec.json.Decoder(str | None).decode
_decode_bool: Final = msgspec.json.Decoder(bool).decode
_decode_int: Final = msgspec.json.Decoder(int).decode
_decode_connection: Final[Callable[[bytes], ConnectionData | None]] = msgspec.json.Decoder(ConnectionData | None).decode
#: For the supervisor: what a task process may say.
decode_from_task: Final = msgspec.json.Decoder(Request | TaskEnded).decode
encode_ended: Final = _encode


def answer(request: Request, services: TaskServices) -> bytes:
    """Return the answer to a request as a message; never raises."""
    try:
        body = _encode(Answer(value=msgspec.Raw(_encode(request.answer(services)))))
        check_size(body)
    except GaleError as error:
        return _encode(Answer(error=type(error).__name__, message=str(error)))
    except Exception as error:  # noqa: BLE001  the service's own frame must not fall over one request
        _log.exception("A request of a task could not be answered: %s", type(request).__name__)
        message = f"The supervisor could not answer {type(request).__name__}: {type(error).__name__}: {error}"
        return _encode(Answer(error="GaleError", message=message))
    return body


def _error(answer: Answer) -> GaleError:
    kind = getattr(errors, answer.error, GaleError)
    if not (isinstance(kind, type) and issubclass(kind, GaleError)):
        kind = GaleError
    return kind(answer.message)


class SocketTaskServices:
    """The task's side: `TaskServices` over the attempt's socket."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def _ask(self, request: Request) -> bytes:
        if os.getpid() != self._pid:
            raise ServicesUnreachable(
                "Variables, connections and XComs were asked for in a process that the task has forked; its socket "
                "belongs to the task process alone. Ask in the task itself and hand the value to the new process."
            )
        with self._lock:
            send_frame(self._control, _encode(request))
            got = _decode_answer(receive_frame(self._control))
        if got.error:
            raise _error(got)
        return bytes(got.value)

    def get_variable(self, key: str) -> str | None:
        """Return the variable's text, or None if there is none."""
        return _decode_text(self._ask(GetVariable(key=key)))

    def set_variable(self, key: str, value: str, description: str | None = None) -> None:
        """Create or replace a variable."""
        self._ask(SetVariable(key=key, value=value, description=description))

    def delete_variable(self, key: str) -> bool:
        """Delete a variable; False if there was none."""
        return _decode_bool(self._ask(DeleteVariable(key=key)))

    def get_connection(self, conn_id: str) -> ConnectionData | None:
        """Return the connection, or None if there is none."""
        return _decode_connection(self._ask(GetConnection(conn_id=conn_id)))

    def get_xcom(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str | None) -> str | None:
        """Return the JSON text of one XCom; `key=None` = the newest of any key."""
        request = GetXCom(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index, key=key)
        return _decode_text(self._ask(request))

    def get_prior_xcom(self, *, dag_id: str, before: datetime, task_id: str, key: str | None) -> str | None:
        """Return the newest XCom of the task in runs with a logical date up to `before`."""
        return _decode_text(self._ask(GetPriorXCom(dag_id=dag_id, before=before, task_id=task_id, key=key)))

    def set_xcom(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str, value: str) -> None:
        """Store one XCom at once."""
        self._ask(SetXCom(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index, key=key, value=value))

    def trigger_run(
        self,
        *,
        dag_id: str,
        run_id: str | None,
        logical_date: datetime | None,
        conf: Mapping[str, Any],
        reset: bool,
    ) -> str:
        """Ask for a run and return its run id."""
        request = TriggerRun(dag_id=dag_id, run_id=run_id, logical_date=logical_date, conf=conf, reset=reset)
        return _decode_text(self._ask(request)) or ""

    def run_state(self, *, dag_id: str, run_id: str) -> str | None:
        """Return the state of a run, or None if there is none."""
        return _decode_text(self._ask(AskRunState(dag_id=dag_id, run_id=run_id)))

    def count_states(
        self,
        *,
        dag_id: str,
        task_ids: Sequence[str],
        logical_dates: Sequence[datetime],
        states: Sequence[str],
    ) -> int:
        """Count task instances (or runs, if `task_ids` is empty) in one of the states."""
        request = CountStates(dag_id=dag_id, task_ids=task_ids, logical_dates=logical_dates, states=states)
        return _decode_int(self._ask(request))

    def is_latest_run(self, *, dag_id: str, logical_date: datetime) -> bool:
        """True unless a later scheduled interval of the DAG has begun to be due."""
        return _decode_bool(self._ask(AskLatest(dag_id=dag_id, logical_date=logical_date)))
