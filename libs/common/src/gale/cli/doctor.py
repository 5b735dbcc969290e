"""`gale doctor`: looks at everything that Gale stands on."""

from typing import Final

import click

from gale.cli.output import output_option, show_rows
from gale.cli.session import Session, pass_session

NAMES: Final = ("settings", "database", "broker", "dags", "logs")
_COLOURS: Final = {"ok": "green", "warning": "yellow", "failed": "red"}


def _parts(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    del context, parameter
    wanted = tuple(word for word in value.replace(",", " ").split() if word)
    if unknown := [word for word in wanted if word not in NAMES]:
        raise click.BadParameter(f"there is no part {unknown[0]!r}; there are {', '.join(NAMES)}")
    return wanted


@click.command()
@click.option("--only", default="", callback=_parts, help=f"Only these parts: {','.join(NAMES)}.")
@output_option
@pass_session
@click.pass_context
def doctor(context: click.Context, session: Session, only: tuple[str, ...], output: str) -> None:
    """Check settings, database, broker, DAG folder and log stores; say what to do.

    Exits with 1 if a check failed; warnings do not count. For a container's health check:
    gale doctor --only database,broker
    """
    from gale.doctor.examine import examine, is_well

    findings = examine(session.settings, session.clock, only)
    if output == "table":
        for finding in findings:
            verdict = click.style(f"{finding.verdict:<8}", fg=_COLOURS[finding.verdict])
            click.echo(f"{verdict} {f'{finding.part} {finding.check}':<26} {finding.sentence}")
            if finding.advice:
                click.echo(f"{'':<35} → {finding.advice}")
    else:
        columns = ("part", "check", "verdict", "sentence", "advice")
        show_rows([{name: getattr(finding, name) for name in columns} for finding in findings], output)
    context.exit(0 if is_well(findings) else 1)
