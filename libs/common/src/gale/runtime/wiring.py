"""Makes the runtime's parts from settings, the same for every service that runs tasks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Engine

from gale.clock import Clock
from gale.core.attempt import AttemptOrder
from gale.db.task_services import DbTaskServices
from gale.runtime.client import ClientOptions, ZygoteClient
from gale.runtime.log_store import LogStore, open_store
from gale.runtime.messages import Surroundings
from gale.runtime.supervisor import Supervisor
from gale.secrets import FernetBox
from gale.settings import Settings

#: What a service that ends gives the store to take its last logs.
LAST_COPIES_SECONDS: Final = 10.0


def client_options(settings: Settings) -> ClientOptions:
    """Return what of the settings user code sees, and the limits of reading its files."""
    return ClientOptions(
        import_seconds=settings.core.dagbag_import_timeout,
        surroundings=Surroundings(
            dags_folder=str(settings.core.dags_folder),
            default_timezone=settings.core.default_timezone,
            catchup_by_default=settings.scheduler.catchup_by_default,
            default_task_retries=settings.core.default_task_retries,
            default_owner=settings.operators.default_owner,
            default_queue=settings.operators.default_queue,
            logging_level=settings.logging.logging_level,
            mail_settings=asdict(settings.smtp) if settings.smtp.smtp_host else None,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorEdges:
    """What a supervisor works with."""

    zygote: ZygoteClient
    engine: Engine
    clock: Clock
    #: Where complete logs are copied to.
    store: LogStore | None = None


def make_supervisor(settings: Settings, edges: SupervisorEdges) -> Supervisor:
    """Return what runs attempts, answers them from the database, and has their logs copied."""
    box = FernetBox(settings.core.fernet_key)

    def services_for(order: AttemptOrder) -> DbTaskServices:
        return DbTaskServices(edges.engine, box, edges.clock, order)

    supervisor = Supervisor(
        edges.zygote,
        services_for,
        edges.clock,
        settings.logging.base_log_folder,
        settings.core.killed_task_cleanup_time,
    )
    if edges.store is not None:
        supervisor.on_log_complete = edges.store.put
    return supervisor


@contextmanager
def log_store(settings: Settings) -> Iterator[LogStore | None]:
    """Give the store of complete logs, if there is to be one; at the end, copy what still waits.

    Raises:
        ConfigError: The settings name none that can be used.
    """
    store = open_store(settings)
    if store is None:
        yield None
        return
    store.start()
    try:
        yield store
    finally:
        store.close(LAST_COPIES_SECONDS)
