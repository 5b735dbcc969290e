"""The command `gale`, as far as it must be loaded to answer the shortest question."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None, program: str = "gale") -> None:
    """Run the command line and end the process with the right exit code.

    Args:
        arguments: Default: those of the process.
        program: How the program calls itself in messages: `gale` or `airflow`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["version"], ["--version"]):
        # What scripts ask most often is answered before click is loaded.
        from importlib.metadata import version

        sys.stdout.write(f"{version('gale-common')}\n")
        sys.exit(0)
    from gale.cli.root import run

    sys.exit(run(given, program))


if __name__ == "__main__":
    main()
