"""BashSensor: wait until a shell command succeeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gale.authoring import surroundings
from gale.authoring.context import environment_of
from gale.authoring.exceptions import TaskError
from gale.hooks.shell import Shell, describe_exit
from gale.sensors.base import BaseSensorOperator


class BashSensor(BaseSensorOperator):
    """Wait until a command ends with exit code 0.

    Args:
        bash_command: The command, templated.
        env: All its variables, templated; default: those of the task.
        output_encoding: How its output is decoded.
        retry_exit_code: The one code that means "not yet"; any other but 0 fails. Default: every code does.
        options: See `BaseSensorOperator`.
    """

    template_fields: Sequence[str] = ("bash_command", "env")
    template_ext: Sequence[str] = (".sh", ".bash")

    def __init__(
        self,
        *,
        bash_command: str,
        env: dict[str, str] | None = None,
        output_encoding: str = "utf-8",
        retry_exit_code: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.bash_command = bash_command
        self.env = env
        self.output_encoding = output_encoding
        self.retry_exit_code = retry_exit_code
        self._shell = Shell()

    def poke(self, context: Mapping[str, Any]) -> bool:
        """Return whether the command succeeded.

        Raises:
            TaskError: It ended with a code that means neither yes nor not yet.
        """
        environment = {**(self.env or surroundings.current().environ), **environment_of(context)}
        result = self._shell.run(self.bash_command, environment=environment, encoding=self.output_encoding)
        ending = describe_exit(result.exit_code)
        self.log.info("The command ended with %s", ending)
        if result.exit_code and self.retry_exit_code is not None and result.exit_code != self.retry_exit_code:
            raise TaskError(f"The command ended with {ending}, neither 0 nor the code for 'not yet'.")
        return result.exit_code == 0

    def on_kill(self) -> None:
        """Stop the command."""
        self._shell.stop()
