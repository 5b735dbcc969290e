"""What `docker compose up` reads hangs together: variables, images, ports. Needs no Docker."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from source import ROOT

COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
ENV = (ROOT / ".env.example").read_text(encoding="utf-8")
DOCKERFILES = sorted(ROOT.glob("services/*/Dockerfile"))


def stages(path: Path) -> Iterator[str]:
    """Yield the stages of a Dockerfile."""
    yield from re.split(r"^(?=FROM )", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]


def test_every_variable_of_the_compose_file_stands_in_the_example_with_the_same_default() -> None:
    used = set(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE))
    assert used == set(re.findall(r"^(\w+)=(.*)$", ENV, flags=re.MULTILINE))
    assert set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE)) == {name for name, _ in used}


def test_every_variable_of_the_example_is_explained() -> None:
    blocks = ENV.split("\n\n")
    assert [block for block in blocks if re.search(r"^\w+=", block, flags=re.MULTILINE) and "#" not in block] == []


def test_services_can_be_scaled_because_nothing_of_theirs_can_be_there_once_only() -> None:
    assert "container_name" not in COMPOSE
    assert re.findall(r"ports: \[.*:(\d+)\"\]", COMPOSE) == ["8080", "5555"]


def test_every_service_of_ours_has_its_image() -> None:
    named = set(re.findall(r"dockerfile: (services/[\w-]+/Dockerfile)", COMPOSE))
    assert named == {path.relative_to(ROOT).as_posix() for path in DOCKERFILES}


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_ends_as_the_user_of_all_images(path: Path) -> None:
    """All of them write into the same volumes; and stages that are the same are built once."""
    first, *_ = DOCKERFILES
    mine, theirs = ([stage for stage in stages(each) if "node:" not in stage] for each in (path, first))
    common = ("FROM python:3.13-slim-trixie AS tools", "ENV GALE_HOME", "USER 50000:50000", "RUN python -m compileall")
    for start in common:
        assert [line for stage in mine for line in stage.splitlines() if line.startswith(start)]
    until_own = [stage.split("COPY --from=dependencies")[0] for stage in (mine[-1], theirs[-1])]
    assert until_own[0] == until_own[1]
    assert mine[0] == theirs[0]
