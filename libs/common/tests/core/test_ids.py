"""What may be an id: each rule on both sides, and that an id is safe wherever it is put."""

import posixpath
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gale.core.ids import MAX_ID_LENGTH, RESERVED_RUN_ID_PREFIXES, check_id, check_run_id
from gale.errors import InvalidId

PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
#: Signs that do harm in a path, a URL, a shell, a log line or a page.
HARMFUL = "/\\\0\n\r\t %?#&\"'<>|*;$`(){}[]!^é一"


@pytest.mark.parametrize("value", ["a", "etl", "etl.load", "a-b_c.1", ".hidden", "-x", "0", "a" * MAX_ID_LENGTH])
def test_plain_names_up_to_the_longest_are_ids(value):
    assert check_id(value) == value
    assert check_run_id(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "../etc/passwd",
        "a/../b",
        "a..b",
        "a/b",
        "a b",
        "a\n",
        "\na",
        "a\x00",
        "é",
        "一",
        "a:b",
        "a" * (MAX_ID_LENGTH + 1),
    ],
)
def test_what_could_leave_its_folder_or_line_is_no_id(value):
    with pytest.raises(InvalidId):
        check_id(value)


@pytest.mark.parametrize("value", [None, 1, b"etl", ["etl"], True])
def test_what_is_no_text_is_no_id(value):
    with pytest.raises(InvalidId, match="no text"):
        check_id(value)
    with pytest.raises(InvalidId, match="no text"):
        check_run_id(value)


def test_a_run_id_may_carry_a_timestamp_and_an_id_may_not():
    run_id = f"{RESERVED_RUN_ID_PREFIXES[0]}2026-11-22T16:00:00+00:00"
    assert check_run_id(run_id) == run_id
    with pytest.raises(InvalidId):
        check_id(run_id)


@pytest.mark.parametrize("sign", list(HARMFUL))
def test_no_harmful_sign_gets_into_a_run_id(sign):
    with pytest.raises(InvalidId):
        check_run_id(f"a{sign}b")


def test_the_refusal_names_what_it_is_about_the_value_and_the_rule():
    with pytest.raises(InvalidId, match=r"The task_id 'a b' \(3 characters\).*ASCII letters.*250"):
        check_id("a b", "task_id")


def test_the_refusal_of_a_huge_id_is_itself_short():
    with pytest.raises(InvalidId) as caught:
        check_id("x" * 100_000)
    assert len(str(caught.value)) < 400
    assert "100000 characters" in str(caught.value)


@given(st.text(alphabet=PLAIN, min_size=1, max_size=MAX_ID_LENGTH))
def test_any_text_of_plain_signs_is_an_id_unless_it_climbs(value):
    if ".." in value or value == ".":
        with pytest.raises(InvalidId):
            check_id(value)
    else:
        assert check_id(value) == value


@given(st.text(max_size=300))
def test_whatever_is_accepted_stays_in_its_folder_its_line_and_its_url(value):
    try:
        check_run_id(value)
    except InvalidId:
        return
    path = posixpath.normpath(posixpath.join("/logs", value, "1.log"))
    assert path == f"/logs/{value}/1.log"
    assert value.splitlines() == [value]
    assert value.isascii()
    assert value.isprintable()
    assert len(quote(value, safe="")) <= 3 * MAX_ID_LENGTH


@given(st.text(max_size=300))
def test_every_id_is_also_a_run_id(value):
    try:
        check_id(value)
    except InvalidId:
        return
    assert check_run_id(value) == value
