"""A setting that nothing reads would be a lie to whoever sets it."""

import ast

import source

from gale.settings.reading import OPTIONS


def _names_read() -> set[str]:
    """Return every attribute and text in the product, but for the schema itself."""
    found = set()
    for module in source.product():
        if module.place in {"gale/settings/sections.py", "gale/settings/names.py"}:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_every_setting_is_read_by_some_code() -> None:
    names = _names_read()
    assert [name for name in OPTIONS if name[1] not in names] == []
