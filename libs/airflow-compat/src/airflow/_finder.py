"""Make `airflow.…` modules out of the table in `_names`, each when it is first imported.

Eighty files that each re-export two names would say the same as one table, in a form that
nobody can check. A name is looked up in its home when it is first used, so that importing
`airflow` costs next to nothing.
"""

import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from airflow._names import HOMES, PATHS


def look_up(path: str, name: str) -> object:
    """Return what `name` stands for in the module `path`; a submodule counts as a name.

    Raises:
        AttributeError: It stands for nothing.
    """
    own = PATHS.get(path, {})
    if name in own:
        # A DAG file is being read (the command `airflow` looks nothing up): it expects pendulum's datetimes.
        _show_as_pendulum()
        home, _, attribute = own[name].partition(":")
        value: object = getattr(import_module(home), attribute or name)
        setattr(sys.modules[path], name, value)
        return value
    if not name.startswith("_") and f"{path}.{name}" in PATHS:
        return import_module(f"{path}.{name}")
    message = f"module {path!r} has no name {name!r} in Gale"
    homes = [home for home in HOMES if home == name]
    if homes:
        where = ", ".join(sorted(other for other, names in PATHS.items() if name in names)[:3])
        message = f"{message}; it is in {where}"
    raise AttributeError(message)


@cache
def _show_as_pendulum() -> None:
    import_module("airflow._pendulum").install()


class _TableLoader:
    """Fills a module with nothing but the means to look its names up."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:  # noqa: ARG002  importlib's form
        """Leave it to Python to make the module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Let the module look up its names when they are asked for."""
        path = module.__name__
        names = sorted(PATHS[path])
        module.__doc__ = f"Airflow's `{path}`, by way of Gale."
        vars(module).update(
            __all__=names,
            __getattr__=lambda name: look_up(path, name),
            __dir__=lambda: [*names, "__doc__", "__name__"],
        )


class _TableFinder:
    """Finds the modules of the table. Stands last, so that real files go first."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  importlib's form
        target: ModuleType | None = None,  # noqa: ARG002  importlib's form
    ) -> ModuleSpec | None:
        """Return the spec of a module of the table, None for what is not Airflow's.

        Raises:
            ModuleNotFoundError: The module is one of Airflow's that has no counterpart in Gale.
        """
        if not fullname.startswith("airflow."):
            return None
        if fullname not in PATHS:
            message = (
                f"Gale has no counterpart of Airflow's module {fullname!r}. "
                "Use what `gale` itself offers, or write the operator as a Python function with @task."
            )
            raise ModuleNotFoundError(message, name=fullname)
        is_package = any(other.startswith(f"{fullname}.") for other in PATHS)
        loader: Any = _TableLoader()
        return ModuleSpec(fullname, loader, origin="gale", is_package=is_package)


def install() -> None:
    """Let Python find the modules of the table."""
    if not any(isinstance(finder, _TableFinder) for finder in sys.meta_path):
        sys.meta_path.append(_TableFinder())
