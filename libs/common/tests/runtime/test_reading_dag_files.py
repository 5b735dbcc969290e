"""A DAG file may do what it likes while it is read: the answer is a clear error, in time, and nothing else suffers."""

import hashlib
import os
import time

import pytest

from gale.runtime.parsing import ParseRequest
from gale.runtime.processes import IS_LINUX

pytestmark = [pytest.mark.integration]


@pytest.fixture(autouse=True)
def still_well(rig):
    """Show after each test that the zygote has survived it and reads on."""
    zygote = rig.client.zygote_pid
    yield
    assert rig.client.zygote_pid == zygote
    assert len(rig.parse("good.py").specs) == 2


def test_a_good_file_gives_its_dags_and_its_source(rig):
    result = rig.parse("good.py")
    text = (rig.dags / "good.py").read_bytes()
    assert [spec.dag_id for spec in result.specs] == ["first", "second"]
    assert [task.task_id for task in result.specs[0].tasks] == ["one", "two"]
    assert result.specs[0].fileloc == "good.py"
    assert result.errors == []
    assert result.source == text.decode()
    assert result.source_digest == hashlib.sha256(text).hexdigest()
    assert result.seconds > 0


def test_a_file_that_raises_gives_the_line_and_the_traceback(rig):
    result = rig.parse("broken.py")
    assert result.specs == []
    (problem,) = result.errors
    assert problem.line == 3
    assert "no such ünicorn" in problem.message
    assert "ValueError" in problem.trace
    assert result.source_digest, "the version of the file that is broken is known"


def test_an_endless_loop_is_stopped_at_the_time_limit(rig):
    before = time.monotonic()
    result = rig.parse("loops.py", timeout_seconds=0.5)
    assert time.monotonic() - before < 10
    (problem,) = result.errors
    assert problem.rule == "time limit"
    assert "0.5 s" in problem.message
    assert problem.trace == "counting sheep", "what it printed last"


def test_a_file_that_calls_os_exit_is_no_empty_file(rig):
    (problem,) = rig.parse("exits.py").errors
    assert "exit code 0" in problem.message
    assert problem.rule == "no exit"


def test_a_file_that_crashes_names_the_signal(rig):
    (problem,) = rig.parse("crashes.py").errors
    assert "SIGSEGV" in problem.message
    assert "Segmentation fault" in problem.trace


@pytest.mark.skipif(not IS_LINUX, reason="the limit on private memory is Linux's")
def test_a_file_that_eats_memory_meets_its_limit(rig):
    result = rig.parse("hungry.py", memory_bytes=500_000_000)
    (problem,) = result.errors
    assert "MemoryError" in problem.message + problem.trace


def test_a_file_that_prints_hundreds_of_megabytes_is_read_all_the_same(rig):
    result = rig.parse("chatty.py")
    assert [spec.dag_id for spec in result.specs] == ["chatty"]
    assert result.errors == []


def test_threads_and_sockets_left_behind_do_not_keep_the_reader_open(rig):
    for file in ("threaded.py", "connected.py"):
        result = rig.parse(file)
        assert [spec.dag_id for spec in result.specs] == [file.removesuffix(".py")]


@pytest.mark.skipif(not IS_LINUX, reason="orphans come to a sub-reaper only on Linux")
def test_processes_left_behind_by_a_file_are_killed_with_its_reader(rig):
    result = rig.parse("forking.py")
    assert [spec.dag_id for spec in result.specs] == ["forking"]


def test_a_file_that_is_not_there_is_an_error_of_its_own(rig):
    (problem,) = rig.parse("nowhere.py").errors
    assert "cannot be read" in problem.message


@pytest.mark.skipif(not IS_LINUX, reason="other systems refuse such names")
def test_a_file_whose_name_is_no_text_gets_an_error_that_can_be_shown(rig):
    odd = os.fsdecode(b"odd\xff.py")
    (rig.dags / odd).write_text("from gale.authoring.dag import DAG\ndag = DAG('odd', schedule=None)\n")
    (problem,) = rig.parse(odd).errors
    assert "Rename it" in problem.message
    problem.file.encode()


def test_many_files_can_be_read_at_once(rig):
    found = []
    for name in ["good.py", "broken.py", "loops.py", "exits.py"] * 5:
        request = ParseRequest(path=rig.dags / name, dags_folder=rig.dags, timeout_seconds=2)
        rig.client.parse(request, found.append)
    rig.until(lambda: len(found) == 20)
    assert sum(len(result.specs) for result in found) == 10
    assert sum(len(result.errors) for result in found) == 15
