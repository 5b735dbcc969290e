"""Celery's worker in this process: it brings the messages, and shows Flower what runs.

Celery runs nothing. Its consumer hands each message to the gate (`intake`); when the attempt has
been claimed, the message becomes a task of Celery's thread pool that waits for the end of the
attempt and repeats it in Celery's words. So nobody but the rows decides what has happened, and
Celery can lose its connection, or end, without any attempt noticing.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from amqp.exceptions import ResourceLocked
from billiard.einfo import ExceptionWithTraceback
from celery import Celery, signals
from celery.app import trace
from celery.concurrency.thread import TaskPool
from celery.exceptions import Ignore, Retry
from celery.worker import WorkController, control, state
from celery.worker.consumer.consumer import Consumer
from celery.worker.request import Request

from gale import telemetry
from gale.broker.trouble import explain
from gale.broker.wire import TASK_NAME
from gale.clock import Clock, SystemClock
from gale_worker.batches import TELL_SECONDS
from gale_worker.intake import Intake
from gale_worker.latch import Latch
from gale_worker.tickets import Report, Ticket, Verdict

log = structlog.get_logger()

#: Messages that the broker sends beyond the free slots, so that there is always a next one.
PREFETCH: Final = 8
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 5.0
#: With a result backend: tasks of Celery whose results are still to be stored. With more, nothing new is taken.
MOST_UNSTORED: Final = 200
STOPPED_IN_FLOWER: Final = "A user terminated the task by Celery's remote control"
#: What these say, our own lines say better; what they say of warnings and errors is kept.
_QUIET: Final = ("celery", "kombu", "amqp")


class AttemptFailed(Exception):
    """An attempt failed; the reason stands in its log and in the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CeleryActions:
    """What Celery's remote control can ask for."""

    #: Stop an attempt: ti, token, reason.
    stop: Callable[[str, str, str], None]
    #: End the worker, for a reason.
    end: Callable[[str], None]
    #: Take nothing new ("shut"), or take it again ("reopen"), because of a word.
    gate: Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CeleryOptions:
    """How Celery's worker is to run."""

    node_name: str
    queues: Sequence[str]
    slots: int


class Shown:
    """The attempts that Celery shows, by Celery's id of the task: the token.

    A result backend may be slower than the attempts; then nothing new is taken until it has caught up.

    Args:
        gate: See `CeleryActions`.
    """

    def __init__(self, gate: Callable[[str, str], None]) -> None:
        self._gate = gate
        self._is_shut = False
        self._lock = threading.Lock()
        self._tickets: dict[str, Ticket] = {}

    def add(self, ticket: Ticket) -> None:
        """Enter an attempt."""
        with self._lock:
            self._tickets[ticket.command.token] = ticket
            is_full = len(self._tickets) > MOST_UNSTORED and not self._is_shut
            self._is_shut |= is_full
        if is_full:
            self._gate("shut", "results")

    def get(self, task_id: str) -> Ticket | None:
        """Return an attempt that is being shown."""
        return self._tickets.get(task_id)

    def wait(self, task_id: str) -> Report:
        """Wait until an attempt has ended; it is not shown any more then."""
        ticket = self._tickets.get(task_id)
        if ticket is None:
            return Report(Verdict.SUPERSEDED, "it is not here")
        ticket.reported.wait()
        with self._lock:
            self._tickets.pop(task_id, None)
            is_room = self._is_shut and len(self._tickets) < MOST_UNSTORED // 2
            self._is_shut &= not is_room
        if is_room:
            self._gate("reopen", "results")
        return ticket.report


def register_task(app: Celery, shown: Shown) -> None:
    """Register the task that stands for an attempt."""

    def run(task: Any, **_about: object) -> str:
        report = shown.wait(task.request.id)
        match report.verdict:
            case Verdict.SUCCESS:
                return report.text
            case Verdict.RETRY:
                raise Retry(report.text, exc=AttemptFailed(report.text))
            case Verdict.SUPERSEDED:
                raise Ignore
            case _:
                raise AttemptFailed(report.text)

    # Failures are expected here: without a traceback, which would only show this function.
    app.task(run, name=TASK_NAME, bind=True, throws=(AttemptFailed,), typing=False, Request=AttemptRequest)


class AttemptRequest(Request):  # type: ignore[misc]  # Celery publishes no types
    """Celery's view of one attempt."""

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Stop the attempt: Flower's button "Terminate"."""
        del pool, signal
        worker: GaleWorker = self.app.gale_worker
        worker.terminate_attempt(self.id)

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002 - Celery's name
        """Send an event to Flower, without tracebacks: they would show nothing but the code of this module."""
        if "traceback" in fields:
            fields["traceback"] = ""
        super().send_event(type, **fields)

    def on_retry(self, exc_info: Any) -> None:
        """Say why it is tried again."""
        self.send_event("task-retried", exception=repr(_bare(exc_info.exception).exc), traceback="")

    def on_failure(self, exc_info: Any, **more: Any) -> Any:
        """Say of an attempt whose end did not count that it was revoked; Celery would say nothing of it."""
        if isinstance(_bare(exc_info.exception), Ignore):
            self.send_event("task-revoked", terminated=True, signum=None, expired=False)
        return super().on_failure(exc_info, **more)


def _bare(error: Any) -> Any:
    return error.exc if isinstance(error, ExceptionWithTraceback) else error


class AttemptPool(TaskPool):  # type: ignore[misc]
    """Celery's thread pool, which does not wait for attempts when Celery ends: the worker itself does that."""

    def on_stop(self) -> None:
        """End without waiting."""
        self.executor.shutdown(wait=False, cancel_futures=True)


class GatedConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer, with the gate before it, and with patience for a broker that is away."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        worker: GaleWorker = self.controller
        self._intake = worker.intake
        self._asked = worker.asked_to_end
        self._pause = FIRST_PAUSE_SECONDS
        self._connected_at = 0.0
        self._told, self._told_at = "", 0.0
        # Whoever waits for the claim has its slot; these are beyond the slots.
        self.initial_prefetch_count = worker.concurrency + min(worker.concurrency, PREFETCH)

    def create_task_handler(self, promise: Any = None) -> Callable[[Any], None]:
        """Return what takes messages; called for each new connection, before anything is consumed."""
        del promise
        return self._intake.attach(self)

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, however long it takes: also when password, virtual host or permissions are still missing."""
        errors = (*self.connection_errors, *self.channel_errors, OSError)
        while True:
            state.maybe_shutdown()
            try:
                conn.connect()
            except errors as error:
                self._tell(error, "tries again every few seconds")
                self._wait()
            else:
                self.first_connection_attempt = False
                self._connected_at = self._worker_clock.monotonic()
                return conn

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Tell that the connection is gone, in our words; not connect at once if that has just gone wrong."""
        self._tell(exc, "connects anew; what runs goes on")
        super().on_connection_error_after_connected(exc)
        if self._worker_clock.monotonic() - self._connected_at < LONGEST_PAUSE_SECONDS:
            self._wait()

    def on_ready(self) -> None:
        """Take note that the connection works and everything on it is ready."""
        if self._told:
            self._told = ""
            log.info(telemetry.BROKER_BACK)
        self._pause = FIRST_PAUSE_SECONDS
        super().on_ready()

    @property
    def _worker_clock(self) -> Clock:
        worker: GaleWorker = self.controller
        return worker.clock

    def _wait(self) -> None:
        self._asked.wait(self._pause)
        self._pause = min(LONGEST_PAUSE_SECONDS, 2 * self._pause)

    def _tell(self, error: BaseException, what_next: str) -> None:
        """Tell of trouble, but of the same trouble not again and again."""
        trouble, now = explain(error, self.app.conf.broker_url), self._worker_clock.monotonic()
        if isinstance(error, ResourceLocked):
            trouble = (
                f"Another worker is called {self.hostname!r}, or has been a moment ago ({error}). "
                "Give each its own name: gale worker --hostname NAME@%h."
            )
        if trouble != self._told or now - self._told_at >= TELL_SECONDS:
            self._told, self._told_at = trouble, now
            log.warning(telemetry.BROKER_AWAY, trouble=trouble, next=what_next)


class GaleWorker(WorkController):  # type: ignore[misc]
    """Celery's worker without what a program around it would do: banner, signals, logging.

    Args:
        app: The application.
        intake: The gate.
        options: How to run.
        actions: What remote control may have done.
    """

    def __init__(self, app: Celery, intake: Intake, options: CeleryOptions, actions: CeleryActions) -> None:
        self.intake = intake
        self.clock = SystemClock()
        self.shown = Shown(actions.gate)
        self.asked_to_end = Latch()
        self._actions = actions
        app.gale_worker = self
        register_task(app, self.shown)
        _own_shutdown_command(actions)
        # It would be reduced at each new connection, and never be restored behind our gate.
        app.conf.worker_enable_prefetch_count_reduction = False
        super().__init__(
            app=app,
            hostname=options.node_name,
            queues=list(options.queues),
            concurrency=options.slots,
            pool=AttemptPool,
            consumer_cls=GatedConsumer,
            prefetch_multiplier=1,
            task_events=app.conf.worker_send_task_events,
            without_mingle=True,
            without_gossip=True,
            disable_rate_limits=True,
        )

    def on_before_init(self, **_kwargs: Any) -> None:
        """Get Celery's shortcuts ready."""
        trace.setup_worker_optimizations(self.app, self.hostname)

    def on_consumer_ready(self, consumer: Any) -> None:
        """Tell that messages come in."""
        signals.worker_ready.send(sender=consumer)
        log.info(telemetry.WORKER_READY, node=self.hostname, queues=sorted(self.app.amqp.queues.consume_from))

    def show(self, tickets: Sequence[Ticket]) -> None:
        """Acknowledge the messages of attempts and show them as running; from any thread."""
        for ticket in tickets:
            self.shown.add(ticket)
        self.intake.show(tickets)

    def terminate_attempt(self, task_id: str) -> None:
        """Stop an attempt because remote control has asked for it."""
        ticket = self.shown.get(task_id)
        if ticket is not None:
            self._actions.stop(*ticket.name, STOPPED_IN_FLOWER)

    def end(self) -> None:
        """Have `start` return; from any thread."""
        state.should_stop = 0
        self.asked_to_end.set()
        self.intake.look()


def quiet_celery() -> None:
    """Keep what Celery's libraries log of warnings and errors only."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Its warnings are about lost connections, of which we tell ourselves.
    logging.getLogger("celery.worker.consumer.consumer").setLevel(logging.ERROR)


def _own_shutdown_command(actions: CeleryActions) -> None:
    """Have Flower's button "Shut down" drain the worker, as SIGTERM does."""

    def shutdown(_state: Any, msg: str = "", **_kwargs: object) -> dict[str, str]:
        del msg
        actions.end("Celery's remote control asked for it")
        return {"ok": "the worker ends when its tasks have ended"}

    control.Panel.data["shutdown"] = shutdown
