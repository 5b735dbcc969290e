"""The policy against Flower's own list of addresses: nothing of it may be forgotten, nothing act for everybody."""

import re
from collections.abc import Iterator

import pytest
from flower.urls import handlers
from tornado.routing import URLSpec
from tornado.web import RequestHandler

from gale.access.roles import ROLES
from gale_flower_proxy.policy import RULES, BadAddress, Need, Verdict, canonical, decide, encoded, need_of

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
#: Flower's own login is not used: these addresses are pages of ours, or nothing.
NOT_FLOWERS = {"/login", "/logout"}
LOOKERS, ACTORS = ("Viewer", "User"), ("Op", "Admin")


def addresses() -> Iterator[tuple[str, str]]:
    """Give every method and path that this release of Flower answers."""
    for handler in handlers:
        pattern = handler.regex.pattern.rstrip("$") if isinstance(handler, URLSpec) else handler[0]
        kind = handler.handler_class if isinstance(handler, URLSpec) else handler[1]
        if pattern == r".*":  # what it answers with 404
            continue
        path = re.sub(r"\(\.[+*]\)", "x", pattern).removesuffix("/?")
        for method in ("get", "post", "put", "patch", "delete"):
            if getattr(kind, method) is not getattr(RequestHandler, method) and path not in NOT_FLOWERS:
                yield method.upper(), path


ADDRESSES = sorted(set(addresses()))


def test_flowers_list_was_read_and_is_not_short() -> None:
    assert len(ADDRESSES) >= 31
    assert ("POST", "/api/task/revoke/x") in ADDRESSES
    assert ("GET", "/static/x") in ADDRESSES


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_every_address_of_flower_has_a_rule_of_its_own(method: str, path: str) -> None:
    """A new release that adds an address fails here: somebody has to decide about it."""
    assert need_of(method, path) is not None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{min(rule.methods)}-{rule.path}")
def test_no_rule_speaks_of_an_address_that_flower_does_not_have(rule: object) -> None:
    path = getattr(rule, "path").replace("**", "x").replace("*", "x")  # noqa: B009 - parametrize has no types
    assert {(method, path) for method in getattr(rule, "methods") - {"HEAD"}} <= set(ADDRESSES)  # noqa: B009


@pytest.mark.parametrize(("method", "path"), [address for address in ADDRESSES if address != ("GET", "/healthcheck")])
def test_nobody_gets_anything_without_a_login(method: str, path: str) -> None:
    assert decide(method, path, None) is Verdict.NEEDS_LOGIN


def test_only_the_health_check_needs_no_login() -> None:
    assert decide("GET", "/healthcheck", None) is Verdict.ALLOW
    assert [rule.path for rule in RULES if rule.need is Need.PUBLIC] == ["/healthcheck"]


@pytest.mark.parametrize(("method", "path"), [address for address in ADDRESSES if address[0] == "GET"])
def test_every_role_may_look_at_everything(method: str, path: str) -> None:
    assert {decide(method, path, role) for role in ROLES} == {Verdict.ALLOW}


@pytest.mark.parametrize(("method", "path"), [address for address in ADDRESSES if address[0] != "GET"])
def test_whoever_only_looks_may_change_nothing(method: str, path: str) -> None:
    expected = Verdict.ALLOW if path == "/tasks/datatable" else Verdict.DENY
    assert {decide(method, path, role) for role in LOOKERS} == {expected}


@pytest.mark.parametrize(("method", "path"), [address for address in ADDRESSES if address[0] != "GET"])
def test_op_and_admin_may_act_but_nobody_may_start_tasks(method: str, path: str) -> None:
    starts = path.startswith(("/api/task/apply/", "/api/task/async-apply/", "/api/task/send-task/"))
    assert {decide(method, path, role) for role in ACTORS} == {Verdict.DENY if starts else Verdict.ALLOW}


@pytest.mark.parametrize("path", sorted({path for _, path in ADDRESSES}))
@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_flower_does_not_know_at_an_address_is_refused_even_to_admins(method: str, path: str) -> None:
    known = {known for known, place in ADDRESSES if place == path}
    if method not in known and not (method == "HEAD" and "GET" in known):
        assert decide(method, path, "Admin") is Verdict.DENY


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api",
        "/api/",
        "/api/task/",
        "/api/task/revoke",
        "/api/task/revoke/",
        "/api/task/revoke/a/b",
        "/api/worker/shutdown/",
        "/worker/",
        "/worker/a/b",
        "/static/",
        "/static",
        "/TASKS",
        "/login",
        "/flowerconfig.py",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_no_rule_names_is_refused_even_to_admins(method: str, path: str) -> None:
    assert decide(method, path, "Admin") is Verdict.DENY
    assert decide(method, path, None) is Verdict.NEEDS_LOGIN


@pytest.mark.parametrize("role", ["", "admin", "Root", "Admin "])
def test_a_role_that_does_not_exist_may_nothing(role: str) -> None:
    assert decide("GET", "/tasks", role) is Verdict.DENY


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "*",
        "tasks",
        "http://evil.example/tasks",
        "http://127.0.0.1:5555/api/task/revoke/x",
        "//evil.example/tasks",
        "/static/..%2f..%2fetc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/../api/task/revoke/x",
        "/static/./x",
        "/static/..\\x",
        "/static/%5c..",
        "/api/tasks/%252e%252e/x",
        "/task/x%00",
        "/task/x%0d%0aSet-Cookie:%20a=b",
        "/task/%ff",
        "/api//task/revoke/x",
        "/task/x%25",
        "/task/\x7f",
        "/task/a\u2028b",
    ],
)
def test_a_path_that_programs_read_differently_is_refused(raw: str) -> None:
    with pytest.raises(BadAddress):
        canonical(raw)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/", "/"),
        ("/worker/celery%40host-1.example", "/worker/celery@host-1.example"),
        ("/worker/celery@host", "/worker/celery@host"),
        ("/task/0b3c-1", "/task/0b3c-1"),
        ("/api/t%61sk/apply/x", "/api/task/apply/x"),
        ("/task/%E4%B8%AD", "/task/中"),
        ("/task/a%20b", "/task/a b"),
    ],
)
def test_a_path_is_decoded_once_and_flower_gets_the_very_same(raw: str, path: str) -> None:
    assert canonical(raw) == path
    assert canonical(encoded(path)) == path


def test_a_disguised_address_is_judged_as_what_it_is() -> None:
    assert decide("POST", canonical("/api/t%61sk/%61pply/x"), "Admin") is Verdict.DENY
    assert decide("POST", canonical("/api/t%61sk/revoke/x"), "Viewer") is Verdict.DENY
