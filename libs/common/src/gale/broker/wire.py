"""The form of a task command on the broker: a Celery task, signed.

A command holds ids and nothing else: no argument, no parameter, no secret. Whoever gets it looks
everything else up in the database, by the token. The signature makes sure that a command came from
somebody who has `[webserver] secret_key`: Celery itself trusts any message that it finds in a queue.

A copy of a command that was once valid passes the signature; it loses the race for the claim, because
its token is used up. A signature on other ids than its own does not pass.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gale.core.ids import check_id, check_run_id
from gale.errors import BadMessage, InvalidId

TASK_NAME: Final = "gale.run"
#: For what `gale.secrets.derive_key` makes the key of commands and hints.
KEY_PURPOSE: Final = "task commands"
VERSION: Final = 1
#: Commands have about one kilobyte. What is larger is not ours and is not even decoded.
MAX_BODY_BYTES: Final = 16 * 1024
CONTENT_TYPE: Final = "application/json"
CONTENT_ENCODING: Final = "utf-8"
_NO_LINKS: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_NO_LIMITS: Final = [None, None]
_KEY: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}", re.ASCII)
#: Tells the signature of a command from that of anything else that is signed with the same key.
_PURPOSE: Final = b"gale task command\0"
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCommand:
    """One attempt that a worker shall claim and run."""

    ti: str
    token: str
    try_number: int
    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    queue: str = "default"
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A command as it goes to the broker: a message of Celery's task protocol 2."""

    task_id: str
    queue: str
    #: What Flower shows as the arguments.
    kwargs: Mapping[str, Any]
    #: All of the message's headers; ours is "gale".
    headers: Mapping[str, Any]
    body: bytes


class _Kwargs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dag_id: str
    task_id: str
    run_id: str
    try_number: int
    map_index: int


class _Ours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ti: str
    signature: str
    v: int
    queue: str = "default"
    priority: int = 0


class _Links(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


_decode_body: Final = msgspec.json.Decoder(tuple[tuple[()], _Kwargs, _Links]).decode


def celery_form(command: TaskCommand) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return headers and keyword arguments of a command as a Celery task: what a worker and Flower look at."""
    kwargs = {
        "dag_id": command.dag_id,
        "task_id": command.task_id,
        "run_id": command.run_id,
        "try_number": command.try_number,
        "map_index": command.map_index,
    }
    headers = {
        "lang": "py",
        "task": TASK_NAME,
        "id": command.token,
        "root_id": command.token,
        "shadow": f"{command.dag_id}.{command.task_id}",
        "retries": 0,
        "argsrepr": "()",
        "kwargsrepr": repr(kwargs),
    }
    return headers, kwargs


def pack(command: TaskCommand, key: bytes) -> Packed:
    """Return `command` as a message of Celery's, signed with `key`.

    Only those headers are set that a worker and Flower look at: each one costs time on both sides.
    """
    headers, kwargs = celery_form(command)
    headers["timelimit"] = _NO_LIMITS
    headers["gale"] = {
        "ti": command.ti,
        "signature": _signature(command, key),
        "v": VERSION,
        "queue": command.queue,
        "priority": command.priority,
    }
    return Packed(
        task_id=command.token,
        queue=command.queue,
        kwargs=kwargs,
        headers=headers,
        body=_encode(((), kwargs, _NO_LINKS)),
    )


def unpack(task_id: object, kwargs: object, headers: object, key: bytes) -> TaskCommand:
    """Return the command that a message holds.

    Args:
        task_id: Celery's id of the task: the token.
        kwargs: The task's arguments, decoded.
        headers: The message's headers.
        key: The one with which it was packed.

    Raises:
        BadMessage: Something is missing, of the wrong type or too long, or the signature is not ours.
    """
    given = headers.get("gale") if isinstance(headers, Mapping) else None
    if given is None:
        raise BadMessage("A message without Gale's header was in a task queue. It is dropped, nothing is run.")
    try:
        named = kwargs if isinstance(kwargs, _Kwargs) else msgspec.convert(kwargs, _Kwargs)
        ours = msgspec.convert(given, _Ours)
    except msgspec.ValidationError as error:
        raise BadMessage(f"A message in a task queue is no command of Gale's: {error}. It is dropped.") from None
    if ours.v != VERSION:
        raise BadMessage(
            f"A command has version {ours.v}, but this Gale knows only {VERSION}. It is dropped; "
            "the scheduler sends it again. Let all services run the same version."
        )
    command = TaskCommand(
        ti=_key(ours.ti, "task instance"),
        token=_key(task_id, "token"),
        try_number=named.try_number,
        dag_id=named.dag_id,
        run_id=named.run_id,
        task_id=named.task_id,
        map_index=named.map_index,
        queue=ours.queue,
        priority=ours.priority,
    )
    _check_ids(command)
    if not hmac.compare_digest(_signature(command, key).encode(), ours.signature.encode()):
        raise BadMessage(
            f"The command for {command.dag_id}.{command.task_id} is not signed with our key. It is dropped, nothing "
            "is run. If it came from a scheduler of yours, give all services the same [webserver] secret_key."
        )
    return command


def open_message(headers: object, body: bytes | str, content_type: object, key: bytes) -> TaskCommand:
    """Return the command in a raw message, of which nothing has been decoded yet.

    Raises:
        BadMessage: As for `unpack`; or it is too large, or not JSON (pickle is never loaded).
    """
    if len(body) > MAX_BODY_BYTES:
        raise BadMessage(f"A message of {len(body):,} bytes was in a task queue; commands have under 2 KB. Dropped.")
    if content_type != CONTENT_TYPE:
        shown = str(content_type)[:40]
        raise BadMessage(f"A message of the type {shown!r} was in a task queue; commands are JSON. It is dropped.")
    try:
        _, kwargs, _ = _decode_body(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadMessage(f"A message in a task queue is no command of Gale's: {error}. It is dropped.") from None
    return unpack(headers.get("id") if isinstance(headers, Mapping) else None, kwargs, headers, key)


def _signature(command: TaskCommand, key: bytes) -> str:
    # JSON of a list is the same text for the same values, and no value can run over into the next one.
    signed = _encode(
        (
            VERSION,
            command.ti,
            command.token,
            command.try_number,
            command.dag_id,
            command.run_id,
            command.task_id,
            command.map_index,
            command.queue,
            command.priority,
        )
    )
    return hmac.new(key, _PURPOSE + signed, hashlib.sha256).hexdigest()


def _key(value: object, what: str) -> str:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise BadMessage(f"The {what} of a command is {str(value)[:40]!r}, which is none. The message is dropped.")
    return value


def _check_ids(command: TaskCommand) -> None:
    try:
        for value, what in ((command.dag_id, "dag_id"), (command.task_id, "task_id"), (command.queue, "queue")):
            check_id(value, what)
        check_run_id(command.run_id)
    except InvalidId as error:
        raise BadMessage(f"A message in a task queue is no command of Gale's. {error} It is dropped.") from None
