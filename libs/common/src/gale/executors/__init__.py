"""Where attempts are run. All executors have the one port `gale.core.ports.Executor`."""

from gale.core.ports import Executor
from gale.errors import ConfigError
from gale.executors.local import LocalExecutor
from gale.executors.sequential import SequentialExecutor
from gale.runtime.supervisor import Supervisor


def make_executor(name: str, supervisor: Supervisor, *, parallelism: int) -> Executor:
    """Return the executor that `[core] executor` names; a path such as Airflow's in front is allowed.

    Raises:
        ConfigError: There is none of that name, or it is not installed.
    """
    match name.rsplit(".", 1)[-1]:
        case "SequentialExecutor":
            return SequentialExecutor(supervisor)
        case "LocalExecutor":
            return LocalExecutor(supervisor, parallelism=parallelism)
        case "CeleryExecutor":
            raise ConfigError(
                "[core] executor is CeleryExecutor, which is not installed. Run `pip install gale[celery]`, "
                "or choose LocalExecutor to run tasks on this machine."
            )
        case _:
            raise ConfigError(
                f"[core] executor is {name!r}, which is unknown. "
                "Choose SequentialExecutor, LocalExecutor or CeleryExecutor."
            )
