"""Claims in the name of the worker's present row in `job`, for one thread."""

from gale.db.claims import Claims
from gale_worker.job import WorkerJob


class OwnClaims:
    """Makes `Claims` anew when the worker has got a new row."""

    def __init__(self, job: WorkerJob) -> None:
        self._job = job
        self._identity = job.identity
        self._claims = job.claims()

    def get(self) -> Claims:
        """Return what claims and writes in the present name."""
        if self._identity is not self._job.identity:
            self._identity = self._job.identity
            self._claims = self._job.claims()
        return self._claims
