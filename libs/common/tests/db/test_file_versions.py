"""The text of a version on disk, for several workers that share the folder."""

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import insert

from gale.db import tables as t
from gale.db.engine import open_engine, reading, writing
from gale.db.file_versions import FileVersions

TEXT = "the version that runs"
DIGEST = hashlib.sha256(TEXT.encode()).hexdigest()


@pytest.fixture
def engine(tmp_path: Path):
    opened = open_engine(f"sqlite:///{tmp_path}/gale.db")
    t.metadata.create_all(opened)
    with writing(opened) as connection:
        connection.execute(insert(t.dag_source), [{"digest": DIGEST, "content": TEXT}])
    yield opened
    opened.dispose()


def test_two_workers_that_write_the_same_version_do_not_write_into_each_others_file(engine, tmp_path: Path) -> None:
    """One has opened its file and not written yet, when the other begins and ends."""
    seen = []

    class Hasty(type(tmp_path)):
        def write_text(self, *arguments, **options):
            with self.open("w") as half_written:
                if not seen:
                    seen.append(None)
                    seen[0] = FileVersions(tmp_path / "dags", tmp_path / "kept").file_for(other, "etl.py", DIGEST)
                    assert seen[0].read_text() == TEXT
                half_written.write("half")
            assert seen[0].read_text() == TEXT
            return super().write_text(*arguments, **options)

    with reading(engine) as connection, reading(engine) as other:
        found = FileVersions(tmp_path / "dags", Hasty(tmp_path / "kept")).file_for(connection, "etl.py", DIGEST)
    assert found.read_text() == TEXT
    assert [path.name for path in found.parent.iterdir()] == ["etl.py"]
