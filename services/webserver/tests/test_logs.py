"""Logs over REST and for the page, and that neither ever leaves the log folder (row 15)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, update
from web_seeds import NOW, PASSWORD, Browser

from gale.clock import ManualClock
from gale.db import tables as t
from gale.db.engine import writing
from gale.runtime.logs import log_path
from gale.settings import Settings
from gale_webserver.app import create_app

LINE = "[2026-03-01T12:00:00.123+0000] {bash.py:7} INFO - Running: echo 1\n"


@pytest.fixture
def api(etl: dict[str, Any]) -> str:
    return f"/api/v2/dags/etl/dagRuns/{etl['done']}/taskInstances/t1/logs"


@pytest.fixture
def log(settings: Settings, etl: dict[str, Any]) -> Path:
    path = log_path(settings.logging.base_log_folder, dag_id="etl", run_id=etl["done"], task_id="t1", try_number=1)
    path.parent.mkdir(parents=True)
    path.write_text(LINE + "1\nlast line without an end", encoding="utf-8")
    return path


def page(etl: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"dag_id": "etl", "run_id": etl["done"], "task_id": "t1"} | more


def set_state(engine: Engine, state: str) -> None:
    with writing(engine) as conn:
        conn.execute(update(t.task_instance).where(t.task_instance.c.task_id == "t1").values(state=state))


def test_a_log_comes_as_messages_with_their_parts(viewer: Browser, api: str, log: Path) -> None:
    answer = viewer.get(f"{api}/1").get_json()
    assert answer["content"] == [
        {
            "timestamp": "2026-03-01T12:00:00.123Z",
            "logger": "bash.py:7",
            "level": "info",
            "event": "Running: echo 1",
        },
        {"event": "1"},
        {"event": "last line without an end"},
    ]
    assert answer["continuation_token"] is None


def test_a_log_comes_as_plain_text_to_whom_prefers_that(viewer: Browser, api: str, log: Path) -> None:
    answer = viewer.get(f"{api}/1", headers={"Accept": "text/plain"})
    assert answer.text == log.read_text()
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_log_comes_as_lines_of_json_to_whom_prefers_that(viewer: Browser, api: str, log: Path) -> None:
    answer = viewer.get(f"{api}/1", headers={"Accept": "application/x-ndjson"})
    assert answer.content_type == "application/x-ndjson"
    assert len(answer.text.splitlines()) == 3


def test_while_a_task_runs_whole_lines_come_and_the_token_goes_on(
    viewer: Browser, engine: Engine, api: str, log: Path
) -> None:
    set_state(engine, "running")
    first = viewer.get(f"{api}/1").get_json()
    assert [line["event"] for line in first["content"]] == ["Running: echo 1", "1"]
    with log.open("a", encoding="utf-8") as file:
        file.write(", now ended\nnext\n")
    second = viewer.get(f"{api}/1", query_string={"token": first["continuation_token"]}).get_json()
    assert [line["event"] for line in second["content"]] == ["last line without an end, now ended", "next"]
    set_state(engine, "success")
    third = viewer.get(f"{api}/1", query_string={"token": second["continuation_token"]}).get_json()
    assert third == {"content": [], "continuation_token": None}


def test_bytes_that_are_no_text_are_shown_and_never_lose_the_place(
    viewer: Browser, engine: Engine, api: str, log: Path
) -> None:
    set_state(engine, "running")
    log.write_bytes(b"good\n\xff\xfe bad \xe4\xb8")
    first = viewer.get(f"{api}/1").get_json()
    assert [line["event"] for line in first["content"]] == ["good"]
    log.write_bytes(b"good\n\xff\xfe bad \xe4\xb8\xad\nend\n")
    second = viewer.get(f"{api}/1", query_string={"token": first["continuation_token"]}).get_json()
    assert [line["event"] for line in second["content"]] == ["\ufffd\ufffd bad 中", "end"]


def test_a_log_longer_than_one_answer_comes_in_parts_without_a_gap(viewer: Browser, api: str, log: Path) -> None:
    lines = [f"line {number} " + "x" * 90 for number in range(12_000)]
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        answer = viewer.get(f"{api}/1", query_string={"token": token}).get_json()
        seen += [line["event"] for line in answer["content"]]
        token = answer["continuation_token"]
    assert seen == lines


def test_a_line_longer_than_one_answer_is_shown_in_pieces(viewer: Browser, api: str, log: Path) -> None:
    log.write_text("x" * 1_300_000, encoding="utf-8")
    answer = viewer.get(f"{api}/1").get_json()
    assert len(answer["content"][0]["event"]) > 100_000
    assert answer["continuation_token"]


@pytest.mark.parametrize("token", ["x", "eyJvZmZzZXQiOjB9", "eyJvZmZzZXQiOjB9.forged", "..."])
def test_a_token_that_we_did_not_give_out_is_refused(token: str, viewer: Browser, api: str, log: Path) -> None:
    assert viewer.get(f"{api}/1", query_string={"token": token}).status_code == 400


def test_the_token_of_one_log_is_refused_at_another(viewer: Browser, engine: Engine, api: str, log: Path) -> None:
    set_state(engine, "running")
    token = viewer.get(f"{api}/1").get_json()["continuation_token"]
    other = api.replace("/t1/", "/t0/")
    assert viewer.get(f"{other}/1", query_string={"token": token}).status_code == 400


@pytest.mark.parametrize("number", ["-1", "0", "1000000000"])
def test_a_try_that_no_task_can_have_is_refused(number: str, viewer: Browser, api: str, log: Path) -> None:
    assert viewer.get(f"{api}/{number}").status_code == 400


@pytest.mark.parametrize("path", ["logs/x", "logs/1.5", "logs/../1", "logs/..%2f1", "logs/1%00", "logs/%2e%2e"])
def test_a_try_that_is_no_number_leads_nowhere(path: str, viewer: Browser, api: str, log: Path) -> None:
    answer = viewer.get(api.replace("logs", path))
    assert answer.status_code in {400, 404}
    assert "Running" not in answer.text


@pytest.mark.parametrize("task", ["../t1", "..%2f..%2ft1", "t1%00", "%2fetc%2fpasswd", "t1%0a", "x" * 4096])
def test_a_task_id_that_is_a_path_finds_no_log(task: str, viewer: Browser, api: str, log: Path) -> None:
    assert viewer.get(f"{api.replace('/t1/', f'/{task}/')}/1").status_code == 404


def test_a_link_in_the_log_folder_that_leads_out_of_it_is_not_followed(
    viewer: Browser, api: str, log: Path, tmp_path: Path, etl: dict[str, Any]
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    log.unlink()
    log.symlink_to(secret)
    for answer in (viewer.get(f"{api}/1"), viewer.get("/ui/log", query_string=page(etl))):
        assert answer.status_code == 404
        assert "the secret" not in answer.text
        assert str(tmp_path) not in answer.text


def test_a_folder_that_is_a_link_out_of_the_log_folder_is_not_followed(
    viewer: Browser, api: str, log: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    log.parent.rename(outside)
    log.parent.symlink_to(outside)
    assert viewer.get(f"{api}/1").status_code == 404


def test_a_row_whose_ids_are_paths_does_not_lead_out_of_the_log_folder(
    viewer: Browser, engine: Engine, settings: Settings, etl: dict[str, Any], tmp_path: Path
) -> None:
    """Ids are checked when rows are made; a database that was tampered with must not open files all the same."""
    (tmp_path / "attempt=1.log").write_text("the secret")
    with writing(engine) as conn:
        mine = t.task_instance.c.run == etl["done_pk"]
        conn.execute(
            update(t.task_instance).where(mine, t.task_instance.c.task_id == "t1").values(task_id="../../../..")
        )
    query = {"dag_id": "etl", "run_id": etl["done"], "task_id": "../../../.."}
    answer = viewer.get("/ui/log", query_string=query)
    assert "the secret" not in answer.text


def test_what_is_no_plain_file_is_not_read(viewer: Browser, api: str, log: Path) -> None:
    log.unlink()
    log.mkdir()
    assert viewer.get(f"{api}/1").status_code == 404


def test_a_log_that_is_not_there_yet_is_empty_and_goes_on(
    viewer: Browser, engine: Engine, api: str, etl: dict[str, Any]
) -> None:
    set_state(engine, "queued")
    answer = viewer.get(f"{api}/1").get_json()
    assert answer["content"] == []
    assert answer["continuation_token"]
    assert viewer.get("/ui/log", query_string=page(etl)).get_json()["at_end"] is False


def test_an_old_attempt_is_at_its_end_even_while_a_new_one_runs(
    viewer: Browser, engine: Engine, log: Path, etl: dict[str, Any]
) -> None:
    with writing(engine) as conn:
        mine = t.task_instance.c.task_id == "t1"
        conn.execute(update(t.task_instance).where(mine).values(state="running", try_number=2))
    assert viewer.get("/ui/log", query_string=page(etl, try_number=1)).get_json()["at_end"] is True
    assert viewer.get("/ui/log", query_string=page(etl)).get_json()["at_end"] is False


def test_the_page_streams_a_log_by_offset(viewer: Browser, engine: Engine, log: Path, etl: dict[str, Any]) -> None:
    set_state(engine, "running")
    first = viewer.get("/ui/log", query_string=page(etl)).get_json()
    assert first["content"] == log.read_text()
    assert first["at_end"] is False
    with log.open("a", encoding="utf-8") as file:
        file.write(" — more\n")
    set_state(engine, "success")
    second = viewer.get("/ui/log", query_string=page(etl, offset=first["next_offset"])).get_json()
    assert second["content"] == " — more\n"
    assert second["at_end"] is True
    assert second["next_offset"] == log.stat().st_size


@pytest.mark.parametrize("more", [{"offset": -1}, {"offset": "x"}, {"try_number": 0}, {"try_number": 10**9}])
def test_the_page_cannot_ask_for_a_part_that_makes_no_sense(
    more: dict[str, Any], viewer: Browser, log: Path, etl: dict[str, Any]
) -> None:
    assert viewer.get("/ui/log", query_string=page(etl, **more)).status_code == 400


def test_an_offset_beyond_the_end_gives_nothing(viewer: Browser, log: Path, etl: dict[str, Any]) -> None:
    answer = viewer.get("/ui/log", query_string=page(etl, offset=2**31 - 1)).get_json()
    assert answer["content"] == ""
    assert answer["at_end"] is True


def test_logs_of_a_mapped_task_have_their_own_files(
    viewer: Browser, engine: Engine, settings: Settings, api: str, etl: dict[str, Any]
) -> None:
    with writing(engine) as conn:
        mine = (t.task_instance.c.run == etl["done_pk"]) & (t.task_instance.c.task_id == "t1")
        conn.execute(update(t.task_instance).where(mine).values(map_index=3))
    base = settings.logging.base_log_folder
    path = log_path(base, dag_id="etl", run_id=etl["done"], task_id="t1", try_number=1, map_index=3)
    path.parent.mkdir(parents=True)
    path.write_text("mapped\n")
    assert viewer.get(f"{api}/1?map_index=3").get_json()["content"] == [{"event": "mapped"}]
    assert viewer.get(f"{api}/1").status_code == 404


def test_there_is_no_log_elsewhere(viewer: Browser, api: str, rows: Callable[..., list[Any]]) -> None:
    assert viewer.get(api.replace("logs", "externalLogUrl") + "/1").status_code == 400


# --- logs that are not on this machine ----------------------------------------------------------------

ELSEWHERE = "a-worker-that-is-gone.invalid"


@pytest.fixture
def ran_elsewhere(engine: Engine, etl: dict[str, Any]) -> None:
    with writing(engine) as conn:
        mine = (t.task_instance.c.run == etl["done_pk"]) & (t.task_instance.c.task_id == "t1")
        conn.execute(update(t.task_instance).where(mine).values(hostname=ELSEWHERE))


@pytest.fixture
def stored(settings: Settings, etl: dict[str, Any], tmp_path: Path) -> Settings:
    """Settings of a cluster with a store that has the log; the worker is gone."""
    name = log_path("", dag_id="etl", run_id=etl["done"], task_id="t1", try_number=1)
    path = tmp_path / "store" / name
    path.parent.mkdir(parents=True)
    path.write_text(LINE + "kept in the store\n", encoding="utf-8")
    return cluster(settings, f"file://{tmp_path}/store")


def cluster(settings: Settings, store: str) -> Settings:
    logging = replace(
        settings.logging, remote_logging=bool(store), remote_base_log_folder=store, worker_log_server_port=1
    )
    return replace(settings, core=replace(settings.core, executor="CeleryExecutor"), logging=logging)


@pytest.fixture
def someone(engine: Engine, clock: ManualClock) -> Callable[[Settings], Browser]:
    """Return what signs a Viewer in to a webserver with given settings."""

    def enter(settings: Settings) -> Browser:
        client = create_app(settings, engine, clock, patience_seconds=0).test_client()
        answer = client.post("/ui/login", json={"username": "viewer", "password": PASSWORD})
        return Browser(client, answer.get_json()["csrf_token"])

    return enter


@pytest.mark.usefixtures("ran_elsewhere")
def test_a_log_whose_worker_is_gone_is_read_from_the_store(
    stored: Settings,
    someone: Callable[[Settings], Browser],
    api: str,
    etl: dict[str, Any],
) -> None:
    reader = someone(stored)
    answer = reader.get("/ui/log", query_string=page(etl)).get_json()
    assert answer["content"] == LINE + "kept in the store\n"
    assert (answer["at_end"], answer["tried"]) == (True, [])
    assert (
        reader.get("/ui/log", query_string=page(etl, offset=len(LINE))).get_json()["content"] == "kept in the store\n"
    )
    assert reader.get(f"{api}/1").get_json()["content"][1] == {"event": "kept in the store"}
    assert reader.get(f"{api}/1", headers={"Accept": "text/plain"}).text == LINE + "kept in the store\n"


@pytest.mark.usefixtures("ran_elsewhere")
def test_a_log_of_this_machine_is_read_here_whatever_the_store_has(
    stored: Settings,
    someone: Callable[[Settings], Browser],
    log: Path,
    etl: dict[str, Any],
) -> None:
    answer = someone(stored).get("/ui/log", query_string=page(etl)).get_json()
    assert answer["content"] == log.read_text()


@pytest.mark.usefixtures("ran_elsewhere")
def test_a_log_that_is_nowhere_is_told_with_every_place_and_why(
    settings: Settings,
    someone: Callable[[Settings], Browser],
    api: str,
    etl: dict[str, Any],
    tmp_path: Path,
) -> None:
    reader = someone(cluster(settings, f"file://{tmp_path}/empty"))
    answer = reader.get("/ui/log", query_string=page(etl)).get_json()
    assert answer["tried"] == [
        {"place": "local", "name": "", "why": ""},
        {"place": "worker", "name": ELSEWHERE, "why": "nobody answers there"},
        {"place": "store", "name": f"file://{tmp_path}/empty", "why": "it has no such log"},
    ]
    assert (answer["content"], answer["at_end"]) == ("", True)
    said = [line["event"] for line in reader.get(f"{api}/1").get_json()["content"]]
    assert said[1] == f"It could not be read from the worker on {ELSEWHERE}: nobody answers there."
    text = reader.get(f"{api}/1", headers={"Accept": "text/plain"}).text
    assert text.splitlines() == said


def test_a_log_that_nobody_can_have_written_yet_is_looked_for_nowhere(
    stored: Settings, someone: Callable[[Settings], Browser], etl: dict[str, Any]
) -> None:
    answer = someone(stored).get("/ui/log", query_string=page(etl)).get_json()
    assert (answer["content"], answer["tried"]) == ("", [])


@pytest.mark.usefixtures("ran_elsewhere")
def test_an_earlier_attempt_is_looked_for_on_the_host_that_ran_it(
    settings: Settings,
    engine: Engine,
    someone: Callable[[Settings], Browser],
    etl: dict[str, Any],
) -> None:
    with writing(engine) as conn:
        mine = (t.task_instance.c.run == etl["done_pk"]) & (t.task_instance.c.task_id == "t1")
        row = conn.execute(select(t.task_instance).where(mine)).one()
        conn.execute(update(t.task_instance).where(mine).values(try_number=2))
        event = {name: row._mapping[name] for name in ("dag_id", "run_id", "task_id", "map_index")}
        event |= {"ti": row.id, "try_number": 1, "event": "Started", "from_state": "queued", "to_state": "running"}
        conn.execute(insert(t.task_event), [event | {"actor": "x", "hostname": "first.invalid", "at": NOW}])
    reader = someone(cluster(settings, ""))
    first = reader.get("/ui/log", query_string=page(etl, try_number=1)).get_json()
    second = reader.get("/ui/log", query_string=page(etl)).get_json()
    assert [tried["name"] for tried in first["tried"]] == ["", "first.invalid"]
    assert [tried["name"] for tried in second["tried"]] == ["", ELSEWHERE]


@pytest.mark.usefixtures("ran_elsewhere")
def test_without_a_cluster_no_other_machine_is_asked(
    viewer: Browser,
    etl: dict[str, Any],
) -> None:
    answer = viewer.get("/ui/log", query_string=page(etl)).get_json()
    assert [tried["place"] for tried in answer["tried"]] == ["local"]
