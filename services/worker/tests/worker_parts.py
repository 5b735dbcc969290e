"""What tests of the worker's parts share: rows to claim, and stand-ins for everything around a part."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine, insert, select, update

from gale.broker.wire import TaskCommand, pack
from gale.clock import ManualClock
from gale.core.attempt import AttemptEnded, AttemptOrder, Outcome
from gale.core.graph import DagSpec, TaskSpec
from gale.db import tables as t
from gale.db.engine import open_engine, reading, writing
from gale.db.file_versions import FileVersions
from gale.db.keys import new_key
from gale.db.migrate import migrate
from gale_worker.clock import SharedClock
from gale_worker.intake import ShownMessage
from gale_worker.job import Offer, WorkerJob
from gale_worker.tickets import Ticket, Tickets

NOW = datetime(2026, 3, 10, tzinfo=UTC)
KEY = b"a key for tests"
DAG = DagSpec(
    dag_id="etl", fileloc="etl.py", tasks=tuple(TaskSpec(task_id=f"t{number}", retries=1) for number in range(20))
)


def command(number: int = 0, *, token: str = "", ti: str = "") -> TaskCommand:
    """Return a command that is like no other, for a task that need not be there."""
    return TaskCommand(
        ti=ti or f"{number:032x}",
        token=token or f"{number + 1000:032x}",
        try_number=1,
        dag_id="etl",
        run_id="r1",
        task_id=f"t{number}",
    )


@dataclass
class Rows:
    """A database with a run of tasks, and a worker's row."""

    folder: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    tickets: Tickets = field(default_factory=Tickets)

    def __post_init__(self) -> None:
        self.engine: Engine = open_engine(f"sqlite:///{self.folder / 'gale.db'}")
        migrate(self.engine, default_pool_slots=128)
        self.shared = SharedClock(self.clock)
        self.job = WorkerJob(
            self.shared,
            Offer(hostname="w1", queues=["default"], slots=4),
            FileVersions(self.folder, self.folder / "versions"),
        )
        self.run = new_key(NOW)
        version = new_key(NOW)
        with writing(self.engine) as connection:
            self.job.open(connection)
            about = {"id": version, "dag_id": "etl", "version_number": 1, "digest": "", "source_digest": ""}
            data = msgspec.json.encode(DAG).decode()
            connection.execute(insert(t.dag_version), [{**about, "data": data, "created_at": NOW}])
            instants = {"run_after": NOW, "logical_date": NOW, "start_date": NOW, "updated_at": NOW}
            about = {"id": self.run, "dag_id": "etl", "run_id": "r1", "state": "running", "run_type": "manual"}
            connection.execute(insert(t.dag_run), [{**about, **instants, "version_id": version}])
            connection.execute(
                insert(t.dag),
                [
                    {
                        "dag_id": "etl",
                        "fileloc": "etl.py",
                        "version_id": version,
                        "max_active_tasks": 16,
                        "max_active_runs": 16,
                    }
                ],
            )

    def queue(self, number: int = 0) -> Ticket:
        """Insert a queued task instance; return a ticket for it, entered into the tickets."""
        made = command(number, ti=new_key(NOW), token=new_key(NOW))
        row = {
            "id": made.ti,
            "run": self.run,
            "dag_id": "etl",
            "run_id": "r1",
            "task_id": made.task_id,
            "state": "queued",
            "token": made.token,
            "try_number": 1,
            "max_tries": 2,
            "due_at": NOW + timedelta(seconds=60),
            "updated_at": NOW,
        }
        with writing(self.engine) as connection:
            connection.execute(insert(t.task_instance), [row])
        ticket = Ticket(made)
        assert self.tickets.add(ticket)
        return ticket

    def set(self, ticket: Ticket, **values: object) -> None:
        """Change the row of a ticket's task instance, as somebody else would."""
        with writing(self.engine) as connection:
            table = t.task_instance
            connection.execute(update(table).where(table.c.id == ticket.command.ti).values(**values))

    def row(self, ticket: Ticket) -> Any:
        """Return the row of a ticket's task instance."""
        with reading(self.engine) as connection:
            table = t.task_instance
            return connection.execute(select(table).where(table.c.id == ticket.command.ti)).one()

    def jobs(self) -> list[Any]:
        """Return all rows of processes, oldest first."""
        with reading(self.engine) as connection:
            return list(connection.execute(select(t.job).order_by(t.job.c.id)))

    def set_job(self, state: str) -> None:
        """Set the state of the worker's row, as a user or a scheduler does."""
        with writing(self.engine) as connection:
            connection.execute(update(t.job).where(t.job.c.id == self.job.identity.job_id).values(state=state))


