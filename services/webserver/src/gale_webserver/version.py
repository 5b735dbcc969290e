"""Which Gale this is."""

import functools
import importlib.metadata


@functools.cache
def version() -> str:
    """Return the version of the installed distribution."""
    return importlib.metadata.version("gale-common")
