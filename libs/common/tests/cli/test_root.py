"""The command line as a whole: names, help, errors, speed of what is asked most."""

import subprocess
import sys
import time

import click
import pytest

from gale.cli.names import COMMANDS, FLAT
from gale.cli.root import EXIT_CRASHED, root

#: What Airflow 1.10.15 had, as its own help lists it.
OLD_NAMES = (
    "backfill serve_logs scheduler webserver version info list_dag_runs list_tasks clear pause unpause trigger_dag "
    "delete_dag show_dag pool variables kerberos render run initdb list_dags dag_state task_failed_deps task_state "
    "test resetdb upgradedb checkdb shell worker flower connections create_user delete_user list_users sync_perm "
    "next_execution rotate_fernet_key config upgrade_check"
)


def walk(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found.append(((*path, name), command))
        if isinstance(command, click.Group):
            found += walk(command, (*path, name))
    return found


def test_every_command_of_the_table_can_be_loaded() -> None:
    context = click.Context(root)
    assert [name for name in (*COMMANDS, *FLAT) if not isinstance(root.get_command(context, name), click.Command)] == []


def test_every_command_and_each_of_its_shown_options_explains_itself() -> None:
    silent = []
    for path, command in walk(root):
        if not command.hidden and not command.help:
            silent.append(path)
        silent += [
            (*path, option.name)
            for option in command.params
            if isinstance(option, click.Option) and not option.hidden and not option.help and path[0] in COMMANDS
        ]
    assert silent == []


@pytest.mark.parametrize("name", OLD_NAMES.split())
def test_every_command_of_airflow_1_is_still_understood(name: str) -> None:
    assert root.get_command(click.Context(root), name) is not None


def test_the_old_names_are_not_in_the_way_of_a_newcomer(gale) -> None:
    shown = gale("--help").out
    assert "initdb" not in shown.split("Commands:")[1].split("flat names")[0].split("(")[0]
    assert "standalone" in shown


def test_a_misspelt_command_is_answered_with_the_nearest(gale) -> None:
    said = gale("variabels", "list")
    assert said.code == 2
    assert "Did you mean 'variables'?" in said.err


def test_an_error_is_one_sentence_and_a_code_without_a_traceback(gale) -> None:
    said = gale("dags", "list")
    assert said.code == 3
    assert said.out == ""
    assert said.err.startswith("gale: There is no database file")
    assert "Traceback" not in said.err


def test_a_bug_is_told_in_a_sentence_too(gale, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gale.cli.root.root.main", crash)  # no real command has a bug to show
    said = gale("dags", "list")
    assert said.code == EXIT_CRASHED
    assert "--debug" in said.err
    assert "Traceback" not in said.err


def test_debug_shows_the_traceback_of_an_error(gale) -> None:
    with pytest.raises(Exception, match="There is no database file"):
        gale("--debug", "dags", "list")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m gale --help | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage:")
    assert done.stderr == ""


def test_the_version_is_answered_without_loading_click() -> None:
    program = (
        "import sys; from gale.cli.main import main\n"
        "try: main(['version'])\nexcept SystemExit: print('click' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["False"]


def _cpu_seconds(program: str) -> float:
    """Return the least CPU time of three runs: what a busy machine does not stretch much."""
    clock = "import time; began = time.process_time()\n"
    clock += f"try:\n    {program}\nexcept SystemExit: pass\n"
    clock += "import sys; sys.stderr.write(str(time.process_time()))"
    runs = [subprocess.run([sys.executable, "-c", clock], capture_output=True, text=True, check=True) for _ in range(3)]
    return min(float(run.stderr.strip().splitlines()[-1]) for run in runs)


@pytest.mark.slow
def test_the_version_costs_little_more_than_python_itself() -> None:
    nothing = _cpu_seconds("pass")
    assert _cpu_seconds("from gale.cli.main import main; main(['version'])") < nothing + 0.13


@pytest.mark.slow
def test_the_list_of_dags_costs_little_more_than_its_database_library(gale, with_dag) -> None:
    """Half a second on an idle machine. Measured by what SQLAlchemy alone takes, so that a busy one changes nothing."""
    del gale, with_dag
    library = _cpu_seconds("import sqlalchemy, click")
    began = time.monotonic()
    assert _cpu_seconds("from gale.cli.main import main; main(['dags', 'list'])") < 2.5 * library
    assert time.monotonic() - began < 60
