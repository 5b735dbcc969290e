"""What a task may find in its environment: everything the service had, but no credential of Gale's.

Pure: mapping in, mapping out.
"""

import re
from collections.abc import Mapping
from typing import Final

from gale.runtime.processes import MARKER, padded

#: Sections that hold addresses with passwords, and options of other sections that are secrets.
_SECRET: Final = re.compile(
    r"""(?:GALE|AIRFLOW)__(?:
          DATABASE__ | CELERY.*__ | API_AUTH__
        | [A-Z_]+__(?:SQL_ALCHEMY_CONN|BROKER_URL|RESULT_BACKEND|FERNET_KEY|SECRET_KEY|JWT_SECRET|SMTP_PASSWORD)
       ).*
       | GALE_ADMIN_PASSWORD | CELERY_BROKER_URL | CELERY_RESULT_BACKEND
    """,
    re.VERBOSE,
)


def without_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what opens Gale's database, broker, key box or web tier."""
    return {name: value for name, value in environment.items() if not _SECRET.fullmatch(name)}


def zygote_environment(environment: Mapping[str, str], household: str) -> dict[str, str]:
    """Return the environment in which a zygote is started.

    Args:
        environment: The service's.
        household: The marker of the zygote and of all that belongs to it, but for its attempts.
    """
    return {
        **without_credentials(environment),
        MARKER: padded(household),
        # Symbols are looked up once, before the forks, instead of in each task process.
        "LD_BIND_NOW": "1",
    }
