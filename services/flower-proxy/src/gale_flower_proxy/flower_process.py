"""The process that is Flower: started by `gale_flower_proxy.child`, ends with it.

Everything secret (the broker's address, the password of this one Flower) comes through the environment,
which only this user can read; arguments of processes are readable by everybody on the machine.
"""

import json
from typing import Any, Final

from celery import Celery

from gale.runtime.processes import die_with_parent
from gale.settings import environment

#: JSON: `parent` (a process id) and `celery` (settings of the Celery application).
VARIABLE: Final = "GALE_FLOWER_PROCESS"


def main() -> None:
    """Run Flower until its parent ends or stops it."""
    order: dict[str, Any] = json.loads(environment(VARIABLE))
    die_with_parent(order["parent"])
    app = Celery("gale", set_as_current=True)
    app.conf.update(order["celery"])
    # Flower takes its other options from FLOWER_… variables.
    app.start(["flower", "--logging=warning"])


if __name__ == "__main__":
    main()
