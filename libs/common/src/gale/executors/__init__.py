"""Where attempts are run. All executors have the one port `gale.core.ports.Executor`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from gale.core.ports import Executor
from gale.errors import ConfigError
from gale.executors.local import LocalExecutor
from gale.executors.sequential import SequentialExecutor
from gale.runtime.supervisor import Supervisor
from gale.settings import Settings

if TYPE_CHECKING:
    from gale.executors.celery import CeleryExecutor


def make_executor(name: str, supervisor: Supervisor, *, parallelism: int) -> Executor:
    """Return the executor of this machine that `[core] executor` names; a path such as Airflow's is allowed.

    Raises:
        ConfigError: There is none of that name on one machine.
    """
    match name.rsplit(".", 1)[-1]:
        case "SequentialExecutor":
            return SequentialExecutor(supervisor)
        case "LocalExecutor":
            return LocalExecutor(supervisor, parallelism=parallelism)
        case "CeleryExecutor":
            raise ConfigError(
                "[core] executor is CeleryExecutor, which has its tasks run by workers, not by this process. "
                "Start `gale scheduler` and `gale worker`, or choose LocalExecutor to run tasks on this machine."
            )
        case _:
            raise ConfigError(
                f"[core] executor is {name!r}, which is unknown. "
                "Choose SequentialExecutor, LocalExecutor or CeleryExecutor."
            )


def make_celery_executor(
    settings: Settings, supervisor: Supervisor, *, occupied: Callable[[], int]
) -> "CeleryExecutor":
    """Return the executor of a cluster, connected to the broker in the background.

    Args:
        settings: Name the broker and the limits.
        supervisor: Runs callbacks, which are run on the scheduler's machine.
        occupied: How many attempts are queued or running, as the scheduler's rows say.

    Raises:
        ConfigError: Celery is not installed, or the broker's settings are missing or unusable.
    """
    try:
        # Celery and kombu take a fifth of a second and 18 MB: who has no broker must not pay for them.
        from gale.executors.celery import make  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"[core] executor is CeleryExecutor, but {error.name} is not installed. Run `pip install 'gale[celery]'`, "
            "or choose LocalExecutor to run tasks on this machine."
        ) from None
    return make(settings, supervisor, occupied=occupied)
