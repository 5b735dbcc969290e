"""Settings: who wins, what is refused, what a refusal says."""

import stat
from pathlib import Path

import pytest

from gale.errors import ConfigError
from gale.settings import Settings, find_home, inspect
from gale.settings.names import RENAMED
from gale.settings.reading import OPTIONS, nearest


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def write(home: Path, text: str, name: str = "gale.cfg") -> None:
    (home / name).write_text(text, encoding="utf-8")


def test_the_first_start_writes_a_private_file_with_fresh_secrets(home: Path) -> None:
    first = Settings.load(home, {})
    file = home / "gale.cfg"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(first.core.fernet_key) == 44
    assert len(first.webserver.secret_key) > 30
    second = Settings.load(home, {})
    assert (second.core.fernet_key, second.webserver.secret_key) == (first.core.fernet_key, first.webserver.secret_key)


def test_the_first_file_leaves_every_default_as_a_comment(home: Path) -> None:
    Settings.load(home, {})
    active = [line for line in (home / "gale.cfg").read_text().splitlines() if "=" in line and line[0] != "#"]
    assert [line.split(" = ")[0] for line in active] == ["fernet_key", "secret_key"]


def test_every_default_of_the_first_file_can_be_switched_on_as_it_stands(home: Path) -> None:
    before = Settings.load(home, {})
    text = (home / "gale.cfg").read_text()
    names = {key for _, key in OPTIONS}
    lines = [
        line[2:] if line.startswith("# ") and line[2:].split(" =")[0] in names else line for line in text.splitlines()
    ]
    write(home, "\n".join(lines))
    after = Settings.load(home, {})
    for (section, key), option in OPTIONS.items():
        assert getattr(getattr(after, section), key) == getattr(getattr(before, section), key), (section, key, option)


def test_a_key_that_airflow_already_has_is_not_made_anew(home: Path) -> None:
    write(home, "[core]\nfernet_key = QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY=\n", "airflow.cfg")
    settings = Settings.load(home, {})
    assert settings.core.fernet_key == "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="


def test_paths_and_the_database_follow_the_home_folder(home: Path) -> None:
    settings = Settings.load(home, {})
    assert settings.core.dags_folder == home / "dags"
    assert settings.logging.base_log_folder == home / "logs"
    assert settings.database.sql_alchemy_conn == f"sqlite:///{home}/gale.db"


@pytest.mark.parametrize(
    ("environ", "gale_cfg", "airflow_cfg", "expected"),
    [
        ({"GALE__CORE__PARALLELISM": "1", "AIRFLOW__CORE__PARALLELISM": "2"}, "3", "4", 1),
        ({"AIRFLOW__CORE__PARALLELISM": "2"}, "3", "4", 2),
        ({}, "3", "4", 3),
        ({}, None, "4", 4),
        ({}, None, None, 32),
    ],
)
def test_the_stronger_source_wins_in_the_documented_order(
    home: Path, environ: dict[str, str], gale_cfg: str | None, airflow_cfg: str | None, expected: int
) -> None:
    if gale_cfg:
        write(home, f"[core]\nparallelism = {gale_cfg}\n")
    if airflow_cfg:
        write(home, f"[core]\nparallelism = {airflow_cfg}\n", "airflow.cfg")
    assert Settings.load(home, environ).core.parallelism == expected


def test_a_value_tells_the_file_and_line_it_comes_from(home: Path) -> None:
    write(home, "# a comment\n[core]\n\nparallelism = 7\n")
    explained = {(e.section, e.key): e for e in Settings.load(home, {}).explain()}
    assert explained["core", "parallelism"].source == f"{home / 'gale.cfg'}, line 4"
    assert explained["core", "parallelism"].value == "7"
    assert explained["core", "executor"].source == "default"


def test_a_misspelt_key_is_refused_with_the_nearest_right_one(home: Path) -> None:
    write(home, "[core]\nparalelism = 7\n")
    with pytest.raises(
        ConfigError, match=r"gale.cfg, line 2: .*\[core\] paralelism.*Did you mean \[core\] parallelism"
    ):
        Settings.load(home, {})


