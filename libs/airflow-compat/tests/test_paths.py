"""Every import path and name of the table leads somewhere."""

import importlib
import subprocess
import sys

import pytest

import airflow
from airflow._names import HOMES, PATHS
from gale.authoring.dag import DAG, TriggerDag
from gale.operators.bash import BashOperator


@pytest.mark.parametrize("path", sorted(PATHS))
def test_every_name_of_a_module_leads_to_something_of_gales(path):
    module = importlib.import_module(path)
    for name in PATHS[path]:
        assert getattr(module, name, "missing") != "missing", name
    if path != "airflow":
        assert sorted(PATHS[path]) == module.__all__
        assert set(module.__all__) <= set(dir(module))


def test_every_name_with_a_home_is_in_some_module():
    used = {name for names in PATHS.values() for name in names}
    assert set(HOMES) <= used | {"datetime"}


@pytest.mark.parametrize(
    "path",
    [
        "airflow.operators.bash_operator",
        "airflow.operators.bash",
        "airflow.operators",
        "airflow.providers.standard.operators.bash",
    ],
)
def test_the_bash_operator_is_the_same_in_every_generation(path):
    assert importlib.import_module(path).BashOperator is BashOperator


def test_star_imports_give_the_names_of_the_table():
    names = {}
    exec("from airflow.utils.state import *", names)  # only a module's top may have one
    assert {"State", "TaskInstanceState", "DagRunState"} <= set(names)


def test_the_era_of_a_dag_is_that_of_its_import_path():
    old, new = (importlib.import_module(path).DAG for path in ("airflow.models", "airflow.sdk"))
    assert airflow.DAG is old is DAG
    assert new is TriggerDag
    assert issubclass(new, DAG)


def test_modules_can_be_reached_through_the_package():
    assert airflow.utils.dates.days_ago
    assert airflow.models.DAG is DAG


def test_a_module_without_a_counterpart_is_told_as_such():
    with pytest.raises(
        ModuleNotFoundError, match=r"no counterpart of Airflow's module 'airflow\.providers\.amazon'"
    ) as caught:
        importlib.import_module("airflow.providers.amazon.aws.hooks.s3")
    assert caught.value.name == "airflow.providers.amazon"


def test_a_name_in_the_wrong_module_is_told_with_the_right_one():
    with pytest.raises(AttributeError, match=r"has no name 'BashOperator' in Gale; it is in airflow\.operators"):
        airflow.models.BashOperator  # noqa: B018
    with pytest.raises(ImportError):
        from airflow.models import SubDagOperator  # noqa: F401, PLC0415


def test_importing_the_package_loads_next_to_nothing():
    ours = "name.startswith(('gale', 'airflow', 'pendulum'))"
    code = f"import sys, airflow; print(sorted(name for name in sys.modules if {ours}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['airflow', 'airflow._finder', 'airflow._names']"


def test_the_command_airflow_is_gales(tmp_path):
    command = [sys.executable, "-m", "airflow", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"GALE_HOME": str(tmp_path)})
    assert done.stdout.startswith("Usage: airflow")


def test_using_a_name_lets_user_code_see_pendulums_datetimes():
    code = "from airflow.models import DAG; from airflow.utils.timezone import utcnow; print(type(utcnow()).__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "pendulum.datetime"
