"""What is hidden before it leaves the server: values whose names say that they are secrets."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from gale.secrets import is_sensitive_name
from gale.settings import Settings

MASK: Final = "***"
_USERINFO: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*://)(?P<who>[^/\s:@]*):(?P<password>[^/\s@]+)@")


def is_secret(name: str, settings: Settings) -> bool:
    """Return True if a name says that its value is a secret."""
    core = settings.core
    return core.hide_sensitive_var_conn_fields and is_sensitive_name(name, core.sensitive_var_conn_names)


def without_password(address: str) -> str:
    """Return an address without the password that it may carry."""
    return _USERINFO.sub(r"\g<scheme>\g<who>:***@", address)


def masked(value: Any, settings: Settings) -> Any:
    """Return a copy of a JSON value in which every field with a secret's name is masked, at any depth."""
    match value:
        case Mapping():
            return {
                key: MASK if is_secret(str(key), settings) and item not in (None, "") else masked(item, settings)
                for key, item in value.items()
            }
        case list() | tuple():
            return [masked(item, settings) for item in value]
        case str():
            return without_password(value)
        case _:
            return value


def masked_text(name: str, text: str | None, settings: Settings) -> str | None:
    """Return the text that is stored under a name as it may be shown.

    Text that is JSON is looked through field by field.
    """
    if not text:
        return text
    if is_secret(name, settings):
        return MASK
    if text[0] in "{[":
        try:
            return json.dumps(masked(json.loads(text), settings), ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    return without_password(text)


def merged(shown: Any, stored: Any) -> Any:
    """Return what somebody sent back, with the secrets put back that had been shown to them masked."""
    match shown, stored:
        case Mapping(), Mapping():
            return {key: merged(item, stored.get(key)) for key, item in shown.items()}
        case str(), _ if shown == MASK and stored is not None:
            return stored
        case _:
            return shown
