"""Which files of a folder may hold DAGs."""

import zipfile

import pytest

from gale.authoring.discovery import list_dag_files, might_contain_dag


@pytest.fixture
def folder(tmp_path):
    """Return a function that makes files below a folder and lists what is found there."""

    def make(*names, **texts):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        for name, text in texts.items():
            (tmp_path / f".{name}").write_text(text)
        return tmp_path

    return make


def found(folder, **options):
    return [path.relative_to(folder).as_posix() for path in list_dag_files(folder, **options)]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("from airflow import DAG", True),
        ("import GALE  # a Dag", True),
        ("from gale import task", False),
        ("dag = 3", False),
        ("", False),
    ],
)
def test_a_text_must_speak_of_dags_and_of_an_engine(text, answer):
    assert might_contain_dag(text) is answer


def test_python_files_are_found_in_folders_and_below(folder):
    assert found(folder("b.py", "a/c.py", "notes.txt", "a/__pycache__/c.py", ".git/hook.py")) == ["a/c.py", "b.py"]


def test_zip_files_are_found_if_they_are_some(folder):
    top = folder("fake.zip")
    with zipfile.ZipFile(top / "real.zip", "w") as archive:
        archive.writestr("flow.py", "")
    assert found(top) == ["real.zip"]


def test_a_folder_that_is_not_there_has_no_files(tmp_path):
    assert list_dag_files(tmp_path / "missing") == []


def test_a_single_file_can_stand_for_a_folder(folder):
    path = folder("one.py") / "one.py"
    assert list_dag_files(path) == [path]


def test_links_in_a_circle_are_followed_once(folder):
    top = folder("a/flow.py")
    (top / "a" / "back").symlink_to(top)
    (top / "a" / "self").symlink_to(top / "a")
    (top / "dangling.py").symlink_to(top / "nowhere.py")
    assert found(top) == ["a/flow.py"]


def test_a_folder_linked_from_elsewhere_is_followed(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "flow.py").write_text("")
    top = folder("a.py")
    (top / "linked").symlink_to(other)
    assert found(top) == ["a.py", "linked/flow.py"]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("*.py", []),
        ("test_*", ["a/b/deep.py", "a/flow.py", "flow.py"]),
        ("/flow.py", ["a/b/deep.py", "a/flow.py", "a/test_x.py"]),
        ("a/", ["flow.py"]),
        ("a/*.py", ["a/b/deep.py", "flow.py"]),
        ("a/**", ["flow.py"]),
        ("**/b", ["a/flow.py", "a/test_x.py", "flow.py"]),
        ("**/b/deep.py", ["a/flow.py", "a/test_x.py", "flow.py"]),
        ("a/**/deep.py", ["a/flow.py", "a/test_x.py", "flow.py"]),
        ("f?ow.py", ["a/b/deep.py", "a/test_x.py"]),
        ("[ef]low.py", ["a/b/deep.py", "a/test_x.py"]),
        ("[!f]*.py", ["a/flow.py", "flow.py"]),
        ("*.py\n!flow.py", ["a/flow.py", "flow.py"]),
        ("# nothing\n\n  \nflow.py # said why", ["a/b/deep.py", "a/test_x.py"]),
        ("flow.py/", ["a/b/deep.py", "a/flow.py", "a/test_x.py", "flow.py"]),
    ],
)
@pytest.mark.parametrize("name", ["airflowignore", "galeignore"])
def test_ignore_files_are_read_as_git_reads_its_own(folder, name, pattern, left):
    assert found(folder("flow.py", "a/flow.py", "a/test_x.py", "a/b/deep.py", **{name: pattern})) == left


def test_an_ignore_file_holds_for_its_own_folder_only(folder):
    top = folder("flow.py", "a/flow.py", "a/b/flow.py")
    (top / "a" / ".airflowignore").write_text("flow.py")
    assert found(top) == ["flow.py"]


@pytest.mark.parametrize("how", ["setting", "line"])
def test_ignore_files_of_airflow_2_hold_regular_expressions(folder, how):
    text = r"_helper\d" if how == "setting" else "# syntax: regexp\n" + r"_helper\d"
    top = folder("flow.py", "my_helper1.py", "deep_helper2/flow.py", airflowignore=text)
    assert found(top, airflowignore_syntax="regexp" if how == "setting" else "glob") == ["flow.py"]


def test_a_line_that_is_no_expression_is_left_out(folder):
    top = folder("flow.py", "other.py", airflowignore="[\nother")
    assert found(top, airflowignore_syntax="regexp") == ["flow.py"]
