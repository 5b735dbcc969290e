"""From text to values of the right type, with a word on what would have been right."""

import math
from collections.abc import Callable, Mapping
from dataclasses import Field
from pathlib import Path
from string import Template
from typing import Any, Final

_TRUE: Final = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "off", "0"})


class NotConvertible(ValueError):
    """The text is no value of the setting; the message says what would be."""


def _text(text: str) -> str:
    return text


def _flag(text: str) -> bool:
    word = _without_comment(text).lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    message = "is neither True nor False"
    raise NotConvertible(message)


def _whole(text: str) -> int:
    try:
        return int(_without_comment(text))
    except ValueError:
        message = "is no whole number"
        raise NotConvertible(message) from None


def _number(text: str) -> float:
    try:
        number = float(_without_comment(text))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        message = "is no number"
        raise NotConvertible(message)
    return number


def _optional_number(text: str) -> float | None:
    return None if _without_comment(text).lower() in {"", "none"} else _number(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.replace(",", " ").split() if word)


_CONVERTERS: Final[Mapping[Any, Callable[[str], Any]]] = {
    str: _text,
    bool: _flag,
    int: _whole,
    float: _number,
    float | None: _optional_number,
    tuple[str, ...]: _words,
}


def _without_comment(text: str) -> str:
    """Airflow allows `30  # seconds` behind numbers and flags."""
    return text.partition("#")[0].strip()


def is_unset(field: Field[Any], text: str) -> bool:
    """Return True if an empty text means "not set": for everything but text, which may well be empty.

    A compose file passes every variable on, so `GALE__CORE__PARALLELISM=` must not break a start.
    """
    return not text.strip() and field.type not in {str, tuple[str, ...], float | None}


def convert(field: Field[Any], text: str, places: Mapping[str, str]) -> Any:
    """Return `text` as a value of the setting `field`.

    Args:
        field: Its type and limits come from the section's class.
        text: As somebody wrote it.
        places: What `{GALE_HOME}`, `$HOME` and the like stand for in paths.

    Raises:
        NotConvertible: The text is of the wrong type, too small, too large or none of the choices.
    """
    if field.type is Path:
        return _path(text, places)
    value = _CONVERTERS[field.type](text)
    if field.metadata["choices"]:
        return _choice(value, field.metadata["choices"])
    if isinstance(value, str):
        return _replace_homes(value, places)
    if isinstance(value, int | float):
        _check_limits(value, field.metadata["minimum"], field.metadata["maximum"])
    return value


def _choice(value: str, choices: tuple[str, ...]) -> str:
    # Airflow also takes a class's full path, such as airflow.executors.local_executor.LocalExecutor.
    wanted = value.strip().rpartition(".")[2].lower()
    for choice in choices:
        if choice.lower() == wanted:
            return choice
    message = f"is none of {', '.join(choices)}"
    raise NotConvertible(message)


def _check_limits(value: float, minimum: float | None, maximum: float | None) -> None:
    if minimum is not None and value < minimum:
        message = f"is less than {minimum:g}, the least that makes sense"
        raise NotConvertible(message)
    if maximum is not None and value > maximum:
        message = f"is more than {maximum:g}, the most that is possible"
        raise NotConvertible(message)


def _replace_homes(text: str, places: Mapping[str, str]) -> str:
    for name in ("GALE_HOME", "AIRFLOW_HOME"):
        text = text.replace(f"{{{name}}}", places[name])
    return text


def _path(text: str, places: Mapping[str, str]) -> Path:
    if not text.strip():
        message = "is empty, but a path is needed"
        raise NotConvertible(message)
    expanded = Template(_replace_homes(text.strip(), places)).safe_substitute(places)
    if expanded == "~" or expanded.startswith("~/"):
        expanded = places.get("HOME", "~") + expanded[1:]
    return Path(places["GALE_HOME"]) / expanded
