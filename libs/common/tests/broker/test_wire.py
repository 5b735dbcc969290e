"""What a worker accepts as a command, and what it refuses before anything is decoded or run."""

import json
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gale.broker.wire import CONTENT_TYPE, MAX_BODY_BYTES, TASK_NAME, TaskCommand, open_message, pack, unpack
from gale.errors import BadMessage, ConfigError
from gale.secrets import derive_key

KEY = derive_key("a secret of sixteen and more", "task commands")
COMMAND = TaskCommand(
    ti="018f" * 8,
    token="ab" * 16,
    try_number=2,
    dag_id="etl",
    run_id="scheduled__2026-01-01T00:00:00+00:00",
    task_id="load",
    map_index=3,
    queue="big",
    priority=7,
)
ids = st.from_regex(r"[A-Za-z0-9_\-]{1,250}", fullmatch=True)


@given(
    st.builds(
        TaskCommand,
        **dict.fromkeys(("dag_id", "run_id", "task_id", "queue"), ids),
        ti=st.uuids().map(lambda one: one.hex),
        token=st.uuids().map(lambda one: one.hex),
        try_number=st.integers(0, 2**31),
        map_index=st.integers(-1, 2**31),
        priority=st.integers(-5, 2**31),
    )
)
def test_what_is_packed_is_what_is_unpacked(command):
    packed = pack(command, KEY)
    assert unpack(packed.task_id, packed.kwargs, packed.headers, KEY) == command
    assert open_message(packed.headers, packed.body, CONTENT_TYPE, KEY) == command


def test_a_command_is_a_celery_task_named_for_its_task_in_under_two_kilobytes():
    packed = pack(COMMAND, KEY)
    assert (packed.headers["task"], packed.headers["id"]) == (TASK_NAME, COMMAND.token)
    assert packed.headers["shadow"] == "etl.load"
    assert json.loads(packed.body)[1] == {
        "dag_id": "etl",
        "task_id": "load",
        "run_id": COMMAND.run_id,
        "try_number": 2,
        "map_index": 3,
    }
    assert len(packed.body) + len(json.dumps(packed.headers)) < 2048


@pytest.mark.parametrize(
    "change",
    [
        {"ti": "018e" * 8},
        {"token": "cd" * 16},
        {"try_number": 3},
        {"dag_id": "other"},
        {"run_id": "manual__1"},
        {"task_id": "drop"},
        {"map_index": -1},
        {"queue": "small"},
        {"priority": 8},
    ],
)
def test_a_signature_is_good_for_no_other_command(change):
    signed, wanted = pack(COMMAND, KEY), pack(replace(COMMAND, **change), KEY)
    forged = {**wanted.headers, "gale": {**wanted.headers["gale"], "signature": signed.headers["gale"]["signature"]}}
    with pytest.raises(BadMessage, match="not signed with our key"):
        unpack(wanted.task_id, wanted.kwargs, forged, KEY)


def test_a_command_signed_with_another_secret_is_refused():
    packed = pack(COMMAND, derive_key("quite another secret", "task commands"))
    with pytest.raises(BadMessage, match="secret_key"):
        unpack(packed.task_id, packed.kwargs, packed.headers, KEY)


def test_a_key_for_one_purpose_is_none_for_another():
    assert derive_key("a secret of sixteen and more", "log access") != KEY


@pytest.mark.parametrize(("secret", "complaint"), [("", "is empty"), ("short", "has only 5 characters")])
def test_no_key_is_made_from_a_secret_that_can_be_guessed(secret, complaint):
    with pytest.raises(ConfigError, match=rf"\[webserver\] secret_key {complaint}"):
        derive_key(secret, "task commands")


@pytest.mark.parametrize(
    ("body", "content_type", "complaint"),
    [
        (b"x" * (MAX_BODY_BYTES + 1), CONTENT_TYPE, "bytes was in a task queue"),
        (pickle.dumps([[], {}, {}]), "application/x-python-serialize", "commands are JSON"),
        (pickle.dumps([[], {}, {}]), CONTENT_TYPE, "no command of Gale's"),
        (b"", CONTENT_TYPE, "no command of Gale's"),
        (b"\xff\xfe", CONTENT_TYPE, "no command of Gale's"),
        (b"[[], {}, {}]", CONTENT_TYPE, "missing required field"),
        (b'[["rm"], {}, {}]', CONTENT_TYPE, "no command of Gale's"),
        (b"{}", None, "'None'"),
    ],
)
def test_a_message_that_is_no_command_is_refused_unread(body, content_type, complaint):
    with pytest.raises(BadMessage, match=complaint):
        open_message(pack(COMMAND, KEY).headers, body, content_type, KEY)


def test_a_message_of_a_hundred_megabytes_is_refused_by_its_length():
    with pytest.raises(BadMessage, match="104,857,600 bytes"):
        open_message({}, bytes(100 * 1024 * 1024), CONTENT_TYPE, KEY)


@pytest.mark.parametrize(
    ("task_id", "kwargs", "gale", "complaint"),
    [
        (COMMAND.token, {}, None, "without Gale's header"),
        (COMMAND.token, None, {}, "no command of Gale's"),
        (COMMAND.token, {"dag_id": 1}, {}, "no command of Gale's"),
        (None, {}, {}, "The token of a command is 'None'"),
        ("; rm -rf /", {}, {}, "The token of a command"),
        ("a" * 65, {}, {}, "The token of a command"),
        (COMMAND.token, {}, {"ti": "../../etc"}, "The task instance of a command"),
        (COMMAND.token, {"task_id": "../../x"}, {}, "not allowed"),
        (COMMAND.token, {"run_id": "x" * 251}, {}, "not allowed"),
        (COMMAND.token, {"more": 1}, {}, "unknown field"),
        (COMMAND.token, {}, {"v": 2}, "version 2"),
        (COMMAND.token, {}, {"signature": 5}, "no command of Gale's"),
        (COMMAND.token, {}, {"signature": "é"}, "not signed"),
    ],
)
def test_a_command_with_a_part_missing_or_malformed_is_refused(task_id, kwargs, gale, complaint):
    packed = pack(COMMAND, KEY)
    headers = {} if gale is None else {"gale": {**packed.headers["gale"], **gale}}
    with pytest.raises(BadMessage, match=complaint):
        unpack(task_id, {**packed.kwargs, **kwargs} if kwargs is not None else [], headers, KEY)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_nonsense_is_refused_and_never_crashes(nonsense):
    for call in (
        lambda: unpack(nonsense, nonsense, nonsense, KEY),
        lambda: unpack(nonsense, nonsense, {"gale": nonsense}, KEY),
        lambda: open_message(nonsense, b"[[],{},{}]", CONTENT_TYPE, KEY),
    ):
        with pytest.raises(BadMessage):
            call()
