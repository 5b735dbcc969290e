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


class PatientCelery(Celery):  # type: ignore[misc]  # Celery has no types
    """Waits for the broker where waiting is right: in the thread that listens to events, and nowhere else.

    That thread asks for a connection by `connection`; pages ask the pool, and give up after the few tries of
    `broker_transport_options`. If the thread gave up as well, Flower would double its pause for ever, and come
    back hours after the broker.
    """

    def connection(self, *args: Any, **options: Any) -> Any:
        """Return a connection that is tried until it is there."""
        for_ever = {"max_retries": None, "connect_retries_timeout": None}
        told = {**self.conf.broker_transport_options, **for_ever, **(options.pop("transport_options", None) or {})}
        return super().connection(*args, transport_options=told, **options)


def main() -> None:
    """Run Flower until its parent ends or stops it."""
    order: dict[str, Any] = json.loads(environment(VARIABLE))
    die_with_parent(order["parent"])
    app = PatientCelery("gale", set_as_current=True)
    app.conf.update(order["celery"])
    # Flower takes its other options from FLOWER_… variables.
    app.start(["flower", "--logging=warning"])


if __name__ == "__main__":
    main()
