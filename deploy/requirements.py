"""Print what parts of Gale need of other projects, for a layer of an image that only a new dependency changes.

    python deploy/requirements.py libs/common[mysql] services/scheduler

A part that another one needs (`gale-common[celery]`) is followed if its folder is named too.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Projects = dict[str, dict[str, Any]]


def needs(projects: Projects, name: str, extras: str) -> Iterator[str]:
    """Yield what a part needs with these extras, which are separated by commas."""
    project = projects[name]
    optional = project.get("optional-dependencies", {})
    lines = [
        *project.get("dependencies", []),
        *(line for extra in extras.split(",") if extra for line in optional[extra]),
    ]
    for line in lines:
        if ours := re.fullmatch(r"(gale-[a-z-]+)(?:\[(.*)\])?", line):
            if ours[2]:
                yield from needs(projects, ours[1], ours[2])
        else:
            yield line


def main(parts: list[str]) -> None:
    """Print the requirements of parts, each written `FOLDER` or `FOLDER[EXTRA,…]`."""
    projects: Projects = {}
    wanted = {}
    for part in parts:
        folder, _, extras = part.removesuffix("]").partition("[")
        project = tomllib.loads(Path(folder, "pyproject.toml").read_text(encoding="utf-8"))["project"]
        projects[project["name"]] = project
        wanted[project["name"]] = extras
    found = {line for name, extras in wanted.items() for line in needs(projects, name, extras)}
    sys.stdout.write("".join(f"{line}\n" for line in sorted(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