def test_a_misspelt_variable_of_ours_is_refused_like_a_misspelt_key(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"variable GALE__CORE__EXECUTER.*Did you mean \[core\] executor"):
        Settings.load(home, {"GALE__CORE__EXECUTER": "LocalExecutor"})


def test_a_key_in_the_wrong_section_is_refused_with_the_right_section(home: Path) -> None:
    write(home, "[core]\nsmtp_port = 25\n")
    with pytest.raises(ConfigError, match=r"Did you mean \[smtp\] smtp_port"):
        Settings.load(home, {})


def test_settings_of_airflow_that_we_lack_are_told_in_one_note(home: Path) -> None:
    write(home, "[core]\nmp_start_method = fork\n[kerberos]\nccache = /tmp/x\n", "airflow.cfg")
    settings = Settings.load(home, {"AIRFLOW__TRIGGERER__CAPACITY": "5"})
    (note,) = settings.notes
    assert note.startswith("3 settings of Airflow have no counterpart")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("parallelism = many", r"line 2: \[core\] parallelism = 'many' is no whole number"),
        ("parallelism = 0", "is less than 1"),
        ("parallelism = 1.5", "is no whole number"),
        ("load_examples = maybe", "is neither True nor False"),
        ("dagbag_import_timeout = nan", "is no number"),
        ("executor = DaskExecutor", "is none of SequentialExecutor, LocalExecutor, CeleryExecutor"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_file_and_line(home: Path, line: str, complaint: str) -> None:
    write(home, f"[core]\n{line}\n")
    with pytest.raises(ConfigError, match=complaint):
        Settings.load(home, {})


def test_all_mistakes_of_a_file_are_told_at_once(home: Path) -> None:
    write(home, "[core]\nparallelism = many\nexecuter = X\n[smtp]\nsmtp_port = 70000\n")
    with pytest.raises(ConfigError) as caught:
        Settings.load(home, {})
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("parallelism = 3\n", "line 1 stands before the first"),
        ("[core]\nwhat is this\n", "line 2 is neither"),
        ("[core]\na = 1\n[core]\n", r"line 3 opens the section \[core\] for the second time"),
        ("[core]\nparallelism = 1\nparallelism = 2\n", "line 3 sets .* for the second time"),
    ],
)
def test_a_corrupt_file_is_refused_with_the_line_and_what_to_do(home: Path, text: str, complaint: str) -> None:
    write(home, text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        Settings.load(home, {})
    assert "move the file away" in str(caught.value)


def test_a_file_of_other_bytes_is_refused_without_a_traceback(home: Path) -> None:
    (home / "gale.cfg").write_bytes(b"[core]\n\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        Settings.load(home, {})


def test_a_folder_in_place_of_the_file_is_refused(home: Path) -> None:
    (home / "gale.cfg").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        Settings.load(home, {})


def test_a_secret_may_come_from_a_command(home: Path) -> None:
    write(home, "[smtp]\nsmtp_password_cmd = echo from the vault\n")
    assert Settings.load(home, {}).smtp.smtp_password == "from the vault"


def test_a_secret_may_come_from_a_file(home: Path, tmp_path: Path) -> None:
    secret = tmp_path / "smtp"
    secret.write_text("from a file\n")
    assert Settings.load(home, {"GALE__SMTP__SMTP_PASSWORD_SECRET": str(secret)}).smtp.smtp_password == "from a file"


def test_a_command_that_fails_is_told_with_its_complaint(home: Path) -> None:
    write(home, "[smtp]\nsmtp_password_cmd = ls /does/not/exist\n")
    with pytest.raises(ConfigError, match=r"line 2: the command 'ls /does/not/exist' gave no value: ls: .*exist"):
        Settings.load(home, {})


def test_what_is_no_secret_may_not_come_from_a_command(home: Path) -> None:
    write(home, "[core]\nparallelism_cmd = echo 3\n")
    with pytest.raises(ConfigError, match="no setting"):
        Settings.load(home, {})


def test_every_secret_is_text_so_that_no_message_about_types_shows_one() -> None:
    assert [name for name, option in OPTIONS.items() if option.metadata["secret"] and option.type is not str] == []


def test_the_settings_of_the_notes_work_as_they_are_written_there(home: Path) -> None:
    """From the notes: MySQL, password login, Celery with RabbitMQ, under the names of Airflow 1.7."""
    write(
        home,
        "[core]\nexecutor = CeleryExecutor\nsql_alchemy_conn = mysql://airflow:airflow@localhost:3306/airflow\n"
        "[webserver]\nauthenticate = True\nfilter_by_owner = True\n"
        "auth_backend = airflow.contrib.auth.backends.password_auth\n"
        "[celery]\nbroker_url = amqp://airflow:airflow@localhost:5672/vairflow\n"
        "celery_result_backend = db+mysql://airflow:airflow@localhost:3306/airflow\n"
        "[scheduler]\nscheduler_heartbeat_sec = 5\n",
        "airflow.cfg",
    )
    settings = Settings.load(home, {})
    assert settings.core.executor == "CeleryExecutor"
    assert settings.database.sql_alchemy_conn == "mysql://airflow:airflow@localhost:3306/airflow"
    assert settings.webserver.authenticate
    assert settings.webserver.filter_by_owner
    assert settings.celery.result_backend == "db+mysql://airflow:airflow@localhost:3306/airflow"
    assert settings.celery.broker_url == "amqp://airflow:airflow@localhost:5672/vairflow"


def test_every_older_name_leads_to_a_setting_that_exists() -> None:
    assert [new for new in RENAMED.values() if new not in OPTIONS] == []
    assert [old for old in RENAMED if old in OPTIONS] == []


def test_an_older_name_gives_way_to_the_newer_one_in_the_same_source(home: Path) -> None:
    write(home, "[core]\ndag_concurrency = 3\nmax_active_tasks_per_dag = 4\n")
    assert Settings.load(home, {}).core.max_active_tasks_per_dag == 4


def test_a_full_class_path_names_an_executor_as_in_airflow(home: Path) -> None:
    environ = {"AIRFLOW__CORE__EXECUTOR": "airflow.executors.local_executor.LocalExecutor"}
    assert Settings.load(home, environ).core.executor == "LocalExecutor"


def test_an_empty_variable_of_a_number_counts_as_not_set(home: Path) -> None:
    assert Settings.load(home, {"GALE__CORE__PARALLELISM": ""}).core.parallelism == 32


def test_percent_signs_of_airflow_cfg_are_read_as_airflow_reads_them(home: Path) -> None:
    write(home, "[smtp]\nsmtp_password = 100%%\n", "airflow.cfg")
    assert Settings.load(home, {}).smtp.smtp_password == "100%"


def test_placeholders_and_variables_stand_for_folders(home: Path) -> None:
    environ = {"DATA": "/data", "HOME": "/home/me"}
    for given, expected in (("$DATA/dags", "/data/dags"), ("~/dags", "/home/me/dags"), ("dags2", f"{home}/dags2")):
        write(home, f"[core]\ndags_folder = {given}\n[logging]\nbase_log_folder = {{GALE_HOME}}/logs2\n")
        settings = Settings.load(home, environ)
        assert settings.core.dags_folder == Path(expected)
        assert settings.logging.base_log_folder == home / "logs2"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"GALE_HOME": "/a", "AIRFLOW_HOME": "/b"}, "/a"),
        ({"AIRFLOW_HOME": "/b"}, "/b"),
        ({"HOME": "/home/me"}, "/home/me/gale"),
    ],
)
def test_the_home_folder_is_found_in_the_documented_order(environ: dict[str, str], expected: str) -> None:
    assert find_home(environ) == Path(expected)


def test_lint_tells_what_a_start_would_refuse_without_refusing(home: Path) -> None:
    write(home, "[core]\nparalelism = 7\nsql_alchemy_conn = sqlite:////tmp/x.db\n")
    reading = inspect(home, {})
    assert len(reading.problems) == 1
    assert len(reading.notes) == 1


def test_a_home_that_cannot_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigError, match="Set GALE_HOME"):
        Settings.load(file / "home", {})


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    assert nearest(("core", "zzzzzz")) is None


def test_a_home_that_is_a_file_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(ConfigError, match="is a file, not a folder"):
        Settings.load(tmp_path / "home", {})
