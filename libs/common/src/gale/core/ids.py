"""What an id may look like.

Ids become parts of paths, URLs, log lines and keys of tables. One rule for all of them keeps
every one of these safe: 1 to 250 characters out of ASCII letters, digits, `-`, `_` and `.`;
run ids also `:`, `+`, `~`, `@`, `=` and `,`. No id is `.` or `..`, and none holds `..`.
"""

import re
from typing import Final

from gale.errors import InvalidId

MAX_ID_LENGTH: Final = 250
#: How much of a bad id an error shows.
_SHOWN: Final = 60
_ID: Final = re.compile(r"[A-Za-z0-9_.\-]+", re.ASCII)
_RUN_ID: Final = re.compile(r"[A-Za-z0-9_.\-:+~@=,]+", re.ASCII)
_RULE: Final = "ASCII letters, digits, dashes, dots and underscores, at most 250 characters, without '..'"
#: Prefixes that Gale gives to the runs it makes itself.
RESERVED_RUN_ID_PREFIXES: Final = ("scheduled__", "backfill__")


def _check(value: object, what: str, pattern: re.Pattern[str], rule: str) -> str:
    if not isinstance(value, str):
        message = f"The {what} is {value!r}, which is no text. Give a string of {rule}."
        raise InvalidId(message)
    short = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
    if not value or len(value) > MAX_ID_LENGTH or not pattern.fullmatch(value) or ".." in value or value == ".":
        message = (
            f"The {what} {short!r} ({len(value)} characters) is not allowed: an id becomes part of "
            f"file names and addresses. Use {rule}."
        )
        raise InvalidId(message)
    return value


def check_id(value: object, what: str = "id") -> str:
    """Return `value` if it may be a dag_id, task_id, pool, queue or group id.

    Raises:
        InvalidId: It may not; the message names `what` and the rule.
    """
    return _check(value, what, _ID, _RULE)


def check_run_id(value: object) -> str:
    """Return `value` if it may be a run id (which also holds the signs of a timestamp).

    Raises:
        InvalidId: It may not; the message names the rule.
    """
    return _check(value, "run id", _RUN_ID, f"{_RULE}; a run id may also have : + ~ @ = and ,")
