"""What a running task may reach of the database, on behalf of the supervisor that answers it.

Each call is a transaction of its own, short, and limited to what `TaskServices` names: the
task process itself has no way to the database.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from gale.clock import Clock
from gale.core.attempt import AttemptOrder, ConnectionData
from gale.db import registry
from gale.db import tables as t
from gale.db.engine import in_transaction, reading
from gale.db.manners import upsert
from gale.db.requests import TriggerRequest, request_clear, trigger_run
from gale.errors import RunExists
from gale.secrets import FernetBox


class DbTaskServices:
    """`TaskServices` over the database, for one attempt."""

    def __init__(self, engine: Engine, box: FernetBox, clock: Clock, order: AttemptOrder) -> None:
        self._engine = engine
        self._box = box
        self._clock = clock
        self._order = order

    def get_variable(self, key: str) -> str | None:
        """Return the variable's text, or None if there is none."""
        with reading(self._engine) as connection:
            return registry.get_variable(connection, self._box, key)

    def set_variable(self, key: str, value: str, description: str | None = None) -> None:
        """Create or replace a variable."""
        in_transaction(self._engine, lambda c: registry.set_variable(c, self._box, key, value, description=description))

    def delete_variable(self, key: str) -> bool:
        """Delete a variable; False if there was none."""
        return in_transaction(self._engine, lambda connection: registry.delete_variable(connection, key))

    def get_connection(self, conn_id: str) -> ConnectionData | None:
        """Return the connection, or None if there is none."""
        with reading(self._engine) as connection:
            return registry.get_connection(connection, self._box, conn_id)

    def get_xcom(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str | None) -> str | None:
        """Return the JSON text of one XCom; `key=None` = the newest of any key."""
        x = t.xcom.c
        query = select(x.value).where(
            x.dag_id == dag_id, x.run_id == run_id, x.task_id == task_id, x.map_index == map_index
        )
        if key is not None:
            query = query.where(x.key == key)
        with reading(self._engine) as connection:
            return connection.execute(query.order_by(x.timestamp.desc()).limit(1)).scalar_one_or_none()

    def get_prior_xcom(self, *, dag_id: str, before: datetime, task_id: str, key: str | None) -> str | None:
        """Return the newest XCom of the task in runs with a logical date up to `before`."""
        x, run = t.xcom.c, t.dag_run.c
        query = (
            select(x.value)
            .join(t.dag_run, (run.dag_id == x.dag_id) & (run.run_id == x.run_id))
            .where(x.dag_id == dag_id, x.task_id == task_id, run.logical_date <= before)
        )
        if key is not None:
            query = query.where(x.key == key)
        with reading(self._engine) as connection:
            newest = query.order_by(run.logical_date.desc(), x.timestamp.desc()).limit(1)
            return connection.execute(newest).scalar_one_or_none()

    def set_xcom(self, *, dag_id: str, run_id: str, task_id: str, map_index: int, key: str, value: str) -> None:
        """Store one XCom at once."""
        row = {
            "dag_id": dag_id,
            "run_id": run_id,
            "task_id": task_id,
            "map_index": map_index,
            "key": key,
            "value": value,
            "timestamp": self._clock.now(),
        }
        in_transaction(self._engine, lambda c: upsert(c, t.xcom, [row], changing=("value", "timestamp")))

    def trigger_run(
        self,
        *,
        dag_id: str,
        run_id: str | None,
        logical_date: datetime | None,
        conf: Mapping[str, Any],
        reset: bool,
    ) -> str:
        """Ask for a run and return its run id; with `reset`, run the one that is there again.

        Raises:
            NotFound: There is no such DAG.
            RunExists: The run is there already and `reset` is false.
        """
        by = f"{self._order.run.dag_id}.{self._order.task_id}"
        wish = TriggerRequest(
            dag_id=dag_id,
            run_id=run_id,
            logical_date=logical_date,
            conf=conf,
            run_type="manual",
            triggered_by="operator",
            user=by,
        )
        try:
            return in_transaction(self._engine, lambda c: str(trigger_run(c, wish, self._clock.now()).run_id))
        except RunExists:
            if not reset:
                raise
        return self._reset_run(dag_id, run_id, logical_date, by)

    def _reset_run(self, dag_id: str, run_id: str | None, logical_date: datetime | None, by: str) -> str:
        run = t.dag_run.c
        same = run.run_id == run_id if run_id is not None else run.logical_date == logical_date

        def ask(connection: Connection) -> str:
            row = connection.execute(select(run.id, run.run_id).where(run.dag_id == dag_id, same)).first()
            if row is None:
                raise RunExists(
                    f"DAG {dag_id!r} has another run for the logical date of {run_id!r}, so none can be made or reset. "
                    "Give another logical date."
                )
            tis = connection.execute(select(t.task_instance.c.id).where(t.task_instance.c.run == row.id)).scalars()
            request_clear(connection, row.id, list(tis), user=by, now=self._clock.now())
            return str(row.run_id)

        return in_transaction(self._engine, ask)

    def run_state(self, *, dag_id: str, run_id: str) -> str | None:
        """Return the state of a run, or None if there is none."""
        query = select(t.dag_run.c.state).where(t.dag_run.c.dag_id == dag_id, t.dag_run.c.run_id == run_id)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none()

    def count_states(
        self, *, dag_id: str, task_ids: Sequence[str], logical_dates: Sequence[datetime], states: Sequence[str]
    ) -> int:
        """Count task instances (or runs, if `task_ids` is empty) in one of the states."""
        run, ti = t.dag_run, t.task_instance
        where = [run.c.dag_id == dag_id, run.c.logical_date.in_(list(logical_dates))]
        if task_ids:
            query = select(func.count()).select_from(ti).join(run, run.c.id == ti.c.run)
            where += [ti.c.task_id.in_(list(task_ids)), ti.c.state.in_(list(states))]
        else:
            query = select(func.count()).select_from(run)
            where.append(run.c.state.in_(list(states)))
        with reading(self._engine) as connection:
            return int(connection.execute(query.where(*where)).scalar_one())

    def is_latest_run(self, *, dag_id: str, logical_date: datetime) -> bool:
        """True unless a later scheduled interval of the DAG has begun to be due."""
        run = t.dag_run.c
        later = select(func.count()).where(
            run.dag_id == dag_id, run.run_type == "scheduled", run.logical_date > logical_date
        )
        due = select(t.dag.c.next_logical_date, t.dag.c.next_run_after).where(t.dag.c.dag_id == dag_id)
        with reading(self._engine) as connection:
            if connection.execute(later).scalar_one():
                return False
            coming = connection.execute(due).first()
        if coming is None or coming.next_run_after is None or coming.next_run_after > self._clock.now():
            return True
        return bool(coming.next_logical_date <= logical_date)
