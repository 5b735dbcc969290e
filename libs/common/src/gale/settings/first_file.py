"""The `gale.cfg` that the first start writes: fresh secrets, and every other setting as a comment."""

import base64
import contextlib
import os
import textwrap
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from gale.errors import ConfigError
from gale.settings.names import Name
from gale.settings.sections import SECTIONS


def new_fernet_key() -> str:
    """Return 32 random bytes as text: a key for `[core] fernet_key`, made without loading the cryptography library."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode("ascii")


def fresh_secrets(already: set[Name]) -> dict[Name, str]:
    """Return new secrets for those settings that nobody has given a value yet."""
    fresh = {
        ("core", "fernet_key"): new_fernet_key(),
        ("webserver", "secret_key"): new_fernet_key(),
    }
    return {name: value for name, value in fresh.items() if name not in already}


def render(values: Mapping[Name, str]) -> str:
    """Return the text of a `gale.cfg` that sets `values` and shows all other settings with their defaults."""
    lines = [
        "# Settings of Gale. A line that starts with # shows a default; remove the # to change it.",
        "# An environment variable GALE__SECTION__KEY is stronger than this file.",
        "# `gale config list` shows what is in force and where it comes from.",
    ]
    for section, cls in SECTIONS.items():
        lines += ["", f"[{section}]", f"# {(cls.__doc__ or '').splitlines()[0]}"]
        for option in fields(cls):
            lines += ["", *textwrap.wrap(option.metadata["about"], 110, initial_indent="# ", subsequent_indent="# ")]
            name = (section, option.name)
            default = ", ".join(option.default) if isinstance(option.default, tuple) else option.default
            shown = "" if default is None else default
            lines.append(f"{option.name} = {values[name]}" if name in values else f"# {option.name} = {shown}".rstrip())
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> bool:
    """Write `path`, readable by its owner only, unless it is there; return whether it was written.

    Several services may start at once on an empty home: the file appears whole or not at all, and
    the first one wins.

    Raises:
        ConfigError: The folder cannot be made or written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.link(temporary, path)
    except FileExistsError:
        if path.parent.is_dir():
            return False
        raise ConfigError(f"{path.parent} is a file, not a folder. Set GALE_HOME to another path.") from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}. Set GALE_HOME to a folder that this user may write."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return True
