"""Who may do what: every route against every role, from the application's own url_map (rows 1, 8)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from web_seeds import ROLES, Browser
from werkzeug.routing import Rule

from gale.access.roles import Permission, permissions_of
from gale_webserver.auth.table import PERMISSION_OF

#: The documented matrix, written down a second time on purpose: whoever changes a role changes it here too.
VIEWER = {
    "public",
    "signed_in",
    "dags.read",
    "runs.read",
    "tasks.read",
    "logs.read",
    "code.read",
    "xcoms.read",
    "import_errors.read",
    "pools.read",
    "jobs.read",
    "flower.read",
}
USER = VIEWER | {"dags.edit", "dags.delete", "runs.trigger", "runs.edit", "runs.delete", "tasks.edit"}
OP = USER | {
    "xcoms.edit",
    "pools.edit",
    "variables.read",
    "variables.edit",
    "connections.read",
    "connections.edit",
    "config.read",
    "audit.read",
    "flower.edit",
}
ADMIN = OP | {"dags.all", "users.read", "users.edit"}
MATRIX = {"Viewer": VIEWER, "User": USER, "Op": OP, "Admin": ADMIN}

#: All that a stranger may reach.
OPEN = {
    ("GET", "/"),
    ("GET", "/<path:path>"),
    ("GET", "/static/<path:path>"),
    ("GET", "/health"),
    ("GET", "/api/v2/monitor/health"),
    ("GET", "/api/v2/auth/login"),
    ("GET", "/api/v2/auth/logout"),
    ("POST", "/ui/login"),
    ("POST", "/auth/token"),
    ("POST", "/auth/token/cli"),
}


def routes_of(app: Flask) -> Iterator[tuple[str, Rule]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD"}):
            yield method, rule


def address(rule: Rule) -> str:
    numbers = {"map_index", "try_number", "version_number", "import_error_id", "event_log_id"}
    values: dict[str, Any] = {name: 1 if name in numbers else "x" for name in rule.arguments}
    return rule.map.bind("localhost").build(rule.endpoint, values)


def test_the_roles_have_exactly_the_documented_permissions() -> None:
    assert {role: set(permissions_of(role)) for role in ROLES} == MATRIX
    assert permissions_of("Nobody") == frozenset()


def test_every_route_stands_in_the_table_and_the_table_has_no_other(app: Flask) -> None:
    assert {rule.endpoint for rule in app.url_map.iter_rules()} == set(PERMISSION_OF)


def test_every_permission_is_needed_by_some_route_or_elsewhere() -> None:
    """`ALL_DAGS` widens what routes show; the others are for the addresses of flower-proxy."""
    elsewhere = {Permission.ALL_DAGS, Permission.FLOWER_READ, Permission.FLOWER_EDIT}
    assert set(Permission) - set(PERMISSION_OF.values()) == elsewhere


def test_a_stranger_gets_401_everywhere_but_at_the_few_open_doors(app: Flask, anonymous: FlaskClient) -> None:
    closed = 0
    for method, rule in routes_of(app):
        answer = anonymous.open(address(rule), method=method, json={} if method != "GET" else None)
        if (method, rule.rule) in OPEN:
            assert answer.status_code != 401 or rule.rule in {"/ui/login", "/auth/token", "/auth/token/cli"}, rule
        else:
            assert answer.status_code == 401, (method, rule, answer.get_json())
            closed += 1
        answer.close()
    assert closed > 80


@pytest.mark.parametrize("role", ROLES)
def test_each_role_reaches_exactly_the_routes_of_its_permissions(
    role: str, app: Flask, sign_in: Callable[[str], Browser]
) -> None:
    browser = sign_in(role.lower())
    for method, rule in routes_of(app):
        if rule.endpoint in {"auth.logout", "users.delete_user"}:
            continue
        answer = browser.client.open(
            address(rule),
            method=method,
            json={} if method in {"POST", "PATCH"} else None,
            headers={"X-CSRF-Token": browser.csrf_token},
        )
        may = PERMISSION_OF[rule.endpoint].value in MATRIX[role]
        assert (answer.status_code == 403) is not may, (method, rule, answer.get_json())
        if not may:
            assert role in answer.get_json()["detail"]
        answer.close()


def test_a_route_without_an_entry_in_the_table_is_closed_even_to_admins(app: Flask, admin: Browser) -> None:
    def forgotten() -> Response:
        return Response("secret")

    app._got_first_request = False  # Flask refuses late routes; this one is added late on purpose
    app.add_url_rule("/api/v2/forgotten", endpoint="forgotten", view_func=forgotten)
    answer = admin.get("/api/v2/forgotten")
    assert answer.status_code == 403
    assert b"secret" not in answer.data


def test_a_method_that_an_address_does_not_know_is_a_405_that_names_the_others(viewer: Browser) -> None:
    answer = viewer.client.put("/api/v2/dags/x", headers={"X-CSRF-Token": viewer.csrf_token})
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "PATCH", "DELETE"}


def test_options_is_not_answered_so_no_other_site_can_ask(anonymous: FlaskClient) -> None:
    answer = anonymous.options(
        "/api/v2/dags", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    )
    assert answer.status_code == 405
    assert "Access-Control-Allow-Origin" not in answer.headers
