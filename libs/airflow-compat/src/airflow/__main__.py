"""The command `airflow`: Gale's own under the other name."""

from gale.cli.main import main as gale_main


def main() -> None:
    """Run the command line as `airflow`."""
    gale_main(program="airflow")


if __name__ == "__main__":
    main()
