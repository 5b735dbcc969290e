"""The one table that says which permission each route needs. A route that is not here is closed.

Keys are the routes' endpoints: group, dot, name of the function.
"""

from collections.abc import Mapping
from typing import Final

from gale_webserver.auth.roles import Permission as P

PERMISSION_OF: Final[Mapping[str, P]] = {
    # What must be reachable before a login.
    "pages.page": P.PUBLIC,
    "pages.start": P.PUBLIC,
    "pages.asset": P.PUBLIC,
    "auth.login": P.PUBLIC,
    "auth.create_token": P.PUBLIC,
    "auth.create_cli_token": P.PUBLIC,
    "auth.login_redirect": P.PUBLIC,
    "auth.logout_redirect": P.PUBLIC,
    # Every login.
    "auth.logout": P.SIGNED_IN,
    "auth.me": P.SIGNED_IN,
    "auth.revoke_token": P.SIGNED_IN,
    # The page.
    "ui_dags.list_dags": P.DAGS_READ,
    "ui_dags.get_dag": P.DAGS_READ,
    "ui_grid.grid": P.TASKS_READ,
    "ui_grid.structure": P.DAGS_READ,
    "ui_logs.read_log": P.LOGS_READ,
    "ui_why.why": P.TASKS_READ,
    # DAGs.
    "dags.list_dags": P.DAGS_READ,
    "dags.patch_dags": P.DAGS_EDIT,
    "dags.get_dag": P.DAGS_READ,
    "dags.patch_dag": P.DAGS_EDIT,
    "dags.delete_dag": P.DAGS_DELETE,
    "dags.get_dag_details": P.DAGS_READ,
    "dags.list_versions": P.DAGS_READ,
    "dags.get_version": P.DAGS_READ,
    "dags.get_source": P.CODE_READ,
    "dags.get_stats": P.RUNS_READ,
    "dags.list_tags": P.DAGS_READ,
    "dags.list_warnings": P.DAGS_READ,
    "dags.list_import_errors": P.IMPORT_ERRORS_READ,
    "dags.get_import_error": P.IMPORT_ERRORS_READ,
    # Runs.
    "runs.list_runs": P.RUNS_READ,
    "runs.list_runs_by_body": P.RUNS_READ,
    "runs.trigger": P.RUNS_TRIGGER,
    "runs.get_run": P.RUNS_READ,
    "runs.patch_run": P.RUNS_EDIT,
    "runs.delete_run": P.RUNS_DELETE,
    "runs.clear_run": P.RUNS_EDIT,
    "runs.wait_for_run": P.RUNS_READ,
}
