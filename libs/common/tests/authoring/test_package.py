"""What `import gale` gives, and what it costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gale

ROOT = Path(gale.__file__).parent


def modules_after(statement):
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_every_name_of_the_package_is_there():
    for name in gale.__all__:
        assert getattr(gale, name) is not None
    assert set(gale.__all__) <= set(dir(gale))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'gale' has no name 'Dag'"):
        gale.Dag  # noqa: B018


def test_type_checkers_are_told_the_same_names():
    tree = ast.parse((ROOT / "__init__.pyi").read_text("utf-8"))
    told = {
        (node.module, name.name, name.asname)
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert told == {(module, name, name) for module, names in gale._HOMES.items() for name in names}


def test_importing_the_package_imports_nothing_else():
    assert {name for name in modules_after("import gale") if name.startswith("gale")} == {"gale"}


def test_a_task_process_has_nothing_heavy_loaded():
    names = "BashOperator, PythonOperator, EmptyOperator, DAG, task, dag, TaskGroup, FileSensor, Param"
    loaded = modules_after(
        f"import gale.authoring.execution; from gale import {names}; gale.authoring.execution.warm_up()"
    )
    heavy = {"sqlalchemy", "pydantic", "jsonschema", "httpx", "asyncio", "pendulum", "celery", "flask", "click", "rich"}
    assert not {name.partition(".")[0] for name in loaded} & heavy
