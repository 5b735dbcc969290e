"""The description of the API: complete, right, and fuzzed against the application."""

import re
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
import schemathesis
import web_seeds as seeds
from flask import Flask
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from sqlalchemy import Engine, insert
from web_seeds import NOW, Browser

from gale.db import tables as t
from gale.db.engine import writing

#: Waits, signs out, or ends the account that asks.
LEFT_OUT = r"/wait$|/auth/token|/users/\{username\}$"


@pytest.fixture
def document(admin: Browser) -> dict[str, Any]:
    answer = admin.get("/api/v2/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def test_every_public_route_is_described_and_no_other(app: Flask, document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    served = {
        (method, re.sub(r"<(?:[a-z]+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
        if rule.rule.startswith(("/api/", "/auth/", "/health")) and rule.endpoint != "openapi.describe"
    }
    assert described == served
    assert len(described) > 80


def test_each_operation_says_what_it_is_and_which_permission_it_needs(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"].endswith(".")
            assert "permission" in operation["description"]
            assert operation["responses"]


def test_each_schema_of_the_description_is_a_schema(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_bodies_refuse_fields_that_nobody_knows_as_the_description_says(document: dict[str, Any]) -> None:
    for name in ("Trigger", "ClearTaskInstances", "VariableBody", "DagPatch"):
        assert document["components"]["schemas"][name]["additionalProperties"] is False


@pytest.fixture
def full(engine: Engine, etl: dict[str, Any]) -> None:
    """At least one row of everything that the API shows."""
    xcom = {"dag_id": "etl", "run_id": etl["done"], "task_id": "t0", "map_index": -1, "key": "k"}
    with writing(engine) as conn:
        conn.execute(insert(t.xcom), [xcom | {"value": '{"a": 1}', "timestamp": NOW}])
        conn.execute(insert(t.import_error), [{"filename": "x.py", "stacktrace": "x", "timestamp": NOW}])
        warning = {"dag_id": "etl", "warning_type": "w", "message": "m", "timestamp": NOW}
        conn.execute(insert(t.dag_warning), [warning])
        seeds.add_dag(conn, seeds.grouped("boxes"))


def test_answers_to_sound_questions_fit_the_description(
    admin: Browser, full: None, document: dict[str, Any], etl: dict[str, Any]
) -> None:
    """Every GET with ids that exist: the body must be what the description promises."""
    ids = {
        "dag_id": "etl",
        "run_id": etl["done"],
        "task_id": "t0",
        "map_index": "-1",
        "try_number": "1",
        "version_number": "1",
        "xcom_key": "k",
        "import_error_id": "1",
        "event_log_id": "1",
        "pool_name": "default_pool",
        "username": "admin",
        "section": "core",
        "option": "parallelism",
        "variable_key": "v",
        "connection_id": "c",
    }
    admin.post("/api/v2/variables", json={"key": "v", "value": "1"})
    admin.post("/api/v2/connections", json={"connection_id": "c", "conn_type": "http"})
    checked = 0
    for path, methods in document["paths"].items():
        if "get" not in methods or path.endswith(
            ("/wait", "/externalLogUrl/{try_number}", "auth/login", "auth/logout")
        ):
            continue
        answer = admin.get(re.sub(r"\{(\w+)\}", lambda found: ids[found[1]].replace("+", "%2B"), path))
        if "/tries/{try_number}" in path:  # no history was written for this one
            assert answer.status_code == 404
            continue
        assert answer.status_code == 200, (path, answer.get_json())
        content = methods["get"]["responses"]["200"].get("content")
        if content:
            schema = content["application/json"]["schema"] | {"components": document["components"]}
            Draft202012Validator(schema).validate(answer.get_json())
            checked += 1
    assert checked > 35


@pytest.mark.slow
def test_whatever_is_sent_is_answered_and_never_by_a_500(
    app: Flask, admin: Browser, full: None, document: dict[str, Any], sign_in: Callable[[str], Browser]
) -> None:
    """Fuzz every operation with what its description allows and what it does not."""
    token = app.test_client().post("/auth/token", json={"username": "admin", "password": seeds.PASSWORD}).get_json()
    header = {"Authorization": f"Bearer {token['access_token']}"}
    schema = schemathesis.openapi.from_dict(document)
    schema.app = app
    operations = [result.ok() for result in schema.exclude(path_regex=LEFT_OUT).get_all_operations()]
    assert len(operations) > 75
    for operation in operations:
        fuzz(operation, header)


def fuzz(operation: Any, header: dict[str, str]) -> None:
    @hypothesis.settings(
        max_examples=6,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=hypothesis.strategies.one_of(*strategies(operation)))
    def answered(case: Any) -> None:
        response = case.call(headers=header)
        case.validate_response(
            response, checks=[not_a_server_error, status_code_conformance, response_schema_conformance]
        )

    answered()


def strategies(operation: Any) -> list[Any]:
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    return [operation.as_strategy(generation_mode=mode) for mode in modes]
