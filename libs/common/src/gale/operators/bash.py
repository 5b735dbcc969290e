"""BashOperator: a shell command as a task."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, Unpack

from gale.authoring import masking, surroundings
from gale.authoring.arguments import TaskArguments
from gale.authoring.context import environment_of
from gale.authoring.exceptions import TaskError, TaskSkipped
from gale.authoring.operator import BaseOperator
from gale.hooks.shell import Shell, describe_exit


def _as_is(line: str) -> Any:
    return line


class BashOperator(BaseOperator):
    r"""Run a command with bash. Its last line of output becomes the task's result.

    A text that ends in `.sh` or `.bash` names a template file; end it with a space to run a script as it is.

    Args:
        bash_command: The command, templated.
        env: Variables of the command, templated; without `append_env` it gets only these.
        append_env: Whether `env` is added to the variables that the task process has.
        output_encoding: How its output is decoded.
        skip_on_exit_code: Exit codes that mean "skipped".
        cwd: Folder to run in, templated; default: a temporary one.
        output_processor: Makes the result out of the last line.
        options: See `TaskArguments`.
    """

    template_fields: Sequence[str] = ("bash_command", "env", "cwd")
    template_ext: Sequence[str] = (".sh", ".bash")
    template_fields_renderers = {"bash_command": "bash", "env": "json"}  # noqa: RUF012  typed in BaseOperator
    ui_color = "#f0ede4"

    def __init__(
        self,
        *,
        bash_command: str,
        env: dict[str, str] | None = None,
        append_env: bool = False,
        output_encoding: str = "utf-8",
        skip_on_exit_code: int | Container[int] | None = 99,
        cwd: str | None = None,
        output_processor: Callable[[str], Any] = _as_is,
        **options: Unpack[TaskArguments],
    ) -> None:
        super().__init__(**options)
        self.bash_command = bash_command
        self.env = env
        self.append_env = append_env
        self.output_encoding = output_encoding
        self.skip_on_exit_code = skip_on_exit_code
        self.cwd = cwd
        self.output_processor = output_processor
        self._shell = Shell()

    def environment(self, context: Mapping[str, Any]) -> dict[str, str]:
        """Return the variables that the command gets."""
        base = dict(surroundings.current().environ) if self.env is None or self.append_env else {}
        given = {name: str(value) for name, value in (self.env or {}).items()}
        return {**base, **environment_of(context), **given}

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Run the command and return its last line.

        Raises:
            TaskSkipped: It ended with a code that means so.
            TaskError: It ended with another code than 0, or by a signal.
        """
        if not isinstance(self.bash_command, str):
            raise TaskError(f"bash_command is {self.bash_command!r}, a {type(self.bash_command).__name__}. Give text.")
        self.log.info("Running command: %s", masking.mask(self.bash_command))
        result = self._shell.run(
            self.bash_command,
            environment=self.environment(context),
            encoding=self.output_encoding,
            cwd=self.cwd,
        )
        ending = describe_exit(result.exit_code)
        self.log.info("The command ended with %s", ending)
        if self._means_skip(result.exit_code):
            raise TaskSkipped(f"The command ended with {ending}, which means: skip.")
        if result.exit_code:
            raise TaskError(f"The command ended with {ending}. Its output stands above in the log.")
        return self.output_processor(result.last_line)

    def _means_skip(self, exit_code: int) -> bool:
        codes = self.skip_on_exit_code
        if codes is None:
            return False
        return exit_code == codes if isinstance(codes, int) else exit_code in codes

    def on_kill(self) -> None:
        """Stop the command."""
        self._shell.stop()
