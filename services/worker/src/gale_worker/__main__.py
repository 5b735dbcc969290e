"""Wires the worker: settings, database, broker, clock, zygote, threads, Celery. Nothing else."""

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import structlog
from celery.utils.nodenames import host_format

from gale import telemetry
from gale.broker.app import broker_address, broker_notes, make_app
from gale.broker.bus import Bus
from gale.clock import SystemClock
from gale.db.engine import open_engine
from gale.db.file_versions import FileVersions
from gale.db.lease import LOCK_SECONDS, TRUSTED_SECONDS
from gale.runtime.client import ZygoteClient
from gale.runtime.identity import host_name
from gale.runtime.log_store import LogStore
from gale.runtime.wiring import SupervisorEdges, client_options, log_store, make_supervisor
from gale.secrets import derive_key
from gale.service import on_stop_signals, run_service
from gale.settings import Settings, whole_environment
from gale_worker import log_server
from gale_worker.celery_worker import CeleryOptions, GaleWorker, quiet_celery
from gale_worker.clock import SharedClock
from gale_worker.engine import EngineOptions
from gale_worker.job import Offer, WorkerJob
from gale_worker.worker import Edges, Worker, WorkerOptions

#: Connections that the worker's threads use at once: claimer, recorder, keeper, and what tasks ask for.
CONNECTIONS = 5
LONGEST_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the command line says; None = what the settings say."""

    queues: Sequence[str] | None = None
    slots: int | None = None
    #: Celery's name of this worker; %h, %n and %d in it are as Celery has them.
    node_name: str | None = None
    serves_logs: bool = True


def serve(choices: Choices | None = None) -> int:
    """Run a worker until it is stopped; return the exit code of the process."""
    settings = Settings.load()
    return run_service("worker", settings, partial(_work, settings, choices or Choices()))


def _work(settings: Settings, choices: Choices) -> str:
    quiet_celery()
    for note in broker_notes(settings):
        structlog.get_logger().warning(telemetry.SETTING_NOTE, note=note)
    with log_store(settings) as store, _served_logs(settings if choices.serves_logs else None):
        return _run(settings, choices, store)


@contextmanager
def _served_logs(settings: Settings | None) -> Iterator[None]:
    server = None if settings is None else log_server.start(settings)
    try:
        yield
    finally:
        if server is not None:
            server.close()


def _run(settings: Settings, choices: Choices, store: LogStore | None) -> str:
    app = make_app(settings)
    offer = Offer(
        hostname=host_name(settings.core.hostname_callable),
        queues=choices.queues or [settings.operators.default_queue],
        slots=choices.slots or settings.celery.worker_concurrency,
    )
    edges = _edges(settings, offer, store)
    worker = Worker(
        edges,
        WorkerOptions(
            slots=offer.slots,
            check_migrations=settings.database.check_migrations,
            max_memory_bytes=settings.celery.worker_max_memory_mb * 1_000_000,
            drain_seconds=settings.celery.worker_soft_shutdown_timeout,
            stop_seconds=min(settings.core.killed_task_cleanup_time, LONGEST_STOP_SECONDS),
        ),
    )
    on_stop_signals(worker.stop)
    celery_options = CeleryOptions(
        # The broker lets no two workers have one name, and one machine may have several workers.
        node_name=host_format(choices.node_name or f"worker-{os.getpid()}@%h"),
        queues=offer.queues,
        slots=offer.slots,
    )
    # What is loaded by now lives as long as the process: nobody need look for garbage in it again.
    gc.collect()
    gc.freeze()
    try:
        return worker.run(lambda intake, actions: GaleWorker(app, intake, celery_options, actions))
    finally:
        edges.database.dispose()
        app.close()


def _edges(settings: Settings, offer: Offer, store: LogStore | None) -> Edges:
    database = open_engine(
        settings.database.sql_alchemy_conn,
        pool_size=max(CONNECTIONS, settings.database.sql_alchemy_pool_size),
        must_exist=True,
        lock_seconds=LOCK_SECONDS,
        trusted_seconds=TRUSTED_SECONDS,
    )
    clock = SharedClock(SystemClock())
    key = derive_key(settings.webserver.secret_key, "task commands")
    address = broker_address(settings)
    files = FileVersions(settings.core.dags_folder, settings.home / "versions")
    return Edges(
        database=database,
        clock=clock,
        job=WorkerJob(clock, offer, files),
        bus=Bus(address.url, key, ssl=address.ssl),
        engine=EngineOptions(
            zygote=lambda selector: ZygoteClient(selector, whole_environment(), clock, client_options(settings)),
            supervisor=lambda zygote: make_supervisor(
                settings, SupervisorEdges(zygote=zygote, engine=database, clock=clock, store=store)
            ),
        ),
        key=key,
    )


if __name__ == "__main__":
    raise SystemExit(serve())