@dataclass
class HandsSeen:
    """Notes what is asked of others."""

    acknowledged: list[Ticket] = field(default_factory=list)
    started: list[AttemptOrder] = field(default_factory=list)
    shown: list[Ticket] = field(default_factory=list)
    dropped: list[Ticket] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def acknowledge(self, tickets: Sequence[Ticket]) -> None:
        self.acknowledged += tickets

    def start(self, orders: Sequence[AttemptOrder]) -> None:
        self.started += orders

    def won(self, tickets: Sequence[Ticket]) -> None:
        self.shown += tickets

    def lost(self, tickets: Sequence[Ticket]) -> None:
        self.dropped += tickets

    def tell_ended(self, tis: Sequence[str]) -> None:
        self.told += tis


def end_of(ticket: Ticket, outcome: Outcome = Outcome.SUCCESS, **more: Any) -> AttemptEnded:
    """Return the end of a ticket's attempt."""
    about = {"start_date": NOW, "end_date": NOW, **more}
    return AttemptEnded(ti=ticket.command.ti, token=ticket.command.token, outcome=outcome, **about)


# --- Celery's consumer ---------------------------------------------------------------------------------


@dataclass
class Message:
    """A message, as kombu hands it out."""

    headers: dict[str, Any]
    body: bytes
    content_type: str = "application/json"
    fate: str = ""

    @property
    def acknowledged(self) -> bool:
        return bool(self.fate)

    def ack(self) -> None:
        assert not self.fate
        self.fate = "acknowledged"

    def reject(self, requeue: bool = False) -> None:
        assert not self.fate
        self.fate = "given back" if requeue else "dropped"


def message(number: int, key: bytes = KEY) -> Message:
    """Return the message of a command."""
    packed = pack(command(number), key)
    return Message(dict(packed.headers), packed.body)


class FakeConsumer:
    """Celery's consumer with its loop, moved by hand."""

    def __init__(self) -> None:
        self.hub = self
        self.task_consumer = self
        self.strategies = {"gale.run": self._show}
        self.on_task_message: list[object] = []
        self.soon: deque[Callable[[], None]] = deque()
        self.later: deque[Callable[[], None]] = deque()
        self.consuming = True
        self.shown: list[ShownMessage] = []
        #: Messages that are still on their way when consuming is stopped.
        self.on_their_way: list[Message] = []
        self.take: Callable[[Message], None] = lambda _: None

    def call_soon(self, call: Callable[[], None]) -> None:
        self.soon.append(call)

    def call_later(self, _seconds: float, call: Callable[[], None]) -> None:
        self.later.append(call)

    def consume(self) -> None:
        assert not self.consuming
        self.consuming = True

    def cancel(self) -> None:
        assert self.consuming
        while self.on_their_way:
            self.take(self.on_their_way.pop())
        self.consuming = False

    def _show(self, message: ShownMessage, *_: object) -> None:
        self.shown.append(message)

    def turn(self) -> None:
        """Do what was asked for."""
        while self.soon:
            self.soon.popleft()()

    def wait(self) -> None:
        """Let time pass, so that what was asked for later is done as well."""
        self.turn()
        for _ in range(len(self.later)):
            self.later.popleft()()
        self.turn()
