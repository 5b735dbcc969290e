"""The service: the socket, one process of gunicorn with threads, and Flower as its child."""

from typing import Any, Final

import structlog
from flask import Flask

from gale import telemetry
from gale.access.tokens import check_settings
from gale.clock import SystemClock
from gale.db.engine import open_engine
from gale.db.waiting import wait_for_database
from gale.serving import Address, listen, options_of, serve
from gale.settings import Settings
from gale_flower_proxy.app import create_app
from gale_flower_proxy.broker import flower_settings
from gale_flower_proxy.child import FlowerChild

_BASIC_AUTH: Final = (
    "[celery] flower_basic_auth has no effect: people sign in to Flower as Gale's users, who have roles. "
    "`gale users create` makes one."
)


def serve_flower(settings: Settings, options: dict[str, Any]) -> str:
    """Serve until a signal comes; return the reason of the end.

    Args:
        settings: All settings.
        options: Further ones of gunicorn.

    Raises:
        ConfigError: A setting is missing or would leave the door open.
        StoreError: The database cannot be used.
    """
    check_settings(settings)
    told = flower_settings(settings)
    log = structlog.get_logger()
    if settings.celery.flower_basic_auth:
        log.warning(telemetry.SETTING_NOTE, note=_BASIC_AUTH)
    url = settings.database.sql_alchemy_conn
    engine = open_engine(url, must_exist=True)
    wait_for_database(engine)
    engine.dispose()
    celery = settings.celery
    address = Address(
        host=celery.flower_host,
        port=celery.flower_port,
        host_setting="[celery] flower_host",
        command="gale flower -p",
    )
    listening = listen(address)
    port = listening.getsockname()[1]
    scheme = "https" if settings.webserver.web_server_ssl_cert else "http"
    clock = SystemClock()
    flower = FlowerChild(told, clock)

    def make_app() -> Flask:
        # In gunicorn's worker process, of which there is one: its mother collects every child that ends.
        app = create_app(
            settings, open_engine(url, pool_size=settings.webserver.threads, must_exist=True), clock, flower
        )
        flower.start()
        return app

    def ready() -> None:
        log.info(telemetry.FLOWER_READY, url=f"{scheme}://{celery.flower_host}:{port}{told.prefix}/")

    def end(_arbiter: Any, _worker: Any) -> None:
        flower.stop()

    options = {**options_of(settings), "workers": 1, "proc_name": "gale-flower-proxy", "worker_exit": end, **options}
    return serve(make_app, listening, options, ready)
