"""The budgets of how code reads here, each with its exceptions and the reason of each.

They are set from the 90th percentiles of codebases that good engineers hold up as models. An
exception without a reason is refused, and so is one that is no longer needed.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
import source
from source import Function, Module, Placed

MODULE_LINES = 600
BODY_LINES = 60
LONG_BODY_LINES = 50
LONG_BODIES_SHARE = 0.02
METHODS = 20
ARGUMENTS = 6
WORDS_OF_A_TEST = 5

#: Place (or the start of one) to the reason why it may exceed its budget.
LONG_MODULES: Mapping[str, str] = {
    "gale_webserver/api/shapes.py": "the bodies of Airflow's REST API: looked up by name, never read through",
}
LONG_BODIES: Mapping[str, str] = {
    "gale/db/migrations/versions/": "lists of columns as Alembic writes them; splitting them would help nobody",
}
MANY_METHODS: Mapping[str, str] = {}
MANY_ARGUMENTS: Mapping[str, str] = {
    "gale/operators/": "an operator's arguments are Airflow's, and DAG authors give them by name",
    "gale/sensors/": "a sensor's arguments are Airflow's, and DAG authors give them by name",
}
INNER_IMPORTS: Mapping[str, str] = {
    "gale/__init__.py": "DAG authors' page: each name is loaded when it is asked for, or `import gale` takes a second",
    "gale_flower_proxy/cli.py": "listed by `gale --help`, which must not load Flask",
    "gale_scheduler/cli.py": "listed by `gale --help`, which must not load the scheduler",
    "gale_webserver/cli.py": "listed by `gale --help`, which must not load Flask",
    "gale_worker/cli.py": "listed by `gale --help`, which must not load Celery",
    "gale/cli/": "`gale version` answers in 0.15 s only if each command loads no more than it needs",
    "gale/executors/__init__.py:make_celery_executor": "Celery takes 0.2 s and 18 MB, and only a cluster needs it",
    "gale/doctor/examine.py:_broker": "on one machine neither Celery nor pika has to be installed",
    "gale/authoring/calling.py:call_with_context": "asyncio takes 25 ms, and only coroutines need it",
    "gale/authoring/params.py:check": "jsonschema takes 40 ms, and only params with a schema need it",
    "airflow/_pendulum.py:_as_pendulum": "pendulum takes 60 ms, which `warm_up` pays before any fork",
}
WRITING_CALLS = frozenset({"update", "insert", "upsert", "insert_if_absent", "sqlalchemy.update", "sqlalchemy.insert"})
STATE_TABLES = frozenset({"dag_run", "task_instance"})
STATE_WRITES: Mapping[str, str] = {
    "gale/db/apply.py": "the only writer of states",
    "gale/db/lease.py": "writes owners and leases of rows, never their states",
    "gale_scheduler/due_runs.py": "makes a run that a user made for the same date the scheduled one; no state changes",
    "gale_webserver/api/notes.py": "writes people's remarks beside a row",
}
CLOCK_READS: Mapping[str, str] = {
    "gale/clock.py": "the only reader of the clock",
    "gale/authoring/surroundings.py": "authoring stands below the clock; user code gets its time from here",
}
ENVIRONMENT_READS: Mapping[str, str] = {
    "gale/settings/": "the only reader of the environment",
    "gale/authoring/surroundings.py": "DAG files run by plain python see the environment through here",
}


def offenders(found: Iterable[tuple[str, str]], allowed: Mapping[str, str]) -> list[str]:
    """Return what exceeds a budget without a reason, and reasons that nothing needs any more.

    Args:
        found: Place and complaint.
        allowed: Place, or the start of one, to the reason.
    """
    complaints = []
    used = set()
    for place, complaint in found:
        covering = [prefix for prefix in allowed if place.startswith(prefix)]
        used.update(covering)
        if not covering:
            complaints.append(f"{place}: {complaint}")
    complaints += [f"{prefix}: this exception is no longer needed" for prefix in allowed if prefix not in used]
    complaints += [f"{prefix}: the exception gives no reason" for prefix, reason in allowed.items() if not reason]
    return complaints


def refuse(complaints: list[str]) -> None:
    """Fail with one complaint a line, so that all of them can be read."""
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)


def bodies() -> Iterator[tuple[Placed, int]]:
    for module in source.product():
        for placed in source.functions(module):
            assert isinstance(placed.node, Function)
            yield placed, source.body_lines(placed.node)


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    found = (
        (module.place, f"{module.lines} lines, at most {MODULE_LINES}")
        for module in source.product()
        if module.lines > MODULE_LINES
    )
    refuse(offenders(found, LONG_MODULES))


def test_no_body_is_longer_than_a_screen() -> None:
    found = (
        (placed.place, f"{lines} lines in the body, at most {BODY_LINES}")
        for placed, lines in bodies()
        if lines > BODY_LINES
    )
    refuse(offenders(found, LONG_BODIES))


def test_long_bodies_are_rare_in_the_whole() -> None:
    all_bodies = list(bodies())
    long_ones = [f"{placed.place} ({lines} lines)" for placed, lines in all_bodies if lines > LONG_BODY_LINES]
    assert len(long_ones) <= LONG_BODIES_SHARE * len(all_bodies), long_ones


def test_no_class_has_more_methods_than_one_idea_needs() -> None:
    def many() -> Iterator[tuple[str, str]]:
        for module in source.product():
            for placed in source.definitions(module):
                if isinstance(placed.node, ast.ClassDef):
                    count = sum(isinstance(child, Function) for child in placed.node.body)
                    if count > METHODS:
                        yield placed.place, f"{count} methods, at most {METHODS}"

    refuse(offenders(many(), MANY_METHODS))


def test_no_function_takes_more_arguments_than_a_caller_can_hold() -> None:
    """Six by position and six by name; what needs more is a record and deserves a dataclass."""

    def many() -> Iterator[tuple[str, str]]:
        for module in source.product():
            for placed in source.functions(module):
                assert isinstance(placed.node, Function)
                arguments = placed.node.args
                static = any(source.dotted(mark) == "staticmethod" for mark in placed.node.decorator_list)
                own = 1 if placed.is_method and not static else 0
                positional = len(arguments.posonlyargs) + len(arguments.args) - own
                if positional > ARGUMENTS or len(arguments.kwonlyargs) > ARGUMENTS:
                    count = f"{positional} by position, {len(arguments.kwonlyargs)} by name"
                    yield placed.place, f"{count}, at most {ARGUMENTS} each"

    refuse(offenders(many(), MANY_ARGUMENTS))


def test_imports_stand_at_the_top_of_a_module() -> None:
    found = (
        (place, f"imports {ast.unparse(node)!r} inside a function")
        for module in source.product()
        for place, node in source.imports_in_functions(module)
    )
    refuse(offenders(found, INNER_IMPORTS))


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions count: hiding a circle does not open it."""
    modules = source.product()
    known = frozenset(module.name for module in modules)
    graph = {
        module.name: {name for name in source.imported_modules(module, known) if name != module.name and name in known}
        for module in modules
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        order = [" -> ".join(error.args[1])]
    assert len(order) == len(known), order


def _writes_state(module: Module) -> Iterator[tuple[str, str]]:
    """Find what writes rows of runs or task instances, and what sets `.state` on somebody else's object."""
    for node in ast.walk(module.tree):
        place = f"{module.place}, line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                name = source.dotted(target)
                if isinstance(target, ast.Attribute) and target.attr == "state" and name != "self.state":
                    yield place, f"assigns {name or 'a state'}"
        elif isinstance(node, ast.Call) and source.dotted(node.func) in WRITING_CALLS and node.args:
            table = source.dotted(node.args[0]).rpartition(".")[2]
            if table in STATE_TABLES:
                yield place, f"writes rows of {table}"


def test_states_are_written_in_one_place_only() -> None:
    found = (item for module in source.product() for item in _writes_state(module))
    refuse(offenders(found, STATE_WRITES))


def _uses(names: frozenset[str]) -> Iterator[tuple[str, str]]:
    for module in source.product():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute) and source.dotted(node) in names:
                yield f"{module.place}, line {node.lineno}", f"uses {source.dotted(node)}"


