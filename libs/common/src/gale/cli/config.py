"""`gale config`: what is set, where it comes from, and what is wrong with it."""

import click

from gale.cli.output import output_option, show_rows
from gale.cli.root import LazyGroup
from gale.cli.session import Session, pass_session
from gale.errors import ConfigError, NotFound


@click.group(cls=LazyGroup)
def config() -> None:
    """Show and check the settings."""


def _shown(value: str, *, secret: bool, show_secrets: bool) -> str:
    from gale.secrets import MASK

    return MASK if secret and value and not show_secrets else value


@config.command("list")
@click.option("--section", help="Only this section.")
@click.option("--changed", is_flag=True, help="Only what is not the default.")
@click.option("--show-secrets", is_flag=True, help="Show secrets too.")
@click.option("--include-descriptions", is_flag=True, help="Show what each setting is for.")
@output_option
@pass_session
def list_(
    session: Session,
    output: str,
    section: str | None,
    *,
    changed: bool,
    show_secrets: bool,
    include_descriptions: bool,
) -> None:
    """List the settings, their values and where each comes from."""
    rows = []
    for setting in session.settings.explain():
        if section not in {None, setting.section} or (changed and setting.source == "default"):
            continue
        row = {
            "section": setting.section,
            "key": setting.key,
            "value": _shown(setting.value, secret=setting.secret, show_secrets=show_secrets),
            "default": setting.default,
            "source": setting.source,
        }
        rows.append({**row, "about": setting.about} if include_descriptions else row)
    if section is not None and not rows and not changed:
        known = sorted({setting.section for setting in session.settings.explain()})
        raise NotFound(f"There is no section [{section}]. There are: {', '.join(known)}.")
    show_rows(rows, output)


@config.command("get-value")
@click.argument("section")
@click.argument("option")
@pass_session
def get_value(session: Session, section: str, option: str) -> None:
    """Print the value of a setting; older names work too."""
    from gale.settings.names import RENAMED
    from gale.settings.reading import nearest

    name = RENAMED.get((section, option), (section, option))
    for setting in session.settings.explain():
        if (setting.section, setting.key) == name:
            click.echo(setting.value)
            return
    near = nearest((section, option))
    hint = f"Did you mean {near}?" if near else "`gale config list` shows all."
    raise NotFound(f"There is no setting [{section}] {option}. {hint}")


@config.command()
@output_option
def lint(output: str) -> None:
    """Check gale.cfg, airflow.cfg and the environment; exit with 2 if a start would be refused."""
    from gale.settings import inspect

    reading = inspect()
    rows = [
        {"severity": severity, "finding": finding}
        for severity, findings in (
            ("error", reading.problems),
            ("note", reading.notes),
            ("ignored", reading.ignored),
        )
        for finding in findings
    ]
    if rows or output != "table":
        show_rows(rows, output)
    else:
        click.echo("All settings are well.")
    if reading.problems:
        raise ConfigError(f"A start would be refused because of {len(reading.problems)} of these settings.")
