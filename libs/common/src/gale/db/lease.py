"""Leases: for how long a process may act on what it owns.

A long-lived process is a row in `job`. While it renews, its runs and attempts are its own. When
it stops renewing, others take over after the lease has ended on the database's clock. A process
that died on this very host need not be waited for: its pid and start time prove it dead.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, insert, or_, select, update

from gale.core.ports import JobAnswer
from gale.core.states import ACTIVE_RUN, CLAIMED, RunState
from gale.db import tables as t

#: A process renews three times in this time, so that it can miss twice.
LEASE_SECONDS: Final = 30.0
#: How long a process that keeps a lease waits for locks of others at most: or else it would learn too late that it
#: cannot renew.
LOCK_SECONDS: Final = 5.0
#: Such a process goes on from the rows after any error, so it asks only idle connections whether they live.
TRUSTED_SECONDS: Final = 5.0
_ACTIVE: Final = sorted(state.value for state in ACTIVE_RUN)
_CLAIMED: Final = sorted(state.value for state in CLAIMED)


def lease_end(now: datetime) -> datetime:
    """Return until when a lease holds that is taken or renewed now."""
    return now + timedelta(seconds=LEASE_SECONDS)


def open_job(connection: Connection, *, job_id: str, job_type: str, now: datetime, **about: Any) -> None:
    """Register a long-lived process; `about` holds hostname, pid, process_key, executor."""
    row = {
        "id": job_id,
        "job_type": job_type,
        "state": "running",
        "start_date": now,
        "latest_heartbeat": now,
        "lease_until": lease_end(now),
        **about,
    }
    connection.execute(insert(t.job), [row])


def close_job(connection: Connection, job_id: str, *, state: str, now: datetime) -> None:
    """Write down that a process has ended, and give up its runs at once."""
    ended = {"state": state, "end_date": now, "latest_heartbeat": now, "lease_until": now}
    connection.execute(update(t.job).where(t.job.c.id == job_id).values(**ended))
    connection.execute(
        update(t.dag_run).where(t.dag_run.c.owner_job_id == job_id).values(owner_job_id=None, lease_until=None)
    )


def renew(connection: Connection, job_id: str, tokens: Collection[str], now: datetime) -> JobAnswer:
    """Renew the leases of a process, of its runs, and of those of its attempts that it still runs.

    Args:
        connection: A transaction that writes.
        job_id: The process.
        tokens: Of the attempts that it runs or whose ends it has yet to write. A claim that nobody stands
            behind is not renewed: it would stay for ever.
        now: The instant on the database's clock.
    """
    query = select(t.job.c.state, t.job.c.lease_until).where(t.job.c.id == job_id).with_for_update()
    row = connection.execute(query).first()
    if row is None or row.state in {"failed", "success"}:
        return JobAnswer.LOST
    until = lease_end(now)
    connection.execute(update(t.job).where(t.job.c.id == job_id).values(latest_heartbeat=now, lease_until=until))
    connection.execute(
        update(t.dag_run)
        .where(t.dag_run.c.owner_job_id == job_id, t.dag_run.c.state.in_(_ACTIVE))
        .values(lease_until=until)
    )
    connection.execute(
        update(t.task_instance)
        .where(
            t.task_instance.c.job_id == job_id,
            t.task_instance.c.state.in_(_CLAIMED),
            t.task_instance.c.token.in_(list(tokens)),
        )
        .values(lease_until=until)
    )
    if row.state == "shutdown":
        return JobAnswer.SHUTDOWN
    return JobAnswer.LAPSED if row.lease_until < now else JobAnswer.RUNNING


def give_up_claims(connection: Connection, job_id: str, tokens: Collection[str], now: datetime) -> None:
    """End the leases of attempts that a process no longer runs: the owner of their run shall see them lost at once."""
    table = t.task_instance
    mine = (table.c.job_id == job_id, table.c.token.in_(list(tokens)), table.c.state.in_(_CLAIMED))
    # Lost is what ended before now.
    connection.execute(update(table).where(*mine).values(lease_until=now - timedelta(seconds=1)))


def ask_to_end(connection: Connection, *, job_type: str, hostname: str | None, now: datetime) -> list[tuple[str, int]]:
    """Ask living processes to end in order; they see it when they renew. Return their hosts and pids.

    Args:
        connection: A transaction that writes.
        job_type: Their kind.
        hostname: Only those on this host; None = all.
        now: The instant on the database's clock.
    """
    table = t.job.c
    alive = [table.job_type == job_type, table.state == "running", table.lease_until >= now]
    if hostname is not None:
        alive.append(table.hostname == hostname)
    rows = connection.execute(select(table.id, table.hostname, table.pid).where(*alive).order_by(table.id)).all()
    asked = table.id.in_([row.id for row in rows]), table.state == "running"
    connection.execute(update(t.job).where(*asked).values(state="shutdown"))
    return [(row.hostname, row.pid) for row in rows]


def bury_dead_jobs(
    connection: Connection, *, hostname: str, is_alive: Callable[[int, str], bool], now: datetime
) -> list[str]:
    """Mark jobs failed whose lease has ended or whose process on this host is gone; return their ids.

    Args:
        connection: A transaction that writes.
        hostname: This host's name.
        is_alive: Tells whether the process with this pid and process key still runs here.
        now: The instant on the database's clock.
    """
    running = t.job.c.state.in_(["running", "shutdown"])
    rows = connection.execute(select(t.job).where(running)).all()
    dead = [row.id for row in rows if row.lease_until < now or _is_gone(row, hostname, is_alive)]
    if dead:
        connection.execute(
            update(t.job).where(t.job.c.id.in_(dead), running).values(state="failed", end_date=now, lease_until=now)
        )
    return dead


def _is_gone(row: Any, hostname: str, is_alive: Callable[[int, str], bool]) -> bool:
    return row.hostname == hostname and bool(row.process_key) and not is_alive(row.pid, row.process_key)


def adopt_runs(connection: Connection, job_id: str, now: datetime, limit: int) -> list[str]:
    """Take runs that nobody owns any more, oldest first; return their ids.

    A run is free when it has no owner, its lease has ended, or its owner is known to be dead.
    Queued runs of paused or vanished DAGs are left alone; those that run need somebody who
    notices what becomes of their attempts.
    """
    run = t.dag_run
    dead_owner = run.c.owner_job_id.in_(select(t.job.c.id).where(t.job.c.state.in_(["failed", "success"])))
    free = or_(run.c.owner_job_id.is_(None), run.c.lease_until < now, dead_owner)
    runs_already = run.c.state == RunState.RUNNING.value
    # Not a join: that would lock the DAG's row too, and so hide all its runs from other schedulers.
    may_start = run.c.dag_id.in_(select(t.dag.c.dag_id).where(~t.dag.c.is_paused, t.dag.c.is_active))
    query = (
        select(run.c.id)
        .where(run.c.state.in_(_ACTIVE), run.c.run_after <= now, free, or_(runs_already, may_start))
        .order_by(run.c.run_after, run.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(connection.execute(query).scalars())
    if ids:
        connection.execute(update(run).where(run.c.id.in_(ids)).values(owner_job_id=job_id, lease_until=lease_end(now)))
    return ids


def take_run(connection: Connection, job_id: str, run: str, now: datetime) -> bool:
    """Take one run, finished or not, unless a living scheduler owns it; True if it is ours now."""
    table = t.dag_run
    dead_owner = table.c.owner_job_id.in_(select(t.job.c.id).where(t.job.c.state.in_(["failed", "success"])))
    finished = table.c.state.not_in(_ACTIVE)
    free = or_(
        table.c.owner_job_id.is_(None), table.c.owner_job_id == job_id, table.c.lease_until < now, dead_owner, finished
    )
    done = connection.execute(
        update(table).where(table.c.id == run, free).values(owner_job_id=job_id, lease_until=lease_end(now))
    )
    return done.rowcount == 1


def let_go(connection: Connection, job_id: str, runs: Collection[str]) -> None:
    """Give up runs, so that any scheduler may take them."""
    mine = and_(t.dag_run.c.owner_job_id == job_id, t.dag_run.c.id.in_(list(runs)))
    connection.execute(update(t.dag_run).where(mine).values(owner_job_id=None, lease_until=None))
