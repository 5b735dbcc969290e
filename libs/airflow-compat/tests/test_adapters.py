"""Small things that have another form in Gale."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pendulum
import pytest

from airflow.configuration import conf
from airflow.models import Variable
from airflow.operators.python_operator import PythonOperator
from airflow.utils import timezone
from airflow.utils.dates import days_ago
from airflow.utils.decorators import apply_defaults
from airflow.utils.email import send_email
from airflow.utils.log.logging_mixin import LoggingMixin
from airflow.utils.module_loading import import_string
from airflow.utils.operator_helpers import determine_kwargs
from airflow.utils.state import DagRunState, State, TaskInstanceState
from airflow.utils.strings import to_boolean
from airflow.utils.trigger_rule import TriggerRule
from airflow.utils.types import DagRunType
from airflow.utils.weekday import WeekDay
from airflow.utils.weight_rule import WeightRule
from gale.authoring import surroundings
from gale.errors import ConfigError
from gale.notifiers.mail import MailError

NOON = datetime(2026, 3, 15, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def machine():
    """Let the clock stand still, and the environment be empty."""
    with surroundings.changed(now=lambda: NOON, environ={}):
        yield


def test_days_ago_is_midnight_in_utc_unless_told_otherwise():
    assert days_ago(2) == datetime(2026, 3, 13, tzinfo=UTC)
    assert days_ago(0, hour=7, minute=5) == datetime(2026, 3, 15, 7, 5, tzinfo=UTC)


def test_times_are_aware_and_pendulums():
    assert timezone.utcnow() == NOON
    assert isinstance(timezone.utcnow(), pendulum.DateTime)
    assert timezone.datetime(2026, 1, 1) == datetime(2026, 1, 1, tzinfo=UTC)
    assert timezone.parse("2026-01-01T08:00:00+08:00") == datetime(2026, 1, 1, tzinfo=UTC)
    assert timezone.parse("2026-01-01") == datetime(2026, 1, 1, tzinfo=UTC)


def test_zones_are_added_and_taken_away():
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  that is the point
    aware = timezone.make_aware(naive, ZoneInfo("Asia/Shanghai"))
    assert aware == datetime(2025, 12, 31, 16, tzinfo=UTC)
    assert timezone.make_naive(aware, ZoneInfo("Asia/Shanghai")) == naive
    assert timezone.convert_to_utc(aware).utcoffset() == timedelta()
    assert timezone.coerce_datetime(None) is None
    assert timezone.make_aware(None) is None
    assert (timezone.is_naive(naive), timezone.is_localized(aware)) == (True, True)
    with pytest.raises(ValueError, match="has a zone already"):
        timezone.make_aware(aware)


def test_states_compare_with_their_texts():
    assert State.SUCCESS == "success" == TaskInstanceState.SUCCESS == DagRunState.SUCCESS
    assert State.NONE is None
    assert "running" not in State.finished()
    assert DagRunState.QUEUED in State.dag_states


def test_names_of_enums_have_airflows_values():
    assert DagRunType.MANUAL == "manual"
    assert WeightRule.ABSOLUTE == "absolute"
    assert TriggerRule.NONE_FAILED_OR_SKIPPED == "none_failed_or_skipped"
    assert WeekDay(datetime(2026, 3, 15).isoweekday()) is WeekDay.SUNDAY  # noqa: DTZ001  a day


def test_things_are_imported_by_their_dotted_path():
    assert import_string("airflow.models.Variable") is Variable
    for wrong in ("nodots", "airflow.models.Nothing"):
        with pytest.raises(ImportError):
            import_string(wrong)


def test_the_decorator_of_old_operators_changes_nothing():
    class Old(PythonOperator):
        @apply_defaults
        def __init__(self, my_param, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.my_param = my_param

    old = Old(task_id="t", python_callable=print, default_args={"my_param": 7, "retries": 2})
    assert (old.my_param, old.retries) == (7, 2)


def test_arguments_are_chosen_by_a_functions_parameters():
    assert determine_kwargs(lambda ds: ds, [], {"ds": 1, "other": 2}) == {"ds": 1}


def test_a_class_gets_the_log_of_the_task():
    assert LoggingMixin().log.name == "gale.task"


def test_texts_that_mean_yes_are_told_from_others():
    assert [to_boolean(text) for text in ("True", "on", "0", "", None)] == [True, True, False, False, False]


def test_a_mail_can_be_tried_without_being_sent():
    send_email("a@example.com", "subject", "text", dryrun=True)
    with pytest.raises(MailError, match="no mail address"):
        send_email("nobody", "subject", "text", dryrun=True)


def test_settings_are_read_from_the_environment_first():
    with surroundings.changed(environ={"AIRFLOW__CORE__PARALLELISM": "8", "GALE__CORE__X": "yes"}):
        assert conf.getint("core", "parallelism") == 8
        assert conf.getboolean("core", "x") is True
        assert conf.has_option("core", "x")
    assert conf.get("core", "no_such_key", fallback="f") == "f"


def test_a_setting_that_is_a_secret_is_not_handed_out(tmp_path, monkeypatch):
    monkeypatch.setenv("GALE_HOME", str(tmp_path))
    from airflow import _settings  # noqa: PLC0415  its cache must be this home's

    _settings._explained.cache_clear()
    assert conf.get("core", "dags_folder") == str(tmp_path / "dags")
    with pytest.raises(ConfigError, match="it is a secret"):
        conf.get("core", "fernet_key")
    _settings._explained.cache_clear()
