"""Airflow's names over Gale: `from airflow import DAG` and the import paths of 1.x, 2.x and 3.x.

Nothing is done here but to look names up. `_names` is the table of paths and names, `_finder`
makes modules out of it when they are imported, the other files with a leading underscore
adapt what has another form in Gale. Nothing of Gale's own imports from this package.
"""

from airflow._finder import install, look_up

#: The version of Airflow whose names are the newest ones here.
__version__ = "3.3.2"

install()


def __getattr__(name: str) -> object:
    return look_up("airflow", name)
