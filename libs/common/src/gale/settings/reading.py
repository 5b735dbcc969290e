"""Puts the sources together: the first one that gives a value wins.

Complaints are gathered, not raised one by one, so that a user corrects a file once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from gale.errors import ConfigError
from gale.settings.convert import NotConvertible, convert, is_unset
from gale.settings.names import FACTORS, RENAMED, Name
from gale.settings.sections import SECTIONS
from gale.settings.sources import Given, Source, resolve_indirect, split_suffix

OPTIONS: Final[Mapping[Name, Field[Any]]] = {
    (section, option.name): option for section, cls in SECTIONS.items() for option in fields(cls)
}


@dataclass(slots=True)
class Reading:
    """What the sources gave, put together."""

    values: dict[Name, Any] = field(default_factory=dict)
    #: Where each value that is no default stands.
    places: dict[Name, str] = field(default_factory=dict)
    #: Reasons to refuse the start.
    problems: list[str] = field(default_factory=list)
    #: What works but would be written otherwise today.
    notes: list[str] = field(default_factory=list)
    #: Settings of an airflow.cfg or of Airflow's environment that Gale does not have.
    ignored: list[str] = field(default_factory=list)


def read(sources: Sequence[Source], places: Mapping[str, str]) -> Reading:
    """Return the values of all settings and what is wrong with the sources.

    Args:
        sources: Strongest first.
        places: What placeholders in paths stand for.
    """
    reading = Reading()
    known = [_known_names(source, reading) for source in sources]
    for name, option in OPTIONS.items():
        given = next((values[name] for values in known if name in values), None)
        try:
            value = _value(name, option, given, places)
        except (NotConvertible, ConfigError) as error:
            reading.problems.append(str(error))
            continue
        reading.values[name] = value
        if given is not None:
            reading.places[name] = given[0].place
    return reading


def _value(name: Name, option: Field[Any], given: tuple[Given, str] | None, places: Mapping[str, str]) -> Any:
    if given is None:
        is_text = isinstance(option.default, str | Path)
        return convert(option, str(option.default), places) if is_text else option.default
    found, suffix = given
    if suffix:
        found = resolve_indirect(found, suffix)
    try:
        return convert(option, found.text, places)
    except NotConvertible as error:
        shown = "***" if option.metadata["secret"] else repr(found.text)
        raise NotConvertible(f"{found.place}: [{name[0]}] {name[1]} = {shown} {error}.") from None


def _known_names(source: Source, reading: Reading) -> dict[Name, tuple[Given, str]]:
    """Return what `source` gives under today's names; today's own spelling wins over an older one."""
    found: dict[Name, tuple[Given, str]] = {}
    for (section, key), given in source.values.items():
        # A key that is a setting itself, such as jwt_secret, has no suffix.
        bare, suffix = (key, "") if (section, key) in OPTIONS else split_suffix(key)
        today = RENAMED.get((section, bare), (section, bare))
        option = OPTIONS.get(today)
        if option is None or (suffix and not option.metadata["secret"]):
            _complain(source, (section, key), given, reading)
            continue
        if is_unset(option, given.text):
            continue
        if today != (section, bare):
            reading.notes.append(f"{given.place}: [{section}] {bare} is [{today[0]}] {today[1]} today; it works.")
            found.setdefault(today, (_in_our_unit((section, bare), given), suffix))
        else:
            found[today] = (given, suffix)
    return found


def _in_our_unit(old: Name, given: Given) -> Given:
    if old not in FACTORS:
        return given
    try:
        return Given(f"{float(given.text) * FACTORS[old]:.0f}", given.place)
    except ValueError:
        return given


def _complain(source: Source, name: Name, given: Given, reading: Reading) -> None:
    section, key = name
    hint = nearest(name)
    if source.strict:
        advice = f"Did you mean {hint}?" if hint else "Remove it; `gale config list` shows every setting."
        reading.problems.append(f"{given.place}: Gale has no setting [{section}] {key}. {advice}")
    else:
        meant = f" (did you mean {hint}?)" if hint else ""
        reading.ignored.append(f"{given.place}: [{section}] {key} has no counterpart in Gale{meant}.")


def nearest(name: Name) -> str | None:
    """Return the setting whose name is most like a misspelt one, as text, or None."""
    section, key = name
    same_key = [known for known in OPTIONS if known[1] == key]
    if same_key:
        return _show(same_key[0])
    if section not in SECTIONS:
        close = get_close_matches(section, SECTIONS, n=1, cutoff=0.7)
        section = close[0] if close else section
    found = _closest(key, (known for known in OPTIONS if known[0] == section), cutoff=0.75)
    return found or _closest(key, OPTIONS, cutoff=0.85)


def _closest(key: str, names: Iterable[Name], *, cutoff: float) -> str | None:
    by_key = {name[1]: name for name in names}
    close = get_close_matches(key, by_key, n=1, cutoff=cutoff)
    return _show(by_key[close[0]]) if close else None


def _show(name: Name) -> str:
    return f"[{name[0]}] {name[1]}"
