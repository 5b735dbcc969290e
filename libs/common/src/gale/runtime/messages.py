"""The words between service, zygote, hosts and task processes.

What user code made or asked for travels on the attempt's own socket (orders, `TaskEnded`) or on
the parse child's (`ParseAnswer`).

Numbers (`host`, `number`) are given by the service and never used twice in its life.
"""

from typing import Any

import msgspec

from gale.core.attempt import AttemptEnded, AttemptOrder
from gale.core.graph import DagSpec


class _Message(msgspec.Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    pass


# --- service to zygote --------------------------------------------------------------------


class Surroundings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The settings that user code sees, sent once to the zygote, because it reads no settings itself."""

    #: Put on `sys.path`, so that DAG files can import their helpers.
    dags_folder: str = ""
    default_timezone: str = "UTC"
    catchup_by_default: bool = True
    default_task_retries: int = 0
    default_owner: str = "airflow"
    default_queue: str = "default"
    logging_level: str = "INFO"
    #: `[smtp]` and `[email]` as one mapping; None = mail is not set up.
    mail_settings: dict[str, Any] | None = None


class Configure(_Message, frozen=True):
    """First message: what user code shall see."""

    surroundings: Surroundings


class StartHost(_Message, frozen=True):
    """Fork a host that imports `file`. With it goes the host's end of its channel."""

    child: int
    file: str
    #: Import in each task process instead, because importing leaves this behind, which a fork would break.
    fresh_because: str
    #: Limit of the import.
    seconds: float


class StartParse(_Message, frozen=True):
    """Fork a child that reads `file` once. With it goes a pipe for its answer."""

    child: int
    #: As bytes, because the name of a file need not be text.
    file: bytes
    seconds: float
    memory_bytes: int


class Settled(_Message, frozen=True):
    """The host has imported its file, so its time limit is lifted."""

    child: int


class KillChild(_Message, frozen=True):
    """Kill a child and all that it has started."""

    child: int


# --- zygote to service --------------------------------------------------------------------


class Ready(_Message, frozen=True):
    """The zygote has warmed up."""

    pid: int


class ChildGone(_Message, frozen=True):
    """A child of the zygote has ended, and so has everything below it."""

    child: int
    #: As `os.wait4` gives it; -1 if the fork failed.
    status: int
    #: It was killed because its time was over.
    overdue: bool = False
    error: str = ""


# --- service to host ----------------------------------------------------------------------


class TaskStart(msgspec.Struct, frozen=True, array_like=True):
    """One task process to be forked. With it goes its end of the control socket."""

    number: int
    marker: str
    log: str


class StartTasks(_Message, frozen=True):
    """Fork task processes, one per descriptor that comes along."""

    tasks: list[TaskStart]


class SignalTask(_Message, frozen=True):
    """Signal a task process and its group."""

    number: int
    signal: int


# --- host to service ----------------------------------------------------------------------


class FileStamp(msgspec.Struct, frozen=True, array_like=True):
    """What tells whether a file is still the one that was read."""

    path: str
    modified_ns: int
    size: int


class HostReady(_Message, frozen=True):
    """The file is imported, tasks can start."""

    pid: int
    #: SHA-256 of the file's bytes as they were imported.
    source_digest: str
    #: The file itself and the helpers outside Python's own folders that it imported.
    files: list[FileStamp]


class HostUnsuited(_Message, frozen=True):
    """The file is imported, but tasks cannot be forked from here; a fresh import each is needed."""

    reason: str


class HostBroken(_Message, frozen=True):
    """Importing the file raised; the text is for the log of each waiting attempt."""

    reason: str
    text: str


class Signalled(_Message, frozen=True):
    """The host has sent a signal (which shows that the host itself is well)."""

    number: int


class TaskGone(msgspec.Struct, frozen=True, array_like=True):
    """The end of one task process."""

    number: int
    pid: int
    #: As `os.wait4` gives it.
    status: int
    cpu_seconds: float
    max_rss_bytes: int
    #: Processes that it left behind and that were killed.
    strays: int
    #: Why it could not be forked at all; then pid is 0.
    error: str = ""


class TasksGone(_Message, frozen=True):
    """Ends of task processes, as many as came together."""

    tasks: list[TaskGone]


# --- task process to service, on the attempt's own socket ----------------------------------


class TaskEnded(_Message, frozen=True):
    """What the task process says of its end. It counts only together with exit status 0."""

    ended: AttemptEnded


# --- parse child to service, on its own pipe -----------------------------------------------


class ParseProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reason why (a part of) a DAG file cannot be used."""

    message: str
    #: The DAG file, or the member of a zip file.
    file: str = ""
    line: int = 0
    #: The rule that was broken, such as "syntax" or "no circles".
    rule: str = ""
    trace: str = ""


class ParseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """All that a parse child says."""

    source_digest: str
    source: str
    specs: list[DagSpec]
    errors: list[ParseProblem]
    warnings: list[str]
    seconds: float


ToZygote = Configure | StartHost | StartParse | Settled | KillChild
FromZygote = Ready | ChildGone
ToHost = StartTasks | SignalTask
FromHost = HostReady | HostUnsuited | HostBroken | Signalled | TasksGone

_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode
decode_to_zygote = msgspec.msgpack.Decoder(ToZygote).decode
decode_from_zygote = msgspec.msgpack.Decoder(FromZygote).decode
decode_to_host = msgspec.msgpack.Decoder(ToHost).decode
decode_from_host = msgspec.msgpack.Decoder(FromHost).decode

#: The first message on an attempt's own socket is its order.
encode_order = msgspec.json.Encoder().encode
decode_order = msgspec.json.Decoder(AttemptOrder).decode
