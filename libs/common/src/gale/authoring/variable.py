"""Variables: named texts that all DAGs share."""

import json
from typing import Any, Final

from gale.authoring import masking, services
from gale.authoring.exceptions import VariableMissing

_ABSENT: Final = object()


class Variable:
    """Read and write variables by key.

    The environment (`GALE_VAR_X`, `AIRFLOW_VAR_X`) answers before Gale's store does.
    """

    @classmethod
    def get(
        cls, key: str, default_var: Any = _ABSENT, deserialize_json: bool = False, *, default: Any = _ABSENT
    ) -> Any:
        """Return the variable's value.

        Args:
            key: Its name.
            default_var: What to return if there is none (`default` is Airflow 3's name of it).
            deserialize_json: Whether the text is JSON.
            default: See `default_var`.

        Raises:
            VariableMissing: There is none and no default was given.
        """
        text = services.from_environment("VAR", key)
        if text is None:
            source = services.current()
            text = source.get_variable(key) if source else None
        if text is None:
            fallback = default_var if default is _ABSENT else default
            if fallback is _ABSENT:
                raise VariableMissing(
                    f"There is no variable {key!r}. Set it with `gale variables set {key} VALUE`, in the web page "
                    f"under Variables, as the environment variable GALE_VAR_{key.upper()}, or give a default."
                )
            return fallback
        value = json.loads(text) if deserialize_json else text
        if masking.is_telling(key):
            masking.mask_secret(value)
        elif deserialize_json:
            masking.add_from(value, key)
        return value

    @classmethod
    def set(cls, key: str, value: Any, description: str | None = None, serialize_json: bool = False) -> None:
        """Create or replace a variable."""
        text = json.dumps(value, indent=2) if serialize_json else str(value)
        services.required(f"Setting the variable {key!r}").set_variable(key, text, description)

    @classmethod
    def setdefault(cls, key: str, default: Any, description: str | None = None, deserialize_json: bool = False) -> Any:
        """Return the variable's value; if there is none, set it to `default` first."""
        value = cls.get(key, default_var=None, deserialize_json=deserialize_json)
        if value is None:
            cls.set(key, default, description, serialize_json=deserialize_json)
            return default
        return value

    @classmethod
    def update(cls, key: str, value: Any, serialize_json: bool = False) -> None:
        """Replace a variable that is there.

        Raises:
            VariableMissing: There is none.
        """
        cls.get(key)
        cls.set(key, value, serialize_json=serialize_json)

    @classmethod
    def delete(cls, key: str) -> bool:
        """Delete a variable; False if there was none."""
        return services.required(f"Deleting the variable {key!r}").delete_variable(key)
