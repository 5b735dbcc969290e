"""What a DAG author may write as `schedule`, what is said when it is wrong, and how it is described."""

from datetime import UTC, datetime, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from gale.core.graph import TimetableSpec
from gale.core.timetables import from_spec, spec_from_schedule
from gale.errors import DagDefinitionError


def timetable(schedule, **more):
    return from_spec(spec_from_schedule(schedule, **more))


@pytest.mark.parametrize(
    ("schedule", "era", "kind"),
    [
        (None, "interval", "none"),
        (None, "trigger", "none"),
        ("@once", "interval", "once"),
        ("@ONCE", "trigger", "once"),
        ("@continuous", "interval", "continuous"),
        ("0 0 * * *", "interval", "cron"),
        ("@daily", "trigger", "cron_trigger"),
        (timedelta(hours=1), "interval", "delta"),
        (timedelta(hours=1), "trigger", "delta_trigger"),
        (relativedelta(hours=+1), "interval", "delta"),
        ([datetime(2026, 1, 1, tzinfo=UTC)], "interval", "events"),
    ],
)
def test_each_form_of_schedule_becomes_its_kind_of_timetable(schedule, era, kind):
    assert spec_from_schedule(schedule, era=era).kind == kind


def test_a_spec_is_checked_and_given_back():
    spec = TimetableSpec(kind="cron", expression="@daily")
    assert spec_from_schedule(spec) is spec
    with pytest.raises(DagDefinitionError, match="61"):
        spec_from_schedule(TimetableSpec(kind="cron", expression="61 * * * *"))
    with pytest.raises(DagDefinitionError, match="'lunar'"):
        spec_from_schedule(TimetableSpec(kind="lunar"))


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("61 * * * *", r"minute field '61' is not allowed\. Give 0-59"),
        ("* 24 * * *", r"hour field '24' is not allowed\. Give 0-23"),
        ("* * 32 * *", r"day of the month field '32' is not allowed\. Give 1-31"),
        ("* * * foo *", r"month field 'foo' is not allowed\. Give 1-12 or jan-dec"),
        ("* * * * 8", r"day of the week field '8' is not allowed\. Give 0-7 or sun-sat"),
        ("* * * * * 60", r"second field '60' is not allowed"),
        ("*/0 * * * *", r"minute field '\*/0' is not allowed"),
        ("* * * *", "has 4 fields; a cron expression has five"),
        ("* * * * * * * *", "has 8 fields"),
        ("every day", "has 2 fields"),
        ("", "empty text"),
        ("   ", "empty text"),
        ("0 0 30 2 *", "never comes"),
        ("H * * * *", "to chance"),
        ("* R(1-3) * * *", "to chance"),
        ("@dayly", "Did you mean '@daily'"),
        ("@reboot", "names a preset that does not exist"),
        ("0 0 * * *" + " " * 600 + "x", "fields|characters"),
        ("1," * 300 + "1 * * * *", "characters"),
        (5, "of type int"),
        (datetime(2026, 1, 1, tzinfo=UTC), "of type datetime"),
        ([], "of type list"),
        (["@daily"], "of type list"),
        ([datetime(2026, 1, 1)], "no time zone"),  # noqa: DTZ001 - that is the mistake
        (timedelta(0), "time would stand still"),
        (timedelta(seconds=-1), "time would stand still"),
        (relativedelta(months=1), "no fixed length.*@monthly"),
        (relativedelta(day=1), "no fixed length"),
        (relativedelta(), "time would stand still"),
    ],
)
def test_a_wrong_schedule_is_refused_with_what_to_write_instead(schedule, said):
    with pytest.raises(DagDefinitionError, match=said) as caught:
        spec_from_schedule(schedule)
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Berln", "Did you mean 'Europe/Berlin'"),
        ("europe/berlin", "Did you mean 'Europe/Berlin'"),
        ("America", "does not exist"),
        ("../../etc/passwd", "does not exist"),
        ("/etc/localtime", "does not exist"),
        ("", "does not exist"),
        ("+25:00", "does not exist"),
        ("a\x00b", "does not exist"),
    ],
)
def test_a_zone_that_does_not_exist_is_refused_with_the_nearest_that_does(zone, said):
    with pytest.raises(DagDefinitionError, match=said):
        spec_from_schedule("@daily", zone=zone)


