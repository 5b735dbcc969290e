"""What the documents say exists does exist: links, pictures, tests, make targets, words, examples."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import source
from source import ROOT

from gale.authoring.loading import load_file

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
DECISIONS = sorted(ROOT.glob("docs/adr/0*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def name(path: Path) -> str:
    """Return how a test calls a document."""
    return path.relative_to(ROOT).as_posix()


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> Iterator[str]:
    """Yield the links of a document that lead nowhere in this repository."""
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        target, _, anchor = link.partition("#")
        there = path.parent / target if target else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield link


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    assert list(broken_links(path)) == []


def test_every_test_that_a_decision_names_as_evidence_exists() -> None:
    known = {getattr(placed.node, "name", "") for module in source.tests() for placed in source.definitions(module)}
    known |= {path.stem for path in (Path(module.place) for module in source.tests())}
    for path in DECISIONS:
        named = re.findall(r"`(?:[\w/\-]*/)?(test_\w+)(?:\.py)?`", path.read_text(encoding="utf-8"))
        assert [test for test in named if test not in known] == [], path.name
        assert named or path == DECISIONS[0], f"{path.name} shows no evidence"


def test_every_decision_has_its_number_its_status_and_all_parts() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04}" for number in range(len(DECISIONS))]
    for path in DECISIONS[1:]:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]}: ")
        assert re.search(r"^Status: (proposed|accepted|replaced by \d{4})$", text, flags=re.MULTILINE)
        headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
        assert headings == ["Context", "Decision", "Evidence", "Consequences"], path.name


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_make_target_that_a_document_names_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"`make ([a-z]+)", text) + re.findall(r"^make ([a-z]+)", text, flags=re.MULTILINE)
    assert set(named) <= targets


def test_the_glossary_explains_each_word_once() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\*\*.*?) \|", text[text.index("## Glossary") :], flags=re.MULTILINE)
    words = Counter(word for row in rows for word in re.findall(r"\*\*(.*?)\*\*", row))
    assert len(words) > 30
    assert [word for word, count in words.items() if count > 1] == []


def test_the_chinese_readme_shows_no_command_that_the_english_one_does_not() -> None:
    english, chinese = (FENCE.findall(path.read_text(encoding="utf-8")) for path in READMES)
    assert [block for block in chinese if block not in english] == []


@pytest.mark.parametrize("path", READMES, ids=name)
def test_the_first_dag_of_the_readme_is_read_without_error_or_warning(path: Path, tmp_path: Path) -> None:
    blocks = [text for language, text in FENCE.findall(path.read_text(encoding="utf-8")) if language == "python"]
    assert len(blocks) == 1
    file = tmp_path / "hello.py"
    file.write_text(blocks[0], encoding="utf-8")
    loaded = load_file(file)
    assert (loaded.errors, loaded.warnings) == ([], [])
    assert [(dag_id, sorted(dag.task_ids)) for dag_id, dag in loaded.dags.items()] == [("hello", ["count", "say"])]