def test_only_the_clock_reads_the_time() -> None:
    names = frozenset(
        f"{owner}.{name}"
        for owner in ("datetime", "datetime.datetime", "dt.datetime", "date", "datetime.date")
        for name in ("now", "utcnow", "today")
    ) | {"time.time", "time.time_ns", "time.localtime", "time.gmtime"}
    refuse(offenders(_uses(names), CLOCK_READS))


def test_only_the_settings_read_the_environment() -> None:
    names = frozenset({"os.environ", "os.environb", "os.getenv", "os.putenv", "os.unsetenv"})
    refuse(offenders(_uses(names), ENVIRONMENT_READS))


def _calls(module: Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            yield node, source.dotted(node.func)


def test_no_test_sleeps_instead_of_waiting_for_something() -> None:
    found = [
        f"{module.place}, line {call.lineno}: {name}"
        for module in source.tests()
        # Tasks in DAG files that tests run may take their time.
        if "/dags/" not in module.place
        for call, name in _calls(module)
        if name in {"time.sleep", "asyncio.sleep", "sleep"}
    ]
    refuse(found)


def test_a_patch_in_a_test_gives_its_reason_beside_it() -> None:
    def has_reason(module: Module, line: int) -> bool:
        lines = module.text.splitlines()
        near = lines[max(line - 2, 0) : line]
        return any(re.search(r"#\s*\w+", text) for text in near)

    found = [
        f"{module.place}, line {call.lineno}: {name}"
        for module in source.tests()
        for call, name in _calls(module)
        if (name in {"patch", "mocker.patch"} or "mock.patch" in name) and not has_reason(module, call.lineno)
    ]
    refuse(found)


def test_every_test_is_a_sentence_or_has_one() -> None:
    """A name of five words after `test`, or a docstring."""
    found = [
        placed.place
        for module in source.tests()
        if Path(module.place).name.startswith("test_")
        for placed in source.functions(module)
        if isinstance(placed.node, Function)
        and placed.node.name.startswith("test_")
        and len(placed.node.name.split("_")) - 1 < WORDS_OF_A_TEST
        and not ast.get_docstring(placed.node)
    ]
    refuse(found)
