"""What the columns promise, on every database alike."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, insert, select

from gale.db import tables as t
from gale.db.engine import reading, writing

NOW = datetime(2026, 3, 29, 1, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("mysql", marks=pytest.mark.mysql)])
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.getfixturevalue(request.param)


def _dag(dag_id: str, fileloc: str) -> dict[str, object]:
    return {"dag_id": dag_id, "fileloc": fileloc, "max_active_tasks": 1, "max_active_runs": 1}


def test_text_that_only_people_read_is_cut_instead_of_being_refused(engine: Engine) -> None:
    """A run id of 250 characters makes a cause of more than 100; a refusal would end the scheduler."""
    event = {"run": "r", "event": "RunCreated", "from_state": "", "to_state": "queued", "at": NOW}
    with writing(engine) as connection:
        connection.execute(insert(t.run_event), [{**event, "actor": "ä" * 300, "cause": "adopt:" + "x" * 250}])
    with reading(engine) as connection:
        row = connection.execute(select(t.run_event)).one()
    assert (row.actor, row.cause) == ("ä" * 250, "adopt:" + "x" * 94)


def test_files_that_differ_only_in_case_are_two_files(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(insert(t.dag), [_dag("a", "Etl.py"), _dag("b", "etl.py"), _dag("c", "étl.py")])
    with reading(engine) as connection:
        found = connection.execute(select(t.dag.c.dag_id).where(t.dag.c.fileloc == "etl.py")).scalars().all()
    assert found == ["b"]


def test_instants_keep_their_microseconds_and_come_back_in_utc(engine: Engine) -> None:
    abroad = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
    with writing(engine) as connection:
        connection.execute(insert(t.dag), [{**_dag("a", "a.py"), "next_run_after": abroad}])
    with reading(engine) as connection:
        kept = connection.execute(select(t.dag.c.next_run_after)).scalar_one()
    assert (kept, kept.tzinfo) == (NOW, UTC)


def test_an_instant_without_a_time_zone_is_refused(engine: Engine) -> None:
    with pytest.raises(Exception, match="no time zone"), writing(engine) as connection:
        connection.execute(insert(t.dag), [{**_dag("a", "a.py"), "next_run_after": NOW.replace(tzinfo=None)}])


def test_long_text_is_kept_whole(engine: Engine) -> None:
    """MySQL's TEXT ends at 64 KB."""
    text = "é" * 100_000
    with writing(engine) as connection:
        connection.execute(insert(t.dag_source), [{"digest": "d", "content": text}])
    with reading(engine) as connection:
        assert connection.execute(select(t.dag_source.c.content)).scalar_one() == text
