"""`gale worker`: what it refuses, and in which words."""

import pytest
from click.testing import CliRunner

from gale.errors import ConfigError
from gale_worker import cli


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests run as root on some machines and as somebody else on others.
    monkeypatch.setattr(cli.os, "geteuid", lambda: 0)


@pytest.mark.usefixtures("as_root")
def test_root_is_refused_with_a_reason_and_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("C_FORCE_ROOT", raising=False)
    with pytest.raises(ConfigError, match=r"(?s)every task of every DAG.*--allow-root.*C_FORCE_ROOT"):
        CliRunner().invoke(cli.worker, [], catch_exceptions=False)


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(("allowed", "variable"), [(True, ""), (False, "1"), (False, "true")])
def test_root_may_if_the_option_or_celerys_variable_says_so(
    monkeypatch: pytest.MonkeyPatch, allowed: bool, variable: str
) -> None:
    monkeypatch.setenv("C_FORCE_ROOT", variable)
    cli._refuse_root(allowed=allowed)


def test_to_go_into_the_background_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(ConfigError, match="systemd"):
        CliRunner().invoke(cli.worker, ["-D"], catch_exceptions=False)


def test_airflows_spellings_of_the_options_are_understood() -> None:
    spelt = ["-q", "a,b", "-c", "3", "-cn", "w1@%h", "--without-mingle", "--without-gossip", "-s", "--help"]
    assert CliRunner().invoke(cli.worker, spelt).exit_code == 0
