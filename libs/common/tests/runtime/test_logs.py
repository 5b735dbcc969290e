"""Where logs are, how they are read while they grow, and how they are kept from filling the disk."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gale.runtime import logs

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def read_in_chunks(path, limit):
    text, offset, at_end = "", 0, False
    while not at_end:
        part, offset, at_end = logs.read_chunk(path, offset, limit)
        text += part
    return text


def test_the_path_of_a_log_names_dag_run_task_and_attempt():
    path = logs.log_path(
        "/base", dag_id="etl", run_id="manual__2026-01-01T00:00:00+00:00", task_id="load", try_number=2
    )
    assert path == Path("/base/dag_id=etl/run_id=manual__2026-01-01T00:00:00+00:00/task_id=load/attempt=2.log")
    mapped = logs.log_path("/base", dag_id="etl", run_id="r", task_id="load", try_number=1, map_index=0)
    assert mapped == Path("/base/dag_id=etl/run_id=r/task_id=load/map_index=0/attempt=1.log")


@pytest.mark.parametrize("evil", ["../../etc", "..", "a/b", "/etc/passwd", "a\0b", "ü", ""])
def test_no_id_leads_out_of_the_log_folder(evil):
    path = logs.log_path("/base", dag_id=evil, run_id=evil, task_id=evil, try_number=1)
    assert path.resolve().is_relative_to("/base")
    assert len(path.parts) == 6


@given(st.text(max_size=60), st.integers(min_value=4, max_value=20))
def test_a_log_read_in_chunks_reads_as_a_whole(tmp_path_factory, text, limit):
    path = tmp_path_factory.getbasetemp() / "chunks.log"
    path.write_bytes(text.encode("utf-8", "replace"))
    assert read_in_chunks(path, limit) == text.encode("utf-8", "replace").decode()


def test_a_character_that_is_half_written_comes_with_the_next_chunk(tmp_path):
    path = tmp_path / "a.log"
    snowman = "☃".encode()
    path.write_bytes(b"snow" + snowman[:2])
    text, offset, at_end = logs.read_chunk(path)
    assert (text, offset, at_end) == ("snow", 4, True)
    path.write_bytes(b"snow" + snowman + b"!")
    assert logs.read_chunk(path, offset) == ("☃!", 8, True)


def test_bytes_that_are_no_text_are_shown_as_replaced(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"a\xff\xfeb\n")
    assert logs.read_chunk(path)[0] == "a��b\n"


def test_reading_beyond_the_end_or_before_the_start_is_no_error(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"text")
    assert logs.read_chunk(path, 1000) == ("", 4, True)
    assert logs.read_chunk(path, -5) == ("text", 4, True)
    assert logs.read_chunk(path, 0, 4) == ("text", 4, True)


def test_a_log_that_is_not_there_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        logs.read_chunk(tmp_path / "nothing.log")


def test_lines_of_gale_never_stand_behind_half_a_line_of_the_task(tmp_path):
    path = tmp_path / "deep" / "a.log"
    logs.append(path, logs.gale_line(NOON, "first"))
    with path.open("a") as task:
        task.write("no newline")
    logs.append(path, logs.gale_line(NOON, "last"))
    assert path.read_text().splitlines() == [
        "[2026-03-01T12:00:00.250+0000] {gale} INFO - first",
        "no newline",
        "[2026-03-01T12:00:00.250+0000] {gale} INFO - last",
    ]


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path):
    (tmp_path / "file").write_text("")
    logs.append(tmp_path / "file" / "a.log", "text")


@pytest.mark.parametrize(("size", "is_cut"), [(logs.LOG_LIMIT, False), (logs.LOG_LIMIT + 1, True)])
def test_only_a_log_beyond_the_limit_is_cut(tmp_path, size, is_cut):
    path = tmp_path / "a.log"
    with path.open("wb") as log:
        log.write(b"the first line\n")
        log.truncate(size)
    assert bool(logs.cut_if_too_long(path, NOON)) is is_cut
    assert (path.stat().st_size < size) is is_cut


def test_a_cut_log_keeps_its_beginning_and_its_newest_lines(tmp_path):
    path = tmp_path / "a.log"
    with path.open("ab") as writer:
        for number in range(logs.LOG_LIMIT // 100 + 1):
            writer.write(b"%099d\n" % number)
        writer.flush()
        gone = logs.cut_if_too_long(path, NOON)
        # A task that is at it goes on at the new end.
        writer.write(b"after the cut\n")
    lines = path.read_text().splitlines()
    assert int(lines[0]) == 0
    assert int(lines[-2]) == logs.LOG_LIMIT // 100
    assert lines[-1] == "after the cut"
    (cut,) = [line for line in lines if "cut out here" in line]
    assert f"{gone:,} bytes" in cut
    assert path.stat().st_size < logs.LOG_KEPT_HEAD + logs.LOG_KEPT_TAIL + 1000
