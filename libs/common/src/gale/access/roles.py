"""Roles, and what each may do.

The roles are Airflow's: a Viewer looks, a User also runs things, an Op also looks after
connections, variables and pools, an Admin may do everything. Each includes the one before.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Permission(StrEnum):
    """One thing that a route lets people do."""

    #: Needs no login. Only what a person must reach before one: login page, its assets, health.
    PUBLIC = "public"
    #: Needs a login of whatever role.
    SIGNED_IN = "signed_in"
    DAGS_READ = "dags.read"
    DAGS_EDIT = "dags.edit"
    DAGS_DELETE = "dags.delete"
    #: See every DAG even if `filter_by_owner` is on.
    ALL_DAGS = "dags.all"
    RUNS_READ = "runs.read"
    RUNS_TRIGGER = "runs.trigger"
    RUNS_EDIT = "runs.edit"
    RUNS_DELETE = "runs.delete"
    TASKS_READ = "tasks.read"
    TASKS_EDIT = "tasks.edit"
    LOGS_READ = "logs.read"
    CODE_READ = "code.read"
    XCOMS_READ = "xcoms.read"
    XCOMS_EDIT = "xcoms.edit"
    IMPORT_ERRORS_READ = "import_errors.read"
    POOLS_READ = "pools.read"
    POOLS_EDIT = "pools.edit"
    JOBS_READ = "jobs.read"
    VARIABLES_READ = "variables.read"
    VARIABLES_EDIT = "variables.edit"
    CONNECTIONS_READ = "connections.read"
    CONNECTIONS_EDIT = "connections.edit"
    CONFIG_READ = "config.read"
    AUDIT_READ = "audit.read"
    #: See Flower's pages.
    FLOWER_READ = "flower.read"
    #: Revoke tasks, resize and stop workers with Flower.
    FLOWER_EDIT = "flower.edit"
    USERS_READ = "users.read"
    USERS_EDIT = "users.edit"


P = Permission

_VIEWER: Final = frozenset(
    {
        P.PUBLIC,
        P.SIGNED_IN,
        P.DAGS_READ,
        P.RUNS_READ,
        P.TASKS_READ,
        P.LOGS_READ,
        P.CODE_READ,
        P.XCOMS_READ,
        P.IMPORT_ERRORS_READ,
        P.POOLS_READ,
        P.JOBS_READ,
        P.FLOWER_READ,
    }
)
_USER: Final = _VIEWER | {P.DAGS_EDIT, P.DAGS_DELETE, P.RUNS_TRIGGER, P.RUNS_EDIT, P.RUNS_DELETE, P.TASKS_EDIT}
_OP: Final = _USER | {
    P.XCOMS_EDIT,
    P.POOLS_EDIT,
    P.VARIABLES_READ,
    P.VARIABLES_EDIT,
    P.CONNECTIONS_READ,
    P.CONNECTIONS_EDIT,
    P.CONFIG_READ,
    P.AUDIT_READ,
    P.FLOWER_EDIT,
}

ROLES: Final[Mapping[str, frozenset[Permission]]] = {
    "Viewer": _VIEWER,
    "User": _USER,
    "Op": _OP,
    "Admin": frozenset(Permission),
}


def permissions_of(role: str) -> frozenset[Permission]:
    """Return what a role may do; nothing if there is no such role."""
    return ROLES.get(role, frozenset())
