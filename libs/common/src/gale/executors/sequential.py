"""Runs one attempt at a time: the default, for a first look and for debugging."""

from gale.executors.local import LocalExecutor
from gale.runtime.supervisor import Supervisor


class SequentialExecutor(LocalExecutor):
    """The local executor with one slot."""

    def __init__(self, supervisor: Supervisor) -> None:
        super().__init__(supervisor, parallelism=1)
