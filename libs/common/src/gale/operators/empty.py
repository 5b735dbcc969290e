"""An operator that does nothing: for arrows to meet at."""

from collections.abc import Mapping
from typing import Any, ClassVar

from gale.authoring.operator import BaseOperator


class EmptyOperator(BaseOperator):
    """Do nothing, successfully."""

    ui_color = "#e8f7e4"
    inherits_from_empty_operator: ClassVar[bool] = True

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Do nothing."""


class DummyOperator(EmptyOperator):
    """EmptyOperator under the name that Airflow 1.x gave it."""