@pytest.mark.parametrize("zone", ["+02:00", "UTC+02:00", "-0330", "+2", "UTC", "utc", "Z", "Etc/GMT-14"])
def test_fixed_offsets_and_utc_are_zones_too(zone):
    assert spec_from_schedule("@daily", zone=zone).zone == zone


@pytest.mark.parametrize(
    ("schedule", "summary", "periodic"),
    [
        ("0 0 * * *", "0 0 * * *", True),
        ("@Daily", "@daily", True),
        (timedelta(days=1), "1 day, 0:00:00", True),
        (None, "None", False),
        ("@once", "@once", False),
        ("@continuous", "@continuous", False),
        ([datetime(2026, 1, 1, tzinfo=UTC)], "1 event", True),
    ],
)
def test_the_summary_is_what_the_author_wrote(schedule, summary, periodic):
    assert timetable(schedule).summary == summary
    assert timetable(schedule).periodic is periodic


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("* * * * *", "Every minute"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("*/7 * * * *", "Every 7 minutes from the start of each hour"),
        ("0 * * * *", "Every hour"),
        ("15 * * * *", "At minute 15 of every hour"),
        ("0,30 * * * *", "At minutes 0 and 30 of every hour"),
        ("0 */2 * * *", "Every 2 hours"),
        ("0 */5 * * *", "Every 5 hours from midnight"),
        ("15 */3 * * *", "At minute 15 of every 3rd hour"),
        ("* 5 * * *", "Every minute of hour 5"),
        ("0 0 * * *", "At 00:00, every day"),
        ("30 2,14 * * *", "At 02:30 and 14:30, every day"),
        ("30 2 * * 1-5", "At 02:30, on Monday through Friday"),
        ("0 0 * * 7", "At 00:00, on Sunday"),
        ("0 0 * * mon,wed,fri", "At 00:00, on Monday, Wednesday and Friday"),
        ("0 0 * * 1#2", "At 00:00, on the second Monday of the month"),
        ("0 0 * * L5", "At 00:00, on the last Friday of the month"),
        ("0 0 1 * *", "At 00:00, on day 1 of the month"),
        ("0 0 1,15 * 1", "At 00:00, on days 1 and 15 of the month or on Monday"),
        ("0 0 1-7 * *", "At 00:00, on days 1 through 7 of the month"),
        ("0 0 */2 * *", "At 00:00, on every 2nd day of the month"),
        ("0 0 L * *", "At 00:00, on the last day of the month"),
        ("0 0 15W * *", "At 00:00, on the weekday nearest day 15 of the month"),
        ("0 0 1 */3 *", "At 00:00, on day 1 of the month, in January, April, July and October"),
        ("0 0 1 jan *", "At 00:00, on day 1 of the month, in January"),
        ("*/10 9-17 * * mon-fri", "Every 10 minutes between 09:00 and 17:59, on Monday through Friday"),
        ("* * * * * */10", "Every 10 seconds"),
        ("30 1 * * * 15", "At 01:30:15, every day"),
        ("0 0 1 1 * 0 2027", "At 00:00, on day 1 of the month, in January, in 2027"),
        ("@weekly", "At 00:00, on Sunday"),
        (timedelta(days=1), "Every day"),
        (timedelta(minutes=90), "Every 90 minutes"),
        (timedelta(milliseconds=1500), "Every 1.5 seconds"),
        (None, "Never by itself, only when triggered"),
    ],
)
def test_a_schedule_is_described_in_english_words(schedule, words):
    assert timetable(schedule).description == words


def test_a_description_names_the_zone_unless_it_is_utc():
    assert timetable("@daily", zone="Asia/Shanghai").description == "At 00:00, every day (Asia/Shanghai)"


@given(st.text(alphabet="0123456789*,-/ LWHR#?@abcdefghijklmnopqrstuvwxyz", max_size=40))
def test_any_text_is_either_refused_clearly_or_described(text):
    try:
        spec = spec_from_schedule(text)
    except DagDefinitionError as refusal:
        assert "schedule" in str(refusal)  # noqa: PT017 - both ways are right, each is checked
    else:
        assert from_spec(spec).description


fields = st.tuples(*[st.sampled_from(["*", "*/2", "1", "1-3", "1,2", "2/3", "1-5/2"])] * 5)


@given(fields)
def test_any_usual_expression_has_words_and_not_only_a_quotation(given_fields):
    text = " ".join(given_fields)
    assert "cron expression" not in timetable(text).description
