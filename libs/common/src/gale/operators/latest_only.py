"""LatestOnlyOperator: go on only in the newest run."""

from collections.abc import Mapping
from typing import Any

from gale.authoring import services
from gale.authoring.branching import leave_out_downstream
from gale.authoring.operator import BaseOperator


class LatestOnlyOperator(BaseOperator):
    """Skip what comes directly after, unless this is the newest scheduled run or one started by hand."""

    ui_color = "#e9ffdb"

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Leave out what comes directly after if a later run is due already."""
        run = context["ti"].order.run
        if run.run_type not in {"scheduled", "backfill"} or run.logical_date is None:
            self.log.info("Started by hand: going on.")
            return
        asked = services.required("LatestOnlyOperator")
        if asked.is_latest_run(dag_id=run.dag_id, logical_date=run.logical_date):
            self.log.info("This is the latest run: going on.")
            return
        self.log.info("A later run is due already.")
        leave_out_downstream(context["ti"], far=False)
