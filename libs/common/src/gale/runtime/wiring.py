"""Makes the runtime's parts from settings, the same for every service that runs tasks."""

from dataclasses import asdict

from sqlalchemy import Engine

from gale.clock import Clock
from gale.core.attempt import AttemptOrder
from gale.db.task_services import DbTaskServices
from gale.runtime.client import ClientOptions, ZygoteClient
from gale.runtime.messages import Surroundings
from gale.runtime.supervisor import Supervisor
from gale.secrets import FernetBox
from gale.settings import Settings


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


def make_supervisor(settings: Settings, zygote: ZygoteClient, engine: Engine, clock: Clock) -> Supervisor:
    """Return what runs attempts, and answers them from this database."""
    box = FernetBox(settings.core.fernet_key)

    def services_for(order: AttemptOrder) -> DbTaskServices:
        return DbTaskServices(engine, box, clock, order)

    return Supervisor(
        zygote, services_for, clock, settings.logging.base_log_folder, settings.core.killed_task_cleanup_time
    )
