"""The same tasks in Luigi, which forks a process for each and keeps no state: the peer to beat.

python benchmarks/peers/luigi_noop.py many|chain WITNESS WORKERS
"""

import logging
import os
import sys
import time
from pathlib import Path

import luigi


class Note(luigi.Task):
    """Appends the instants of its beginning and its end to the witness file."""

    kind = luigi.Parameter()
    number = luigi.IntParameter()
    witness = luigi.Parameter()

    def requires(self) -> list[luigi.Task]:
        """In the chain each task needs the one before."""
        if self.kind == "chain" and self.number > 0:
            return [Note(kind=self.kind, number=self.number - 1, witness=self.witness)]
        return []

    def complete(self) -> bool:
        """Done when it has left its mark, as Luigi's targets do."""
        return Path(f"{self.witness}.{self.kind}.{self.number}").exists()

    def run(self) -> None:
        """Note the instants and leave the mark."""
        began = time.monotonic_ns()
        line = f"{self.kind} {began} {time.monotonic_ns()}\n"
        witness = os.open(self.witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(witness, line.encode())
        os.close(witness)
        os.close(os.open(f"{self.witness}.{self.kind}.{self.number}", os.O_WRONLY | os.O_CREAT))


def main() -> None:
    """Run the hundred or the thirty."""
    kind, witness, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    numbers = range(100) if kind == "many" else [29]
    logging.disable(logging.CRITICAL)
    tasks = [Note(kind=kind, number=number, witness=witness) for number in numbers]
    # Two workers or more make Luigi fork a process per task, as Gale does.
    if not luigi.build(tasks, workers=workers, local_scheduler=True, no_lock=True):
        raise SystemExit("Luigi did not succeed.")


if __name__ == "__main__":
    main()
