"""The command `gale webserver`. What is heavy is imported when the command runs, not when its help is shown."""

import sys
from dataclasses import replace
from typing import Any

import click


@click.command("webserver")
@click.option("-p", "--port", type=click.IntRange(0, 65535), help="Port to listen on (default: web_server_port, 8080).")
@click.option("-H", "--hostname", help="Address to listen on (default: web_server_host, 127.0.0.1).")
@click.option("-w", "--workers", type=click.IntRange(1, 64), help="Processes (default: workers, 1).")
@click.option(
    "-t",
    "--worker-timeout",
    "--worker_timeout",
    type=click.IntRange(1),
    help="Seconds until a hung one is replaced.",
)
@click.option("--threads", type=click.IntRange(1, 256), help="Requests that a process handles at once (default: 8).")
@click.option("-A", "--access-logfile", "--access_logfile", help="File for a line per request; - is standard error.")
@click.option("--ssl-cert", "--ssl_cert", help="Path of a TLS certificate.")
@click.option("--ssl-key", "--ssl_key", help="Path of the certificate's key.")
@click.option("--pid", help="File to write the process id to.")
def webserver(**given: Any) -> None:
    """Serve the page and the REST API."""
    from gale.service import run_service  # noqa: PLC0415 - see the first line of this file
    from gale.settings import Settings  # noqa: PLC0415

    settings = _with_options(Settings.load(), given)
    sys.exit(run_service("webserver", settings, lambda: _serve(settings, given)))


def _with_options(settings: Any, given: dict[str, Any]) -> Any:
    names = {
        "port": "web_server_port",
        "hostname": "web_server_host",
        "workers": "workers",
        "threads": "threads",
        "worker_timeout": "web_server_worker_timeout",
        "ssl_cert": "web_server_ssl_cert",
        "ssl_key": "web_server_ssl_key",
    }
    changes = {ours: given[option] for option, ours in names.items() if given[option] is not None}
    return replace(settings, webserver=replace(settings.webserver, **changes))


def _serve(settings: Any, given: dict[str, Any]) -> str:
    import structlog  # noqa: PLC0415

    from gale.access.tokens import check_settings  # noqa: PLC0415
    from gale.clock import SystemClock  # noqa: PLC0415
    from gale.db.engine import open_engine  # noqa: PLC0415
    from gale.db.waiting import wait_for_database  # noqa: PLC0415
    from gale.serving import Address, listen, options_of, serve  # noqa: PLC0415
    from gale_webserver.app import create_app  # noqa: PLC0415

    check_settings(settings)
    if not settings.webserver.authenticate:
        structlog.get_logger().warning(
            "webserver.always_authenticates",
            setting="[webserver] authenticate = False",
            note="Gale asks for a login all the same: whoever reaches the page can make this machine run commands",
        )
    url = settings.database.sql_alchemy_conn
    engine = open_engine(url, must_exist=True)
    wait_for_database(engine)
    engine.dispose()
    web = settings.webserver
    listening = listen(
        Address(
            host=web.web_server_host,
            port=web.web_server_port,
            host_setting="[webserver] web_server_host",
            command="gale webserver -p",
        )
    )
    port = listening.getsockname()[1]
    scheme = "https" if web.web_server_ssl_cert else "http"

    def ready() -> None:
        structlog.get_logger().info("webserver.ready", url=f"{scheme}://{web.web_server_host}:{port}")

    def make_app() -> Any:
        return create_app(settings, open_engine(url, pool_size=web.threads, must_exist=True), SystemClock())

    options = options_of(settings) | {"workers": web.workers, "proc_name": "gale-webserver"}
    return serve(make_app, listening, options | {"accesslog": given["access_logfile"], "pidfile": given["pid"]}, ready)
