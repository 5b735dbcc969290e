"""Params: named values of a DAG or task that a user may change for one run.

A `Param` is a default with a JSON Schema. Values are checked when a task's context is made
and when a run is triggered; jsonschema is imported only then, and only if there is a schema.
"""

from __future__ import annotations

import json
from collections.abc import ItemsView, Iterator, Mapping, MutableMapping
from typing import Any, Final

from gale.authoring.exceptions import InvalidParams
from gale.errors import DagDefinitionError


class _NotSet:
    """The type of "no default": the user must give a value."""

    def __repr__(self) -> str:
        return "NOTSET"


NOTSET: Final = _NotSet()
#: Keys of a serialized param.
SerializedParam = Mapping[str, Any]


class Param:
    """A param's default, description and JSON Schema.

    >>> Param(3, type="integer", minimum=1).resolve(5)
    5
    """

    def __init__(self, default: Any = NOTSET, description: str | None = None, **kwargs: Any) -> None:
        self.value = default
        self.description = description
        self.schema: dict[str, Any] = kwargs.pop("schema", None) or kwargs
        self.source = None

    @property
    def has_value(self) -> bool:
        """Whether there is a default that is not None."""
        return self.value is not NOTSET and self.value is not None

    def resolve(self, value: Any = NOTSET, *, name: str = "param") -> Any:
        """Return `value`, or the default if none is given, checked against the schema.

        Raises:
            InvalidParams: There is neither, or it breaks the schema.
        """
        final = self.value if value is NOTSET else value
        if final is NOTSET:
            raise InvalidParams(f"The param {name!r} has no default and no value was given. Give it in the run's conf.")
        check(name, final, self.schema)
        return final

    def dump(self) -> dict[str, Any]:
        """Return the param as the plain data that a DagSpec carries."""
        value = None if self.value is NOTSET else self.value
        dumped = {"value": value, "description": self.description, "schema": self.schema}
        if self.value is NOTSET:
            dumped["required"] = True
        return dumped


class ParamsDict(MutableMapping[str, Any]):
    """Params by name. Looking one up gives its value, not the `Param`."""

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        self._params: dict[str, Param] = {}
        for name, value in (params or {}).items():
            self[name] = value

    def __getitem__(self, key: str) -> Any:
        value = self._params[key].value
        return None if value is NOTSET else value

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, Param):
            self._params[key] = value
        elif key in self._params:
            known = self._params[key]
            self._params[key] = Param(value, known.description, schema=known.schema)
        else:
            self._params[key] = Param(value)

    def __delitem__(self, key: str) -> None:
        del self._params[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __repr__(self) -> str:
        return repr(dict(self))

    def params(self) -> ItemsView[str, Param]:
        """Return names and `Param` objects."""
        return self._params.items()

    def get_param(self, key: str) -> Param:
        """Return the `Param` of that name."""
        return self._params[key]

    def merged(self, other: ParamsDict) -> ParamsDict:
        """Return these params with those of `other` over them."""
        both = ParamsDict()
        both._params = {**self._params, **other._params}
        return both

    def resolved(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Return the final values, overridden by name and checked.

        Raises:
            InvalidParams: One breaks its schema.
        """
        return {name: param.resolve(overrides.get(name, NOTSET), name=name) for name, param in self._params.items()}

    def dump(self) -> dict[str, dict[str, Any]]:
        """Return all params as plain data.

        Raises:
            DagDefinitionError: A default is nothing that JSON can hold.
        """
        dumped = {name: param.dump() for name, param in self._params.items()}
        for name, param in dumped.items():
            try:
                json.dumps(param, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise DagDefinitionError(
                    f"The param {name!r} cannot be shown to users or checked: {error}. "
                    "Defaults and schemas of params must be JSON: text, numbers, booleans, None, lists, dicts."
                ) from error
        return dumped


class DagParam:
    """A param of the run, to be given to tasks while the DAG is being built (what `@dag` functions get)."""

    def __init__(self, name: str) -> None:
        self.name = name

    def resolve(self, context: Mapping[str, Any]) -> Any:
        """Return the value, inside a running task."""
        return context["params"][self.name]

    def __str__(self) -> str:
        """Return the template of the value, for use inside a longer text."""
        return f"{{{{ params.{self.name} }}}}"


def check(name: str, value: Any, schema: Mapping[str, Any]) -> None:
    """Check one value against a JSON Schema.

    Raises:
        InvalidParams: It does not fit; the message says where and why.
    """
    rules = {key: rule for key, rule in schema.items() if key not in {"section", "values_display", "custom_html_form"}}
    if not rules:
        return
    # 40 ms of import that no task without schemas shall pay.
    from jsonschema import FormatChecker, ValidationError, validate  # noqa: PLC0415

    try:
        validate(value, rules, format_checker=FormatChecker())
    except ValidationError as error:
        raise InvalidParams(
            f"The param {name!r} was given {value!r}, which its schema refuses: {error.message}. "
            "Correct the run's conf."
        ) from error


def validate_conf(params: Mapping[str, SerializedParam], conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return the final params of a run, from the params of a DagSpec and the conf that a user gave.

    Keys of `conf` that are no params are left alone: conf may hold anything.

    Raises:
        InvalidParams: A value breaks its schema, or one without default is missing.
    """
    final: dict[str, Any] = {}
    for name, param in params.items():
        if name in conf:
            final[name] = conf[name]
        elif param.get("required"):
            raise InvalidParams(f"The param {name!r} has no default and no value was given. Give it in the run's conf.")
        else:
            final[name] = param.get("value")
        check(name, final[name], param.get("schema") or {})
    return final
