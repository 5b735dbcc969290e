"""DAG files find what lies beside them by `__file__`."""

import zipfile
from pathlib import Path

from gale.authoring.loading import load_file

TEXT = """
from gale import DAG
dag = DAG("placed", start_date=None, schedule=None, description=__file__)
"""


def test_a_dag_file_knows_its_own_path(tmp_path: Path):
    file = tmp_path / "placed.py"
    file.write_text(TEXT, encoding="utf-8")
    loaded = load_file(file)
    assert loaded.errors == []
    assert loaded.dags["placed"].description == str(file)


def test_a_dag_file_in_a_zip_knows_its_path_too(tmp_path: Path):
    archive = tmp_path / "placed.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("placed.py", TEXT)
    loaded = load_file(archive)
    assert loaded.errors == []
    assert loaded.dags["placed"].description == f"{archive}/placed.py"
