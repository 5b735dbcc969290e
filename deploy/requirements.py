"""Print what parts of Gale need of other projects, for a layer of an image that only a new dependency changes.

python deploy/requirements.py libs/common[mysql] services/scheduler
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path


def requirements(part: str) -> Iterator[str]:
    """Yield the dependencies of a part, written `FOLDER` or `FOLDER[EXTRA,…]`, without those that are parts too."""
    folder, _, extras = part.removesuffix("]").partition("[")
    project = tomllib.loads(Path(folder, "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project.get("optional-dependencies", {})
    wanted = [
        *project.get("dependencies", []),
        *(line for extra in extras.split(",") if extra for line in optional[extra]),
    ]
    yield from (line for line in wanted if not re.match(r"gale\b", line))


if __name__ == "__main__":
    found = {line for part in sys.argv[1:] for line in requirements(part)}
    sys.stdout.write("".join(f"{line}\n" for line in sorted(found)))
