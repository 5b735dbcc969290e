"""Older and newer names of settings, as the releases of Airflow had them.

Whoever brings an `airflow.cfg` or environment variables of Airflow 1.8 to 3.3 finds them
working; `gale config lint` lists the names that it would write differently today.
"""

from collections.abc import Mapping
from typing import Final

Name = tuple[str, str]

#: Name in some release of Airflow to the name here.
RENAMED: Final[Mapping[Name, Name]] = {
    # 1.x kept the database and the logs in [core].
    ("core", "sql_alchemy_conn"): ("database", "sql_alchemy_conn"),
    ("core", "sql_alchemy_pool_size"): ("database", "sql_alchemy_pool_size"),
    ("core", "base_log_folder"): ("logging", "base_log_folder"),
    ("core", "logging_level"): ("logging", "logging_level"),
    ("core", "dag_concurrency"): ("core", "max_active_tasks_per_dag"),
    ("core", "non_pooled_task_slot_count"): ("core", "default_pool_task_slot_count"),
    ("admin", "hide_sensitive_variable_fields"): ("core", "hide_sensitive_var_conn_fields"),
    ("admin", "sensitive_variable_fields"): ("core", "sensitive_var_conn_names"),
    ("scheduler", "max_threads"): ("scheduler", "parsing_processes"),
    ("dag_processor", "parsing_processes"): ("scheduler", "parsing_processes"),
    ("dag_processor", "min_file_process_interval"): ("scheduler", "min_file_process_interval"),
    ("celery", "celery_result_backend"): ("celery", "result_backend"),
    ("celery", "celeryd_concurrency"): ("celery", "worker_concurrency"),
    ("celery", "default_queue"): ("operators", "default_queue"),
    ("celery", "worker_log_server_port"): ("logging", "worker_log_server_port"),
    ("core", "remote_logging"): ("logging", "remote_logging"),
    ("core", "remote_base_log_folder"): ("logging", "remote_base_log_folder"),
    # 3.x calls the web server [api].
    ("api", "host"): ("webserver", "web_server_host"),
    ("api", "port"): ("webserver", "web_server_port"),
    ("api", "base_url"): ("webserver", "base_url"),
    ("api", "secret_key"): ("webserver", "secret_key"),
    ("api", "workers"): ("webserver", "workers"),
    ("api", "worker_timeout"): ("webserver", "web_server_worker_timeout"),
    ("api", "ssl_cert"): ("webserver", "web_server_ssl_cert"),
    ("api", "ssl_key"): ("webserver", "web_server_ssl_key"),
    ("api", "expose_config"): ("webserver", "expose_config"),
    ("api", "expose_stacktrace"): ("webserver", "expose_stacktrace"),
    ("api", "instance_name"): ("webserver", "instance_name"),
    ("webserver", "session_lifetime_days"): ("webserver", "session_lifetime_minutes"),
}

#: Renamed settings whose unit changed too: the factor from the old number to ours.
FACTORS: Final[Mapping[Name, float]] = {("webserver", "session_lifetime_days"): 24 * 60}
