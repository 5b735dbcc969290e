"""The Celery application: all of its configuration, in one place.

Celery carries commands to workers and shows them in Flower. It decides nothing: it keeps no result that
anything reads, retries nothing, holds nothing back for later. All of that is in the rows.
"""

import ssl
from typing import Any, Final

from celery import Celery

from gale.broker.link import CONNECT_SECONDS, HEARTBEAT_SECONDS, SOCKET_SECONDS, Address
from gale.errors import ConfigError
from gale.settings import Settings

_AMQP: Final = ("amqp://", "amqps://", "pyamqp://")
_SQL: Final = "sqla+"
_EXAMPLE: Final = "amqp://USER:PASSWORD@HOST:5672/VHOST"


def make_app(settings: Settings) -> Celery:
    """Return the Celery application of these settings. Nothing is connected yet.

    Raises:
        ConfigError: `[celery] broker_url` is missing or of an unknown kind.
    """
    url = broker_url(settings)
    backend = _backend(settings)
    app = Celery(settings.celery.celery_app_name, set_as_current=False, fixups=[])
    app.conf.update(
        broker_url=url,
        broker_use_ssl=broker_ssl(settings),
        # No `confirm_publish` here: with it each event for Flower would wait for a round trip. Commands are
        # sent by `gale.broker.publisher`, which confirms them.
        broker_transport_options={} if url.startswith(_SQL) else {"write_timeout": SOCKET_SECONDS},
        broker_heartbeat=0 if url.startswith(_SQL) else HEARTBEAT_SECONDS,
        broker_connection_timeout=CONNECT_SECONDS,
        # A broker that is away comes back some day; giving up after 100 tries would leave a deaf worker.
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        result_backend=backend or None,
        task_ignore_result=not backend,
        # Pickle would run whatever somebody puts into a queue.
        accept_content=["json"],
        result_accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        event_serializer="json",
        task_protocol=2,
        task_default_queue=settings.operators.default_queue,
        task_create_missing_queues=True,
        task_publish_retry=False,
        task_acks_late=False,
        task_track_started=False,
        task_store_errors_even_if_ignored=bool(backend),
        worker_concurrency=settings.celery.worker_concurrency,
        worker_prefetch_multiplier=settings.celery.worker_prefetch_multiplier,
        worker_enable_remote_control=settings.celery.worker_enable_remote_control and not url.startswith(_SQL),
        worker_send_task_events=not url.startswith(_SQL),
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        enable_utc=True,
        timezone="UTC",
    )
    return app


def broker_url(settings: Settings) -> str:
    """Return `[celery] broker_url`, if it is one that Gale can use.

    Raises:
        ConfigError: It is missing or of an unknown kind.
    """
    url = settings.celery.broker_url.strip()
    if not url:
        raise ConfigError(f"[core] executor is CeleryExecutor, but [celery] broker_url is empty. Set it to {_EXAMPLE}.")
    if url.startswith((*_AMQP, f"{_SQL}mysql", f"{_SQL}mariadb")):
        return url
    kind = url.partition(":")[0][:20]
    raise ConfigError(
        f"[celery] broker_url is of the kind {kind!r}, which Gale does not know. Use RabbitMQ, {_EXAMPLE}, "
        "or, for a trial, the database: sqla+mysql://USER:PASSWORD@HOST:3306/NAME."
    )


def broker_ssl(settings: Settings) -> Any:
    """Return what Celery calls `broker_use_ssl`: False, or how to encrypt."""
    celery = settings.celery
    # Without options kombu would encrypt for amqps://, but take any certificate.
    if not celery.ssl_active and not celery.broker_url.strip().startswith("amqps://"):
        return False
    files = {"keyfile": celery.ssl_key, "certfile": celery.ssl_cert, "ca_certs": celery.ssl_cacert}
    # The name in the certificate must be the host that is connected to.
    return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None, **{k: path for k, path in files.items() if path}}


def broker_address(settings: Settings) -> Address:
    """Return where the broker is.

    Raises:
        ConfigError: `[celery] broker_url` is missing or of an unknown kind.
    """
    return Address(url=broker_url(settings), ssl=broker_ssl(settings))


def address_of(app: Celery) -> Address:
    """Return where the broker of an application is."""
    return Address(url=str(app.conf.broker_url), ssl=app.conf.broker_use_ssl or False)


def broker_notes(settings: Settings) -> list[str]:
    """Return what whoever chose these settings should know: one line each, for the log of a start."""
    notes = []
    if settings.celery.broker_url.strip().startswith(_SQL):
        notes.append(
            "[celery] broker_url is a database: workers ask it for commands every second, Flower and remote control "
            "do not work, ends of tasks are noticed up to a second late, and a command that is lost there is sent "
            "again only after [scheduler] task_queued_timeout. For more than a trial use RabbitMQ."
        )
    if settings.celery.result_backend.strip().startswith(_AMQP):
        notes.append(
            "[celery] result_backend is amqp://, which Celery 5 no longer has: rpc:// is used instead. "
            "No decision of Gale reads results; leave the setting empty, or use db+mysql:// to keep them."
        )
    return notes


def _backend(settings: Settings) -> str:
    """Return Celery's result backend; its old amqp:// has become rpc://."""
    backend = settings.celery.result_backend.strip()
    return "rpc://" if backend.startswith(_AMQP) else backend
