"""What the docs print from the code is what the code says now."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from source import ROOT

from gale.core.states import RunState, TaskState
from gale.core.transitions import RUN_TRANSITIONS, TASK_TRANSITIONS


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The script itself: `docs` is no package."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_printed_parts_of_the_docs_are_current(generate: ModuleType) -> None:
    found = [path.name for path, _ in generate.outdated()]
    assert found == [], "run `make docs`"


def test_the_diagrams_leave_out_no_state_and_no_event(generate: ModuleType) -> None:
    for text, kind, table in (
        (generate.task_states(), TaskState, TASK_TRANSITIONS),
        (generate.run_states(), RunState, RUN_TRANSITIONS),
    ):
        assert [state for state in kind if state.value not in text] == []
        assert [event.__name__ for _, event in table if event.__name__ not in text] == []


def test_every_state_says_who_moves_a_row_out_of_it(generate: ModuleType) -> None:
    rows = generate.keepers().splitlines()[2:]
    assert len(rows) == len(TaskState) + len(RunState)


def test_a_document_without_its_markers_is_refused(generate: ModuleType) -> None:
    with pytest.raises(ValueError, match="needs one line"):
        generate.printed("no markers", {"limits": generate.limits})


def test_checking_changes_nothing_and_says_what_to_run(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "<!-- printed: limits -->\nold\n<!-- /printed: limits -->\n"
    (tmp_path / "A.md").write_text(text)
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "DOCUMENTS", {"A.md": {"limits": generate.limits}})
    assert generate.main(["--check"]) == 1
    assert (tmp_path / "A.md").read_text() == text
    assert "make docs" in capsys.readouterr().out
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
