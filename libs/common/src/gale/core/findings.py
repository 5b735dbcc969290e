"""What a look at the surroundings found: one line a check, with what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check went."""

    OK = "ok"
    #: Works, but something should be known or bettered.
    WARNING = "warning"
    #: Gale, or the part that was checked, cannot work like this.
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check."""

    #: What was looked at: settings, database, broker, dags, logs.
    part: str
    #: Its name within the part, such as "login"; stable, for programs.
    check: str
    verdict: Verdict
    #: What was found.
    sentence: str
    #: What to do about it; empty where nothing is to be done, or where the sentence says it.
    advice: str = ""


class Findings:
    """Gathers the findings of one part."""

    def __init__(self, part: str) -> None:
        self._part = part
        self.all: list[Finding] = []

    def ok(self, check: str, sentence: str) -> None:
        """Add a check that went well."""
        self._add(check, Verdict.OK, sentence, "")

    def warn(self, check: str, sentence: str, advice: str) -> None:
        """Add a check that found something to better."""
        self._add(check, Verdict.WARNING, sentence, advice)

    def fail(self, check: str, sentence: str, advice: str = "") -> None:
        """Add a check that found something that cannot work. Most errors of Gale's have their advice in them."""
        self._add(check, Verdict.FAILED, sentence, advice)

    def _add(self, check: str, verdict: Verdict, sentence: str, advice: str) -> None:
        found = Finding(part=self._part, check=check, verdict=verdict, sentence=sentence, advice=advice)
        self.all.append(found)
