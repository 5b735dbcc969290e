"""Wires the scheduler: settings, database, clock, zygote, executor, loop. Nothing else."""

import gc
import selectors
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine

from gale.clock import Clock, SystemClock
from gale.core.ports import Executor
from gale.db.engine import DatabaseClock, open_engine
from gale.db.file_versions import FileVersions
from gale.db.lease import LOCK_SECONDS, TRUSTED_SECONDS
from gale.db.waiting import wait_for_database
from gale.executors import make_celery_executor, make_executor
from gale.notifiers.mail import Mail as OutgoingMail
from gale.notifiers.mail import MailSettings, build_message, send
from gale.runtime.client import ZygoteClient
from gale.runtime.identity import host_name
from gale.runtime.log_store import LogStore
from gale.runtime.wiring import SupervisorEdges, client_options, log_store, make_supervisor
from gale.service import on_stop_signals, run_service
from gale.settings import Settings, whole_environment
from gale_scheduler.book import RunBook
from gale_scheduler.dag_files import DagFiles, ReadingOptions
from gale_scheduler.dag_store import DagStore
from gale_scheduler.file_events import FileEvents
from gale_scheduler.hints import Hints
from gale_scheduler.job import SchedulerJob
from gale_scheduler.loop import SchedulerLoop
from gale_scheduler.mails import Mail
from gale_scheduler.notices import NoticeOptions, Notices
from gale_scheduler.parts import Pace, Parts
from gale_scheduler.relay import ClaimTerms, Relay
from gale_scheduler.rescuer import Rescuer
from gale_scheduler.user_requests import UserRequests


def serve(num_runs: int | None = None) -> int:
    """Run a scheduler until it is stopped; return the exit code of the process."""
    settings = Settings.load()
    return run_service("scheduler", settings, partial(_work, settings, num_runs))


def _work(settings: Settings, num_runs: int | None) -> str:
    engine = open_engine(
        settings.database.sql_alchemy_conn,
        pool_size=settings.database.sql_alchemy_pool_size,
        must_exist=True,
        lock_seconds=LOCK_SECONDS,
        trusted_seconds=TRUSTED_SECONDS,
    )
    wait_for_database(engine, check_migrations=settings.database.check_migrations)
    try:
        with log_store(settings) as store:
            return _run(settings, engine, store, num_runs)
    finally:
        engine.dispose()


def _run(settings: Settings, engine: Engine, store: LogStore | None, num_runs: int | None) -> str:
    selector = selectors.DefaultSelector()
    clock = DatabaseClock(engine, SystemClock())
    zygote = ZygoteClient(selector, whole_environment(), clock, client_options(settings))
    try:
        edges = _Edges(
            settings=settings,
            engine=engine,
            clock=clock,
            selector=selector,
            zygote=zygote,
            hints=Hints(selector),
            store=store,
        )
        loop, events = _loop(edges, num_runs)
        on_stop_signals(loop.stop)
        # What is loaded by now lives as long as the process: nobody need look for garbage in it again.
        gc.collect()
        gc.freeze()
        events.start()
        try:
            return loop.run()
        finally:
            events.close()
    finally:
        zygote.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edges:
    """What reaches outside: everything else is made from these."""

    settings: Settings
    engine: Engine
    clock: Clock
    selector: selectors.BaseSelector
    zygote: ZygoteClient
    hints: Hints
    store: LogStore | None


def _loop(edges: _Edges, num_runs: int | None) -> tuple[SchedulerLoop, FileEvents]:
    settings, engine, clock = edges.settings, edges.engine, edges.clock
    core = settings.core
    hostname = host_name(core.hostname_callable)
    book = RunBook(clock, max_active_tasks=core.max_active_tasks_per_dag, max_active_runs=core.max_active_runs_per_dag)
    executor = _executor(edges, book)
    job = SchedulerJob(clock, hostname=hostname, executor=type(executor).__name__)
    store = DagStore(
        core.dags_folder,
        are_paused=core.dags_are_paused_at_creation,
        max_active_tasks=core.max_active_tasks_per_dag,
        max_active_runs=core.max_active_runs_per_dag,
    )
    pace = Pace(
        heartbeat_seconds=settings.scheduler.scheduler_heartbeat_sec,
        runs_per_loop=settings.scheduler.max_dagruns_to_create_per_loop,
        adopt_at_once=settings.scheduler.max_dagruns_per_loop_to_schedule,
        max_loops=settings.scheduler.num_runs if num_runs is None else num_runs,
        max_seconds=settings.scheduler.run_duration,
        use_timetables=settings.scheduler.use_job_schedule,
    )
    dag_files = DagFiles(engine, edges.zygote, store, clock, _reading_options(settings))
    files = FileVersions(core.dags_folder, settings.home / "versions")
    terms = ClaimTerms(job_id=job.id, hostname=hostname, queued_seconds=settings.scheduler.task_queued_timeout)
    options = NoticeOptions(files=files, base_url=settings.webserver.base_url, check_slas=core.check_slas)
    parts = Parts(
        engine=engine,
        clock=clock,
        selector=edges.selector,
        executor=executor,
        hints=edges.hints,
        job=job,
        book=book,
        relay=Relay(book, executor, terms, files),
        rescuer=Rescuer(book, hostname=hostname),
        requests=UserRequests(book, job.id),
        dag_files=dag_files,
        notices=Notices(executor, job.id, _sender(settings), options),
    )
    loop = SchedulerLoop(parts, pace)
    dag_files.on_change = loop.look
    return loop, FileEvents(edges.selector, settings.dag_folders(), dag_files.scan)


def _executor(edges: _Edges, book: RunBook) -> Executor:
    settings = edges.settings
    supervisor = make_supervisor(
        settings, SupervisorEdges(zygote=edges.zygote, engine=edges.engine, clock=edges.clock, store=edges.store)
    )
    if settings.core.executor.rsplit(".", 1)[-1] != "CeleryExecutor":
        return make_executor(settings.core.executor, supervisor, parallelism=settings.core.parallelism)
    executor = make_celery_executor(settings, supervisor, occupied=lambda: len(book.in_flight))
    executor.on_ended(edges.hints.add)
    return executor


def _reading_options(settings: Settings) -> ReadingOptions:
    return ReadingOptions(
        folders=settings.dag_folders(),
        timeout_seconds=settings.core.dagbag_import_timeout,
        processes=settings.scheduler.parsing_processes,
        min_interval_seconds=settings.scheduler.min_file_process_interval,
        safe_mode=settings.core.dag_discovery_safe_mode,
        ignore_syntax="regexp" if settings.core.dag_ignore_file_syntax == "regexp" else "glob",
    )


def _sender(settings: Settings) -> Callable[[Mail], None] | None:
    """Return what sends a mail, or None where `[smtp] smtp_host` is empty."""
    if not settings.smtp.smtp_host:
        return None
    mail_settings = MailSettings.of(settings.smtp)

    def send_one(mail: Mail) -> None:
        sender = settings.email.from_email or mail_settings.sender
        message = build_message(OutgoingMail(to=mail.to, subject=mail.subject, text=mail.html, sender=sender))
        del message["Message-ID"]
        message["Message-ID"] = f"<{mail.key}@gale>"
        send(message, mail_settings)

    return send_one


if __name__ == "__main__":
    raise SystemExit(serve())
