"""Which commands there are and where each is found. Read before anything else is loaded."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is (`module:attribute`), and its line in the help."""

    where: str
    about: str = ""


COMMANDS: Final = {
    "backfill": Entry("gale.cli.backfill:backfill", "Make up for runs of the past."),
    "config": Entry("gale.cli.config:config", "Show and check the settings."),
    "connections": Entry("gale.cli.connections:connections", "Manage how tasks reach other systems."),
    "dags": Entry("gale.cli.dags:dags", "List, trigger, pause, test and show DAGs."),
    "db": Entry("gale.cli.db:db", "Make, renew, check and reset the database."),
    "doctor": Entry("gale.cli.doctor:doctor", "Check what Gale stands on, and say what to do."),
    "info": Entry("gale.cli.info:info", "Show what Gale runs on."),
    "jobs": Entry("gale.cli.jobs:jobs", "Check the long-lived processes."),
    "pools": Entry("gale.cli.pools:pools", "Manage pools of slots that tasks share."),
    "rotate-fernet-key": Entry("gale.cli.db:rotate_fernet_key", "Encrypt all secrets anew with the newest key."),
    "runs": Entry("gale.cli.runs:runs", "List, show, watch, clear, mark and delete runs."),
    "standalone": Entry("gale.cli.standalone:standalone", "Start everything on this machine."),
    "tasks": Entry("gale.cli.tasks:tasks", "List, test, render, clear and run tasks."),
    "users": Entry("gale.cli.users:users", "Manage who may log in."),
    "variables": Entry("gale.cli.variables:variables", "Manage named values for tasks."),
    "version": Entry("gale.cli.info:version", "Print the version."),
    "why": Entry("gale.cli.why:why", "Say why a DAG, run or task is not running."),
}

#: The names of Airflow 1.x, and of commands that later releases dropped: hidden but working.
FLAT: Final = {
    "initdb": Entry("gale.cli.db:migrate"),
    "upgradedb": Entry("gale.cli.db:migrate"),
    "resetdb": Entry("gale.cli.db:reset"),
    "checkdb": Entry("gale.cli.db:check"),
    "list_dags": Entry("gale.cli.dags:list_dags"),
    "list_dag_runs": Entry("gale.cli.dag_runs:list_runs"),
    "list_tasks": Entry("gale.cli.tasks:list_tasks"),
    "trigger_dag": Entry("gale.cli.dags:trigger"),
    "delete_dag": Entry("gale.cli.dags:delete"),
    "show_dag": Entry("gale.cli.dag_pictures:show"),
    "dag_state": Entry("gale.cli.dag_runs:state"),
    "next_execution": Entry("gale.cli.dag_runs:next_execution"),
    "pause": Entry("gale.cli.dags:pause"),
    "unpause": Entry("gale.cli.dags:unpause"),
    "test": Entry("gale.cli.task_tests:test"),
    "run": Entry("gale.cli.task_runs:run"),
    "render": Entry("gale.cli.task_tests:render"),
    "clear": Entry("gale.cli.task_runs:clear"),
    "task_state": Entry("gale.cli.tasks:state"),
    "task_failed_deps": Entry("gale.cli.tasks:failed_deps"),
    "pool": Entry("gale.cli.flat:pool"),
    "create_user": Entry("gale.cli.users:create"),
    "delete_user": Entry("gale.cli.users:delete"),
    "list_users": Entry("gale.cli.users:list_users"),
    "rotate_fernet_key": Entry("gale.cli.db:rotate_fernet_key"),
    "api-server": Entry("gale.cli.flat:api_server"),
    "dag-processor": Entry("gale.cli.flat:dag_processor"),
    "triggerer": Entry("gale.cli.flat:triggerer"),
    "worker": Entry("gale.cli.flat:worker"),
    "celery": Entry("gale.cli.celery:celery"),
    "flower": Entry("gale.cli.flat:flower"),
    "serve_logs": Entry("gale.cli.flat:serve_logs"),
    "kerberos": Entry("gale.cli.flat:kerberos"),
    "sync_perm": Entry("gale.cli.flat:sync_perm"),
    "shell": Entry("gale.cli.flat:shell"),
    "upgrade_check": Entry("gale.cli.config:lint"),
}
