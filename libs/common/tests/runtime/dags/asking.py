"""Tasks that ask for variables, connections, XComs and runs."""
# ruff: noqa: DTZ001, T201  as authors write DAG files

from datetime import UTC, datetime

from gale.authoring import services
from gale.authoring.dag import DAG
from gale.errors import GaleError, NotFound, RunExists
from gale.operators.python import PythonOperator

THEN = datetime(2024, 5, 1, tzinfo=UTC)


def ask_everything() -> dict[str, object]:
    ask = services.required("The test")
    ask.set_variable("colour", "grün ☃", "what it is")
    ask.set_xcom(dag_id="d", run_id="r", task_id="t", map_index=-1, key="k", value="[1, 2]")
    connection = ask.get_connection("db")
    assert connection is not None
    return {
        "variable": ask.get_variable("colour"),
        "none": ask.get_variable("nothing"),
        "deleted": [ask.delete_variable("colour"), ask.delete_variable("colour")],
        "connection": [connection.conn_id, connection.password, connection.port],
        "no_connection": ask.get_connection("missing"),
        "xcom": ask.get_xcom(dag_id="d", run_id="r", task_id="t", map_index=-1, key="k"),
        "prior": ask.get_prior_xcom(dag_id="d", before=THEN, task_id="t", key=None),
        "triggered": ask.trigger_run(dag_id="d", run_id="r", logical_date=THEN, conf={"answer": 42}, reset=True),
        "run_state": ask.run_state(dag_id="d", run_id="r"),
        "count": ask.count_states(dag_id="d", task_ids=["a", "b"], logical_dates=[THEN], states=["success", "x"]),
        "latest": ask.is_latest_run(dag_id="d", logical_date=THEN),
    }


def collect_errors() -> list[str]:
    ask = services.required("The test")
    found = []
    for call in (
        lambda: ask.trigger_run(dag_id="nowhere", run_id=None, logical_date=None, conf={}, reset=False),
        lambda: ask.trigger_run(dag_id="d", run_id="r", logical_date=None, conf={}, reset=False),
        lambda: ask.get_variable("explode"),
    ):
        try:
            call()
        except NotFound as error:
            found.append(f"NotFound: {error}")
        except RunExists as error:
            found.append(f"RunExists: {error}")
        except GaleError as error:
            found.append(f"GaleError: {error}")
    return found


def called_back(context: dict[str, object]) -> None:
    print(f"the callback ran with {sorted(context)[:1]}")


def fail() -> None:
    raise ValueError("as planned")


with DAG("asking", start_date=datetime(2024, 1, 1), schedule=None):
    PythonOperator(task_id="everything", python_callable=ask_everything)
    PythonOperator(task_id="errors", python_callable=collect_errors)
    PythonOperator(task_id="fails", python_callable=fail, on_failure_callback=called_back)
