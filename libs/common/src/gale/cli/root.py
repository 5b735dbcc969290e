"""Finds the command that is meant, and tells errors in one sentence.

Nothing is imported here that the shortest command does not need. Each command stands in a table
with its module; the module is loaded when the command is run or its own help is asked for.
"""

import sys
from difflib import get_close_matches
from importlib import import_module

import click

from gale.cli.names import COMMANDS, FLAT, Entry
from gale.errors import GaleError
from gale.settings import environment

#: What sysexits.h calls an internal error, and what a shell reports after Ctrl-C.
EXIT_CRASHED = 70
EXIT_INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group whose commands are loaded when they are needed.

    Args:
        entries: Name of a command to where it is.
        hidden: Names that work but that the help does not show.
        plugins: Group of entry points that may add commands.
    """

    def __init__(
        self,
        *args: object,
        entries: dict[str, Entry] | None = None,
        hidden: dict[str, Entry] | None = None,
        plugins: str = "",
        **kwargs: object,
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._entries = entries or {}
        self._hidden = hidden or {}
        self._plugins = plugins

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names that the help shows."""
        return sorted({*self._entries, *self._services(), *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command by its name; dashes and underscores are the same."""
        if own := super().get_command(ctx, cmd_name):
            return own
        for table in (self._entries, self._hidden):
            for name in (cmd_name, cmd_name.replace("_", "-"), cmd_name.replace("-", "_")):
                if name in table:
                    return _load(table[name].where)
        return _load(where) if (where := self._services().get(cmd_name)) else None

    def _services(self) -> dict[str, str]:
        """Return the commands that installed services add. Looking for them takes as long as a short command."""
        if not self._plugins:
            return {}
        from importlib.metadata import entry_points

        return {point.name: point.value for point in entry_points(group=self._plugins)}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading any that has a word of help in the table."""
        rows = []
        for name in self.list_commands(ctx):
            entry = self._entries.get(name)
            if entry is not None:
                rows.append((name, entry.about))
            elif command := self.get_command(ctx, name):
                rows.append((name, command.get_short_help_str(limit=90)))
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a misspelt one is answered with the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], [*self.list_commands(ctx), *self._hidden], n=1, cutoff=0.6)
            hint = f" Did you mean {near[0]!r}?" if near else f" See `{ctx.command_path} --help`."
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx) from error


def _load(where: str) -> click.Command:
    module, _, name = where.partition(":")
    command: click.Command = getattr(import_module(module), name)
    return command


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    hidden=FLAT,
    plugins="gale.commands",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="The flat names of Airflow 1.x (initdb, test, trigger_dag, …) work too.",
)
@click.version_option(package_name="gale-common", prog_name="gale", message="%(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error (also GALE_DEBUG=1).")
def root(*, debug: bool) -> None:
    """Run workflows written as Python DAGs."""
    del debug  # `run` looks for it in the arguments: an error may come before they are parsed


def run(arguments: list[str], program: str) -> int:
    """Run one command and return its exit code: the only place where the command line catches everything."""
    debug = "--debug" in arguments or environment("GALE_DEBUG") not in {"", "0"}
    try:
        result = root.main(args=arguments, prog_name=program, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; Python must not complain at its end either.
        sys.stderr.close()
        return 0
    except GaleError as error:
        if debug:
            raise
        click.echo(f"{program}: {error}", err=True)
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        click.echo(
            f"{program}: an error that it should have foreseen: {type(error).__name__}: {error}. "
            "Run it again with --debug in front and report what it shows.",
            err=True,
        )
        return EXIT_CRASHED
    return result if isinstance(result, int) else 0
