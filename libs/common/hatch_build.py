"""Put the examples into the wheel, as `gale/example_dags`.

Not into an editable install: from a source tree they are read where they are, so that a change
of one is seen at once.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ExamplesHook(BuildHookInterface[Any]):
    """Hatch calls this before it collects the files of the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the examples to a wheel that is to be given away."""
        examples = Path(self.root).parents[1] / "examples"
        if version == "standard" and examples.is_dir():
            build_data["force_include"][str(examples)] = "gale/example_dags"
