"""The command `gale flower`. What is heavy is imported when the command runs, not when its help is shown."""

import sys
from dataclasses import replace
from typing import Any

import click


@click.command("flower")
@click.option("-p", "--port", type=click.IntRange(0, 65535), help="Port to listen on (default: flower_port, 5555).")
@click.option(
    "-H", "-hn", "--hostname", help="Address to listen on (default: flower_host, 0.0.0.0: other machines reach it)."
)
@click.option("-u", "--url-prefix", "--url_prefix", help="Path under which Flower is served (default: none).")
@click.option("--pid", help="File to write the process id to.")
@click.option("-A", "--access-logfile", "--access_logfile", help="File for a line per request; - is standard error.")
def flower(**given: Any) -> None:
    """Serve Flower, the monitor of the cluster, behind Gale's login."""
    from gale.service import run_service  # noqa: PLC0415 - see the first line of this file
    from gale.settings import Settings  # noqa: PLC0415

    settings = Settings.load()
    names = {"port": "flower_port", "hostname": "flower_host", "url_prefix": "flower_url_prefix"}
    changes = {ours: given[option] for option, ours in names.items() if given[option] is not None}
    settings = replace(settings, celery=replace(settings.celery, **changes))
    sys.exit(run_service("flower", settings, lambda: _serve(settings, given)))


def _serve(settings: Any, given: dict[str, Any]) -> str:
    from gale_flower_proxy.service import serve_flower  # noqa: PLC0415

    return serve_flower(settings, {"accesslog": given["access_logfile"], "pidfile": given["pid"]})
