"""What Flower needs to know of the broker, from the settings."""

from urllib.parse import unquote, urlsplit

from gale.broker.app import broker_ssl, broker_url
from gale.errors import ConfigError
from gale.settings import Settings
from gale_flower_proxy.child import FlowerSettings


def prefix_of(settings: Settings) -> str:
    """Return the path under which Flower is served, as `/flower`, or nothing.

    Raises:
        ConfigError: It is no path.
    """
    parts = [part for part in settings.celery.flower_url_prefix.split("/") if part]
    if not all(part.replace("-", "").replace("_", "").replace(".", "").isalnum() and part.isascii() for part in parts):
        raise ConfigError(
            f"[celery] flower_url_prefix is {settings.celery.flower_url_prefix!r}, which cannot be part of an address. "
            "Use letters, digits, dashes and slashes, such as flower."
        )
    return "".join(f"/{part}" for part in parts)


def flower_settings(settings: Settings) -> FlowerSettings:
    """Return what Flower is told.

    Raises:
        ConfigError: There is no broker, or the prefix is no path.
    """
    celery = settings.celery
    if not celery.broker_url:
        raise ConfigError(
            "[celery] broker_url is empty, so there is nothing for Flower to watch. Set it to the broker of the "
            "workers, for instance amqp://USER:PASSWORD@HOST:5672/VHOST."
        )
    return FlowerSettings(
        celery={
            "broker_url": broker_url(settings),
            "broker_use_ssl": broker_ssl(settings),
            "broker_connection_timeout": 5,
            # A page that asks workers gives up soon; see `PatientCelery` for what does not.
            "broker_transport_options": {"max_retries": 1, "interval_start": 0, "interval_step": 1, "interval_max": 5},
            "broker_connection_retry_on_startup": True,
            "task_default_queue": settings.operators.default_queue,
            "accept_content": ["json"],
        },
        prefix=prefix_of(settings),
        hidden=_passwords(celery.broker_url),
    )


def _passwords(urls: str) -> tuple[str, ...]:
    found = set()
    for url in urls.split(";"):
        try:
            password = urlsplit(url).password or ""
        except ValueError:
            continue
        found |= {password, unquote(password)}
    return tuple(sorted(found - {""}, key=len, reverse=True))
