"""The examples in docstrings say what happens."""

import doctest
import importlib
import pkgutil

import pytest

import gale

PACKAGES = ("authoring", "operators", "sensors", "hooks", "notifiers")
MODULES = sorted(
    name
    for package in PACKAGES
    for _, name, _ in pkgutil.iter_modules([f"{path}/{package}" for path in gale.__path__], f"gale.{package}.")
)
EXAMPLES = {
    name: tests
    for name in MODULES
    if (tests := [test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples])
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_in_a_docstring_gives_what_it_promises(name):
    runner = doctest.DocTestRunner()
    for test in EXAMPLES[name]:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_what_authors_touch_most_has_an_example():
    documented = {test.name for tests in EXAMPLES.values() for test in tests}
    assert {
        "gale.authoring.dag.DAG",
        "gale.authoring.connection.Connection",
        "gale.authoring.params.Param",
    } <= documented
