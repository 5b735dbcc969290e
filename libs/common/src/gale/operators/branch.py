"""BaseBranchOperator: for operators of one's own that choose which way to go on."""

from collections.abc import Mapping
from typing import Any

from gale.authoring.branching import leave_out_all_but
from gale.authoring.operator import BaseOperator


class BaseBranchOperator(BaseOperator):
    """Choose the tasks to go on with; the others directly after are skipped. Subclasses write `choose_branch`."""

    def choose_branch(self, context: Mapping[str, Any]) -> Any:
        """Return the id, or the ids, of the tasks or groups to go on with."""
        raise NotImplementedError(f"{type(self).__name__} has no choose_branch(). Write one: it returns a task_id.")

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Leave out what was not chosen, and return what was."""
        chosen = self.choose_branch(context)
        leave_out_all_but(context["ti"], chosen)
        return chosen
